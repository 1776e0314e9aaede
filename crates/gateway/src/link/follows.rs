//! Approvals that commands on this gateway wait for, as last reported by the control plane.

use std::sync::Arc;

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;
use countersign_common::approval::Approval;
use countersign_common::id::ApprovalId;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::state::Outbox;

/// The watched approvals. Bounded by the number of connections, because each waits for one.
#[derive(Debug, Default)]
pub(super) struct Follows(FxHashMap<ApprovalId, Followed>);

#[derive(Debug)]
struct Followed {
    latest: watch::Sender<Option<Arc<Approval>>>,
    /// Highest revision that a connection here has seen.
    seen: u64,
}

impl Follows {
    /// Starts to watch an approval of which the revision `seen` is known.
    pub(super) fn follow(
        &mut self,
        id: ApprovalId,
        seen: u64,
        outbox: &mut Outbox,
    ) -> watch::Receiver<Option<Arc<Approval>>> {
        let followed = self.0.entry(id).or_insert_with(|| {
            outbox.push(frame(id, seen));
            Followed { latest: watch::Sender::new(None), seen }
        });
        followed.seen = followed.seen.max(seen);
        followed.latest.subscribe()
    }

    /// Publishes a new revision of an approval. Older revisions are ignored.
    pub(super) fn tell(&mut self, approval: Approval) {
        let Some(followed) = self.0.get_mut(&approval.id) else { return };
        followed.seen = followed.seen.max(approval.revision);
        followed.latest.send_if_modified(|latest| {
            // INVARIANT: I9. Revisions only grow, regardless of the node that reports them.
            let newer = latest.as_ref().is_none_or(|latest| latest.revision < approval.revision);
            if newer {
                *latest = Some(Arc::new(approval));
            }
            newer
        });
    }

    /// Stops watching approvals that no connection waits for. A waiting connection resubscribes between two notices,
    /// so an approval is dropped only some time after its last waiter.
    pub(super) fn sweep(&mut self, outbox: &mut Outbox) {
        self.0.retain(|id, followed| {
            let wanted = followed.latest.receiver_count() > 0;
            if !wanted {
                outbox.push(Frame::Unfollow(v1::UnfollowApproval { approval_id: id.to_string() }));
            }
            wanted
        });
    }

    /// Watches all approvals on a new link.
    pub(super) fn tell_all(&self, outbox: &mut Outbox) {
        for (id, followed) in &self.0 {
            outbox.push(frame(*id, followed.seen));
        }
    }
}

fn frame(id: ApprovalId, seen_revision: u64) -> Frame {
    Frame::Follow(v1::FollowApproval { approval_id: id.to_string(), seen_revision })
}
