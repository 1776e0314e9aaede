//! What the ports, the link's task and the housekeeping share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac;
use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::gateway_frame::Frame;
use countersign_common::id::NodeId;
use countersign_common::time::Clock;
use countersign_common::trace::TraceParent;
use countersign_lifecycle::ports::{Stop, Unavailable};
use countersign_runtime::trace_context;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, oneshot, watch};

use super::Order;
use super::bell::Bell;
use super::bundle::Taker;
use super::errands::{Errands, InHand};
use super::journal::LinkJournal;
use super::lease::Lease;
use super::options::LinkOptions;
use super::record_proofs::RecordProofs;
use super::state::State;

/// Cancel requests that are forwarded at once; more are dropped.
const CANCELS_MAX: usize = 64;

/// The inside of a link.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: LinkOptions,
    /// This start of this gateway.
    pub(super) node: NodeId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    pub(super) errands: Arc<Errands>,
    pub(super) journal: Arc<LinkJournal>,
    /// What shows that the sessions of connections here may be recorded.
    pub(super) record_proofs: Arc<RecordProofs>,
    pub(super) lease: Arc<Lease>,
    pub(super) bell: Arc<Bell>,
    pub(super) bundles: Taker,
    pub(super) route: AtomicU32,
    /// By what this start vouches for the cancel keys that it gives out.
    pub(super) cancel_secret: ArcSwapOption<hmac::Key>,
    /// Cancel requests that are on their way to another gateway.
    pub(super) cancels: Semaphore,
    /// The turn to upload a catalogue.
    pub(super) uploading: AsyncMutex<()>,
    pub(super) epochs: AtomicU64,
    pub(super) orders: watch::Sender<Order>,
}

/// A question that is open. Dropped before the answer, it is forgotten.
#[derive(Debug)]
pub(super) struct Asking<'s> {
    shared: &'s Shared,
    id: u64,
    answered: oneshot::Receiver<Answer>,
}

impl Shared {
    pub(super) fn new(options: LinkOptions, clock: Arc<dyn Clock>) -> Self {
        let bell = Arc::new(Bell::new());
        let record_proofs = Arc::new(RecordProofs::default());
        let journal =
            LinkJournal::new(options.records_bytes_max, Arc::clone(&bell), Arc::clone(&record_proofs));
        let journal = Arc::new(journal);
        Self {
            options,
            node: NodeId::generate(),
            clock,
            state: Mutex::default(),
            errands: Arc::default(),
            journal,
            record_proofs,
            lease: Arc::new(Lease::new()),
            bell,
            bundles: Taker::default(),
            route: AtomicU32::new(0),
            cancel_secret: ArcSwapOption::empty(),
            cancels: Semaphore::new(CANCELS_MAX),
            uploading: AsyncMutex::new(()),
            epochs: AtomicU64::new(0),
            orders: watch::Sender::new(Order::None),
        }
    }

    /// Changes what the gateway wants, and sees to it that it is sent.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, unsent) = {
            let mut state = self.state.lock();
            let changed = change(&mut state);
            (changed, !state.outbox.is_empty())
        };
        if unsent {
            self.bell.ring();
        }
        changed
    }

    /// Asks the node that has the link whether it is there; its answer renews the lease.
    pub(super) fn ask_whether_alive(&self) {
        let now = self.clock.now();
        self.change(|state| {
            // Without a link nobody would be asked.
            if state.outbox.epoch() != 0 {
                let number = self.lease.ask(now);
                state.outbox.push(Frame::Listening(v1::Listening { number }));
            }
        });
    }

    /// Puts a question, as part of the trace of who asks.
    ///
    /// # Errors
    /// When too many are open.
    pub(super) fn begin(&self, call: Call) -> Result<Asking<'_>, Unavailable> {
        self.begin_in(trace_context::present(), call)
    }

    fn begin_in(&self, trace: Option<TraceParent>, call: Call) -> Result<Asking<'_>, Unavailable> {
        let (id, answered) = self.change(|state| state.calls.ask(call, trace, &mut state.outbox))?;
        Ok(Asking { shared: self, id, answered })
    }

    /// Asks, and waits for the answer on whichever link it comes.
    ///
    /// # Errors
    /// When none came in time, or the control plane cannot tell.
    ///
    /// # Cancel safety
    /// It may have been acted upon.
    pub(super) async fn ask(&self, call: Call) -> Result<Answer, Unavailable> {
        let mut asking = self.begin(call)?;
        asking.wait().await
    }

    /// Sees to an errand: asks until it is done, or for as long as one question may take. What is left of it then is
    /// taken up by [`Shared::run_errands`]. The last answer, when it is done.
    ///
    /// # Cancel safety
    /// Safe: the errand stays.
    pub(super) async fn see_to(&self, mut errand: InHand) -> Option<Answer> {
        loop {
            let mut asking = self.begin_in(errand.trace(), errand.call()).ok()?;
            let answer = asking.hear().await?;
            drop(asking);
            match errand.after(&answer, self.node) {
                None => {
                    errand.done();
                    return Some(answer);
                }
                Some(rest) if rest == *errand.errand() => return None,
                Some(rest) => errand.becomes(rest),
            }
        }
    }

    /// The stop signal that a new connection begins with.
    pub(super) fn first_stop(&self, state: &State) -> Stop {
        match &*self.orders.borrow() {
            Order::Lost(reason) | Order::Revoked(reason) => Stop::Revoked(reason.clone()),
            Order::None | Order::Drain(_) if state.draining => Stop::Drain,
            Order::None | Order::Drain(_) => Stop::None,
        }
    }
}

impl Asking<'_> {
    /// The answer; nothing when none came in time.
    pub(super) async fn hear(&mut self) -> Option<Answer> {
        let patience = self.shared.options.call_time_max;
        tokio::time::timeout(patience, &mut self.answered).await.ok()?.ok()
    }

    /// The answer, as the ports need it.
    pub(super) async fn wait(&mut self) -> Result<Answer, Unavailable> {
        match self.hear().await {
            Some(Answer::Unavailable(why)) => {
                tracing::warn!(why, "the control plane cannot tell at the moment");
                Err(silent())
            }
            Some(answer) => Ok(answer),
            None => Err(silent()),
        }
    }

    /// Gives up; says whether the question may have been heard.
    pub(super) fn may_have_been_heard(&self) -> bool {
        self.shared.state.lock().calls.forget(self.id)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shared.state.lock().calls.forget(self.id);
    }
}

/// What a client is told when nobody answers.
pub(super) fn silent() -> Unavailable {
    Unavailable("the approval service is not available".into())
}

/// An answer that does not belong to the question.
pub(super) fn odd(answer: &Answer) -> Unavailable {
    let kind = match answer {
        Answer::Unavailable(_) => "unavailable",
        Answer::SessionOpened(_) => "a session",
        Answer::NotAdmitted(_) => "not admitted",
        Answer::Approval(_) => "an approval",
        Answer::NotTaken(_) => "not taken",
        Answer::Done(_) => "done",
        Answer::CatalogueWanted(_) => "catalogue wanted",
    };
    tracing::error!(kind, "the control plane gave an answer that fits no such question");
    silent()
}
