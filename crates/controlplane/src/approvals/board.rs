//! What is going on now, in memory: every approval that has not ended and the last that have, the
//! deadlines, and who waits for which. Fed by every write here and by the store's changes; the store
//! stays the truth, and every step is decided there.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::State;
use countersign_common::id::{ApprovalId, NodeId, SessionId};
use countersign_common::{Digest, Timestamp};
use tokio::sync::watch;

use super::limits::OpenRequests;
use super::record::Snapshot;
use crate::store::Revision;

/// How many ended approvals are kept in memory.
const ENDED_MAX: usize = 4096;

/// What is going on now.
#[derive(Debug, Default)]
pub(super) struct Board {
    known: HashMap<ApprovalId, Arc<Snapshot>>,
    /// The ended ones among them, in the order they ended.
    ended: VecDeque<ApprovalId>,
    /// When which open one ends by itself.
    deadlines: BTreeSet<(Timestamp, ApprovalId)>,
    /// The last no of each session: which command, and when.
    denials: HashMap<SessionId, Denial>,
    waiters: HashMap<ApprovalId, watch::Sender<Arc<Snapshot>>>,
    open: OpenRequests,
    /// Every change up to here is on the board; later ones may be.
    complete_up_to: Revision,
}

/// A no that a session got.
#[derive(Debug, Clone, Copy)]
struct Denial {
    approval: ApprovalId,
    digest: Digest,
    at: Timestamp,
}

impl Board {
    /// Takes a newer state of an approval over; an older one changes nothing. Whether it was newer.
    pub(super) fn apply(&mut self, snapshot: Snapshot) -> bool {
        let id = snapshot.approval.id;
        let known = self.known.get(&id);
        if known.is_some_and(|known| known.approval.revision >= snapshot.approval.revision) {
            return false;
        }
        let was_open = known.is_some_and(|known| known.approval.state.is_open());
        let deadline = (snapshot.approval.expires_at, id);
        match (was_open, snapshot.approval.state.is_open()) {
            (false, true) => {
                self.deadlines.insert(deadline);
                self.open.add(&snapshot.approval);
            }
            (true, false) => {
                self.deadlines.remove(&deadline);
                self.open.remove(&snapshot.approval);
            }
            (true, true) | (false, false) => {}
        }
        if matches!(snapshot.approval.state, State::Denied | State::Revoked { .. }) {
            let denial = Denial { approval: id, digest: snapshot.approval.digest, at: snapshot.changed_at };
            self.denials.insert(snapshot.approval.session, denial);
        }
        crate::metrics::approval_stands(known.map(|known| &known.approval.state), &snapshot.approval.state);
        let snapshot = Arc::new(snapshot);
        if snapshot.approval.state.is_terminal() {
            self.ended.push_back(id);
            self.forget_old();
        }
        if let Some(waiter) = self.waiters.get(&id) {
            waiter.send_replace(Arc::clone(&snapshot));
            if snapshot.approval.state.is_terminal() || waiter.receiver_count() == 0 {
                // Receivers still see the last value after their sender is gone.
                self.waiters.remove(&id);
            }
        }
        self.known.insert(id, snapshot);
        true
    }

    /// Nothing is known of an approval any more: its newest record cannot be read here.
    pub(super) fn forget(&mut self, id: ApprovalId) {
        let Some(known) = self.known.remove(&id) else { return };
        if self.deadlines.remove(&(known.approval.expires_at, id)) {
            self.open.remove(&known.approval);
        }
        self.ended.retain(|ended| *ended != id);
        self.waiters.remove(&id);
        crate::metrics::approval_forgotten(&known.approval.state);
    }

    fn forget_old(&mut self) {
        while self.ended.len() > ENDED_MAX {
            let Some(old) = self.ended.pop_front() else { break };
            if let Some(old) = self.known.remove(&old) {
                let session = old.approval.session;
                if self.denials.get(&session).is_some_and(|denial| denial.approval == old.approval.id) {
                    self.denials.remove(&session);
                }
            }
        }
    }

    /// A receiver of every newer state of an approval, from `current` on.
    pub(super) fn subscribe(&mut self, current: Snapshot) -> watch::Receiver<Arc<Snapshot>> {
        let id = current.approval.id;
        self.apply(current.clone());
        let newest = self.known.get(&id).map_or_else(|| Arc::new(current), Arc::clone);
        if newest.approval.state.is_terminal() {
            // Nothing follows; the sender may go at once.
            return watch::Sender::new(newest).subscribe();
        }
        self.waiters.retain(|_, waiter| waiter.receiver_count() > 0);
        self.waiters.entry(id).or_insert_with(|| watch::Sender::new(newest)).subscribe()
    }

    /// The approval, as far as it is on the board.
    pub(super) fn known(&self, id: ApprovalId) -> Option<Arc<Snapshot>> {
        self.known.get(&id).map(Arc::clone)
    }

    /// Who has redeemed something that has not ended.
    pub(super) fn owners(&self) -> BTreeSet<NodeId> {
        let owner = |known: &Arc<Snapshot>| match known.approval.state {
            State::Redeemed { owner, .. } => Some(owner),
            _ => None,
        };
        self.known.values().filter_map(owner).collect()
    }

    /// Every change up to here is on the board.
    pub(super) fn complete_up_to(&self) -> Revision {
        self.complete_up_to
    }

    /// Every change up to `revision` has been applied.
    pub(super) fn is_complete_up_to(&mut self, revision: Revision) {
        self.complete_up_to = self.complete_up_to.max(revision);
    }

    /// All that have not ended, oldest first.
    pub(super) fn going_on(&self) -> Vec<Arc<Snapshot>> {
        let mut all: Vec<_> =
            self.known.values().filter(|known| !known.approval.state.is_terminal()).map(Arc::clone).collect();
        all.sort_by_key(|known| known.approval.id);
        all
    }

    /// Those that a lost owner had redeemed.
    pub(super) fn redeemed_by(&self, mine: impl Fn(NodeId) -> bool) -> Vec<(ApprovalId, u64)> {
        let redeemed = |known: &Arc<Snapshot>| match known.approval.state {
            State::Redeemed { owner, fence } if mine(owner) => Some((known.approval.id, fence)),
            _ => None,
        };
        self.known.values().filter_map(redeemed).collect()
    }

    /// The open ones of a session.
    pub(super) fn open_of(&self, session: SessionId) -> Vec<ApprovalId> {
        let open =
            |known: &&Arc<Snapshot>| known.approval.session == session && known.approval.state.is_open();
        self.known.values().filter(open).map(|known| known.approval.id).collect()
    }

    /// How many requests are open.
    pub(super) fn open(&self) -> &OpenRequests {
        &self.open
    }

    /// Those whose deadline has passed.
    pub(super) fn due(&self, now: Timestamp) -> Vec<ApprovalId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A no that the session got within `memory` for another command than this.
    pub(super) fn recent_denial(
        &self,
        session: SessionId,
        digest: &Digest,
        now: Timestamp,
        memory: Duration,
    ) -> Option<ApprovalId> {
        let denial = self.denials.get(&session)?;
        (denial.digest != *digest && now < denial.at.after(memory)).then_some(denial.approval)
    }
}
