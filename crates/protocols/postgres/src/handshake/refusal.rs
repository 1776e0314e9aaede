//! How a client that is not let in is told so: the SQLSTATE that drivers know, and one clear sentence.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use countersign_common::error::{Code, Origin, Report, Retry, code};

use crate::cancel::NoRandomness;
use crate::codec::build::{self, Saying, Severity};
use crate::codec::startup::Version;
use crate::codec::{self, SqlState};
use crate::upstream::UpstreamError;

/// Why a login that was complete is refused: the answer of whoever checks tokens.
///
/// An unknown token and a token that does not reach the target it was used for are the same to the
/// client, in words and, if the one who checks takes care, in time: a token cannot be used to find out which targets
/// there are.
#[derive(Debug, thiserror::Error)]
pub enum LoginRefused {
    /// The token is unknown, expired or revoked, or not for this target. `28P01`.
    #[error("token not accepted")]
    Token,
    /// The token is good, but there is no such target. `3D000`.
    #[error("unknown target")]
    UnknownTarget,
    /// The token is good, but the target offers no such role. `28000`.
    #[error("unknown role")]
    UnknownRole,
    /// The token is good, but the target does not list the database. `3D000`, as the server says of one that is missing.
    #[error("unknown database")]
    UnknownDatabase {
        /// The database that the client named.
        database: String,
        /// Those that the target lists for its role.
        offered: Vec<String>,
    },
    /// The client gave a setting that is not forwarded at login. `42501`.
    #[error("setting `{0}` is not allowed at login")]
    Setting(String),
    /// Nobody can be let in now: no control plane, draining. `57P03`.
    #[error("not available")]
    Unavailable,
    /// The target could not be reached or did not let us in.
    #[error("no connection to the target")]
    Upstream(#[from] UpstreamError),
}

impl LoginRefused {
    /// The code that the client gets.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Token => SqlState::INVALID_PASSWORD,
            Self::UnknownTarget | Self::UnknownDatabase { .. } => SqlState::INVALID_CATALOG_NAME,
            Self::UnknownRole => SqlState::INVALID_AUTHORIZATION,
            Self::Setting(_) => SqlState::new(*b"42501"),
            Self::Unavailable => SqlState::CANNOT_CONNECT_NOW,
            Self::Upstream(error) => error.sqlstate(),
        }
    }

    /// The message that ends the connection.
    pub fn write(&self, out: &mut BytesMut) {
        fatal(out, self.sqlstate(), &self.client_text());
    }
}

