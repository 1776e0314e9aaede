//! What every error of Countersign can say about itself: whose side it is on, whether trying again is
//! safe, its code with a page in `docs/errors/`, and the text a client may read. Only errors with this
//! trait reach a client; catch-all errors do not have it.

use std::borrow::Cow;
use std::fmt;

/// Whose side an error is on; also the label in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The client sent something wrong.
    Client,
    /// Policy or people said no.
    Policy,
    /// The control plane did not do its part.
    ControlPlane,
    /// The target did not do its part.
    Target,
    /// Ours.
    Gateway,
}

impl Origin {
    /// The word used as label.
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

/// Whether trying the same again is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing was run.
    Safe,
    /// It will fail the same way.
    Never,
    /// It is not known whether something was run.
    Unknown,
}

/// A stable code, such as `CS0007`; `docs/errors/CS0007.md` says what to do.
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

/// An error that knows what to tell whom.
pub trait Report: std::error::Error {
    /// Whose side it is on.
    fn origin(&self) -> Origin;
    /// Whether trying the same again is safe.
    fn retry(&self) -> Retry;
    /// Its code.
    fn code(&self) -> Code;
    /// What a client may read: no secrets, no internals, and whether the command was run.
    fn client_text(&self) -> Cow<'_, str>;
}

/// Every code in use. `cargo xtask tidy` checks that each has its page.
pub mod code {
    use super::Code;

    /// The token was not accepted.
    pub const TOKEN_REFUSED: Code = Code(1);
    /// There is no such target, role or database, or the token does not reach it.
    pub const UNKNOWN_TARGET: Code = Code(2);
    /// The listener wants TLS.
    pub const TLS_REQUIRED: Code = Code(3);
    /// A client sent what the protocol does not allow.
    pub const PROTOCOL_VIOLATION: Code = Code(4);
    /// The target could not be reached, or did not accept its credential.
    pub const TARGET_UNREACHABLE: Code = Code(5);
    /// A credential could not be read from where its reference points.
    pub const CREDENTIAL_UNREADABLE: Code = Code(6);
    /// The control plane did not answer.
    pub const CONTROL_PLANE_SILENT: Code = Code(7);
    /// A bundle does not validate.
    pub const BUNDLE_INVALID: Code = Code(9);
    /// The store could not be opened, read or written.
    pub const STORE_FAILED: Code = Code(10);
    /// An approval did not take the event.
    pub const APPROVAL_REJECTED: Code = Code(11);
    /// A recording does not verify.
    pub const RECORDING_BROKEN: Code = Code(12);
    /// A message is larger than what may be judged whole.
    pub const MESSAGE_TOO_LARGE: Code = Code(13);
    /// The configuration does not hold together.
    pub const CONFIG_INVALID: Code = Code(14);
    /// The session ended: expired or revoked.
    pub const SESSION_ENDED: Code = Code(15);
    /// What was asked is not supported.
    pub const UNSUPPORTED: Code = Code(16);
    /// There are too many at once: connections, sessions.
    pub const LIMIT_REACHED: Code = Code(17);

    /// All of them.
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
