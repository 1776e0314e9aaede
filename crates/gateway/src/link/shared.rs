//! State shared by the ports, the link's task and the periodic maintenance.

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

/// Maximum number of concurrently forwarded cancel requests; further ones are dropped.
const CANCELS_MAX: usize = 64;

/// Shared state of a link.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: LinkOptions,
    /// This incarnation of the gateway.
    pub(super) node: NodeId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    pub(super) errands: Arc<Errands>,
    pub(super) journal: Arc<LinkJournal>,
    /// Proofs that the sessions of connections here may be recorded.
    pub(super) record_proofs: Arc<RecordProofs>,
    pub(super) lease: Arc<Lease>,
    pub(super) bell: Arc<Bell>,
    pub(super) bundles: Taker,
    pub(super) route: AtomicU32,
    /// Key that authenticates the cancel keys issued by this incarnation.
    pub(super) cancel_secret: ArcSwapOption<hmac::Key>,
    /// Permits for cancel requests in transit to another gateway.
    pub(super) cancels: Semaphore,
    /// The turn to upload a catalogue.
    pub(super) uploading: AsyncMutex<()>,
    pub(super) epochs: AtomicU64,
    pub(super) orders: watch::Sender<Order>,
}

/// An open call. If it is dropped before the answer, it is forgotten.
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

    /// Changes the state, and wakes the sender if there is something to send.
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

    /// Asks the linked node if it is alive; its answer renews the lease.
    pub(super) fn ask_whether_alive(&self) {
        let now = self.clock.now();
        self.change(|state| {
            // Without a link there is no node to ask.
            if state.outbox.epoch() != 0 {
                let number = self.lease.ask(now);
                state.outbox.push(Frame::Listening(v1::Listening { number }));
            }
        });
    }

    /// Sends a call, in the current trace.
    ///
    /// # Errors
    /// [`Unavailable`] if too many calls are open.
    pub(super) fn begin(&self, call: Call) -> Result<Asking<'_>, Unavailable> {
        self.begin_in(trace_context::present(), call)
    }

    fn begin_in(&self, trace: Option<TraceParent>, call: Call) -> Result<Asking<'_>, Unavailable> {
        let (id, answered) = self.change(|state| state.calls.ask(call, trace, &mut state.outbox))?;
        Ok(Asking { shared: self, id, answered })
    }

    /// Sends a call and waits for its answer, on any link.
    ///
    /// # Errors
    /// [`Unavailable`] if no answer came in time, or the control plane cannot tell.
    ///
    /// # Cancel safety
    /// A cancelled call may have taken effect.
    pub(super) async fn ask(&self, call: Call) -> Result<Answer, Unavailable> {
        let mut asking = self.begin(call)?;
        asking.wait().await
    }

    /// Delivers a message, within the time limit of one call. If it fails, [`Shared::run_errands`] retries it.
    /// Returns the last answer if the message was delivered.
    ///
    /// # Cancel safety
    /// Cancel safe: the message is kept.
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

    /// Initial stop signal of a new connection.
    pub(super) fn first_stop(&self, state: &State) -> Stop {
        match &*self.orders.borrow() {
            Order::Lost(reason) | Order::Revoked(reason) => Stop::Revoked(reason.clone()),
            Order::None | Order::Drain(_) if state.draining => Stop::Drain,
            Order::None | Order::Drain(_) => Stop::None,
        }
    }
}

impl Asking<'_> {
    /// Waits for the answer; `None` if none came in time.
    pub(super) async fn hear(&mut self) -> Option<Answer> {
        let patience = self.shared.options.call_time_max;
        tokio::time::timeout(patience, &mut self.answered).await.ok()?.ok()
    }

    /// Like [`Self::hear`], with the error of the ports.
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

    /// Abandons the call. Returns `true` if the control plane may have received it.
    pub(super) fn may_have_been_heard(&self) -> bool {
        self.shared.state.lock().calls.forget(self.id)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shared.state.lock().calls.forget(self.id);
    }
}

/// Error for a client if the control plane does not answer.
pub(super) fn silent() -> Unavailable {
    Unavailable("the approval service is not available".into())
}

/// Logs an answer that does not belong to the call.
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
