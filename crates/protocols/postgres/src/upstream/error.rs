//! Why there is no connection to the target, and what of it a client may read: a clear sentence and a
//! SQLSTATE, never the target's own words, which name its users.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use countersign_common::error::{Code, Origin, Report, Retry, code};
use countersign_common::target::SecretRef;
use countersign_runtime::tls::TlsError;

use super::scram::ScramError;
use crate::codec::{self, SqlState};

/// Why the target could not be reached, did not let us in, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection to the host and port.
    #[error("cannot connect to {host}:{port}")]
    Unreachable {
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The target took longer than it may.
    #[error("no end of {what} within {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The TLS settings of the target are unusable.
    #[error("TLS settings unusable")]
    TlsSettings(#[from] TlsError),
    /// The target's host is not a name that a certificate can be for.
    #[error("`{host}` is neither a host name nor an address")]
    HostName {
        /// What is configured.
        host: String,
    },
    /// The target speaks no TLS, but its entry in the bundle demands it.
    #[error("the target does not speak TLS, which its `tls.mode` demands")]
    TlsRefused,
    /// TLS failed, most often because the certificate did not verify.
    #[error("TLS handshake failed")]
    TlsFailed(#[source] io::Error),
    /// The credential could not be read from where its reference points.
    #[error("cannot read the credential from {}", place(reference))]
    CredentialUnreadable {
        /// The reference.
        reference: SecretRef,
        /// What went wrong; never any of the content.
        why: String,
    },
    /// The target asks for a credential, but its role has none.
    #[error("the target asks for a password, but the role has no credential")]
    CredentialMissing,
    /// The target did not accept the credential.
    #[error("the target did not accept the credential (SQLSTATE {sqlstate})")]
    CredentialRefused {
        /// What the target said; its words are left out, they name its users.
        sqlstate: SqlState,
    },
    /// The target asks for authentication that we do not do, or not on such a connection.
    #[error("the target asks for {wanted}, which is not done here")]
    AuthenticationUnsupported {
        /// What it asks for.
        wanted: &'static str,
    },
    /// The SCRAM exchange failed; in particular, the server did not prove that it knows the password.
    #[error("SCRAM failed")]
    Scram(#[from] ScramError),
    /// The target answered with an error.
    #[error("the target answered with SQLSTATE {sqlstate}: {message}")]
    Refused {
        /// Its code.
        sqlstate: SqlState,
        /// Its words, for our log; cut to 200 characters.
        message: String,
    },
    /// The target broke the protocol.
    #[error("the target broke the protocol")]
    Protocol(#[from] codec::Error),
    /// An answer is larger than what is read here.
    #[error("the target's answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The target speaks no version of the protocol that we speak.
    #[error("the target wants protocol {0}")]
    Version(codec::startup::Version),
    /// The connection failed.
    #[error("the connection to the target failed")]
    Broken(#[from] io::Error),
    /// Part of our own work did not end.
    #[error("internal: {0}")]
    Internal(&'static str),
}

fn place(reference: &SecretRef) -> String {
    match reference {
        SecretRef::File(path) => format!("file `{}`", path.display()),
        SecretRef::Env(name) => format!("environment variable `{name}`"),
    }
}

impl UpstreamError {
    /// The code that the client gets. The target's own code is kept where it is about what the client
    /// asked for (an unknown database, too many connections, starting up), but not where it is about our
    /// credential: to the client that would look like its own token.
    #[must_use]
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Refused { sqlstate, .. } if sqlstate.class() != "28" => *sqlstate,
            Self::Unreachable { .. } | Self::TimedOut { .. } => SqlState::CANNOT_CONNECT_NOW,
            Self::Broken(_) => SqlState::CONNECTION_FAILURE,
            Self::Refused { .. }
            | Self::TlsSettings(_)
            | Self::HostName { .. }
            | Self::TlsRefused
            | Self::TlsFailed(_)
            | Self::CredentialUnreadable { .. }
            | Self::CredentialMissing
            | Self::CredentialRefused { .. }
            | Self::AuthenticationUnsupported { .. }
            | Self::Scram(_)
            | Self::Protocol(_)
            | Self::TooLarge { .. }
            | Self::Version(_)
            | Self::Internal(_) => SqlState::SYSTEM_ERROR,
        }
    }

    /// Whether the target turned down what we proved ourselves with.
    pub(super) const fn is_credential_refused(&self) -> bool {
        matches!(self, Self::CredentialRefused { .. } | Self::Scram(ScramError::ServerSignature))
    }
}

impl Report for UpstreamError {
    fn origin(&self) -> Origin {
        match self {
            Self::TlsSettings(_)
            | Self::HostName { .. }
            | Self::CredentialUnreadable { .. }
            | Self::CredentialMissing
            | Self::Internal(_) => Origin::Gateway,
            _ => Origin::Target,
        }
    }

    /// Safe: these are errors of opening a connection, before any command.
    fn retry(&self) -> Retry {
        Retry::Safe
    }

    fn code(&self) -> Code {
        match self {
            Self::CredentialUnreadable { .. } | Self::CredentialMissing => code::CREDENTIAL_UNREADABLE,
            Self::TlsSettings(_) | Self::HostName { .. } => code::CONFIG_INVALID,
            _ => code::TARGET_UNREACHABLE,
        }
    }

    fn client_text(&self) -> Cow<'_, str> {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken(_) => {
                "the target cannot be reached; nothing was run".into()
            }
            Self::TlsSettings(_) | Self::HostName { .. } | Self::TlsRefused | Self::TlsFailed(_) => {
                "no secure connection to the target; nothing was run".into()
            }
            Self::CredentialUnreadable { .. }
            | Self::CredentialMissing
            | Self::CredentialRefused { .. }
            | Self::AuthenticationUnsupported { .. }
            | Self::Scram(_) => {
                "the gateway could not log in to the target (not a fault of your token); nothing was run"
                    .into()
            }
            Self::Refused { sqlstate, .. } => refused_text(*sqlstate),
            Self::Protocol(_) | Self::TooLarge { .. } | Self::Version(_) => {
                "the target did not answer as PostgreSQL does; nothing was run".into()
            }
            Self::Internal(_) => "internal error of the gateway; nothing was run".into(),
        }
    }
}

fn refused_text(sqlstate: SqlState) -> Cow<'static, str> {
    let why = match sqlstate.as_str() {
        "3D000" => "it has no such database",
        "53300" => "it has too many connections",
        "57P03" => "it does not take connections now",
        "42704" | "22023" => "it does not take one of the connection's settings",
        "42501" => "the role may not do that",
        _ => return format!("the target refused (SQLSTATE {sqlstate}); nothing was run").into(),
    };
    format!("the target refused: {why}; nothing was run").into()
}
