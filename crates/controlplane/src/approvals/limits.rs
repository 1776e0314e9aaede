//! How many requests are open, and the limits on that: an agent that asks for everything at once is refused instead of
//! burying the people who decide.
//!
//! The count is exact over any number of nodes. Each new request writes a *fence* of its target and one of its subject, on
//! the condition that nobody has written them since they were read. A fence lists the requests that were opened last under
//! it, so that a node learns of those of other nodes before it counts. Requests that end are heard of later; until then they
//! count, so the limit is kept from above.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use countersign_common::Digest;
use countersign_common::approval::{Approval, RequestLimits};
use countersign_common::id::{ApprovalId, SessionId, Subject, TargetName};
use countersign_common::visible::on_one_line;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as Turn, MutexGuard};

use super::{ApprovalError, Approvals};
use crate::sessions::Session;
use crate::store::{Entry, Revision, Transaction};

/// Where fences stand: `/cs/fences/target/<digest>` and `/cs/fences/subject/<digest>`.
const FENCES: &str = "/cs/fences/";

/// How many requests a fence lists. A node that missed more reads all approvals again.
const LISTED_MAX: usize = 16;

/// In how many groups of targets a node opens requests at the same time. Within one, they take turns, so that those of one
/// node do not make each other try again.
const TURNS: usize = 64;

/// How many fences a node remembers; it reads more of the others when it has forgotten one.
const REMEMBERED_MAX: usize = 4096;

/// The open requests, counted.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    of_sessions: HashMap<SessionId, u32>,
    of_subjects: HashMap<Subject, u32>,
    at_targets: HashMap<TargetName, u32>,
}

impl OpenRequests {
    pub(super) fn add(&mut self, approval: &Approval) {
        *self.of_sessions.entry(approval.session).or_default() += 1;
        *self.of_subjects.entry(approval.requester.subject.clone()).or_default() += 1;
        *self.at_targets.entry(approval.target.clone()).or_default() += 1;
    }

    pub(super) fn remove(&mut self, approval: &Approval) {
        less(&mut self.of_sessions, &approval.session);
        less(&mut self.of_subjects, &approval.requester.subject);
        less(&mut self.at_targets, &approval.target);
    }

    /// Whether the session may open one more.
    pub(super) fn admit(&self, session: &Session, limits: RequestLimits) -> Result<(), ApprovalError> {
        let (subject, target) = (&session.principal.subject, &session.target);
        let within = |kind, whose: String, open: Option<&u32>, limit: Option<u32>| {
            let open = open.copied().unwrap_or_default();
            match limit.filter(|limit| open >= *limit) {
                None => Ok(()),
                Some(limit) => {
                    crate::metrics::request_limited(kind);
                    Err(ApprovalError::Limited { whose, open, limit })
                }
            }
        };
        within("session", "the session has".into(), self.of_sessions.get(&session.id), limits.per_session)?;
        let whose = format!("`{}` has", on_one_line(subject.as_str()));
        within("subject", whose, self.of_subjects.get(subject), limits.per_subject)?;
        let whose = format!("target `{}` has", on_one_line(target.as_str()));
        within("target", whose, self.at_targets.get(target), limits.per_target)
    }
}

fn less<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What a node knows of the fences, and the turns of those who open requests.
#[derive(Debug)]
pub(super) struct Fences {
    turns: [Turn<()>; TURNS],
    /// Up to which revision of a fence everything is known that was opened under it.
    known: Mutex<HashMap<String, Revision>>,
}

impl Default for Fences {
    fn default() -> Self {
        Self { turns: std::array::from_fn(|_| Turn::default()), known: Mutex::default() }
    }
}

impl Fences {
    /// Waits for the turn of those who open requests at this target.
    pub(super) async fn turn(&self, target: &TargetName) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or_default();
        match self.turns.get(number) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }

    fn knows(&self, fence: &Entry) -> bool {
        self.known.lock().get(&fence.key).is_some_and(|known| *known >= fence.modified)
    }

    fn remember(&self, key: &str, written: Revision) {
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key.to_owned(), written);
    }
}

/// The requests that were opened last under a fence, newest last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Listed(Vec<ApprovalId>);

/// The fences of a request, as they were read.
#[derive(Debug)]
pub(super) struct Passed(Vec<(String, Option<Entry>)>);

impl Passed {
    /// With the condition that nobody has opened a request since, and the note that this one is opened.
    pub(super) fn open(&self, mut transaction: Transaction, id: ApprovalId) -> Transaction {
        for (key, entry) in &self.0 {
            let mut listed = entry.as_ref().and_then(crate::readable::<Listed>).unwrap_or_default().0;
            listed.push(id);
            let old = listed.len().saturating_sub(LISTED_MAX);
            listed.drain(..old);
            transaction =
                transaction.if_unchanged(key, entry.as_ref()).put(key, crate::encode(&Listed(listed)));
        }
        transaction
    }
}

impl Approvals {
    /// Passes if the session may open one more request, counting those that other nodes have opened. The answer has to be
    /// part of the write that opens it.
    pub(super) async fn pass(
        &self,
        session: &Session,
        limits: RequestLimits,
    ) -> Result<Passed, ApprovalError> {
        if !limits.any() {
            return Ok(Passed(Vec::new()));
        }
        let of = |kind: &str, name: &str| format!("{FENCES}{kind}/{}", Digest::of(name.as_bytes()));
        let target = of("target", session.target.as_str());
        let subject = of("subject", session.principal.subject.as_str());
        let (at_target, of_subject) = futures::try_join!(self.store.get(&target), self.store.get(&subject))?;
        for fence in [&at_target, &of_subject].into_iter().flatten() {
            if !self.fences.knows(fence) {
                self.learn_of(fence).await?;
            }
        }
        self.board.lock().open().admit(session, limits)?;
        Ok(Passed(vec![(target, at_target), (subject, of_subject)]))
    }

    /// The request has been opened: all that was opened under its fences up to then is known.
    pub(super) fn passed(&self, passed: &Passed, written: Revision) {
        for (key, _) in &passed.0 {
            self.fences.remember(key, written);
        }
    }

    /// Learns of the requests that other nodes have opened under a fence.
    async fn learn_of(&self, fence: &Entry) -> Result<(), ApprovalError> {
        let listed = crate::readable::<Listed>(fence).unwrap_or_default().0;
        let is_known = |id: &ApprovalId| self.board.lock().known(*id).is_some();
        // The first one was written by a node that knew of all before it; if this one knows it, it knows them, too.
        if listed.len() >= LISTED_MAX && !listed.first().is_some_and(is_known) || listed.is_empty() {
            self.reload().await?;
        } else {
            for id in listed.iter().filter(|id| !is_known(id)) {
                match self.look_up(*id).await {
                    // It ended long ago, and was archived.
                    Ok(()) | Err(ApprovalError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.fences.remember(&fence.key, fence.modified);
        Ok(())
    }
}
