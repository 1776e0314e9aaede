//! Looking at recordings, and the record of every look. The recordings themselves are kept by whoever
//! implements [`Archive`].

mod compare;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::approval::Approval;
use countersign_common::id::{ApprovalId, AttemptId, CommandId, NodeId, SessionId, Subject};
use countersign_common::time::Clock;
use countersign_common::{Principal, Timestamp};
use countersign_recording::{LogHead, Recorded, Verdict};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use self::compare::{Known, KnownApproval, unknown_to_store, unrecorded};
use crate::Also;
use crate::approvals::{APPROVALS, Snapshot, Stored};
use crate::history::{History, HistoryError};
use crate::journal::{Anchor, Checkpoints, Silent};
use crate::register::Register;
use crate::sessions::SESSIONS;
use crate::store::{Outcome, Store, StoreError, Transaction, range_all};

/// Where events stand: `/cs/audit/<time>-<random>`, so that they are in the order they happened.
pub(crate) const AUDIT: &str = "/cs/audit/";

/// A recorded session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The session.
    pub session: SessionId,
    /// Who.
    pub principal: Principal,
    /// When its first record was written.
    pub started_at: Timestamp,
    /// How many records it has.
    pub records: u64,
    /// Whether records are still being written.
    pub open: bool,
}

/// What an archive says about the integrity of recordings.
#[derive(Debug, Clone)]
pub struct Verification {
    /// How many records were looked at.
    pub records: u64,
    /// What it proves.
    pub verdict: Verdict,
    /// What is wrong and where, in words; empty: nothing is.
    pub faults: Vec<String>,
    /// How far each log came, and who says so.
    pub logs: Vec<LogHead>,
    /// What else is to be known: losses that were accepted, parts that were not seen.
    pub notes: Vec<String>,
    /// The approvals and sessions that the records name.
    pub recorded: Recorded,
}

/// What became of the wish that all who record bring what they have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gathered {
    /// The nodes that have not.
    pub silent: Vec<Silent>,
    /// Nobody could be asked: all others count as silent.
    pub failed: bool,
}

impl Gathered {
    /// Who has not, by name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self.failed {
            true => vec!["all others".into()],
            false => self.silent.iter().map(|silent| silent.name.clone()).collect(),
        }
    }
}

/// One judged command, in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSummary {
    /// Its id.
    pub id: CommandId,
    /// When it began.
    pub began_at: Timestamp,
    /// Its text as people read it, or its first 4 KiB.
    pub text: String,
    /// How many bytes the text has.
    pub text_bytes: u64,
    /// The verdict: `allow`, `block`, `hold`.
    pub verdict: String,
    /// How it ended, in a word; `None`: it goes on.
    pub outcome: Option<String>,
    /// The request that it waited for.
    pub approval: Option<ApprovalId>,
}

/// Why an archive could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ArchiveError {
    /// There is no recording of this session.
    #[error("there is no recording of session {0}")]
    NotFound(SessionId),
    /// It could not be read.
    #[error("the recordings cannot be read: {0}")]
    Unreadable(String),
    /// What follows does not fit what came before, or what was signed.
    #[error("the recording is not sound: {0}")]
    Unsound(String),
}

/// The records of a session, one JSON line each, in order.
pub type Records = BoxStream<'static, Result<String, ArchiveError>>;

/// Where recordings are kept.
#[async_trait]
pub trait Archive: Send + Sync + std::fmt::Debug {
    /// Has all who record bring what they have to where it is read; says who has not.
    async fn gather(&self) -> Gathered {
        Gathered::default()
    }

    /// At most `limit` recordings, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn recordings(&self, limit: usize) -> Result<Vec<Recording>, ArchiveError>;

    /// The records of a session, up to the first that does not fit: there, or at the end when something else is wrong with
    /// them, comes [`ArchiveError::Unsound`].
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    async fn records(&self, session: SessionId, anchors: &[Anchor]) -> Result<Records, ArchiveError>;

    /// At most `limit` commands of a session, newest first.
    ///
    /// # Errors
    /// When there is no recording of it, or it cannot be read.
    async fn commands(&self, session: SessionId, limit: usize) -> Result<Vec<CommandSummary>, ArchiveError>;

    /// Checks the chains of one session, or of everything, against the checkpoints that are kept elsewhere.
    ///
    /// # Errors
    /// When they cannot be read; that they are broken is no error but the answer.
    async fn verify(
        &self,
        session: Option<SessionId>,
        anchors: &[Anchor],
    ) -> Result<Verification, ArchiveError>;
}

