//! Finds a control-plane node that accepts the link. The nodes are tried in turn from a random one on, with growing,
//! jittered pauses between the rounds, so that a fleet that lost a node does not overload the next one.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::fleet_service_client::FleetServiceClient;
use countersign_api::{BadField, LINK_SPEAKS, LINK_SPEAKS_OLDEST, duration, timestamp};
use countersign_common::Timestamp;
use countersign_common::time::Clock;
use countersign_runtime::chain;
use futures::task::AtomicWaker;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Status, Streaming};

use super::outgoing::Outgoing;
use super::shared::Shared;

/// Interval and time limit of HTTP/2 pings. tonic sends none by default.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIME_MAX: Duration = Duration::from_secs(5);

/// First pause after a lost link, before jitter.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Largest message from a control-plane node: a bundle.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Maximum age of a link, before jitter. A new link checks the certificate of the node again, which may have been
/// replaced.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Interval of checks for an expired certificate. They use the wall clock, which may be set.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// TLS credentials in the fleet: this gateway's certificate and the trusted authorities.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// TLS configuration with the certificate and the authorities.
    pub tls: ClientTlsConfig,
    /// End of the certificate's validity. The credentials are not used afterwards.
    pub ends_at: Timestamp,
}

/// A link that the node has accepted.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: String,
    pub(super) epoch: u64,
    pub(super) waker: Arc<AtomicWaker>,
    pub(super) incoming: Streaming<v1::LinkResponse>,
    /// Frames that came in the same message as the Welcome.
    pub(super) first: Vec<v1::ControlFrame>,
    /// Limits on the age of the link.
    pub(super) outlived: Outlived,
}

