//! The target's side of a session: opens a connection, logs in with the role's credential, and gives
//! back the bare stream with what the server reported. What then goes over it is not decided here.
//!
//! A [`Connector`] stands for one version of a target's entry in the bundle: it holds the TLS settings
//! and the keys that credentials were stretched to. The credential itself is read when it is needed and
//! wiped after (I11).

mod authenticate;
mod binding;
mod credential;
mod dial;
mod error;
mod query;
mod scram;
mod spare;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use countersign_common::Target;
use countersign_common::target::Role;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use self::authenticate::{LOGIN_MESSAGE_BYTES_MAX, Login};
use self::credential::KeyCache;
use self::dial::{Dialled, Endpoint};
use self::spare::Spares;
use self::wire::Wire;
use crate::codec::backend::{NegotiateProtocolVersion, TransactionStatus};
use crate::codec::startup::{Protocol, Version};
use crate::codec::{Backend, Error, ErrorFields, SqlState, build};
use crate::{CancelKey, ServerParameters, StartupParameters, Stream};

pub use self::error::UpstreamError;
pub use self::query::Row;
pub use self::scram::ScramError;
pub(crate) use self::spare::{SpareNotice, SpareUpstream};

/// How long the target may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name resolution, TCP and TLS. Default: 10 s.
    pub connect: Duration,
    /// From the start-up message until it is ready for the first command. Default: 10 s.
    pub login: Duration,
    /// A query of our own. Default: 10 s.
    pub query: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let limit = Duration::from_secs(10);
        Self { connect: limit, login: limit, query: limit }
    }
}

/// Opens connections to one target.
#[derive(Debug)]
pub struct Connector {
    endpoint: Endpoint,
    limits: Limits,
    keys: KeyCache,
    spares: Arc<Spares>,
}

/// What a connection is opened for.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The role, with its user name on the target and where its credential is.
    pub role: &'a Role,
    /// The database.
    pub database: &'a str,
    /// Everything else that the client gave at start-up, forwarded word for word
    /// ([`StartupParameters::forwarded`]).
    pub parameters: &'a StartupParameters,
    /// The version that the client asked for; the target may offer an older one.
    pub protocol: Protocol,
}

/// A connection to the target, ready for the first command.
#[derive(Debug)]
pub struct Upstream {
    /// The connection.
    pub stream: Stream,
    /// What was read after the server said that it was ready: asynchronous messages. To be handled
    /// before anything that is read from the stream.
    pub buffered: BytesMut,
    /// The settings that the server reported, in its order.
    pub parameters: ServerParameters,
    /// By what this session can be cancelled; `None` when the server gave nothing.
    pub cancel: Option<CancelToken>,
    /// The version that is spoken.
    pub protocol: Protocol,
    status: TransactionStatus,
    limits: Limits,
}

/// By what a session on the target is cancelled: the key, and the address that the session is at. The
/// target's key never leaves the gateway (I11).
#[derive(Debug, Clone)]
pub struct CancelToken {
    peer: SocketAddr,
    key: CancelKey,
}

impl CancelToken {
    /// The server process behind the session: the address of the server, and the process id there.
    #[must_use]
    pub const fn process(&self) -> (SocketAddr, u32) {
        (self.peer, self.key.pid())
    }
}

/// A connection on which a cancel request is about to be sent.
#[derive(Debug)]
pub struct DialledCancel {
    stream: Stream,
    key: CancelKey,
    limit: Duration,
}