/// What somebody did who looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Subject,
    /// What they did.
    pub action: Looked,
    /// Which session they looked at; `None`: at all.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// What else it was about: a gateway, a join token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Why, where somebody has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

impl AuditEvent {
    /// Somebody looked at recordings.
    fn of_look(at: Timestamp, by: &Subject, action: Looked, session: Option<SessionId>) -> Self {
        Self { at, by: by.clone(), action, session, about: None, reason: None, also: Also::default() }
    }

    /// An operator did something to the fleet.
    pub(crate) fn of_operator(
        at: Timestamp,
        by: &Subject,
        action: Looked,
        about: String,
        reason: &str,
    ) -> Self {
        let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        Self { at, by: by.clone(), action, session: None, about: Some(about), reason, also: Also::default() }
    }
}

impl AuditEvent {
    /// A gateway stated something about a command of this session that is not so.
    pub(crate) fn of_gateway(
        at: Timestamp,
        by: &Subject,
        session: SessionId,
        gateway: &str,
        reason: String,
    ) -> Self {
        Self {
            at,
            by: by.clone(),
            action: Looked::GatewayDiffers,
            session: Some(session),
            about: Some(format!("gateway {gateway}")),
            reason: Some(reason),
            also: Also::default(),
        }
    }
}

/// A transaction that also notes who did it.
pub(crate) fn noting(transaction: Transaction, event: &AuditEvent) -> Transaction {
    let key = key_of(event.at);
    transaction.if_absent(&key).put_own(&key, crate::encode(event))
}

fn key_of(at: Timestamp) -> String {
    format!("{AUDIT}{:020}-{}", at.as_micros(), AttemptId::generate())
}

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Looked {
    /// Listed recordings.
    Listed,
    /// Read a recording.
    Read,
    /// Verified recordings.
    Verified,
    /// Shut a gateway out of the fleet.
    RevokedGateway,
    /// Took a join token back.
    RevokedJoinToken,
    /// Accepted that recordings are lost or were changed, so that a node goes on without them.
    AcceptedLoss,
    /// A gateway stated something about a held command that is not so.
    GatewayDiffers,
}

impl Looked {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Read => "read",
            Self::Verified => "verified",
            Self::RevokedGateway => "revoked_gateway",
            Self::RevokedJoinToken => "revoked_join_token",
            Self::AcceptedLoss => "accepted_loss",
            Self::GatewayDiffers => "gateway_differs",
        }
    }
}

/// Why a look was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The archive did not do its part.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The look could not be recorded, so nothing is shown.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What has ended could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Looking at recordings.
#[derive(Debug)]
pub struct Audit {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    archive: Arc<dyn Archive>,
    checkpoints: Arc<Checkpoints>,
    register: Arc<Register>,
    /// Turns of those who read recordings to see what came before a request.
    readers: Semaphore,
}

/// How many of a session's last commands are looked through, and how many people may look at once: unlike auditors they are
/// as many as requests.
const COMMANDS_READ: usize = 4096;
const READERS_AT_ONCE: usize = 2;

