//! Why an approval was not asked for, or did not take what was done to it.

use std::borrow::Cow;

use countersign_common::approval::Rejection;
use countersign_common::error::{Code, Origin, Report, Retry, code};
use countersign_common::id::{ApprovalId, RoleName};
use countersign_common::verdict::Reason;

use crate::sessions::SessionRefused;
use crate::store::StoreError;

/// Why an approval was not asked for, or did not take what was done to it. Nothing has changed, except
/// after [`StoreError::Unknown`], where nobody knows, and [`ApprovalError::Blocked`] at redeem, where the
/// approval is void.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApprovalError {
    /// There is no such approval.
    #[error("there is no approval {0}")]
    NotFound(ApprovalId),
    /// The approval's own rules refuse it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The approver's text is not the one that is asked about (I2).
    #[error("what you were shown is not what is asked; look at the request again and decide on that")]
    SawSomethingElse,
    /// What is asked for is not what its digest says (I2).
    #[error("the command's digest is not the digest of the command")]
    WrongDigest,
    /// The definitions that its facts rest on are not known: the gateway has to upload them, and to ask again.
    #[error("the catalogue that the command's facts rest on is not known here")]
    CatalogueWanted,
    /// The target does not offer the role, or not the database to this role.
    #[error("the target does not offer role `{role}` with database `{database}`")]
    NoSuchPlace {
        /// The role.
        role: RoleName,
        /// The database.
        database: String,
    },
    /// By policy nobody is asked about the command, as far as the control plane finds.
    #[error("policy asks nobody about this command by now; send it again")]
    NobodyToAsk,
    /// Policy blocks the command by now.
    #[error("policy blocks it: {0}")]
    Blocked(Reason),
    /// The session that asked has ended.
    #[error("the session has ended: {0}")]
    SessionEnded(#[source] SessionRefused),
    /// Another session's approval.
    #[error("the approval belongs to another session")]
    NotYours,
    /// The command, or what people say about it, does not fit.
    #[error("the {what} has {bytes} bytes, at most {bytes_max} fit")]
    TooLarge {
        /// What does not fit.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// Too many requests are open already. Nobody was asked.
    #[error(
        "{whose} {open} requests for approval open, and {limit} are allowed; wait until some of them are decided"
    )]
    Limited {
        /// Whose they are, in words.
        whose: String,
        /// How many are open.
        open: u32,
        /// How many may be.
        limit: u32,
    },
    /// There is no bundle to judge by.
    #[error("there is no bundle to judge by; apply one first (`countersign apply -f DIR`)")]
    NoBundle,
    /// It kept changing under our hands.
    #[error("the approval was changed by others again and again; look at it and try again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApprovalError {
    /// Whether it is the fault of one approval, and others need not wait for it.
    pub(crate) fn is_of_one_approval(&self) -> bool {
        match self {
            Self::NotFound(_) | Self::TooLarge { .. } | Self::Contended | Self::Limited { .. } => true,
            Self::Store(error) => matches!(error, StoreError::BadValue { .. } | StoreError::TooLarge { .. }),
            _ => false,
        }
    }
}

impl Report for ApprovalError {
    fn origin(&self) -> Origin {
        match self {
            Self::Rejected(_) | Self::Blocked(_) => Origin::Policy,
            Self::NotFound(_)
            | Self::SawSomethingElse
            | Self::SessionEnded(_)
            | Self::NotYours
            | Self::Limited { .. }
            | Self::TooLarge { .. } => Origin::Client,
            Self::WrongDigest | Self::CatalogueWanted | Self::NoSuchPlace { .. } => Origin::Gateway,
            Self::NoBundle | Self::Contended | Self::NobodyToAsk => Origin::ControlPlane,
            Self::Store(error) => error.origin(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::NoBundle
            | Self::Contended
            | Self::Limited { .. }
            | Self::CatalogueWanted
            | Self::NobodyToAsk => Retry::Safe,
            Self::Store(error) => error.retry(),
            _ => Retry::Never,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::SessionEnded(_) => code::SESSION_ENDED,
            Self::TooLarge { .. } => code::MESSAGE_TOO_LARGE,
            Self::Limited { .. } => code::LIMIT_REACHED,
            Self::Store(error) => error.code(),
            _ => code::APPROVAL_REJECTED,
        }
    }

    fn client_text(&self) -> Cow<'_, str> {
        match self {
            Self::SessionEnded(_) => "the session has ended; the command was not run".into(),
            // Whatever failed while we wrote, nothing goes upstream without a redeemed approval.
            Self::Store(error) => error.client_text().into_owned().into(),
            other => format!("{other}; the command was not run").into(),
        }
    }
}
