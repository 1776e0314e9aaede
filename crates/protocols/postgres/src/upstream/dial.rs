//! The way to the target's door: TCP, and TLS as the target's entry in the bundle demands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::UpstreamError;
use crate::Stream;
use crate::codec::{Error, Tag, build};

/// A silent connection is asked whether it is still there after so long, and then so often. A session
/// may sit idle for hours between two statements.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// Host and port of a target, and how connections to it are protected.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None`: no TLS.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

/// A connection to the door, nobody let in yet.
pub(super) struct Dialled {
    pub(super) stream: Stream,
    pub(super) peer: SocketAddr,
}

impl Endpoint {
    /// Connects by name.
    pub(super) async fn dial(&self) -> Result<Dialled, UpstreamError> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await;
        self.protect(socket.map_err(|source| self.unreachable(source))?).await
    }

    /// Connects to the very address that an earlier connection went to: a cancel request must not reach
    /// another server of the same name.
    pub(super) async fn dial_again(&self, peer: SocketAddr) -> Result<Dialled, UpstreamError> {
        let socket = TcpStream::connect(peer).await;
        self.protect(socket.map_err(|source| self.unreachable(source))?).await
    }

    fn unreachable(&self, source: std::io::Error) -> UpstreamError {
        UpstreamError::Unreachable { host: self.host.clone(), port: self.port, source }
    }

    async fn protect(&self, mut socket: TcpStream) -> Result<Dialled, UpstreamError> {
        let peer = socket.peer_addr()?;
        socket.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
        SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
        let Some(config) = &self.tls else {
            return Ok(Dialled { stream: Stream::Plain(socket), peer });
        };
        ask_for_tls(&mut socket).await?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| UpstreamError::HostName { host: self.host.clone() })?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, socket).await;
        let stream = stream.map_err(UpstreamError::TlsFailed)?;
        Ok(Dialled { stream: Stream::Tls(Box::new(stream.into())), peer })
    }
}

/// Asks for TLS. Exactly one byte is read: what somebody in between sends along with it ends up in
/// the TLS handshake and breaks it, and never passes for something that came protected.
async fn ask_for_tls(socket: &mut TcpStream) -> Result<(), UpstreamError> {
    let mut request = BytesMut::new();
    build::ssl_request(&mut request);
    socket.write_all(&request).await?;
    match socket.read_u8().await? {
        b'S' => Ok(()),
        // An `E` is an error message, which is not believed before there is TLS.
        b'N' | b'E' => Err(UpstreamError::TlsRefused),
        got => Err(Error::Unexpected { expected: "`S` or `N`", got: Tag(got) }.into()),
    }
}