impl Report for LoginRefused {
    fn origin(&self) -> Origin {
        match self {
            Self::Token
            | Self::UnknownTarget
            | Self::UnknownRole
            | Self::UnknownDatabase { .. }
            | Self::Setting(_) => Origin::Client,
            Self::Unavailable => Origin::ControlPlane,
            Self::Upstream(error) => error.origin(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Token
            | Self::UnknownTarget
            | Self::UnknownRole
            | Self::UnknownDatabase { .. }
            | Self::Setting(_) => Retry::Never,
            Self::Unavailable => Retry::Safe,
            Self::Upstream(error) => error.retry(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Token => code::TOKEN_REFUSED,
            Self::UnknownTarget | Self::UnknownRole | Self::UnknownDatabase { .. } => code::UNKNOWN_TARGET,
            Self::Setting(_) => code::UNSUPPORTED,
            Self::Unavailable => code::CONTROL_PLANE_SILENT,
            Self::Upstream(error) => error.code(),
        }
    }

    fn client_text(&self) -> Cow<'_, str> {
        match self {
            Self::Token => "token not accepted for this target; nothing was run",
            Self::UnknownTarget => {
                "there is no such target (the user name is `target` or `role@target`); nothing was run"
            }
            Self::UnknownRole => "the target offers no such role; nothing was run",
            Self::UnknownDatabase { database, offered } => return no_such_database(database, offered).into(),
            Self::Setting(name) => {
                return format!(
                    "setting `{name}` cannot be given at login through countersign; nothing was run"
                )
                .into();
            }
            Self::Unavailable => "the gateway does not let anyone in now; nothing was run",
            Self::Upstream(error) => return error.client_text(),
        }
        .into()
    }
}

/// Databases that are named to a client that asked for another one.
const OFFERED_SHOWN_MAX: usize = 10;

/// Characters of the client's own text that are repeated to it.
const REPEATED_CHARS_MAX: usize = 63;

fn no_such_database(database: &str, offered: &[String]) -> String {
    let database: String = database.escape_debug().take(REPEATED_CHARS_MAX).collect();
    let mut listed: Vec<_> =
        offered.iter().take(OFFERED_SHOWN_MAX).map(|name| format!("`{}`", name.escape_debug())).collect();
    if offered.len() > OFFERED_SHOWN_MAX {
        listed.push("...".into());
    }
    format!(
        "the target lists no database `{database}`; it offers {} (`databases` of the target in the bundle); nothing was \
         run",
        listed.join(", ")
    )
}

/// Why a client did not get as far as a complete login. It has been told so already, where there was
/// anybody to tell.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client broke the protocol.
    #[error("the client broke the protocol")]
    Protocol(#[from] codec::Error),
    /// Bytes came in clear after a request for TLS: what came unprotected must not pass for something
    /// that came protected.
    #[error("unencrypted bytes came after the request for encryption")]
    Stuffed,
    /// A second request for encryption.
    #[error("encryption was asked for twice")]
    AskedTwice,
    /// TLS from the first byte needs ALPN `postgresql`, so that no other protocol is taken for ours.
    #[error("TLS without a protocol name (ALPN `postgresql`)")]
    NoAlpn,
    /// TLS from the first byte, but the listener has no certificate.
    #[error("TLS was begun, but this listener has none")]
    NoTls,
    /// A major version that is not 3.
    #[error("protocol {0} is not spoken here")]
    Version(Version),
    /// Replication is not offered.
    #[error("replication was asked for")]
    Replication,
    /// A value of `replication` that the server does not take either.
    #[error("an invalid value for `replication`")]
    ReplicationValue,
    /// The first bytes are no start-up packet: a Terminate, another protocol, a scan. As with the server, the connection is
    /// closed without an answer.
    #[error("what came first is no start-up packet")]
    NotStartup,
    /// No user name, or one that names no target.
    #[error("the user name names no target")]
    UserName,
    /// A connection without TLS to a listener that wants it.
    #[error("no TLS on a listener that wants it")]
    TlsRequired,
    /// An empty password.
    #[error("no token was given")]
    NoToken,
    /// The client did not finish in time.
    #[error("login not finished within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The client left. Ordinary: psql does so to ask for the password.
    #[error("the client left")]
    Gone,
    /// TLS failed.
    #[error("TLS handshake failed")]
    TlsFailed(#[source] io::Error),
    /// The connection failed.
    #[error("the client's connection failed")]
    Broken(#[from] io::Error),
    /// There was no randomness for a key.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl HandshakeError {
    /// The code that the client gets.
    #[must_use]
    pub const fn sqlstate(&self) -> SqlState {
        match self {
            Self::Version(_) | Self::Replication => SqlState::FEATURE_NOT_SUPPORTED,
            Self::UserName | Self::TlsRequired => SqlState::INVALID_AUTHORIZATION,
            Self::ReplicationValue => SqlState::new(*b"22023"),
            Self::NoToken => SqlState::INVALID_PASSWORD,
            Self::NoRandomness(_) => SqlState::INTERNAL_ERROR,
            // As the server's own, when authentication takes too long.
            Self::TimedOut { .. } => SqlState::QUERY_CANCELED,
            Self::Protocol(_)
            | Self::Stuffed
            | Self::AskedTwice
            | Self::NoAlpn
            | Self::NoTls
            | Self::NotStartup
            | Self::Gone
            | Self::TlsFailed(_)
            | Self::Broken(_) => SqlState::PROTOCOL_VIOLATION,
        }
    }

    /// The message that ends the connection, unless nobody could read it: the client has left, or waits
    /// for a TLS record.
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Gone | Self::Broken(_) | Self::TlsFailed(_) | Self::NoTls | Self::NotStartup => {}
            Self::Protocol(_)
            | Self::Stuffed
            | Self::AskedTwice
            | Self::NoAlpn
            | Self::Version(_)
            | Self::Replication
            | Self::ReplicationValue
            | Self::UserName
            | Self::TlsRequired
            | Self::NoToken
            | Self::TimedOut { .. }
            | Self::NoRandomness(_) => fatal(out, self.sqlstate(), &self.client_text()),
        }
    }
}

impl Report for HandshakeError {
    fn origin(&self) -> Origin {
        match self {
            Self::NoRandomness(_) => Origin::Gateway,
            _ => Origin::Client,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::TimedOut { .. } | Self::Gone | Self::Broken(_) | Self::NoRandomness(_) => Retry::Safe,
            _ => Retry::Never,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::TlsRequired | Self::NoTls => code::TLS_REQUIRED,
            Self::UserName => code::UNKNOWN_TARGET,
            Self::NoToken => code::TOKEN_REFUSED,
            Self::Version(_) | Self::Replication => code::UNSUPPORTED,
            _ => code::PROTOCOL_VIOLATION,
        }
    }

    fn client_text(&self) -> Cow<'_, str> {
        match self {
            Self::TlsRequired => {
                "this listener wants TLS; connect with sslmode=require; nothing was run".into()
            }
            Self::UserName => "the user name must be `target` or `role@target`; nothing was run".into(),
            Self::NoToken => "no token was given as password; nothing was run".into(),
            Self::Replication => "replication is not offered here; nothing was run".into(),
            Self::ReplicationValue => {
                "invalid value for parameter \"replication\": valid are \"false\", 0, \"true\", 1, \
                                       \"database\"; nothing was run"
                    .into()
            }
            Self::Version(version) => {
                format!("protocol {version} is not spoken here, but 3.0 and 3.2; nothing was run").into()
            }
            // These name what was wrong, and quote nothing.
            Self::Protocol(error) => format!("{error}; nothing was run").into(),
            other => format!("{other}; nothing was run").into(),
        }
    }
}

fn fatal(out: &mut BytesMut, sqlstate: SqlState, text: &str) {
    build::error_response(out, &Saying::new(Severity::Fatal, sqlstate, text));
}
