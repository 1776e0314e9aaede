//! Where state lasts: small values under keys, written in transactions that compare first, watched by
//! revision. Two stores will implement it, the embedded one ([`embedded`]) and etcd; one conformance
//! suite runs on both. What the values mean is left to the modules that own the keys.

mod change;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
mod error;
mod metered;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use change::{Change, Entry};
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub(crate) use metered::Metered;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// The largest value, in bytes: etcd refuses requests above 1.5 MiB, and no value of ours comes near.
/// What is larger is stored in chunks.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// The most writes of one transaction, so that a commit stays short.
pub const WRITES_MAX: usize = 4096;

/// A moment in the store's history: grows by one with every committed transaction that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// Something that must hold for a transaction to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// What must be true of it.
    pub expected: Expected,
}

/// What must be true of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is nothing under it.
    Absent,
    /// It was last written at this revision.
    Modified(Revision),
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// This value stands under this key afterwards.
    Put {
        /// The key; at most [`KEY_BYTES_MAX`].
        key: String,
        /// The value; at most [`VALUE_BYTES_MAX`].
        value: Vec<u8>,
    },
    /// Nothing stands under this key afterwards. Not an error where nothing stood.
    Delete {
        /// The key.
        key: String,
    },
}

impl Write {
    /// The key that is written.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Writes that happen together, if all comparisons hold, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// What is written then; no key twice.
    pub writes: Vec<Write>,
}

impl Transaction {
    /// A transaction that does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if there is nothing under `key`.
    #[must_use]
    pub fn if_absent(mut self, key: impl Into<String>) -> Self {
        self.compares.push(Compare { key: key.into(), expected: Expected::Absent });
        self
    }

    /// Only if `key` was last written at `revision`.
    #[must_use]
    pub fn if_modified(mut self, key: impl Into<String>, revision: Revision) -> Self {
        self.compares.push(Compare { key: key.into(), expected: Expected::Modified(revision) });
        self
    }

    /// Only if `key` still is as `entry` says: absent, or last written when it was.
    #[must_use]
    pub fn if_unchanged(self, key: &str, entry: Option<&Entry>) -> Self {
        match entry {
            None => self.if_absent(key),
            Some(entry) => self.if_modified(key, entry.modified),
        }
    }

    /// Puts a value.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::Put { key: key.into(), value: value.into() });
        self
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.writes.push(Write::Delete { key: key.into() });
        self
    }

    /// Whether it is within the bounds that every store keeps.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] naming what is too large.
    pub fn check(&self) -> Result<(), StoreError> {
        let too_large =
            |what, bytes, bytes_max| Err(StoreError::TooLarge { what, size: bytes, size_max: bytes_max });
        if self.writes.len() > WRITES_MAX {
            return too_large("transaction", self.writes.len(), WRITES_MAX);
        }
        for write in &self.writes {
            if write.key().len() > KEY_BYTES_MAX {
                return too_large("key", write.key().len(), KEY_BYTES_MAX);
            }
            if let Write::Put { value, .. } = write
                && value.len() > VALUE_BYTES_MAX
            {
                return too_large("value", value.len(), VALUE_BYTES_MAX);
            }
        }
        Ok(())
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was written, at this revision, and lasts.
    Committed(Revision),
    /// A comparison did not hold; nothing was written.
    Conflict,
}

/// Some entries, and the moment they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries, ordered by key.
    pub entries: Vec<Entry>,
    /// The moment all of them are of. A watch after it misses nothing.
    pub revision: Revision,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// Changes from a watch, in the order of their revisions. It ends only with an error.
pub type Changes = BoxStream<'static, Result<Change, StoreError>>;

/// Where state lasts.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// What stands under `key` now.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// At most `limit` entries whose keys start with `prefix` and come after the key `after`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError>;

    /// Compares and writes, as one. When it returns, what was written lasts.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when it is not known whether it was written; after any other error
    /// nothing was.
    ///
    /// # Cancel safety
    /// A caller that stops waiting does not know whether it was written; the write is whole or not at all.
    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError>;

    /// Every change under `prefix` after the revision `after`, those that have happened first.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] when the history no longer reaches back that far: range and watch from
    /// there. The stream may end with the same.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError>;

    /// The newest revision.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn revision(&self) -> Result<Revision, StoreError>;
}

/// All entries under `prefix`, page by page, and the revision of the *first* page: a watch after it sees
/// every change that later pages may have missed.
///
/// # Errors
/// When the store cannot be read.
pub async fn range_all(store: &dyn Store, prefix: &str) -> Result<(Vec<Entry>, Revision), StoreError> {
    const PAGE: usize = 1000;
    let first = store.range(prefix, None, PAGE).await?;
    let (mut entries, revision, mut more) = (first.entries, first.revision, first.more);
    while more {
        let after = entries.last().map(|entry| entry.key.clone());
        let page = store.range(prefix, after.as_deref(), PAGE).await?;
        more = page.more;
        entries.extend(page.entries);
    }
    Ok((entries, revision))
}