impl DialledCancel {
    /// Sends the request, and waits until the target has signalled the session: it closes the connection then.
    ///
    /// # Errors
    /// [`UpstreamError`] when it could not be sent, or the target does not close the connection in time.
    ///
    /// # Cancel safety
    /// Not cancel safe: whether the session was signalled is not known then.
    pub async fn deliver(mut self) -> Result<(), UpstreamError> {
        let limit = self.limit;
        let deliver = async {
            let mut out = BytesMut::new();
            build::cancel_request(&mut out, &self.key);
            let mut buffered = BytesMut::new();
            Wire { stream: &mut self.stream, buffered: &mut buffered }.send(&out).await?;
            // The server closes the connection once the signal is sent; errors of closing mean nothing.
            let _closed = self.stream.read(&mut [0; 16]).await;
            Ok(())
        };
        timeout(limit, deliver)
            .await
            .unwrap_or(Err(UpstreamError::TimedOut { what: "cancel request", limit }))
    }
}

impl Connector {
    /// For this target, with default limits. Reads the files of its TLS settings: not for a task that
    /// must not block.
    ///
    /// # Errors
    /// [`UpstreamError::TlsSettings`] when the TLS settings are unusable.
    pub fn new(target: &Target) -> Result<Self, UpstreamError> {
        let tls = countersign_runtime::tls::client_config(&target.tls, &[crate::ALPN])?;
        let endpoint = Endpoint { host: target.host.clone(), port: target.port, tls };
        Ok(Self { endpoint, limits: Limits::default(), keys: KeyCache::default(), spares: Arc::default() })
    }

    /// The same with other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens a connection and logs in. A credential that is refused although it was right before is
    /// read anew, and the login tried once more; so is a version of the protocol that is refused.
    ///
    /// # Errors
    /// [`UpstreamError`]; nothing was run.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that is half open is closed.
    pub async fn connect(&self, opening: &Opening<'_>) -> Result<Upstream, UpstreamError> {
        match self.connect_once(opening).await {
            // Boxed: rare, and large beside a login.
            Err(refused) => Box::pin(self.connect_in_place_of_spares(opening, refused)).await,
            connected => connected,
        }
    }

    async fn connect_once(&self, opening: &Opening<'_>) -> Result<Upstream, UpstreamError> {
        let result = self.log_in(opening).await;
        crate::metrics::dialled(&result);
        result
    }

    async fn log_in(&self, opening: &Opening<'_>) -> Result<Upstream, UpstreamError> {
        let mut login = Login { role: opening.role, keys: &self.keys, used_kept_keys: false };
        let first = self.attempt(opening, &mut login).await;
        let error = match first {
            Ok(upstream) => return Ok(upstream),
            Err(error) => error,
        };
        if let Some(reference) = &opening.role.credential
            && error.is_credential_refused()
        {
            // What was refused is not kept, whether it was kept before or stretched just now.
            self.keys.forget(&opening.role.user, reference);
        }
        if error.is_credential_refused() && login.used_kept_keys {
            return self.attempt(opening, &mut login).await;
        }
        if opening.protocol > Protocol::V3_0 && refuses_the_version(&error) {
            let older = Opening { protocol: Protocol::V3_0, ..*opening };
            return self.attempt(&older, &mut login).await;
        }
        Err(error)
    }

    /// Opens a connection to ask the target to stop what the session with this token is doing.
    ///
    /// # Errors
    /// [`UpstreamError`] when the target cannot be reached in time.
    ///
    /// # Cancel safety
    /// Cancel safe: the connection is closed, and nothing was asked.
    pub async fn dial_cancel(&self, token: &CancelToken) -> Result<DialledCancel, UpstreamError> {
        let limit = self.limits.connect;
        let dialled = timeout(limit, self.endpoint.dial_again(token.peer)).await;
        let dialled = dialled.unwrap_or(Err(UpstreamError::TimedOut { what: "cancel request", limit }))?;
        Ok(DialledCancel { stream: dialled.stream, key: token.key.clone(), limit })
    }

