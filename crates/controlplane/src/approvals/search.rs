//! Looking through all approvals that the store has, those that have ended among them.

use std::collections::BTreeMap;

use tokio::sync::Semaphore;

use super::Approvals;
use super::record::{APPROVALS, Snapshot, Stored};
use crate::store::{Revision, StoreError};

/// How many approvals are read at once by who looks through all of them, and how many may look at the same time: whoever
/// has a token may ask for that, as often as they like.
const PAGE: usize = 1000;
const AT_ONCE: usize = 2;

/// The turns of those who look.
pub(super) fn turns() -> Semaphore {
    Semaphore::new(AT_ONCE)
}

impl Approvals {
    /// At most `limit` approvals that `wanted` selects, ended ones too, newest first, and a revision to
    /// watch from. Reads the whole history in the store, a page at a time; a few at once, the others wait.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_all(
        &self,
        limit: usize,
        wanted: impl Fn(&Snapshot) -> bool,
    ) -> Result<(Vec<Snapshot>, Revision), StoreError> {
        // The semaphore is never closed.
        let _turn = self.searches.acquire().await;
        let mut found = BTreeMap::new();
        let mut page = self.store.range(APPROVALS, None, PAGE).await?;
        let revision = page.revision;
        loop {
            let snapshots = page.entries.iter().filter_map(crate::readable::<Stored>).map(Snapshot::from);
            for snapshot in snapshots.filter(|snapshot| wanted(snapshot)) {
                found.insert(snapshot.approval.id, snapshot);
                if found.len() > limit {
                    found.pop_first();
                }
            }
            if !page.more {
                break;
            }
            let after = page.entries.last().map(|entry| entry.key.clone());
            page = self.store.range(APPROVALS, after.as_deref(), PAGE).await?;
        }
        Ok((found.into_values().rev().collect(), revision))
    }
}
