//! Listeners, and the gateway that serves their connections. Each connection is a separate task.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use countersign_common::id::TargetName;
use countersign_lifecycle::ports::Ports;
use countersign_masking::HashKey;
use countersign_postgres::handshake::{Proxies, Terms};
use countersign_postgres::{Gate, GateConfig, MessageBudget};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Pause of the accept loop if the system has no file descriptors left.
const REST: Duration = Duration::from_millis(50);

/// Configuration of a listener for PostgreSQL clients.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Address to bind; port 0 selects a free port.
    pub address: SocketAddr,
    /// TLS of the listener; must offer ALPN `postgresql`. `None` means no TLS, and then loopback only.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The only target of this listener; `None` if clients name their target.
    pub target: Option<TargetName>,
    /// Targets by TLS server name, in lower case. Takes precedence over `target`.
    pub server_names: BTreeMap<String, TargetName>,
    /// Load balancers that report the client's address (PROXY protocol); `None` if clients connect directly.
    pub proxies: Option<Proxies>,
}

impl ListenerConfig {
    /// Creates a listener that is bound to no target.
    #[must_use]
    pub const fn new(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self { address, tls, target: None, server_names: BTreeMap::new(), proxies: None }
    }
}

/// Reason why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address of the listener.
        address: SocketAddr,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Bound listeners. They outlast the [`Gateway`] that accepts from them, so that another one may take over.
#[derive(Debug)]
pub struct Listeners {
    all: Vec<(TcpListener, SocketAddr, Terms)>,
    places: Arc<Semaphore>,
    messages: Arc<MessageBudget>,
}

impl Listeners {
    /// Binds all listeners; clients are served only after [`Gateway::run`]. At most `connections_max` connections are
    /// served at once; further ones wait to be accepted.
    ///
    /// # Errors
    /// [`StartError`] if an address cannot be bound.
    pub async fn bind(configs: Vec<ListenerConfig>, connections_max: usize) -> Result<Self, StartError> {
        let mut all = Vec::with_capacity(configs.len());
        for config in configs {
            let failed = |source| StartError::Listen { address: config.address, source };
            let listener = TcpListener::bind(config.address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            let mut terms = Terms::new(address.ip(), config.tls);
            terms.target = config.target;
            terms.server_names = config.server_names;
            terms.proxies = config.proxies;
            all.push((listener, address, terms));
        }
        let messages = Arc::new(MessageBudget::new(MessageBudget::BYTES_DEFAULT));
        Ok(Self { all, places: Arc::new(Semaphore::new(connections_max)), messages })
    }

    /// Sets the number of bytes for concurrent large messages, over all connections, instead of
    /// [`MessageBudget::BYTES_DEFAULT`].
    #[must_use]
    pub fn with_large_message_bytes_max(self, bytes_max: usize) -> Self {
        Self { messages: Arc::new(MessageBudget::new(bytes_max)), ..self }
    }

    /// Bound addresses, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.all.iter().map(|(_, address, _)| *address).collect()
    }

    /// Accepts the next connection, with the index of its listener.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was not accepted waits for the next call.
    async fn accept(&self) -> io::Result<Accepted> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (listener, socket, peer) = poll_fn(|context| {
            for (index, (listener, _, _)) in self.all.iter().enumerate() {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted.map(|(socket, peer)| (index, socket, peer)));
                }
            }
            Poll::Pending
        })
        .await?;
        Ok(Accepted { listener, socket, peer, place })
    }
}

struct Accepted {
    listener: usize,
    socket: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

/// Serves clients through one set of ports.
#[derive(Debug)]
pub struct Gateway {
    /// One gate for each listener.
    gates: Vec<Arc<Gate>>,
}

/// Time for the remaining connections to notify their clients.
const LAST_WORDS_MAX: Duration = Duration::from_secs(8);

/// Connections being served. If dropped, they are closed.
#[derive(Debug, Default)]
pub struct Served {
    tasks: JoinSet<()>,
    /// Set to `true` when their time is over.
    over: watch::Sender<bool>,
}

impl Gateway {
    /// Creates a gateway for the connections of these listeners.
    #[must_use]
    pub fn new(listeners: &Listeners, ports: &Ports, hash_key: &Arc<HashKey>) -> Self {
        let mut gates: Vec<Arc<Gate>> = Vec::with_capacity(listeners.all.len());
        for (_, _, terms) in &listeners.all {
            let (hash_key, messages) = (Arc::clone(hash_key), Arc::clone(&listeners.messages));
            let config = GateConfig { terms: terms.clone(), hash_key, messages };
            gates.push(Arc::new(match gates.first() {
                Some(first) => first.beside(config),
                None => Gate::new(config, ports.clone()),
            }));
        }
        Self { gates }
    }

    /// Returns any of the gates, for work that concerns no particular listener.
    pub(crate) fn gate(&self) -> Option<&Arc<Gate>> {
        self.gates.first()
    }

    /// Serves clients until `drain` completes, then lets the connections finish for at most `patience`. The session's
    /// stop signal ends the connections themselves.
    pub async fn run(&self, listeners: Listeners, drain: impl Future<Output = ()>, patience: Duration) {
        let served = self.accept(&listeners, drain).await;
        drop(listeners);
        served.finish(patience).await;
    }

    /// Serves clients until `drain` completes; the connections continue afterwards.
    pub async fn accept(&self, listeners: &Listeners, drain: impl Future<Output = ()>) -> Served {
        let mut served = Served::default();
        let mut drain = std::pin::pin!(drain);
        loop {
            tokio::select! {
                () = &mut drain => return served,
                accepted = listeners.accept() => match accepted {
                    Ok(accepted) => self.serve(accepted, &mut served),
                    Err(error) => {
                        tracing::error!(%error, "a connection could not be accepted");
                        tokio::time::sleep(REST).await;
                    }
                },
                Some(ended) = served.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the task of a connection failed");
                    }
                }
            }
        }
    }

    fn serve(&self, accepted: Accepted, served: &mut Served) {
        let Accepted { listener, socket, peer, place } = accepted;
        let Some(gate) = self.gates.get(listener).map(Arc::clone) else { return };
        let (open, over) = (crate::metrics::connected(), served.over.subscribe());
        served.tasks.spawn(async move {
            gate.serve(socket, peer, over).await;
            drop((place, open));
        });
    }
}

impl Served {
    /// Lets the connections finish for at most `patience`. The remaining ones then have some seconds to tell their
    /// clients that the connection ends, and if the command was run. Then they are closed.
    pub async fn finish(mut self, patience: Duration) {
        if self.ended_within(patience).await {
            return;
        }
        tracing::warn!(count = self.tasks.len(), "connections did not end in time; their clients are told");
        self.over.send_replace(true);
        if !self.ended_within(LAST_WORDS_MAX).await {
            tracing::warn!(count = self.tasks.len(), "connections were closed without a last word");
        }
    }

    async fn ended_within(&mut self, patience: Duration) -> bool {
        let left = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(patience, left).await.is_ok()
    }
}
