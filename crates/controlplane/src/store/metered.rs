//! A store whose calls are counted and timed.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use super::{Changes, Entry, Outcome, Page, Revision, Store, StoreError, Transaction};
use crate::metrics::Calls;

/// Any store, counted and timed; otherwise the same.
#[derive(Debug)]
pub(crate) struct Metered {
    store: Arc<dyn Store>,
    get: Calls,
    range: Calls,
    transact: Calls,
    watch: Calls,
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

    async fn revision(&self) -> Result<Revision, StoreError> {
        counted(&self.revision, self.store.revision()).await
    }
}
