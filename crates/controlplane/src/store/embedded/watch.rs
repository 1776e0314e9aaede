//! Watches: each reads the history table behind its own cursor and sleeps until the newest revision
//! grows. So a slow watcher loses nothing and holds nobody up; it costs one read a wake-up.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use redb::ReadableDatabase;

use super::{Shared, read_error, tables};
use crate::store::{Change, Changes, Revision, StoreError};

/// How many revisions are read at once; bounds what a watcher holds in memory.
const REVISIONS_PER_READ: u64 = 128;

/// One watcher.
struct Watcher {
    shared: Arc<Shared>,
    newest: tokio::sync::watch::Receiver<Revision>,
    prefix: String,
    /// Everything up to here has been read.
    cursor: Revision,
    /// Read and not yet handed out.
    ready: VecDeque<Change>,
    ended: bool,
}

/// Every change under `prefix` after `after`.
pub(super) fn changes(shared: Arc<Shared>, prefix: String, after: Revision) -> Result<Changes, StoreError> {
    let newest = shared.newest.subscribe();
    let mut watcher = Watcher { shared, newest, prefix, cursor: after, ready: VecDeque::new(), ended: false };
    watcher.read()?;
    Ok(stream::unfold(watcher, |mut watcher| async {
        let next = watcher.next().await?;
        Some((next, watcher))
    })
    .boxed())
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Change, StoreError>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(Ok(change));
            }
            if self.ended {
                return None;
            }
            let cursor = self.cursor;
            // The sender lives in what this watcher shares, so waiting fails only if it were gone: closed.
            let woken = self.newest.wait_for(|newest| *newest > cursor).await.map(|_| ());
            if let Err(error) = woken.map_err(|_| StoreError::Closed).and_then(|()| self.read()) {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }

    fn read(&mut self) -> Result<(), StoreError> {
        let read = self.shared.database.begin_read().map_err(read_error)?;
        let (changes, cursor) = tables::changes(&read, &self.prefix, self.cursor, REVISIONS_PER_READ)?;
        self.ready.extend(changes);
        self.cursor = cursor;
        Ok(())
    }
}
