//! Why a token or a session is not accepted.

use std::borrow::Cow;

use countersign_common::Timestamp;
use countersign_common::error::{Code, Origin, Report, Retry, code};
use countersign_common::id::{SessionId, Subject, TargetName, TokenId};

use crate::store::StoreError;

/// Why a token or a session is not accepted. Our log tells the causes apart; a client cannot.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionRefused {
    /// No such token was issued, or it was swept long after it expired.
    #[error("the token is unknown")]
    UnknownToken,
    /// The token, and with it the session, is past its time.
    #[error("token {token} expired at {at}")]
    Expired {
        /// The token.
        token: TokenId,
        /// When it expired.
        at: Timestamp,
    },
    /// The token, the session, or somebody in its principal chain was revoked.
    #[error("token {token} was revoked at {at} by `{by}`")]
    Revoked {
        /// The token.
        token: TokenId,
        /// When.
        at: Timestamp,
        /// By whom.
        by: Subject,
    },
    /// The token opens another target only.
    #[error("token {token} does not open target `{target}`")]
    OtherTarget {
        /// The token.
        token: TokenId,
        /// The target that was asked for.
        target: TargetName,
    },
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownSession(SessionId),
    /// Several nodes kept opening the same session at the same time.
    #[error("the session could not be opened: too many attempts at once")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Report for SessionRefused {
    fn origin(&self) -> Origin {
        match self {
            Self::Store(error) => error.origin(),
            Self::Contended => Origin::ControlPlane,
            _ => Origin::Client,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Store(_) | Self::Contended => Retry::Safe,
            _ => Retry::Never,
        }
    }

    fn code(&self) -> Code {
        match self {
            // One code for these three: a client cannot probe which tokens exist.
            Self::UnknownToken | Self::Expired { .. } | Self::Revoked { .. } => code::TOKEN_REFUSED,
            Self::OtherTarget { .. } => code::UNKNOWN_TARGET,
            Self::UnknownSession(_) => code::SESSION_ENDED,
            Self::Contended => code::STORE_FAILED,
            Self::Store(error) => error.code(),
        }
    }

    fn client_text(&self) -> Cow<'_, str> {
        match self {
            Self::UnknownToken | Self::Expired { .. } | Self::Revoked { .. } => {
                "the token was not accepted; ask for a new one (`countersign token issue`)".into()
            }
            Self::OtherTarget { .. } => "there is no such target, or the token does not reach it".into(),
            Self::UnknownSession(_) => "the session has ended; the command was not run".into(),
            Self::Contended => "the session could not be opened; connect again".into(),
            Self::Store(error) => error.client_text().into_owned().into(),
        }
    }
}

/// Why a token could not be issued.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IssueError {
    /// Its life would be zero or beyond what is allowed.
    #[error("a token lives between one second and {max_days} days")]
    Lifetime {
        /// The longest life.
        max_days: u64,
    },
    /// The store kept losing the lease under which the token was to stand.
    #[error("the store keeps losing leases; are the clocks of its machines and of this one right?")]
    NoLease,
    /// The machine gave no random bytes.
    #[error("no random bytes")]
    NoRandom,
    /// The principal does not fit a record.
    #[error(
        "the principal has too many groups or is on behalf of too many: its record would have {bytes} bytes, at most {bytes_max} fit"
    )]
    TooLarge {
        /// How large it would be.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// A name looks like another one that is in use.
    #[error(
        "{kind} `{name}` looks like `{other}`, which is in use, or differs from it in case only: use that one, or a name that \
         nobody takes for it"
    )]
    LooksLike {
        /// What it names.
        kind: &'static str,
        /// The name, with what hides written out.
        name: String,
        /// The one in use.
        other: String,
    },
    /// It names too many.
    #[error("the principal has {names} groups and people it acts for, and at most {names_max} are taken")]
    ManyNames {
        /// How many it names.
        names: usize,
        /// How many it may name.
        names_max: usize,
    },
    /// Too many had a part in it.
    #[error(
        "the token would come from a row of {issuers} issuers, and at most {issuers_max} are taken; have an earlier one issue it"
    )]
    ManyIssuers {
        /// How many there are.
        issuers: usize,
        /// How many there may be.
        issuers_max: usize,
    },
    /// The names kept being registered by others.
    #[error("the same names are being registered elsewhere; try again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}
