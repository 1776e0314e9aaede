//! What a node of a fleet does with hints: gives them after its own steps, takes them for the approvals that its gateways
//! wait for.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_common::id::ApprovalId;
use futures::StreamExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::Fleet;
use crate::hints::{Heard, Hint, Hints};
use crate::metrics;

/// How many hints are published at once. Beyond that they wait, up to what a listener of steps may be behind.
const TOLD_AT_ONCE: usize = 64;

/// How many hints are taken together: an approval that several of them name is read once.
const TAKEN_TOGETHER: usize = 256;

/// How many approvals are read at once, however many hints come: whoever forges them gains no more than that.
const READS_AT_ONCE: usize = 16;

impl Fleet {
    /// Gives hints and takes them, as long as it is polled; nothing without Redis.
    pub(super) async fn exchange_hints(&self) {
        let Some(hints) = self.hints() else { return std::future::pending().await };
        let (heard, listening) = hints.listen(self.control().node());
        tokio::join!(self.give_hints(&**hints), self.take_hints(heard), listening);
    }

    /// After this node's steps, which are committed when they are told here, never before.
    async fn give_hints(&self, hints: &dyn Hints) {
        let steps = self.control().approvals().steps();
        let steps = futures::stream::unfold(steps, async |mut steps| {
            loop {
                match steps.recv().await {
                    Ok(hint) => return Some((hint, steps)),
                    Err(RecvError::Lagged(count)) => metrics::hints_lost(count),
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        let tell = async |hint: Hint| {
            for node in self.nodes().others_with_links() {
                match hints.tell(node, hint).await {
                    Ok(()) => metrics::hint_given(),
                    Err(error) => {
                        tracing::debug!(%node, %error, "a hint was lost");
                        metrics::hints_lost(1);
                    }
                }
            }
        };
        steps.for_each_concurrent(TOLD_AT_ONCE, tell).await;
        std::future::pending().await
    }

    async fn take_hints(&self, mut heard: mpsc::Receiver<Heard>) {
        let mut together = Vec::with_capacity(TAKEN_TOGETHER);
        while heard.recv_many(&mut together, TAKEN_TOGETHER).await > 0 {
            let mut wanted = BTreeMap::new();
            for one in together.drain(..) {
                match one {
                    Heard::Hint(hint) => self.want(&mut wanted, hint),
                    Heard::Strange => metrics::hint_taken("malformed"),
                    Heard::Gap => {
                        metrics::hints_heard(true);
                        // What was published meanwhile is lost; whatever it was about is among these.
                        wanted.extend(self.links().followed().into_iter().map(|id| (id, u64::MAX)));
                    }
                    Heard::Deaf => {
                        metrics::hints_heard(false);
                        metrics::hints_disconnected();
                    }
                }
            }
            self.look_again(wanted).await;
        }
        std::future::pending().await
    }

    /// Only what a gateway here waits for, and is not known yet, is worth a read.
    fn want(&self, wanted: &mut BTreeMap<ApprovalId, u64>, hint: Hint) {
        let known = self.control().approvals().known(hint.approval);
        let is_news = known.is_none_or(|known| known.approval.revision < hint.revision);
        if is_news && self.links().follows(hint.approval) {
            wanted.insert(hint.approval, hint.revision);
            metrics::hint_taken("read");
        } else {
            metrics::hint_taken("passed_over");
        }
    }

    /// The store says how they stand; whoever waits for one is told by that.
    async fn look_again(&self, wanted: BTreeMap<ApprovalId, u64>) {
        let approvals = Arc::clone(self.control().approvals());
        let read = async |id: ApprovalId| {
            if let Err(error) = approvals.look_up(id).await {
                tracing::debug!(approval = %id, %error, "a hint led nowhere");
            }
        };
        futures::stream::iter(wanted.into_keys()).for_each_concurrent(READS_AT_ONCE, read).await;
    }
}
