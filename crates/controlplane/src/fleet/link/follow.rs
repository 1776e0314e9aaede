//! The approvals that a gateway follows: from memory where this node knows them, so that a gateway that comes with
//! 100,000 of them costs no reads of the store.

use std::collections::HashMap;

use countersign_api::v1::control_frame::Frame;
use countersign_common::approval::Approval;
use countersign_common::id::ApprovalId;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

use super::outbox::Outbox;
use crate::approvals::Approvals;

/// What is followed, and up to which revision the gateway knows it.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<HashMap<ApprovalId, u64>>);

impl Followed {
    /// Follows it from here on; tells at once what the gateway does not know yet. Whether this node knows the
    /// approval: otherwise it has to be looked up.
    pub(super) fn follow(&self, approvals: &Approvals, outbox: &Outbox, id: ApprovalId, seen: u64) -> bool {
        self.0.lock().insert(id, seen);
        let known = approvals.known(id);
        if let Some(snapshot) = &known {
            self.tell(outbox, &snapshot.approval);
        }
        known.is_some()
    }

    /// No longer.
    pub(super) fn unfollow(&self, id: ApprovalId) {
        self.0.lock().remove(&id);
    }

    /// Tells how it stands, if it is followed and the gateway does not know yet.
    pub(super) fn tell(&self, outbox: &Outbox, approval: &Approval) {
        let mut followed = self.0.lock();
        let Some(seen) = followed.get_mut(&approval.id) else { return };
        if approval.revision <= *seen {
            return;
        }
        *seen = approval.revision;
        if approval.state.is_terminal() {
            // Nothing follows.
            followed.remove(&approval.id);
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
        let ids: Vec<ApprovalId> = self.0.lock().keys().copied().collect();
        for snapshot in ids.into_iter().filter_map(|id| approvals.known(id)) {
            self.tell(outbox, &snapshot.approval);
        }
    }
}
