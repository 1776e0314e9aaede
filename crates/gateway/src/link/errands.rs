//! Messages that must reach the control plane: reports, withdrawals, and the disowning of redeems without an answer.
//! Each is kept until it is delivered, across links, even if its caller is gone.

use std::sync::Arc;

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_common::approval::{Approval, State};
use countersign_common::id::NodeId;
use countersign_common::trace::TraceParent;
use countersign_runtime::trace_context;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

/// Maximum number of pending messages. At the limit the gateway redeems nothing more (I8), so that it never has to
/// drop one.
const OPEN_MAX: usize = 10_000;

/// A message that must be delivered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Errand {
    /// The outcome of a redeemed command.
    Report(v1::ReportCommand),
    /// The withdrawal or voiding of a request.
    Withdraw(v1::WithdrawCommand),
    /// A redeem whose result is unknown here. It is repeated with the same attempt id. If it is granted, the command
    /// is reported as not sent, because it never will be.
    Disown {
        /// The redeem with its attempt id.
        redeem: v1::RedeemApproval,
        /// The incarnation that asked for it: this one, or an earlier one of this process.
        by: NodeId,
    },
}

/// The messages that are not delivered yet.
#[derive(Debug, Default)]
pub(super) struct Errands {
    open: Mutex<Open>,
    /// Notified when a message becomes idle, and when one is delivered.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    all: FxHashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    errand: Errand,
    trace: Option<TraceParent>,
    in_hand: bool,
}

/// A message that is being delivered. If it is dropped before delivery, the retry task picks it up.
#[derive(Debug)]
pub(super) struct InHand {
    errands: Arc<Errands>,
    id: u64,
    errand: Errand,
    trace: Option<TraceParent>,
}

impl Errands {
    /// Returns `true` if another redeem may begin.
    pub(super) fn has_room(&self) -> bool {
        self.open.lock().all.len() < OPEN_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.lock().all.is_empty()
    }

    /// Number of messages that are not delivered.
    pub(super) fn count(&self) -> usize {
        self.open.lock().all.len()
    }

    /// Adds a message, in the current trace.
    pub(super) fn begin(self: &Arc<Self>, errand: Errand) -> InHand {
        let mut open = self.open.lock();
        open.last += 1;
        let (id, trace) = (open.last, trace_context::present());
        open.all.insert(id, Entry { errand: errand.clone(), trace, in_hand: true });
        InHand { errands: Arc::clone(self), id, errand, trace }
    }

    /// Takes at most `limit` idle messages for delivery.
    pub(super) fn take_up(self: &Arc<Self>, limit: usize) -> Vec<InHand> {
        let mut open = self.open.lock();
        let mut idle: Vec<_> = open.all.iter_mut().filter(|(_, entry)| !entry.in_hand).collect();
        idle.sort_unstable_by_key(|(id, _)| **id);
        idle.truncate(limit);
        idle.into_iter()
            .map(|(id, entry)| {
                entry.in_hand = true;
                let (errand, trace) = (entry.errand.clone(), entry.trace);
                InHand { errands: Arc::clone(self), id: *id, errand, trace }
            })
            .collect()
    }

    /// Copies all undelivered messages, for the next incarnation of the gateway.
    pub(super) fn left(&self) -> Vec<Errand> {
        self.open.lock().all.values().map(|entry| entry.errand.clone()).collect()
    }
}

impl InHand {
    /// Call that delivers the message.
    pub(super) fn call(&self) -> Call {
        match &self.errand {
            Errand::Report(report) => Call::Report(report.clone()),
            Errand::Withdraw(withdraw) => Call::Withdraw(withdraw.clone()),
            Errand::Disown { redeem, .. } => Call::Redeem(redeem.clone()),
        }
    }

    /// Trace that the message belongs to.
    pub(super) const fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    /// Removes a message that was delivered or is not needed.
    pub(super) fn done(self) {
        self.errands.open.lock().all.remove(&self.id);
        // `Drop` notifies.
    }

    /// Returns the message that remains after the answer; `None` if nothing remains. A rejected message is finished,
    /// because it would be rejected later as well.
    pub(super) fn after(&self, answer: &Answer, node: NodeId) -> Option<Errand> {
        match (&self.errand, answer) {
            (_, Answer::Unavailable(_)) => Some(self.errand.clone()),
            (Errand::Disown { by, .. }, Answer::Approval(approval)) => {
                not_sent(approval, [node, *by]).map(Errand::Report)
            }
            (Errand::Report(report), Answer::NotTaken(no)) => {
                tracing::error!(
                    approval = report.approval_id,
                    reason = no.reason,
                    "an outcome was not taken"
                );
                None
            }
            _ => None,
        }
    }

    /// Replaces the message by another one.
    pub(super) fn becomes(&mut self, errand: Errand) {
        if let Some(entry) = self.errands.open.lock().all.get_mut(&self.id) {
            entry.errand = errand.clone();
        }
        self.errand = errand;
    }

    pub(super) const fn errand(&self) -> &Errand {
        &self.errand
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(entry) = self.errands.open.lock().all.get_mut(&self.id) {
            entry.in_hand = false;
        }
        self.errands.changed.notify_one();
    }
}

/// Report that takes back a redemption that was granted to one of these incarnations and never used. It may already
/// be in doubt.
// INVARIANT: I1. The answer belongs to the same attempt, which is never used any more, and the report carries its
// fence.
fn not_sent(approval: &v1::Approval, starts: [NodeId; 2]) -> Option<v1::ReportCommand> {
    let approval = Approval::try_from(approval.clone()).ok()?;
    let (State::Redeemed { owner, fence } | State::InDoubt { owner, fence }) = approval.state else {
        return None;
    };
    starts.contains(&owner).then(|| v1::ReportCommand {
        approval_id: approval.id.to_string(),
        fence,
        testimony: Some(v1::report_command::Testimony::NotSent(v1::NotSent {})),
    })
}
