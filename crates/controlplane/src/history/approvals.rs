//! Approvals that have ended long ago: the record and what was asked, both exactly as they stood.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::Timestamp;
use countersign_common::id::ApprovalId;
use countersign_recording::history::Day;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ledger::deleting;
use super::{Due, RetainError, Source};
use crate::approvals::{APPROVALS, DETAILS_CHUNK_BYTES, Stored, approval_of, asked_key, details_prefix};
use crate::content;
use crate::store::{Entry, Outcome, Store, StoreError};

/// The chapter.
pub(super) const CHAPTER: &str = "approvals";

/// How many entries of a bucket are read at once.
const PAGE: usize = 128;

/// How far apart the times of approvals may be from the order of their ids: the clocks of nodes differ.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

/// How many chunks of a text go in the transaction that deletes its approval. More are swept after it.
const CHUNKS_AT_ONCE_MAX: usize = 64;

/// How often a lost race is tried again: somebody asks the same command anew.
const ATTEMPTS_MAX: usize = 8;

/// An entry: both parts byte for byte as the store had them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) approval: &'a RawValue,
    #[serde(borrow)]
    pub(super) details: &'a RawValue,
}

/// Approvals that have ended and were kept long enough.
pub(super) struct EndedApprovals {
    store: Arc<dyn Store>,
    kept: Duration,
}

impl EndedApprovals {
    pub(super) fn new(store: Arc<dyn Store>, kept: Duration) -> Self {
        Self { store, kept }
    }

    /// Those of one bucket. Ids begin with their time, so what is younger than that need not be read.
    async fn due_in(&self, bucket: u8, now: Timestamp, limit: usize) -> Result<Vec<Due>, StoreError> {
        let prefix = format!("{APPROVALS}{bucket:02x}/");
        let (mut found, mut after): (Vec<Due>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self.store.range(&prefix, after.as_deref(), PAGE).await?;
            for entry in &page.entries {
                let stored: Stored = match crate::decode(entry) {
                    Ok(stored) => stored,
                    // Of a later version, maybe: it stays.
                    Err(error) => {
                        tracing::warn!(%error, "an approval cannot be read, and is not archived");
                        continue;
                    }
                };
                if found.len() == limit
                    || stored.approval.created_at.after(self.kept) > now.after(CLOCKS_APART)
                {
                    return Ok(found);
                }
                if self.is_due(&stored, now) {
                    found.push(due(entry, &stored));
                }
            }
            after = page.entries.last().map(|entry| entry.key.clone());
            if !page.more {
                return Ok(found);
            }
        }
    }

    /// INVARIANT: I1. What may still run, or may have run without anybody knowing, stays where it is.
    fn is_due(&self, stored: &Stored, now: Timestamp) -> bool {
        stored.approval.state.is_terminal() && stored.changed_at.after(self.kept) <= now
    }
}

fn due(entry: &Entry, stored: &Stored) -> Due {
    let day = day_of(stored.approval.id);
    Due { key: entry.key.clone(), day, bytes: entry.value.len() + stored.details_bytes }
}

/// The day under which an approval is archived: its id begins with its time, so that whoever has the id finds it.
pub(super) fn day_of(id: ApprovalId) -> Day {
    let [a, b, c, d, e, f, ..] = id.to_bytes();
    let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    Day::of(Timestamp::from_micros(millis.saturating_mul(1000)))
}

#[async_trait]
impl Source for EndedApprovals {
    fn chapter(&self) -> &'static str {
        CHAPTER
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, StoreError> {
        let mut found = Vec::new();
        for bucket in 0..=u8::MAX {
            found.extend(self.due_in(bucket, now, limit - found.len()).await?);
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    async fn entry(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(record) = self.store.get(key).await? else { return Ok(None) };
        let stored: Stored = crate::decode(&record)?;
        let details = content::read(&*self.store, &details_prefix(stored.approval.id)).await?;
        let raw = |entry: &Entry| -> Result<Box<RawValue>, StoreError> {
            let text =
                String::from_utf8(entry.value.clone()).map_err(|error| crate::bad_value(entry, error))?;
            RawValue::from_string(text).map_err(|error| crate::bad_value(entry, error))
        };
        let (approval, details) = (raw(&record)?, raw(&details)?);
        Ok(Some(crate::encode(&Line { approval: &approval, details: &details })))
    }

    async fn forget(&self, key: &str, archived: &[u8], now: Timestamp) -> Result<(), RetainError> {
        let differs = || RetainError::Differs(key.to_owned());
        let line: Line<'_> = serde_json::from_slice(archived).map_err(|_| differs())?;
        for _ in 0..ATTEMPTS_MAX {
            let Some(record) = self.store.get(key).await? else { return Ok(()) };
            // INVARIANT: I9. What has ended never changes again; what is archived is what is deleted.
            if record.value != line.approval.get().as_bytes() {
                return Err(differs());
            }
            let stored: Stored = crate::decode(&record)?;
            if !stored.approval.state.is_terminal() {
                return Err(differs());
            }
            let id = stored.approval.id;
            let asked = self.store.get(&asked_key(stored.approval.session, &stored.approval.digest)).await?;
            let mut transaction = deleting(&record);
            // The same command may have been asked anew since.
            if let Some(asked) = asked.filter(|asked| approval_of(asked) == Some(id)) {
                transaction = transaction.if_modified(&asked.key, asked.modified).delete(&asked.key);
            }
            let (prefix, chunks) = (details_prefix(id), stored.details_bytes.div_ceil(DETAILS_CHUNK_BYTES));
            let transaction = match chunks <= CHUNKS_AT_ONCE_MAX {
                true => (0..chunks).fold(transaction, |all, n| all.delete(content::chunk_key(&prefix, n))),
                false => content::abandon(transaction, now, &prefix),
            };
            if let Outcome::Committed(_) = self.store.transact(transaction).await? {
                return Ok(());
            }
        }
        Err(RetainError::Contended)
    }
}
