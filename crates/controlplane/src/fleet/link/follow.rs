//! The approvals that a gateway follows: from memory where this node knows them, so that a gateway that comes with
//! 100,000 of them costs no reads of the store. It is told of those of sessions only that it has shown to be its own.

use std::collections::{HashMap, HashSet};

use countersign_api::v1::control_frame::Frame;
use countersign_common::approval::Approval;
use countersign_common::id::{ApprovalId, SessionId};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

use super::outbox::Outbox;
use crate::approvals::Approvals;

/// The most approvals, and the most sessions, of one gateway.
const FOLLOWED_MAX: usize = 1 << 18;

/// What is followed.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Followed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Up to which revision the gateway knows each.
    seen: HashMap<ApprovalId, u64>,
    /// The sessions that it has shown to be its own.
    shown: HashSet<SessionId>,
}

/// What became of the wish to follow an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// This node knows the approval.
    Known,
    /// It has to be looked up.
    Unknown,
    /// It follows too many.
    TooMany,
}

impl Followed {
    /// The session is the gateway's. `false`: it has too many.
    pub(super) fn show(&self, session: SessionId) -> bool {
        let mut state = self.0.lock();
        state.shown.insert(session);
        state.shown.len() <= FOLLOWED_MAX
    }

    /// It has nothing to do with the session any more.
    pub(super) fn hide(&self, session: SessionId) {
        self.0.lock().shown.remove(&session);
    }

    /// Follows it from here on; tells at once what the gateway does not know yet.
    pub(super) fn follow(&self, approvals: &Approvals, outbox: &Outbox, id: ApprovalId, seen: u64) -> Follow {
        {
            let mut state = self.0.lock();
            state.seen.insert(id, seen);
            if state.seen.len() > FOLLOWED_MAX {
                return Follow::TooMany;
            }
        }
        // After it is followed: a change in between is seen here or by who listens.
        match approvals.known(id) {
            Some(snapshot) => {
                self.tell(outbox, &snapshot.approval);
                Follow::Known
            }
            None => Follow::Unknown,
        }
    }

    /// Whether it is followed.
    pub(in crate::fleet) fn contains(&self, id: ApprovalId) -> bool {
        self.0.lock().seen.contains_key(&id)
    }

    /// What is followed.
    pub(in crate::fleet) fn ids(&self) -> Vec<ApprovalId> {
        self.0.lock().seen.keys().copied().collect()
    }

    /// No longer.
    pub(super) fn unfollow(&self, id: ApprovalId) {
        self.0.lock().seen.remove(&id);
    }

    /// Tells how it stands, if it is followed, the gateway's business, and not known there yet.
    pub(super) fn tell(&self, outbox: &Outbox, approval: &Approval) {
        let mut state = self.0.lock();
        let State { seen, shown } = &mut *state;
        let Some(known) = seen.get_mut(&approval.id) else { return };
        if approval.revision <= *known || !shown.contains(&approval.session) {
            return;
        }
        *known = approval.revision;
        if approval.state.is_terminal() {
            // Nothing follows.
            seen.remove(&approval.id);
        }
        // Under the lock, so that an older state is never sent after a newer one.
        outbox.send(Frame::Approval(approval.into()));
    }

    /// Tells of every change, until the control plane ends.
    pub(super) async fn run(&self, approvals: &Approvals, outbox: &Outbox) {
        let mut changes = approvals.changes();
        self.tell_all(approvals, outbox);
        loop {
            match changes.recv().await {
                Ok(snapshot) => self.tell(outbox, &snapshot.approval),
                Err(RecvError::Lagged(_)) => self.tell_all(approvals, outbox),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn tell_all(&self, approvals: &Approvals, outbox: &Outbox) {
        for snapshot in self.ids().into_iter().filter_map(|id| approvals.known(id)) {
            self.tell(outbox, &snapshot.approval);
        }
    }
}
