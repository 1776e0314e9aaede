//! The register: which approvals and sessions this node has seen in the store, kept in its data directory. Whoever deletes one of
//! them in the store is found out by the next list, and by verification.
//!
//! It decides nothing: what the store has counts. It is read at the start, and grows by a line for each approval and each session.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::id::{ApprovalId, GroupName, SessionId, Subject, TargetName};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::approvals::{APPROVALS, Stored};
use crate::history::{History, HistoryError};
use crate::sessions::{KEPT_AFTER_EXPIRY, SESSIONS, Session};
use crate::store::{Change, Entry, Store, StoreError, range_all};

/// The file.
const FILE: &str = "register.jsonl";

/// How far the clocks of nodes may be apart, and a lease from its time.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

/// The file is written anew at the start when it has so many lines more than there is to say.
const STALE_LINES_MAX: usize = 10_000;

/// An approval that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenApproval {
    /// Its id.
    pub id: ApprovalId,
    /// The session that asked.
    pub session: SessionId,
    /// The target.
    pub target: TargetName,
    /// Who asked, and on whose behalf.
    pub requester: Vec<Subject>,
    /// The groups that decide about it.
    pub groups: BTreeSet<GroupName>,
    /// When it was asked.
    pub at: Timestamp,
}

/// A session that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenSession {
    /// Its id.
    pub id: SessionId,
    /// Whose, and on whose behalf.
    pub principal: Vec<Subject>,
    /// The target.
    pub target: TargetName,
    /// When it was opened.
    pub at: Timestamp,
    /// When it ends by itself. The store keeps it for a week longer.
    pub expires_at: Timestamp,
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Noted {
    Approval(SeenApproval),
    Session(SeenSession),
    /// It went in good order: it is in the history, or its time was over.
    Gone(String),
}

/// Something that was deleted in the store by nobody who may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// An approval.
    Approval(SeenApproval),
    /// A session.
    Session(SeenSession),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approval(SeenApproval { id, session, target, at, .. }) => {
                write!(
                    f,
                    "approval {id} of {session} for {target}, asked at {at}, is missing from the store: it was deleted"
                )
            }
            Self::Session(SeenSession { id, target, at, .. }) => {
                write!(f, "{id} at {target}, opened at {at}, is missing from the store: it was deleted")
            }
        }
    }
}

/// What this node has seen.
#[derive(Debug)]
pub(crate) struct Register {
    store: Arc<dyn Store>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    approvals: BTreeMap<ApprovalId, SeenApproval>,
    sessions: BTreeMap<SessionId, SeenSession>,
    /// Those that the store does not have any more, and of which it is not known yet whether that is in order.
    gone_approvals: BTreeSet<ApprovalId>,
    gone_sessions: BTreeSet<SessionId>,
}

impl Register {
    /// Reads what was seen before.
    pub(crate) fn open(store: Arc<dyn Store>, data: &Path) -> io::Result<Self> {
        let path = data.join(FILE);
        let (mut approvals, mut sessions, mut lines) = (BTreeMap::new(), BTreeMap::new(), 0);
        for noted in read(&path)? {
            lines += 1;
            match noted {
                Noted::Approval(one) => drop(approvals.insert(one.id, one)),
                Noted::Session(one) => drop(sessions.insert(one.id, one)),
                Noted::Gone(id) => {
                    if let Ok(id) = id.parse() {
                        approvals.remove(&id);
                    }
                    if let Ok(id) = id.parse() {
                        sessions.remove(&id);
                    }
                }
            }
        }
        if lines > approvals.len() + sessions.len() + STALE_LINES_MAX {
            let all = approvals.values().cloned().map(Noted::Approval);
            write_anew(&path, all.chain(sessions.values().cloned().map(Noted::Session)))?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let (gone_approvals, gone_sessions) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self {
            store,
            state: Mutex::new(State { file, approvals, sessions, gone_approvals, gone_sessions }),
        })
    }