impl Audit {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        archive: Arc<dyn Archive>,
        checkpoints: Arc<Checkpoints>,
        register: Arc<Register>,
    ) -> Self {
        Self { store, clock, archive, checkpoints, register, readers: Semaphore::new(READERS_AT_ONCE) }
    }

    /// At most `limit` recordings, newest first. The look is recorded first.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recordings cannot be read.
    pub async fn list(&self, limit: usize, by: &Subject) -> Result<Vec<Recording>, AuditError> {
        self.record(by, Looked::Listed, None).await?;
        Ok(self.archive.recordings(limit).await?)
    }

    /// What is kept of the checkpoints outside of the recordings, before all who record have brought what they have; and who has
    /// not.
    async fn anchors(&self) -> Result<(Vec<Anchor>, Gathered), StoreError> {
        let mut anchors = self.checkpoints.anchors().await?;
        let gathered = self.archive.gather().await;
        let silent: BTreeSet<NodeId> = gathered.silent.iter().map(|silent| silent.node).collect();
        self.checkpoints.relax(&mut anchors, &silent, gathered.failed).await?;
        Ok((anchors, gathered))
    }

    /// The records of a session, up to the first that does not fit. The look is recorded first. Who has not brought what they
    /// recorded is said beside it.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recording cannot be read.
    pub async fn read(&self, session: SessionId, by: &Subject) -> Result<(Records, Gathered), AuditError> {
        self.record(by, Looked::Read, Some(session)).await?;
        let (anchors, gathered) = self.anchors().await?;
        Ok((self.archive.records(session, &anchors).await?, gathered))
    }

    /// At most `limit` commands of a session, newest first. The look is recorded first.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recording cannot be read.
    pub async fn commands(
        &self,
        session: SessionId,
        limit: usize,
        by: &Subject,
    ) -> Result<Vec<CommandSummary>, AuditError> {
        self.record(by, Looked::Read, Some(session)).await?;
        Ok(self.archive.commands(session, limit).await?)
    }

    /// At most `limit` commands that the session of an approval sent before it was asked, newest first. The look is recorded
    /// first. Recordings are read for a few at once; the others wait.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recording cannot be read.
    pub async fn commands_before(
        &self,
        approval: &Approval,
        limit: usize,
        by: &Subject,
    ) -> Result<Vec<CommandSummary>, AuditError> {
        self.record(by, Looked::Read, Some(approval.session)).await?;
        // The semaphore is never closed.
        let _turn = self.readers.acquire().await;
        let mut commands = self.archive.commands(approval.session, COMMANDS_READ).await?;
        let is_its_own = |command: &CommandSummary| command.approval == Some(approval.id);
        commands.retain(|command| command.began_at <= approval.created_at && !is_its_own(command));
        commands.truncate(limit);
        Ok(commands)
    }

    /// Checks one session, or everything: the chains, against the checkpoints that are kept outside of the recordings; and what
    /// the records name against the store and the history, in both directions. The look is recorded first. Who has not brought
    /// what they recorded is said beside it.
    ///
    /// # Errors
    /// When the look cannot be recorded, or something cannot be read.
    pub async fn verify(
        &self,
        session: Option<SessionId>,
        history: &History,
        by: &Subject,
    ) -> Result<(Verification, Gathered), AuditError> {
        self.record(by, Looked::Verified, session).await?;
        // What has ended before the recordings are read is in them.
        let before = self.known(session, history).await?;
        let (anchors, gathered) = self.anchors().await?;
        let mut found = self.archive.verify(session, &anchors).await?;
        // What is in the recordings that were read is known by now.
        let after = self.known(session, history).await?;
        let now = self.clock.now();
        let is_all_seen = found.logs.iter().all(|log| log.ahead.is_none());
        found.faults.extend(unknown_to_store(&found.recorded, &after, now));
        if is_all_seen {
            found.faults.extend(unrecorded(&found.recorded, &before));
        }
        if session.is_none() {
            let missing = self.register.missing(history, now).await?;
            found.faults.extend(missing.iter().map(ToString::to_string));
            found.faults.extend(history.verify().await?.faults);
        }
        for anchor in &anchors {
            found.notes.extend(anchor.lost.as_ref().map(|lost| lost.note(&anchor.line)));
        }
        if !found.faults.is_empty() {
            found.verdict = Verdict::Broken;
        }
        Ok((found, gathered))
    }

    /// The approvals and sessions that the store and the history have.
    async fn known(&self, session: Option<SessionId>, history: &History) -> Result<Known, AuditError> {
        let mut known = Known::default();
        let of_session = |snapshot: &Snapshot| session.is_none_or(|one| snapshot.approval.session == one);
        for entry in range_all(&*self.store, APPROVALS).await?.0 {
            let snapshot: Snapshot = crate::decode::<Stored>(&entry)?.into();
            if of_session(&snapshot) {
                known.approvals.insert(snapshot.approval.id, KnownApproval::from(&snapshot));
            }
        }
        for snapshot in history.approvals(usize::MAX, of_session).await? {
            known.approvals.insert(snapshot.approval.id, KnownApproval::from(&snapshot));
        }
        for entry in range_all(&*self.store, SESSIONS).await?.0 {
            known
                .sessions
                .extend(entry.key.rsplit_once('/').and_then(|(_, id)| id.parse::<SessionId>().ok()));
        }
        Ok(known)
    }

    /// The last `limit` looks, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn events(&self, limit: usize) -> Result<Vec<AuditEvent>, StoreError> {
        let (entries, _) = range_all(&*self.store, AUDIT).await?;
        entries.iter().rev().take(limit).map(crate::decode).collect()
    }

    /// Nothing is seen unrecorded: the event lasts before anything is shown.
    async fn record(
        &self,
        by: &Subject,
        action: Looked,
        session: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let event = AuditEvent::of_look(self.clock.now(), by, action, session);
        match self.store.transact(noting(Transaction::new(), &event)).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Conflict | Outcome::LeaseLost => Err(StoreError::BadValue {
                key: AUDIT.into(),
                detail: "something stands there already".into(),
            }),
        }
    }
}
