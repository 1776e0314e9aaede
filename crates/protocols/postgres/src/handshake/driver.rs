//! Carries bytes between the states and a socket, within a limit of time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroize;

use super::state::{ExpectPassword, ExpectStartup, ExpectTls, Step};
use super::{HandshakeError, Login, LoginRefused, Terms};
use crate::codec::backend::TransactionStatus;
use crate::codec::startup::{STARTUP_BYTES_MAX, Startup};
use crate::codec::{Error, Fault, Header, Side, build};
use crate::{CancelKey, ServerParameters, Stream};

/// The first byte of a TLS handshake record; no start-up packet begins so, it would be 369 MB long.
const TLS_HANDSHAKE: u8 = 0x16;
/// How long a shut door waits until the client has taken the last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Who has come.
#[derive(Debug)]
pub enum Arrival<S> {
    /// A client that wants to be let in; nothing is known to be true of it yet.
    Login(Login, Door<S>),
    /// A request to cancel what the session with this key is doing; answered by nothing but that it is closed.
    Cancel(CancelKey, CancelConnection<S>),
}

/// The connection on which a cancel request came. That it is closed tells the client that the request was carried out.
#[derive(Debug)]
#[must_use = "a client waits until it is closed"]
pub struct CancelConnection<S>(Stream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> CancelConnection<S> {
    /// Closes it; over TLS with `close_notify`, without which clients report an error.
    ///
    /// # Cancel safety
    /// Cancel safe: the connection is closed.
    pub async fn close(mut self) {
        say_last(&mut self.0, b"").await;
    }
}

/// The door at which a client waits for an answer to its login.
#[derive(Debug)]
#[must_use = "a client waits at it"]
pub struct Door<S> {
    stream: Stream<S>,
    buffered: BytesMut,
    limit: Duration,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Client<S> {
    /// The connection.
    pub stream: Stream<S>,
    /// What the client sent already; comes before anything that is read from the stream.
    pub buffered: BytesMut,
}

/// Hears a client out, until its token is here. A client that breaks the rules is told why and
/// the connection is closed. Checks no token.
///
/// # Errors
/// [`HandshakeError`]; the client has been told.
///
/// # Cancel safety
/// Cancel safe: the connection is closed.
pub async fn receive<S>(socket: S, terms: &Terms) -> Result<Arrival<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut place = Place { stream: None, buffered: BytesMut::with_capacity(1024) };
    let limit = terms.login_time_max;
    let heard = timeout(limit, place.hear(socket, terms)).await;
    match heard.unwrap_or(Err(HandshakeError::TimedOut { limit })) {
        Ok(Heard::Cancel(key)) => {
            let Some(stream) = place.stream else { return Err(HandshakeError::Gone) };
            Ok(Arrival::Cancel(key, CancelConnection(stream)))
        }
        Ok(Heard::Login(login)) => {
            let Some(stream) = place.stream else { return Err(HandshakeError::Gone) };
            Ok(Arrival::Login(login, Door { stream, buffered: place.buffered, limit }))
        }
        Err(error) => {
            let mut out = BytesMut::new();
            error.write(&mut out);
            if let Some(mut stream) = place.stream {
                say_last(&mut stream, &out).await;
            }
            Err(error)
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Door<S> {
    /// Lets the client in: it learns the settings of the target's session, the key of ours, and that we
    /// are ready.
    ///
    /// # Errors
    /// [`HandshakeError`] when the client has left or does not take it in time.
    ///
    /// # Cancel safety
    /// Cancel safe: the connection is closed.
    pub async fn open(
        mut self,
        parameters: &ServerParameters,
        key: &CancelKey,
    ) -> Result<Client<S>, HandshakeError> {
        let mut out = BytesMut::with_capacity(1024);
        greeting(&mut out, parameters, key);
        let said = timeout(self.limit, say(&mut self.stream, &out)).await;
        said.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        Ok(Client { stream: self.stream, buffered: self.buffered })
    }

    /// Tells the client why it is not let in, and closes the connection.
    ///
    /// # Cancel safety
    /// Cancel safe: the connection is closed.
    pub async fn shut(mut self, refused: &LoginRefused) {
        let mut out = BytesMut::new();
        refused.write(&mut out);
        say_last(&mut self.stream, &out).await;
    }

    /// The connection, to see where it comes from.
    pub const fn stream(&self) -> &Stream<S> {
        &self.stream
    }
}

/// What a client hears when it is let in.
pub fn greeting(out: &mut BytesMut, parameters: &ServerParameters, key: &CancelKey) {
    build::authentication_ok(out);
    parameters.write(out);
    // I11: the key is of our own making; the target's stays with us.
    build::backend_key_data(out, key);
    build::ready_for_query(out, TransactionStatus::Idle);
}

/// The connection while it is heard out. Outlives the hearing, so that whoever is refused can be told.
struct Place<S> {
    stream: Option<Stream<S>>,
    buffered: BytesMut,
}

enum Heard {
    Login(Login),
    Cancel(CancelKey),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Place<S> {
    async fn hear(&mut self, mut socket: S, terms: &Terms) -> Result<Heard, HandshakeError> {
        // One byte tells TLS from a packet. It is the only one that TLS has to be given back.
        let first = socket.read_u8().await.map_err(gone)?;
        let mut state = ExpectStartup::new(terms);
        if first == TLS_HANDSHAKE {
            state = self.direct_tls(socket, state.direct_tls()?).await?;
        } else {
            self.buffered.extend_from_slice(&[first]);
            self.stream = Some(Stream::Plain(socket));
        }
        loop {
            let packet = self.packet().await?;
            match state.handle(packet, self.buffered.len())? {
                Step::Decline(next) => {
                    self.say(b"N").await?;
                    state = next;
                }
                Step::StartTls(next) => {
                    self.say(b"S").await?;
                    state = self.start_tls(next).await?;
                }
                Step::Ask(next, reply) => {
                    self.say(&reply).await?;
                    return self.password(next).await.map(Heard::Login);
                }
                Step::Cancel(key) => return Ok(Heard::Cancel(key)),
            }
        }
    }

    /// TLS from the first byte, which has been read already.
    async fn direct_tls<'t>(
        &mut self,
        socket: S,
        state: ExpectTls<'t>,
    ) -> Result<ExpectStartup<'t>, HandshakeError> {
        let mut given_back = Ok(0);
        let accept = TlsAcceptor::from(state.config()?)
            .accept_with(socket, |session| given_back = session.read_tls(&mut [TLS_HANDSHAKE].as_slice()));
        let stream = accept.await.map_err(HandshakeError::TlsFailed)?;
        given_back?;
        let session = stream.get_ref().1;
        let server_name = session.server_name().map(str::to_owned);
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        self.stream = Some(Stream::Tls(Box::new(stream.into())));
        state.established_directly(server_name.as_deref(), alpn.as_deref())
    }

    /// TLS after an SSLRequest. Nothing is buffered: the state has seen to that.
    async fn start_tls<'t>(&mut self, state: ExpectTls<'t>) -> Result<ExpectStartup<'t>, HandshakeError> {
        let Some(Stream::Plain(socket)) = self.stream.take() else {
            return Err(HandshakeError::AskedTwice);
        };
        let accept = TlsAcceptor::from(Arc::clone(&state.config()?)).accept(socket);
        let stream = accept.await.map_err(HandshakeError::TlsFailed)?;
        let server_name = stream.get_ref().1.server_name().map(str::to_owned);
        self.stream = Some(Stream::Tls(Box::new(stream.into())));
        Ok(state.established(server_name.as_deref()))
    }

    async fn packet(&mut self) -> Result<Startup, HandshakeError> {
        loop {
            match Startup::read(&self.buffered) {
                Ok(Some((packet, used))) => {
                    self.buffered.advance(used);
                    return Ok(packet);
                }
                Ok(None) => {}
                // A length that no packet has: a Terminate, another protocol, a scan.
                Err(Error::Malformed { fault: Fault::Count, .. }) => return Err(HandshakeError::NotStartup),
                Err(error) => return Err(error.into()),
            }
            self.fill(STARTUP_BYTES_MAX).await?;
        }
    }

    async fn password(&mut self, state: ExpectPassword) -> Result<Login, HandshakeError> {
        let header = loop {
            if let Some(tag) = self.buffered.first() {
                ExpectPassword::expects(*tag)?;
            }
            match Header::read(Side::Frontend, &self.buffered)? {
                Some(header) if self.buffered.len() >= header.frame_bytes() => break header,
                Some(header) => self.fill(header.frame_bytes()).await?,
                None => self.fill(Header::BYTES).await?,
            }
        };
        let mut frame = self.buffered.split_to(header.frame_bytes());
        let login = state.handle(header.tag, frame.get(Header::BYTES..).unwrap_or_default());
        frame.zeroize();
        login
    }

    /// Reads more, so that at most about `bytes_max` bytes are buffered.
    async fn fill(&mut self, bytes_max: usize) -> Result<(), HandshakeError> {
        let stream = self.stream.as_mut().ok_or(HandshakeError::Gone)?;
        self.buffered.reserve(bytes_max.saturating_sub(self.buffered.len()).clamp(64, 4096));
        match stream.read_buf(&mut self.buffered).await.map_err(gone)? {
            0 => Err(HandshakeError::Gone),
            _ => Ok(()),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), HandshakeError> {
        let stream = self.stream.as_mut().ok_or(HandshakeError::Gone)?;
        say(stream, bytes).await.map_err(gone)
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut Stream<S>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Says it, closes our side, and waits a little for the client to close its own: a socket that is closed
/// with unread bytes is reset, and the client might lose what was said.
async fn say_last<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut Stream<S>, bytes: &[u8]) {
    let farewell = async {
        say(stream, bytes).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the client heard it is its own affair.
    let _heard = timeout(LAST_WORDS, farewell).await;
}

fn gone(error: io::Error) -> HandshakeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => HandshakeError::Gone,
        _ => HandshakeError::Broken(error),
    }
}
