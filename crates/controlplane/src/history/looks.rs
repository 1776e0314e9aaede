//! Who looked at recordings, and what operators did, long ago.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::Timestamp;
use countersign_recording::history::Day;

use super::ledger::deleting;
use super::{Due, RetainError, Source};
use crate::audit::{AUDIT, AuditEvent};
use crate::store::{Outcome, Store, StoreError};

/// The chapter.
pub(super) const CHAPTER: &str = "audit";

/// Audit events that were kept long enough.
pub(super) struct OldLooks {
    store: Arc<dyn Store>,
    kept: Duration,
}

impl OldLooks {
    pub(super) fn new(store: Arc<dyn Store>, kept: Duration) -> Self {
        Self { store, kept }
    }
}

#[async_trait]
impl Source for OldLooks {
    fn chapter(&self) -> &'static str {
        CHAPTER
    }

    /// Their keys are in the order in which they happened.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, StoreError> {
        let oldest = self.store.range(AUDIT, None, limit).await?;
        let mut found = Vec::new();
        for entry in oldest.entries {
            // Of a later version, maybe: it stays.
            let Some(event) = crate::readable::<AuditEvent>(&entry) else { continue };
            if event.at.after(self.kept) > now {
                break;
            }
            found.push(Due { bytes: entry.value.len(), day: Day::of(event.at), key: entry.key });
        }
        Ok(found)
    }

    async fn entry(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.store.get(key).await?.map(|entry| entry.value))
    }

    async fn forget(&self, key: &str, archived: &[u8], _: Timestamp) -> Result<(), RetainError> {
        let Some(entry) = self.store.get(key).await? else { return Ok(()) };
        if entry.value != archived {
            return Err(RetainError::Differs(key.to_owned()));
        }
        match self.store.transact(deleting(&entry)).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Conflict | Outcome::LeaseLost => Err(RetainError::Contended),
        }
    }
}