/// Reason why a node did not accept the link.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// The node is unreachable.
    #[error("not reached: {}", chain(.0))]
    Unreached(#[from] tonic::transport::Error),
    /// The node refused the connection.
    #[error("refused: {}", .0.message())]
    Refused(Box<Status>),
    /// The node did not send Welcome in time.
    #[error("no welcome in time")]
    TooSlow,
    /// The first frame was not a Welcome, or one that is not usable.
    #[error("no welcome: {0}")]
    NotWelcome(&'static str),
    /// A field of the Welcome is not valid.
    #[error("its welcome cannot be read")]
    Unreadable(#[from] BadField),
    /// This incarnation of the gateway was declared lost.
    #[error("this start was declared lost: {0}")]
    Lost(String),
    /// The gateway was revoked permanently.
    #[error("{0}")]
    Revoked(String),
}

impl From<Status> for DialError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// The nodes, and the position in the current round.
#[derive(Debug)]
pub(super) struct Dialer {
    shared: Arc<Shared>,
    credentials: watch::Receiver<Credentials>,
    next: usize,
    failures: u32,
}

impl Dialer {
    pub(super) fn new(shared: Arc<Shared>, credentials: watch::Receiver<Credentials>) -> Self {
        let nodes = shared.options.control_planes.len().max(1);
        let next = usize::try_from(random()).unwrap_or_default() % nodes;
        Self { shared, credentials, next, failures: 0 }
    }

    /// Returns the link to the next node that accepts it; retries until there is one.
    ///
    /// # Errors
    /// Only [`DialError::Lost`] and [`DialError::Revoked`], which a retry cannot change.
    ///
    /// # Cancel safety
    /// Cancel safe: a link without Welcome has carried only Hello.
    pub(super) async fn dial(&mut self) -> Result<Connection, DialError> {
        loop {
            let address = self.turn();
            match self.attempt(&address).await {
                Ok(connection) => {
                    self.failures = 0;
                    return Ok(connection);
                }
                Err(error @ (DialError::Lost(_) | DialError::Revoked(_))) => return Err(error),
                Err(error) => {
                    crate::metrics::not_linked();
                    tracing::warn!(address, %error, "a control-plane node did not take the link");
                }
            }
            self.failures = self.failures.saturating_add(1);
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// Pauses before the first attempt after a lost link, because all gateways of the node lost theirs at the same
    /// moment.
    pub(super) async fn rest(&self) {
        tokio::time::sleep(jittered(PAUSE_MIN)).await;
    }

    /// Like [`Dialer::dial`], after such a pause.
    ///
    /// # Errors
    /// As [`Dialer::dial`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn dial_after_rest(&mut self) -> Result<Connection, DialError> {
        self.rest().await;
        self.dial().await
    }

    fn turn(&mut self) -> String {
        let nodes = &self.shared.options.control_planes;
        let address = nodes.get(self.next % nodes.len().max(1)).cloned().unwrap_or_default();
        self.next = self.next.wrapping_add(1);
        address
    }

    /// Pause after a failure; it doubles with each round.
    fn pause(&self) -> Duration {
        let nodes = u32::try_from(self.shared.options.control_planes.len().max(1)).unwrap_or(u32::MAX);
        let round = (self.failures / nodes).min(16);
        jittered((PAUSE_MIN * 2_u32.pow(round)).min(self.shared.options.retry_after_max))
    }

    async fn attempt(&self, address: &str) -> Result<Connection, DialError> {
        let patience = self.shared.options.dial_time_max;
        tokio::time::timeout(patience, self.connect(address)).await.map_err(|_| DialError::TooSlow)?
    }

    async fn connect(&self, address: &str) -> Result<Connection, DialError> {
        let Credentials { tls, ends_at } = self.credentials.borrow().clone();
        let channel = channel(address, tls).await?;
        let mut client = FleetServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let epoch = self.shared.epochs.fetch_add(1, Ordering::AcqRel) + 1;
        let waker = Arc::new(AtomicWaker::new());
        let outgoing =
            Outgoing::new(Arc::clone(&self.shared), epoch, Arc::clone(&waker), self.shared.hello());
        let asked = self.shared.clock.now();
        let mut incoming = client.link(outgoing).await?.into_inner();
        let message = incoming.message().await?.ok_or(DialError::NotWelcome("the stream ended"))?;
        let mut frames = message.frames.into_iter();
        match frames.next().and_then(|first| first.frame) {
            Some(Frame::Welcome(welcome)) => self.shared.welcomed(welcome, asked)?,
            Some(Frame::Leave(leave)) if leave.revoked => return Err(DialError::Revoked(leave.reason)),
            Some(Frame::Leave(leave)) if leave.lost => return Err(DialError::Lost(leave.reason)),
            Some(Frame::Leave(_)) => return Err(DialError::NotWelcome("it asks to go elsewhere")),
            _ => return Err(DialError::NotWelcome("something else came first")),
        }
        let (address, first) = (address.to_owned(), frames.collect());
        let outlived = Outlived { credentials: self.credentials.clone(), ends_at, since: Instant::now() };
        Ok(Connection { address, epoch, waker, incoming, first, outlived })
    }
}

/// Limits on the age of a link.
#[derive(Debug, Clone)]
pub(super) struct Outlived {
    credentials: watch::Receiver<Credentials>,
    /// End of validity of the certificate that the link was opened with.
    ends_at: Timestamp,
    since: Instant,
}

impl Outlived {
    /// Waits until the link should be replaced: the certificate was renewed, or the link has reached its maximum age.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn is_due(&self) -> &'static str {
        let renewed = async {
            let mut credentials = self.credentials.clone();
            let newer = |credentials: &Credentials| credentials.ends_at > self.ends_at;
            if credentials.wait_for(newer).await.is_err() {
                // Certificates are not renewed in this process.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = renewed => "the certificate was renewed",
            () = tokio::time::sleep_until(self.since + AGE_MAX + jittered(AGE_MAX / 4)) => "the link is old",
        }
    }

    /// Waits until the certificate that the link was opened with has expired.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn is_over(&self, clock: &dyn Clock) {
        loop {
            let left = clock.now().until(self.ends_at);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }
}

impl Shared {
    fn hello(&self) -> v1::Hello {
        v1::Hello {
            node: self.node.to_string(),
            bundle_version: self.bundles.version(),
            records_synced: self.journal.synced(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            speaks: LINK_SPEAKS,
        }
    }

    fn welcomed(&self, welcome: v1::Welcome, asked: countersign_common::Timestamp) -> Result<(), DialError> {
        if welcome.speaks < LINK_SPEAKS_OLDEST {
            return Err(DialError::NotWelcome("it speaks an older language than is spoken here; update it"));
        }
        let lease = duration(welcome.bundle_lease, "welcome.bundle_lease")?;
        let theirs = timestamp(welcome.time, "welcome.time")?;
        if !(1..4096).contains(&welcome.route) {
            return Err(DialError::NotWelcome("its route is out of range"));
        }
        self.lease.lasts(lease);
        self.lease.compare_clocks(theirs, asked, self.clock.now(), &self.options);
        self.route.store(welcome.route, Ordering::Release);
        // Without a secret, cancel requests of this gateway's clients have no effect on other gateways; nothing
        // worse.
        if !welcome.cancel_secret.is_empty() {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &welcome.cancel_secret);
            self.cancel_secret.store(Some(Arc::new(secret)));
        }
        Ok(())
    }
}

/// Opens a connection to a control-plane node.
pub(crate) async fn channel(address: &str, tls: ClientTlsConfig) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(format!("https://{address}"))?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME_MAX)
        .keep_alive_while_idle(true)
        .tls_config(tls)?
        .connect()
        .await
}

/// Random pause between zero and `pause`.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let part = u32::try_from(random() % 1024).unwrap_or_default();
    pause * part / 1024
}

/// Good enough to desynchronise gateways; not for security.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