    /// Asks the target to stop what the session with this token is doing, and waits until the target has signalled it.
    /// That the request was delivered does not mean that there was anything to stop.
    ///
    /// # Errors
    /// [`UpstreamError`] when the request could not be delivered.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), UpstreamError> {
        self.dial_cancel(token).await?.deliver().await
    }

    async fn attempt(&self, opening: &Opening<'_>, login: &mut Login<'_>) -> Result<Upstream, UpstreamError> {
        let Limits { connect, login: limit, .. } = self.limits;
        let dialled = timeout(connect, self.endpoint.dial()).await;
        let dialled =
            dialled.unwrap_or(Err(UpstreamError::TimedOut { what: "connecting", limit: connect }))?;
        let entered = timeout(limit, enter(dialled, opening, login, self.limits)).await;
        entered.unwrap_or(Err(UpstreamError::TimedOut { what: "logging in", limit }))
    }
}

/// From the start-up message until the server is ready.
async fn enter(
    dialled: Dialled,
    opening: &Opening<'_>,
    login: &mut Login<'_>,
    limits: Limits,
) -> Result<Upstream, UpstreamError> {
    let mut upstream = Upstream {
        stream: dialled.stream,
        buffered: BytesMut::new(),
        parameters: ServerParameters::default(),
        cancel: None,
        protocol: opening.protocol,
        status: TransactionStatus::Idle,
        limits,
    };
    let mut wire = Wire { stream: &mut upstream.stream, buffered: &mut upstream.buffered };
    let mut out = BytesMut::new();
    let ours = [("user", opening.role.user.as_str()), ("database", opening.database)];
    build::startup(&mut out, opening.protocol, ours.into_iter().chain(opening.parameters.iter()))?;
    wire.send(&out).await?;

    let mut let_in = false;
    loop {
        let message = wire.receive(LOGIN_MESSAGE_BYTES_MAX).await?;
        match Backend::decode(message.tag, &message.body)? {
            Backend::NegotiateProtocolVersion(offer) if !let_in => {
                upstream.protocol = settle(opening.protocol, offer)?;
            }
            Backend::Authentication(request) if !let_in => {
                login.answer(&mut wire, request).await?;
                let_in = true;
            }
            Backend::ParameterStatus { name, value } if let_in => upstream.parameters.set(name, value),
            Backend::BackendKeyData { pid, secret } if let_in => {
                let key = CancelKey::new(pid, secret.0.to_vec());
                upstream.cancel = Some(CancelToken { peer: dialled.peer, key });
            }
            Backend::ReadyForQuery(status) if let_in => {
                upstream.status = status;
                return Ok(upstream);
            }
            Backend::NoticeResponse(_) => {}
            Backend::ErrorResponse(fields) => return Err(refused(fields)),
            other => return Err(Error::Unexpected { expected: "a login message", got: other.tag() }.into()),
        }
    }
}

/// The version that both speak. The server may only step down, and has no options of ours to refuse.
fn settle(asked: Protocol, offer: NegotiateProtocolVersion<'_>) -> Result<Protocol, UpstreamError> {
    let offered = [Protocol::V3_0, Protocol::V3_2].into_iter().find(|one| one.number() == offer.version);
    match offered {
        Some(version) if version <= asked && offer.unknown_count == 0 => Ok(version),
        Some(_) | None => Err(UpstreamError::Version(Version(offer.version))),
    }
}

/// Poolers of old know no way to step down; they refuse.
fn refuses_the_version(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::Refused { sqlstate, .. } => {
            [SqlState::FEATURE_NOT_SUPPORTED, SqlState::PROTOCOL_VIOLATION].contains(sqlstate)
        }
        _ => false,
    }
}

/// An error of the server's. Where it is about who we are, its words are left out.
fn refused(fields: ErrorFields<'_>) -> UpstreamError {
    let sqlstate = fields.sqlstate();
    if sqlstate.class() == "28" {
        return UpstreamError::CredentialRefused { sqlstate };
    }
    let message = String::from_utf8_lossy(fields.get(b'M').unwrap_or_default());
    UpstreamError::Refused { sqlstate, message: message.chars().take(200).collect() }
}
