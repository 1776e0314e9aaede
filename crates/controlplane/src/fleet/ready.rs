//! Reads ahead what the next redeeming steps will need: of each approval that people have just agreed to, and that a
//! gateway here waits for. Its gateway opens a connection to the target meanwhile, and nobody waits for this.

use countersign_common::approval::{Approval, State};
use futures::StreamExt as _;
use tokio::sync::broadcast::error::RecvError;

use super::Fleet;

/// How many are read at once.
const READS_AT_ONCE: usize = 16;

impl Fleet {
    /// Reads ahead, as long as it is polled. What is missed is read when it is redeemed.
    pub(super) async fn get_ready(&self) {
        let approvals = self.control().approvals();
        let agreed = futures::stream::unfold(approvals.changes(), async |mut changes| {
            loop {
                match changes.recv().await {
                    Ok(snapshot) if self.waits_for(&snapshot.approval) => {
                        return Some((snapshot.approval.id, changes));
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        let read = async |id| {
            if let Err(error) = approvals.get_ready(id).await {
                tracing::debug!(approval = %id, %error, "what an approval needs was not read ahead");
            }
        };
        agreed.for_each_concurrent(READS_AT_ONCE, read).await;
        std::future::pending().await
    }

    fn waits_for(&self, approval: &Approval) -> bool {
        approval.state == State::Approved && self.links().follows(approval.id)
    }
}
