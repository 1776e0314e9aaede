//! Where state lasts: small values under keys, written in transactions that compare first, watched by
//! revision, and gone with their lease where they stand under one. Two stores implement it, the embedded
//! one ([`embedded`]) and [`etcd`]; one conformance suite runs on both. What the values mean is left to
//! the modules that own the keys.

mod change;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
mod error;
pub mod etcd;
mod lease;
mod metered;
mod transaction;

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use change::{Change, Entry};
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use etcd::{EtcdConfig, EtcdStore, EtcdTls, EtcdUser};
pub use lease::{Kept, LeaseId, TTL_MIN};
pub(crate) use metered::Metered;
pub use transaction::{
    Compare, Expected, KEY_BYTES_MAX, Outcome, TRANSACTION_BYTES_MAX, Transaction, VALUE_BYTES_MAX,
    WRITES_MAX, Write,
};

/// A moment in the store's history: grows with every committed transaction that writes, and when what
/// stood under a lease goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

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
    /// nothing was. With [`Transaction::put_own`] that is rare, but never impossible.
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

    /// A lease that lives at least `ttl` (at least [`TTL_MIN`], in whole seconds) unless it is kept alive. It is a
    /// minimum: a lease may outlive it, by a full `ttl` when etcd changes its leader.
    ///
    /// # Errors
    /// When the store cannot be written. A lease of which nobody was told ends by itself.
    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError>;

    /// Lets a lease begin its time anew. That it is lost is an answer, not an error.
    ///
    /// # Errors
    /// When the store cannot be reached; the lease may live on all the same.
    async fn keep_alive(&self, lease: LeaseId) -> Result<Kept, StoreError>;

    /// Ends a lease, and deletes what stands under it. One that is lost already stays lost.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// The newest revision.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// Looks how the parts of the store are doing that are not asked at the moment, for operators. Bounded in time;
    /// changes nothing.
    async fn probe(&self) {}
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
