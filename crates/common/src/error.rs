//! Properties of every Countersign error that may reach a client: its origin, whether a retry is safe, its code with
//! a page in `docs/errors/`, and the text for the client. Only errors with this trait reach a client; catch-all
//! errors do not implement it.

use std::borrow::Cow;
use std::fmt;

/// The party at fault for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The client sent something wrong.
    Client,
    /// A policy or an approver refused the command.
    Policy,
    /// The control plane failed or did not answer.
    ControlPlane,
    /// The target failed or did not answer.
    Target,
    /// The gateway itself is at fault.
    Gateway,
}

impl Origin {
    /// Value of the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::ControlPlane => "control_plane",
            Self::Target => "target",
            Self::Gateway => "gateway",
        }
    }
}

/// Safety of sending the same command again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing was run, so a retry has no side effects.
    Safe,
    /// The retry would fail the same way.
    Never,
    /// It is unknown if something was run.
    Unknown,
}

/// Stable error code, such as `CS0007`, documented in `docs/errors/CS0007.md`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CS{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error whose text may be shown to a client.
pub trait Report: std::error::Error {
    /// Returns the party at fault.
    fn origin(&self) -> Origin;
    /// Returns the safety of a retry.
    fn retry(&self) -> Retry;
    /// Returns the stable error code.
    fn code(&self) -> Code;
    /// Returns the text for the client: no secrets, no internals, and it says if the command was run.
    fn client_text(&self) -> Cow<'_, str>;
}

/// All codes in use. `cargo xtask tidy` checks that each has its page.
pub mod code {
    use super::Code;

    /// The token was not accepted.
    pub const TOKEN_REFUSED: Code = Code(1);
    /// The target, role or database does not exist, or the token does not grant access to it.
    pub const UNKNOWN_TARGET: Code = Code(2);
    /// The listener requires TLS.
    pub const TLS_REQUIRED: Code = Code(3);
    /// A client violated the protocol.
    pub const PROTOCOL_VIOLATION: Code = Code(4);
    /// The target is unreachable or rejected the credential.
    pub const TARGET_UNREACHABLE: Code = Code(5);
    /// A credential reference could not be read.
    pub const CREDENTIAL_UNREADABLE: Code = Code(6);
    /// The control plane did not answer.
    pub const CONTROL_PLANE_SILENT: Code = Code(7);
    /// A bundle is not valid.
    pub const BUNDLE_INVALID: Code = Code(9);
    /// The store could not be opened, read or written.
    pub const STORE_FAILED: Code = Code(10);
    /// An approval did not accept an event.
    pub const APPROVAL_REJECTED: Code = Code(11);
    /// A recording failed its verification.
    pub const RECORDING_BROKEN: Code = Code(12);
    /// A message is larger than the limit for judging it as a whole.
    pub const MESSAGE_TOO_LARGE: Code = Code(13);
    /// The configuration is not consistent.
    pub const CONFIG_INVALID: Code = Code(14);
    /// The session has expired or was revoked.
    pub const SESSION_ENDED: Code = Code(15);
    /// The requested feature is not supported.
    pub const UNSUPPORTED: Code = Code(16);
    /// A limit on concurrent connections or sessions is reached.
    pub const LIMIT_REACHED: Code = Code(17);

    /// All codes, for the check of their pages.
    pub const ALL: &[Code] = &[
        TOKEN_REFUSED,
        UNKNOWN_TARGET,
        TLS_REQUIRED,
        PROTOCOL_VIOLATION,
        TARGET_UNREACHABLE,
        CREDENTIAL_UNREADABLE,
        CONTROL_PLANE_SILENT,
        BUNDLE_INVALID,
        STORE_FAILED,
        APPROVAL_REJECTED,
        RECORDING_BROKEN,
        MESSAGE_TOO_LARGE,
        CONFIG_INVALID,
        SESSION_ENDED,
        UNSUPPORTED,
        LIMIT_REACHED,
    ];
}