    /// Compares with everything that the store has.
    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        let (approvals, _) = range_all(&*self.store, APPROVALS).await?;
        let (sessions, _) = range_all(&*self.store, SESSIONS).await?;
        let (mut found_approvals, mut found_sessions) = (BTreeSet::new(), BTreeSet::new());
        for entry in approvals.iter().chain(&sessions) {
            found_approvals.extend(id_of::<ApprovalId>(&entry.key, APPROVALS));
            found_sessions.extend(id_of::<SessionId>(&entry.key, SESSIONS));
            self.saw(entry);
        }
        let mut state = self.state.lock();
        let State { approvals, sessions, gone_approvals, gone_sessions, .. } = &mut *state;
        gone_approvals.extend(approvals.keys().filter(|id| !found_approvals.contains(id)));
        gone_sessions.extend(sessions.keys().filter(|id| !found_sessions.contains(id)));
        Ok(())
    }

    /// Takes a change over.
    pub(crate) fn apply(&self, change: &Change) {
        match change {
            Change::Put(entry) => self.saw(entry),
            Change::Deleted { key, .. } => self.lost_sight(key),
        }
    }

    /// An approval or a session is in the store. Costs a look-up where it is known.
    fn saw(&self, entry: &Entry) {
        if let Some(id) = id_of::<ApprovalId>(&entry.key, APPROVALS) {
            let mut state = self.state.lock();
            state.gone_approvals.remove(&id);
            if !state.approvals.contains_key(&id)
                && let Some(stored) = crate::readable::<Stored>(entry)
            {
                let seen = SeenApproval::of(&stored);
                state.note(&Noted::Approval(seen.clone()));
                state.approvals.insert(id, seen);
            }
        } else if let Some(id) = id_of::<SessionId>(&entry.key, SESSIONS) {
            let mut state = self.state.lock();
            state.gone_sessions.remove(&id);
            if !state.sessions.contains_key(&id)
                && let Some(session) = crate::readable::<Session>(entry)
            {
                let seen = SeenSession::of(&session);
                state.note(&Noted::Session(seen.clone()));
                state.sessions.insert(id, seen);
            }
        }
    }

    fn lost_sight(&self, key: &str) {
        let mut state = self.state.lock();
        if let Some(id) = id_of::<ApprovalId>(key, APPROVALS) {
            if state.approvals.contains_key(&id) {
                state.gone_approvals.insert(id);
            }
        } else if let Some(id) = id_of::<SessionId>(key, SESSIONS)
            && state.sessions.contains_key(&id)
        {
            state.gone_sessions.insert(id);
        }
    }

    /// What was deleted in the store by nobody who may: approvals that are not in the history either, and sessions whose time is
    /// not over.
    ///
    /// # Errors
    /// When store or history cannot be read.
    pub(crate) async fn missing(
        &self,
        history: &History,
        now: Timestamp,
    ) -> Result<Vec<Missing>, HistoryError> {
        let (gone_approvals, gone_sessions) = {
            let state = self.state.lock();
            (state.gone_approvals.clone(), state.gone_sessions.clone())
        };
        let (mut missing, mut in_order) = (Vec::new(), Vec::new());
        for id in gone_approvals {
            match history.approval(id).await? {
                Some(_) => in_order.push(id.to_string()),
                None => missing.extend(self.state.lock().approvals.get(&id).cloned().map(Missing::Approval)),
            }
        }
        let mut state = self.state.lock();
        for id in gone_sessions {
            let Some(seen) = state.sessions.get(&id) else { continue };
            match seen.is_kept_at(now) {
                true => missing.push(Missing::Session(seen.clone())),
                false => in_order.push(id.to_string()),
            }
        }
        for id in in_order {
            state.forget(id);
        }
        drop(state);
        let count = |of: fn(&Missing) -> bool| missing.iter().filter(|one| of(one)).count();
        crate::metrics::store_missing("approvals", count(|one| matches!(one, Missing::Approval(_))));
        crate::metrics::store_missing("sessions", count(|one| matches!(one, Missing::Session(_))));
        Ok(missing)
    }
}

impl State {
    /// A line that cannot be written is one that the next start does not know: the recordings name it all the same.
    fn note(&mut self, noted: &Noted) {
        if let Err(error) = self.file.write_all(&line(noted)) {
            tracing::warn!(%error, "the register was not written");
        }
    }

    fn forget(&mut self, id: String) {
        if let Ok(id) = id.parse() {
            self.approvals.remove(&id);
            self.gone_approvals.remove(&id);
        }
        if let Ok(id) = id.parse() {
            self.sessions.remove(&id);
            self.gone_sessions.remove(&id);
        }
        self.note(&Noted::Gone(id));
    }
}

impl SeenApproval {
    fn of(stored: &Stored) -> Self {
        let approval = &stored.approval;
        let stages = &approval.terms.stages;
        Self {
            id: approval.id,
            session: approval.session,
            target: approval.target.clone(),
            requester: approval.requester.chain().cloned().collect(),
            groups: stages.iter().flat_map(|stage| stage.groups.iter().cloned()).collect(),
            at: approval.created_at,
        }
    }
}

impl SeenSession {
    fn of(session: &Session) -> Self {
        Self {
            id: session.id,
            principal: session.principal.chain().cloned().collect(),
            target: session.target.clone(),
            at: session.opened_at,
            expires_at: session.expires_at,
        }
    }

    /// Whether the store still has to have it.
    fn is_kept_at(&self, now: Timestamp) -> bool {
        now < self.expires_at.after(KEPT_AFTER_EXPIRY.saturating_sub(CLOCKS_APART))
    }
}

/// The id in a key `<prefix><bucket>/<id>`.
fn id_of<T: std::str::FromStr>(key: &str, prefix: &str) -> Option<T> {
    let (_, id) = key.strip_prefix(prefix)?.split_once('/')?;
    id.parse().ok()
}

fn line(noted: &Noted) -> Vec<u8> {
    [&crate::encode(noted)[..], b"\n"].concat()
}

fn read(path: &Path) -> io::Result<Vec<Noted>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    // A line that was half written when the process died is passed over.
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn write_anew(path: &PathBuf, all: impl Iterator<Item = Noted>) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    for noted in all {
        file.write_all(&line(&noted))?;
    }
    file.sync_all()?;
    std::fs::rename(new, path)
}
