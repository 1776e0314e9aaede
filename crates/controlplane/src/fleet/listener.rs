//! The listener of the fleet: TLS by the fleet's own authority, a client certificate optional in the handshake and
//! demanded by the calls that need one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::time::Clock;
use countersign_runtime::certificate::{self, Shown};
use countersign_runtime::tls;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::Fleet;
use super::authority::{AuthorityError, ServerIdentity};
use super::member::Member;
use super::places::{Place, Places};
use crate::grpc::ServeError;

/// How many accepted connections wait for the server; the kernel keeps the others.
const WAITING_MAX: usize = 64;

/// How many handshakes go on at once. When one more comes, the oldest is given up: an honest one is over in no time, and
/// those who never end theirs keep nobody out.
const HANDSHAKES_MAX: usize = 128;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to rest when no connection can be accepted.
const REST_AFTER_ERROR: Duration = Duration::from_millis(100);

/// What somebody who shows no certificate may say in all: they join, and a join is small. Beyond it the connection ends.
const STRANGER_BYTES_MAX: usize = 64 << 10;

/// How long the connection of somebody who shows no certificate may last: a join is over soon.
const STRANGER_TIME_MAX: Duration = Duration::from_secs(30);

/// Who is at the other end, as its certificate says.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// `None`: it showed none.
    pub(crate) member: Option<Member>,
    /// When its certificate ends, and with it whatever was begun by it.
    pub(crate) until: Timestamp,
}

/// A bound listener.
#[derive(Debug)]
pub struct FleetListener {
    tcp: TcpListener,
    address: SocketAddr,
    identity: Identity,
    fleet: Arc<Fleet>,
}

/// What this node shows, renewed in time.
#[derive(Debug)]
struct Identity {
    fleet: Arc<Fleet>,
    shown: Mutex<(Arc<ServerConfig>, countersign_common::Timestamp)>,
}

/// Why the listener is not there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no certificate for this node.
    #[error("this node cannot be certified")]
    Identity(#[from] AuthorityError),
    /// TLS does not take it.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

impl FleetListener {
    /// Binds it, with a certificate for this node.
    ///
    /// # Errors
    /// When the address is taken, or the node cannot be certified.
    pub async fn bind(fleet: Arc<Fleet>, address: SocketAddr) -> Result<Self, ListenError> {
        let shown = Mutex::new(Identity::make(&fleet)?);
        let failed = |source| ListenError::Bind { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { tcp, address, identity: Identity { fleet: Arc::clone(&fleet), shown }, fleet })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the fleet until `stop` turns true, then lets the links go.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(self, stop: watch::Receiver<bool>) -> Result<(), ServeError> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let accepting = accept(self.tcp, self.identity, sender);
        let serving = crate::grpc::serve_fleet(self.fleet, ReceiverStream::new(receiver), stop);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            served = &mut serving => served,
            // Nobody takes connections any more: the server is draining.
            () = accepting => serving.await,
        }
    }
}

impl Identity {
    fn make(fleet: &Arc<Fleet>) -> Result<(Arc<ServerConfig>, countersign_common::Timestamp), ListenError> {
        let (options, now) = (fleet.options(), fleet.control().clock().now());
        let ServerIdentity { chain, key, renew_at, ends_at } =
            options.authority.server(&options.names, now)?;
        let authority = options.authority.certificate().clone();
        certificate::ends(Shown::Fleet, ends_at);
        let of = Arc::downgrade(fleet);
        // Fail closed: without the fleet nobody is let in.
        let revoked = move |certificate: &CertificateDer<'_>| {
            of.upgrade().is_none_or(|fleet| fleet.revoked().holds(certificate))
        };
        Ok((tls::fleet_server_config(chain, key, authority, Arc::new(revoked), &[b"h2"])?, renew_at))
    }

    /// What is shown to the next one who comes.
    fn current(&self) -> Arc<ServerConfig> {
        let mut shown = self.shown.lock();
        if self.fleet.control().clock().now() >= shown.1 {
            match Self::make(&self.fleet) {
                Ok(renewed) => *shown = renewed,
                // The old one is good for as long again.
                Err(error) => tracing::error!(%error, "this node's certificate was not renewed"),
            }
        }
        Arc::clone(&shown.0)
    }
}

type Accepted = mpsc::Sender<io::Result<Secured>>;

async fn accept(listener: TcpListener, identity: Identity, to: Accepted) {
    let (mut handshakes, mut oldest) = (JoinSet::new(), VecDeque::new());
    let (places, clock) = (Arc::new(Places::default()), Arc::clone(identity.fleet.control().clock()));
    loop {
        let accepted = tokio::select! {
            () = to.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(tcp, _)| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => {
                while handshakes.try_join_next().is_some() {}
                oldest.retain(|one: &AbortHandle| !one.is_finished());
                if oldest.len() >= HANDSHAKES_MAX
                    && let Some(one) = oldest.pop_front()
                {
                    one.abort();
                }
                let (acceptor, places) = (TlsAcceptor::from(identity.current()), Arc::clone(&places));
                let shaking = shake_hands(acceptor, tcp, places, Arc::clone(&clock), to.clone());
                oldest.push_back(handshakes.spawn(shaking));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
        }
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    places: Arc<Places>,
    clock: Arc<dyn Clock>,
    to: Accepted,
) {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => match Secured::new(tls, &places, clock.now()) {
            Some(secured) => drop(to.send(Ok(secured)).await),
            None => tracing::warn!("a connection of the fleet was closed: its like have too many"),
        },
        Ok(Err(error)) => tracing::info!(%error, "a TLS handshake of the fleet failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// A connection whose other end is known.
#[derive(Debug)]
pub(crate) struct Secured {
    tls: TlsStream<TcpStream>,
    peer: Peer,
    /// How many bytes it may still say; `None`: as many as it likes.
    left: Option<usize>,
    /// Until when it may say anything.
    over: Pin<Box<Sleep>>,
    _place: Place,
}

impl Secured {
    /// `None`: there are too many of its like already.
    fn new(tls: TlsStream<TcpStream>, places: &Arc<Places>, now: Timestamp) -> Option<Self> {
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let member = shown.and_then(Member::of);
        let place = places.take(member.as_ref())?;
        let (until, left) = match (shown, &member) {
            // One whose end cannot be read ends now.
            (Some(certificate), Some(_)) => (certificate::end(certificate).unwrap_or(now), None),
            _ => (now.after(STRANGER_TIME_MAX), Some(STRANGER_BYTES_MAX)),
        };
        let over = Box::pin(tokio::time::sleep(now.until(until)));
        Some(Self { tls, peer: Peer { member, until }, left, over, _place: place })
    }
}

impl Connected for Secured {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // What was begun by a certificate does not outlive it.
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tls).poll_read(context, buffer);
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(buffer.filled().len() - before).ok_or(io::ErrorKind::QuotaExceeded)?;
        }
        read
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}
