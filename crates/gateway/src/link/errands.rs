//! What has to reach the control plane whatever happens: reports, withdrawals, and the disowning of redeems whose answer
//! never came. Each is kept until it is delivered, over every link, and whoever began it may be gone.

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

/// Errands at once. A gateway that has so many redeems nothing more (I8), so that it never has to drop one.
const OPEN_MAX: usize = 10_000;

/// One errand.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Errand {
    /// What became of a redeemed command.
    Report(v1::ReportCommand),
    /// A request taken back.
    Withdraw(v1::WithdrawCommand),
    /// A redeem of which nobody here knows whether it was granted. It is asked again, with its attempt, and what it
    /// grants reported as not sent: it never will be.
    Disown {
        /// The redeem.
        redeem: v1::RedeemApproval,
        /// The start that asked for it, this one or an earlier one of this process.
        by: NodeId,
    },
}

/// The errands that are not done.
#[derive(Debug, Default)]
pub(super) struct Errands {
    open: Mutex<Open>,
    /// Rung when one has nobody who sees to it, and when one is done.
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

/// An errand that somebody sees to. Dropped before it is done, it is taken up by whoever looks for such.
#[derive(Debug)]
pub(super) struct InHand {
    errands: Arc<Errands>,
    id: u64,
    errand: Errand,
    trace: Option<TraceParent>,
}

impl Errands {
    /// Whether another redeem may begin.
    pub(super) fn has_room(&self) -> bool {
        self.open.lock().all.len() < OPEN_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.lock().all.is_empty()
    }

    /// How many are not done.
    pub(super) fn count(&self) -> usize {
        self.open.lock().all.len()
    }

    /// Begins one, as part of the trace of who begins it.
    pub(super) fn begin(self: &Arc<Self>, errand: Errand) -> InHand {
        let mut open = self.open.lock();
        open.last += 1;
        let (id, trace) = (open.last, trace_context::present());
        open.all.insert(id, Entry { errand: errand.clone(), trace, in_hand: true });
        InHand { errands: Arc::clone(self), id, errand, trace }
    }

    /// Those that nobody sees to, at most `limit`; they are in hand from here on.
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

    /// All that are not done, for another start of the gateway to see to.
    pub(super) fn left(&self) -> Vec<Errand> {
        self.open.lock().all.values().map(|entry| entry.errand.clone()).collect()
    }
}

impl InHand {
    /// What it asks.
    pub(super) fn call(&self) -> Call {
        match &self.errand {
            Errand::Report(report) => Call::Report(report.clone()),
            Errand::Withdraw(withdraw) => Call::Withdraw(withdraw.clone()),
            Errand::Disown { redeem, .. } => Call::Redeem(redeem.clone()),
        }
    }

    /// The trace that it is part of.
    pub(super) const fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    /// It has been seen to, or is not needed.
    pub(super) fn done(self) {
        self.errands.open.lock().all.remove(&self.id);
        // `Drop` rings.
    }

    /// What the answer leaves to be done; `None`: nothing. An errand that was not taken is over: it would not be taken
    /// later either.
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

    /// Goes on as another one.
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

/// The report that takes a redeem back which one of these starts of this process was granted and nobody used. It may be
/// in doubt already.
// INVARIANT: I1. The answer is to the very attempt, which nobody will use any more, and it goes by its fence.
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
