//! Listeners: one per protocol and address. Each connection is a task of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_lifecycle::ports::Ports;
use countersign_masking::HashKey;
use countersign_postgres::handshake::Terms;
use countersign_postgres::{Gate, GateConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long the accept loop rests when the system has no file descriptors left.
const REST: Duration = Duration::from_millis(50);

/// Where a gateway listens for PostgreSQL clients.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// The TLS of the listener; must offer ALPN `postgresql`. `None`: plain, and then loopback only.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    gate: Arc<Gate>,
    places: Arc<Semaphore>,
}

impl Gateway {
    /// Begins to listen; nobody is served before [`Gateway::run`].
    ///
    /// # Errors
    /// [`StartError`] when the address cannot be listened on.
    pub async fn bind(
        config: ListenerConfig,
        ports: Ports,
        hash_key: Arc<HashKey>,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address: config.address, source };
        let listener = TcpListener::bind(config.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let terms = Terms::new(address.ip(), config.tls);
        let gate = Arc::new(Gate::new(GateConfig { terms, hash_key }, ports));
        Ok(Self { listener, address, gate, places: Arc::new(Semaphore::new(config.connections_max)) })
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until `drain` completes, then lets those that are connected finish for at most `patience`.
    /// What stops the connections themselves is their session's stop signal.
    pub async fn run(self, drain: impl Future<Output = ()>, patience: Duration) {
        let mut connections = JoinSet::new();
        tokio::pin!(drain);
        loop {
            tokio::select! {
                () = &mut drain => break,
                accepted = self.accept() => match accepted {
                    Ok((socket, peer, place)) => {
                        let gate = Arc::clone(&self.gate);
                        let open = crate::metrics::connected();
                        connections.spawn(async move {
                            gate.serve(socket, peer).await;
                            drop((place, open));
                        });
                    }
                    Err(error) => {
                        tracing::error!(%error, "a connection could not be accepted");
                        tokio::time::sleep(REST).await;
                    }
                },
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the task of a connection failed");
                    }
                }
            }
        }
        drop(self.listener);
        let left = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, left).await.is_err() {
            tracing::warn!("connections that did not end in time were closed");
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (socket, peer) = self.listener.accept().await?;
        Ok((socket, peer, place))
    }
}
