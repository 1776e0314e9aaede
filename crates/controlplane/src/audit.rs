//! Looking at recordings, and the record of every look. The recordings themselves are kept by whoever
//! implements [`Archive`].

use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::id::{CommandId, SessionId, Subject};
use countersign_common::time::Clock;
use countersign_common::{Principal, Timestamp};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::store::{Outcome, Store, StoreError, Transaction, range_all};

/// Where events stand: `/cs/audit/<time>-<random>`, so that they are in the order they happened.
const AUDIT: &str = "/cs/audit/";

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// How many records were looked at.
    pub records: u64,
    /// What is wrong and where, in words; empty: nothing is.
    pub faults: Vec<String>,
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
}

/// The records of a session, one JSON line each, in order.
pub type Records = BoxStream<'static, Result<String, ArchiveError>>;

/// Where recordings are kept.
#[async_trait]
pub trait Archive: Send + Sync + std::fmt::Debug {
    /// At most `limit` recordings, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn recordings(&self, limit: usize) -> Result<Vec<Recording>, ArchiveError>;

    /// The records of a session.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    async fn records(&self, session: SessionId) -> Result<Records, ArchiveError>;

    /// At most `limit` commands of a session, newest first.
    ///
    /// # Errors
    /// When there is no recording of it, or it cannot be read.
    async fn commands(&self, session: SessionId, limit: usize) -> Result<Vec<CommandSummary>, ArchiveError>;

    /// Checks the chains of one session, or of everything.
    ///
    /// # Errors
    /// When they cannot be read; that they are broken is no error but the answer.
    async fn verify(&self, session: Option<SessionId>) -> Result<Verification, ArchiveError>;
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
}

impl Looked {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Read => "read",
            Self::Verified => "verified",
        }
    }
}

/// Why a look was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The archive did not do its part.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The look could not be recorded, so nothing is shown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looking at recordings.
#[derive(Debug)]
pub struct Audit {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    archive: Arc<dyn Archive>,
}

impl Audit {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, archive: Arc<dyn Archive>) -> Self {
        Self { store, clock, archive }
    }

    /// At most `limit` recordings, newest first. The look is recorded first.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recordings cannot be read.
    pub async fn list(&self, limit: usize, by: &Subject) -> Result<Vec<Recording>, AuditError> {
        self.record(by, Looked::Listed, None).await?;
        Ok(self.archive.recordings(limit).await?)
    }

    /// The records of a session. The look is recorded first.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recording cannot be read.
    pub async fn read(&self, session: SessionId, by: &Subject) -> Result<Records, AuditError> {
        self.record(by, Looked::Read, Some(session)).await?;
        Ok(self.archive.records(session).await?)
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

    /// Checks the chains of one session, or of everything. The look is recorded first.
    ///
    /// # Errors
    /// When the look cannot be recorded or the recordings cannot be read.
    pub async fn verify(&self, session: Option<SessionId>, by: &Subject) -> Result<Verification, AuditError> {
        self.record(by, Looked::Verified, session).await?;
        Ok(self.archive.verify(session).await?)
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
        let at = self.clock.now();
        let key = format!("{AUDIT}{:020}-{}", at.as_micros(), countersign_common::id::AttemptId::generate());
        let event = AuditEvent { at, by: by.clone(), action, session };
        let write = Transaction::new().if_absent(&key).put_own(&key, crate::encode(&event));
        match self.store.transact(write).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Conflict | Outcome::LeaseLost => {
                Err(StoreError::BadValue { key, detail: "something stands there already".into() })
            }
        }
    }
}
