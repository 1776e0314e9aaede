//! Why the store did not do its part.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use countersign_common::error::{Code, Origin, Report, Retry, code};

use super::Revision;

/// What lies below; shared, because one failed commit fails many waiting transactions.
type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why the store did not do its part.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("`{path}` is in use by another process; end that one first, or give another data directory")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a store, or no longer a whole one.
    #[error("`{path}` is not a readable store: {detail}; put it aside and restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file was written by another version.
    #[error("`{path}` has store format {found}, this version reads {expected}")]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The format of this version.
        expected: u64,
    },
    /// The file could not be opened or created.
    #[error("`{path}` cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
    /// No member of the etcd cluster answers, or those that do have no leader. Nothing was written.
    #[error("no etcd member of {endpoints} does its part: {detail}")]
    Unreachable {
        /// The members, as configured.
        endpoints: String,
        /// What the last one said, or why it was not reached.
        detail: String,
    },
    /// etcd does not know the user, or does not let it do what we need.
    #[error(
        "etcd refuses access: {detail}; check user, password, client certificate and the role's permissions"
    )]
    Unauthorised {
        /// What etcd said.
        detail: String,
    },
    /// A member of the etcd cluster is too old.
    #[error("the etcd member {endpoint} has version {found}; {oldest} or later is needed")]
    TooOld {
        /// The member.
        endpoint: String,
        /// Its version.
        found: String,
        /// The oldest that will do.
        oldest: &'static str,
    },
    /// What is configured for etcd does not hold together.
    #[error("the configuration of etcd is not usable: {detail}")]
    Misconfigured {
        /// What is wrong.
        detail: String,
    },
    /// etcd has reached its quota, or refuses the request for what it is. Nothing was written.
    #[error("etcd refuses the request: {detail}; nothing was written")]
    Refused {
        /// What etcd said.
        detail: String,
    },
    /// A read failed.
    #[error("the store cannot be read")]
    Read(#[source] Source),
    /// A write failed before it was committed: nothing was written.
    #[error("the store cannot be written; nothing was written")]
    Write(#[source] Source),
    /// A write failed while it was committed.
    #[error("the store failed while it committed; it is not known whether it was written")]
    Unknown(#[source] Source),
    /// The store was closed: nothing was written.
    #[error("the store is closed; nothing was written")]
    Closed,
    /// The history does not reach back that far.
    #[error(
        "the history before revision {} is gone (asked for {}): list again and watch from there",
        oldest.0,
        asked.0
    )]
    Compacted {
        /// Where the watch was to begin.
        asked: Revision,
        /// Where it can begin.
        oldest: Revision,
    },
    /// A transaction is beyond the bounds that every store keeps.
    #[error("a {what} of {size} is too large for the store (at most {size_max})")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        size_max: usize,
    },
    /// What stands under a key does not read as what should stand there.
    #[error("the value under `{key}` cannot be read: {detail}")]
    BadValue {
        /// The key.
        key: String,
        /// Why not.
        detail: String,
    },
}

impl StoreError {
    /// Whether the write may have happened all the same: read again to find out.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl Report for StoreError {
    fn origin(&self) -> Origin {
        Origin::ControlPlane
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unknown(_) => Retry::Unknown,
            Self::Read(_)
            | Self::Write(_)
            | Self::Closed
            | Self::Compacted { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. } => Retry::Safe,
            Self::InUse { .. }
            | Self::Damaged { .. }
            | Self::OtherFormat { .. }
            | Self::Open { .. }
            | Self::Unauthorised { .. }
            | Self::TooOld { .. }
            | Self::Misconfigured { .. }
            | Self::TooLarge { .. }
            | Self::BadValue { .. } => Retry::Never,
        }
    }

    fn code(&self) -> Code {
        code::STORE_FAILED
    }

    fn client_text(&self) -> Cow<'_, str> {
        "the control plane's store is not available; the command was not run".into()
    }
}
