//! The gateway's end of the link to the control plane (`proto/countersign/v1/fleet.proto`): one stream, shared by
//! many cheap handles. A [`Link`] is one incarnation of a gateway. It has its own node id, and ends when the control
//! plane declares it lost; the gateway then starts another.
//!
//! - [`state`]: the gateway's current subscriptions and calls ([`calls`], [`follows`], [`attached`]), sent in full on
//!   each new link.
//! - [`journal`]: records until they are synced. [`errands`]: messages that must be delivered.
//! - [`driver`] maintains a link ([`dial`], [`outgoing`], [`incoming`]); [`ports`] and [`approvals`] implement the
//!   pipeline's ports.
//! - [`lease`] and [`bundle`]: the lease and the bundle with which the gateway judges alone.

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

/// Interval of periodic maintenance: expiry, overdue acknowledgements, unused subscriptions.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Maximum number of concurrent deliveries of pending messages.
const ERRANDS_AT_ONCE: usize = 64;

/// Order of the control plane to a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// No order was given.
    None,
    /// Drain and exit, with the reason.
    Drain(String),
    /// This incarnation was declared lost, with the reason. Its connections are being ended, and another [`Link`]
    /// must be started.
    Lost(String),
    /// The gateway was revoked, with the reason. Its connections are being ended, and no other incarnation will be
    /// accepted.
    Revoked(String),
}

/// State of the bundle lease, for `/readyz`.
#[derive(Debug, Clone)]
pub struct Lease(Arc<lease::Lease>);

impl Lease {
    /// Checks if the gateway may judge.
    ///
    /// # Errors
    /// The reason why not, in plain words.
    pub fn check(&self) -> Result<(), String> {
        self.0.check()
    }
}

/// Undelivered messages of a lost incarnation, to be delivered by the next one.
#[derive(Debug, Default)]
pub struct Unfinished(Vec<Errand>);

/// One incarnation of this gateway, linked to the control plane. If dropped, it disappears without a Goodbye.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    connections: Arc<OnceLock<Arc<dyn Connections>>>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// Starts to link, and retries after all failures; see [`Link::ready`] and [`Link::orders`].
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

    /// Identifier of this incarnation of the gateway.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Returns `true` if there is currently a link.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.shared.state.lock().outbox.epoch() != 0
    }

    /// State of the bundle lease.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease(Arc::clone(&self.shared.lease))
    }

    /// Waits until a bundle is in force and the lease is granted, and returns the ports.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self, url: Option<Arc<str>>) -> Ports {
        let mut there = self.shared.bundles.there_is_one.subscribe();
        loop {
            if self.shared.lease.was_granted()
                && let Some(current) = self.shared.bundles.current()
            {
                return self.ports(current, url);
            }
            // Polls, because a lease arrives without a bundle if the gateway already knows the current one.
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

    /// Sets the receiver of cancel requests and outcome queries. Only the first call has an effect.
    pub fn serves(&self, connections: Arc<dyn Connections>) {
        // A second receiver would mean two gateways on one link, so the first one stays.
        let _ = self.connections.set(connections);
    }

    /// Watches the orders of the control plane.
    #[must_use]
    pub fn orders(&self) -> watch::Receiver<Order> {
        self.shared.orders.subscribe()
    }

    /// Announces a drain to connections and control plane: waiting commands are refused with their ticket.
    pub fn drain(&self) {
        self.shared.change(|state| {
            state.draining = true;
            state.attached.drain();
            state.outbox.push(Frame::Draining(v1::Draining { draining: true }));
        });
    }

    /// Shuts down properly, after all connections have ended: waits until records and reports are delivered, for at
    /// most `patience`, and sends Goodbye. The control plane detects what is not delivered by then.
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
            // The last message is in transit; half-closing the stream ensures that it arrives.
            self.shared.state.lock().outbox.finish();
            self.shared.bell.ring();
            self.shared.closed_by_peer().await;
        };
        let _ = tokio::time::timeout(patience.min(Duration::from_secs(2)), sent).await;
    }

    /// Returns the undelivered messages, after this incarnation was lost.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        Unfinished(self.shared.errands.left())
    }
}

impl Shared {
    fn is_delivered(&self) -> bool {
        self.errands.is_empty() && self.journal.is_drained()
    }

    /// Waits until the node has closed the link after a Goodbye.
    async fn closed_by_peer(&self) {
        while self.state.lock().outbox.epoch() != 0 {
            tokio::time::sleep(LOOK_EVERY / 50).await;
        }
    }

    /// Retries undelivered messages, until dropped.
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
            // Pause before a failed message is retried.
            tokio::time::sleep(LOOK_EVERY / 10).await;
        }
    }

    /// Runs periodic maintenance, until dropped.
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
