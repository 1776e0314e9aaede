//! Where the control plane listens: plain on loopback, TLS everywhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_controlplane::ControlPlane;
use countersign_controlplane::fleet::Fleet;
use countersign_controlplane::grpc::{PublicUrl, ServeError, Site, serve};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

/// How many accepted connections wait for the server; the kernel keeps the others.
const WAITING_MAX: usize = 64;

/// How many TLS handshakes go on at once; the kernel keeps the others.
const HANDSHAKES_MAX: usize = 128;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to rest when no connection can be accepted (no more file descriptors, say).
const REST_AFTER_ERROR: Duration = Duration::from_millis(100);

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    public: Option<PublicUrl>,
}

impl Listener {
    /// Binds it. Without TLS only on loopback: tokens pass through it.
    pub(crate) async fn bind(listen: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        if tls.is_none() && !listen.ip().is_loopback() {
            let why = "without TLS it may listen on loopback only, as tokens would pass in the clear";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let tcp = TcpListener::bind(listen).await?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address, tls, public: None })
    }

    /// Besides under its own address, people reach the page under this one.
    pub(crate) fn reached_at(self, public: Option<PublicUrl>) -> Self {
        Self { public, ..self }
    }

    /// The address as people and clients write it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves the API until `stop` turns true, then drains.
    pub(crate) async fn serve(
        self,
        control: Arc<ControlPlane>,
        fleet: Option<Arc<Fleet>>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ServeError> {
        match self.tls {
            None => {
                let (sender, receiver) = mpsc::channel(WAITING_MAX);
                let accepting = accept_plain(self.tcp, sender);
                let site = Site::plain().or_at(self.public);
                serving(accepting, serve(control, fleet, site, ReceiverStream::new(receiver), stop)).await
            }
            Some(tls) => {
                let (sender, receiver) = mpsc::channel(WAITING_MAX);
                let accepting = accept_tls(self.tcp, TlsAcceptor::from(tls), sender);
                let site = Site::tls().or_at(self.public);
                serving(accepting, serve(control, fleet, site, ReceiverStream::new(receiver), stop)).await
            }
        }
    }
}

/// The server, and while it serves, what accepts for it.
async fn serving(
    accepting: impl Future<Output = ()>,
    serving: impl Future<Output = Result<(), ServeError>>,
) -> Result<(), ServeError> {
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = &mut serving => served,
        // Nobody takes connections any more: the server is draining.
        () = accepting => serving.await,
    }
}

type Accepted<T> = mpsc::Sender<io::Result<T>>;

async fn accept_plain(listener: TcpListener, to: Accepted<TcpStream>) {
    while let Some(tcp) = accept(&listener, &to).await {
        if to.send(Ok(tcp)).await.is_err() {
            return;
        }
    }
}

async fn accept_tls(listener: TcpListener, acceptor: TlsAcceptor, to: Accepted<TlsStream<TcpStream>>) {
    let mut handshakes = JoinSet::new();
    while let Some(tcp) = accept(&listener, &to).await {
        while handshakes.len() >= HANDSHAKES_MAX {
            handshakes.join_next().await;
        }
        while handshakes.try_join_next().is_some() {}
        let (acceptor, to) = (acceptor.clone(), to.clone());
        handshakes.spawn(async move {
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
                Ok(Ok(tls)) => drop(to.send(Ok(tls)).await),
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        });
    }
}

/// The next connection; `None` when nobody takes any.
async fn accept<T>(listener: &TcpListener, to: &Accepted<T>) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            () = to.closed() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(tcp, _)| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return Some(tcp),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_tls_it_listens_on_loopback_only() {
        let any = "0.0.0.0:0".parse().unwrap();
        assert!(Listener::bind(any, None).await.is_err());
        let loopback = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        assert!(loopback.url().starts_with("http://127.0.0.1:"));
    }
}
