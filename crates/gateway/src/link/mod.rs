//! The gateway's end of the link to the control plane (`proto/countersign/v1/fleet.proto`): one stream, many cheap
//! handles. A [`Link`] is one start of one gateway: it has a node id of its own, and ends when the control plane declares
//! it lost; then another is started.
//!
//! - [`state`]: what the gateway wants at the moment ([`calls`], [`follows`], [`attached`]); each new link is told all of it.
//! - [`journal`]: records until they are synced. [`errands`]: what must be delivered whatever happens.
//! - [`driver`] keeps a link ([`dial`], [`outgoing`], [`incoming`]); [`ports`] and [`approvals`] fill the road's ports.
//! - [`lease`] and [`bundle`]: by what, and until when, the gateway judges alone.

mod approvals;
mod attached;
mod bell;
mod bundle;
mod calls;
pub(crate) mod dial;
mod driver;
mod errands;
mod follows;
mod incoming;
mod journal;
mod lease;
mod options;
mod outgoing;
mod ports;
mod record_proofs;
mod shared;
mod state;
mod waiters;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;
use countersign_common::id::NodeId;
use countersign_common::time::Clock;
use countersign_lifecycle::ports::Ports;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::dial::Credentials;
pub use self::incoming::Connections;
pub use self::journal::LinkJournal;
pub use self::options::LinkOptions;

use self::dial::Dialer;
use self::errands::Errand;
use self::incoming::Incoming;
use self::lease::LeasedJudge;
use self::ports::LinkPorts;
use self::shared::Shared;
use crate::{BundleJudge, metrics};

/// How often it is looked for what time brings: expiry, silence, what nobody needs any more.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many errands are seen to at once.
const ERRANDS_AT_ONCE: usize = 64;

/// What the control plane orders a gateway to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    None,
    /// To drain and end; why.
    Drain(String),
    /// This start was declared lost: its connections have been told to end, and another [`Link`] has to be started; why.
    Lost(String),
    /// The gateway was shut out: its connections have been told to end, and no other start will be taken; why.
    Revoked(String),
}

/// Whether a gateway may judge at the moment, for `/readyz`.
#[derive(Debug, Clone)]
pub struct Lease(Arc<lease::Lease>);

impl Lease {
    /// Whether it may.
    ///
    /// # Errors
    /// Why not, in plain words.
    pub fn check(&self) -> Result<(), String> {
        self.0.check()
    }
}

/// What a start that was lost leaves to the next one to report.
#[derive(Debug, Default)]
pub struct Unfinished(Vec<Errand>);

