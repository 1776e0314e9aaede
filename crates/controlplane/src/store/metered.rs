//! A store whose calls are counted and timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Changes, Entry, Kept, LeaseId, Outcome, Page, Revision, Store, StoreError, Transaction};
use crate::metrics::Calls;

/// Any store, counted and timed; otherwise the same.
#[derive(Debug)]
pub(crate) struct Metered {
    store: Arc<dyn Store>,
    get: Calls,
    range: Calls,
    transact: Calls,
    watch: Calls,
    grant: Calls,
    keep_alive: Calls,
    revoke: Calls,
    revision: Calls,
}

impl Metered {
    /// This one.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            get: Calls::new("get"),
            range: Calls::new("range"),
            transact: Calls::new("transact"),
            watch: Calls::new("watch"),
            grant: Calls::new("grant"),
            keep_alive: Calls::new("keep_alive"),
            revoke: Calls::new("revoke"),
            revision: Calls::new("revision"),
        }
    }
}

/// Awaits a call and counts it.
async fn counted<T>(
    calls: &Calls,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let start = Instant::now();
    let result = call.await;
    calls.ended(start.elapsed(), &result);
    result
}

#[async_trait]
impl Store for Metered {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        counted(&self.get, self.store.get(key)).await
    }

    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        counted(&self.range, self.store.range(prefix, after, limit)).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        counted(&self.transact, self.store.transact(transaction)).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        counted(&self.watch, self.store.watch(prefix, after)).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        counted(&self.grant, self.store.grant(ttl)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Kept, StoreError> {
        counted(&self.keep_alive, self.store.keep_alive(lease)).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        counted(&self.revoke, self.store.revoke(lease)).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        counted(&self.revision, self.store.revision()).await
    }

    async fn probe(&self) {
        self.store.probe().await;
    }
}