/// One start of this gateway, linked to the control plane. Dropped, it is gone without a goodbye.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    connections: Arc<OnceLock<Arc<dyn Connections>>>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// Starts to link. It goes on over all failures; see [`Link::ready`] and [`Link::orders`].
    #[must_use]
    pub fn start(
        options: LinkOptions,
        credentials: watch::Receiver<Credentials>,
        clock: Arc<dyn Clock>,
        unfinished: Unfinished,
    ) -> Self {
        let shared = Arc::new(Shared::new(options, clock));
        let connections = Arc::new(OnceLock::new());
        for errand in unfinished.0 {
            drop(shared.errands.begin(errand));
        }
        let dialer = Dialer::new(Arc::clone(&shared), credentials);
        let incoming = Incoming::new(Arc::clone(&shared), Arc::clone(&connections));
        let mut tasks = JoinSet::new();
        tasks.spawn(driver::keep_linked(Arc::clone(&shared), dialer, incoming));
        let one = Arc::clone(&shared);
        tasks.spawn(async move { one.bell.keep_ringing().await });
        let one = Arc::clone(&shared);
        tasks.spawn(async move { one.take_bundles().await });
        let one = Arc::clone(&shared);
        tasks.spawn(async move { one.run_errands().await });
        let one = Arc::clone(&shared);
        tasks.spawn(async move { one.keep_house().await });
        Self { shared, connections, _tasks: tasks }
    }

    /// This start's id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Whether there is a link at this moment.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.shared.state.lock().outbox.epoch() != 0
    }

    /// Until when it may judge.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease(Arc::clone(&self.shared.lease))
    }

    /// Waits until there is a bundle in force, and returns the ports.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ready(&self, url: Option<Arc<str>>) -> Ports {
        let mut there = self.shared.bundles.there_is_one.subscribe();
        loop {
            if self.shared.lease.was_granted()
                && let Some(current) = self.shared.bundles.current()
            {
                return self.ports(current, url);
            }
            // A lease comes without a bundle when the one that there is was known: look now and then.
            let _ = tokio::time::timeout(LOOK_EVERY / 10, there.changed()).await;
        }
    }

    fn ports(&self, current: Arc<countersign_policy::CurrentBundle>, url: Option<Arc<str>>) -> Ports {
        let link = Arc::new(LinkPorts { shared: Arc::clone(&self.shared) });
        let clock = Arc::clone(&self.shared.clock);
        let bundle = BundleJudge::new(current, Arc::clone(&clock));
        let judge = LeasedJudge { judge: bundle.clone(), lease: Arc::clone(&self.shared.lease) };
        Ports {
            node: self.shared.node,
            sessions: Arc::clone(&link) as _,
            directory: Arc::new(bundle),
            judge: Arc::new(judge),
            approvals: Arc::clone(&link) as _,
            cancels: link,
            journal: Arc::clone(&self.shared.journal) as _,
            clock,
            url,
        }
    }

    /// What cancels and testimonies are asked of, from here on. Once only.
    pub fn serves(&self, connections: Arc<dyn Connections>) {
        // A second one would mean two gateways on one link: the first stays.
        let _ = self.connections.set(connections);
    }

    /// What the control plane orders.
    #[must_use]
    pub fn orders(&self) -> watch::Receiver<Order> {
        self.shared.orders.subscribe()
    }

    /// Tells connections and control plane that the gateway drains: those that wait are given their ticket.
    pub fn drain(&self) {
        self.shared.change(|state| {
            state.draining = true;
            state.attached.drain();
            state.outbox.push(Frame::Draining(v1::Draining { draining: true }));
        });
    }

    /// Ends in good order, once all connections have ended: waits until records and reports are delivered, for at most
    /// `patience`, and says goodbye. What is not delivered by then is the control plane's to find out.
    pub async fn close(self, patience: Duration) {
        let delivered = async {
            while !self.shared.is_delivered() {
                self.shared.journal.want_all();
                tokio::time::sleep(LOOK_EVERY / 50).await;
            }
        };
        if tokio::time::timeout(patience, delivered).await.is_err() {
            tracing::error!("the gateway ends before all records and reports were delivered");
            return;
        }
        if !self.shared.change(|state| state.outbox.push(Frame::Goodbye(v1::Goodbye {}))) {
            return;
        }
        let sent = async {
            while !self.shared.state.lock().outbox.is_empty() {
                tokio::time::sleep(LOOK_EVERY / 50).await;
            }
            // The last message is on its way; half-closing the stream sees to it that it arrives.
            self.shared.state.lock().outbox.finish();
            self.shared.bell.ring();
            self.shared.closed_by_peer().await;
        };
        let _ = tokio::time::timeout(patience.min(Duration::from_secs(2)), sent).await;
    }

    /// What is left to report, after this start was lost.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        Unfinished(self.shared.errands.left())
    }
}

impl Shared {
    fn is_delivered(&self) -> bool {
        self.errands.is_empty() && self.journal.is_drained()
    }

    /// Waits until the node has closed the link after a goodbye.
    async fn closed_by_peer(&self) {
        while self.state.lock().outbox.epoch() != 0 {
            tokio::time::sleep(LOOK_EVERY / 50).await;
        }
    }

    /// Sees to errands that nobody sees to, until it is dropped.
    async fn run_errands(self: &Arc<Self>) {
        let mut under_way = JoinSet::new();
        loop {
            let room = ERRANDS_AT_ONCE.saturating_sub(under_way.len());
            for errand in self.errands.take_up(room) {
                let shared = Arc::clone(self);
                under_way.spawn(async move {
                    shared.see_to(errand).await;
                });
            }
            tokio::select! {
                () = self.errands.changed.notified(), if under_way.is_empty() => {}
                Some(_) = under_way.join_next() => {}
            }
            // An errand that could not be done is not tried again at once.
            tokio::time::sleep(LOOK_EVERY / 10).await;
        }
    }

    /// Looks at what time brings, until it is dropped.
    async fn keep_house(&self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.journal.look(self.options.records_time_max);
            if self.lease.is_to_ask() {
                self.ask_whether_alive();
            }
            let now = self.clock.now();
            self.change(|state| {
                for session in state.attached.sweep(now, &mut state.outbox) {
                    self.record_proofs.remove(session);
                }
                state.follows.sweep(&mut state.outbox);
            });
            metrics::in_hand(&self.in_hand());
        }
    }

    fn in_hand(&self) -> metrics::InHand {
        let (records, record_bytes) = self.journal.unsynced();
        let (errands, lease) = (self.errands.count(), self.lease.remaining());
        let state = self.state.lock();
        let (sessions, frames, calls) = (state.attached.count(), state.outbox.count(), state.calls.count());
        metrics::InHand { sessions, records, record_bytes, frames, calls, errands, lease }
    }
}
