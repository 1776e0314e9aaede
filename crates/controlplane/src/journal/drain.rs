//! Brings records from Redis to the archive: into a log of the draining node, sealed, archived, and only then trimmed. One
//! node does it, the elected one; two that do it at once keep some records twice, the same, and lose none.

use std::sync::Arc;

use countersign_common::Digest;
use countersign_recording::{
    ArchiveStoreError, Archiver, Encoded, Journal as _, JournalError, LocalJournal, Skim,
};

use crate::redis::{Redis, RedisError, StreamEntry};

/// How many entries are read at once.
const ENTRIES_MAX: usize = 500;

/// The most that one round takes, in entries: so that what is taken is archived before long.
const ROUND_ENTRIES_MAX: u64 = 500_000;

/// Drains one stream of a [`super::RedisJournal`].
#[derive(Debug)]
pub struct Drain {
    redis: Arc<Redis>,
    key: String,
    journal: Arc<LocalJournal>,
    archiver: Archiver,
}

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Records that are archived now, and no longer in Redis.
    pub records: u64,
    /// Entries that are no records. They were written by somebody else, and are gone.
    pub strange: u64,
}

/// Why a round was not finished. What was not archived is still in Redis.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// Redis failed.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveStoreError),
    /// The draining node's journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Drain {
    /// From the stream `key` through `journal`, which is written by nobody else, and its archiver.
    #[must_use]
    pub fn new(redis: Arc<Redis>, key: String, journal: Arc<LocalJournal>, archiver: Archiver) -> Self {
        Self { redis, key, journal, archiver }
    }

    /// Archives what is there, and trims it. Call it by a period, on the elected node.
    ///
    /// # Errors
    /// Says what failed; call it again.
    ///
    /// # Cancel safety
    /// Safe: what was not trimmed is drained again, and is the same.
    pub async fn round(&mut self) -> Result<Drained, DrainError> {
        let mut drained = Drained::default();
        let mut last: Option<String> = None;
        while drained.records + drained.strange < ROUND_ENTRIES_MAX {
            let entries = self.redis.entries(&self.key, last.as_deref(), ENTRIES_MAX).await?;
            let Some(newest) = entries.last().map(|entry| entry.id.clone()) else { break };
            for entry in &entries {
                match self.take(entry)? {
                    true => drained.records += 1,
                    false => drained.strange += 1,
                }
            }
            last = Some(newest);
        }
        let Some(last) = last else { return Ok(drained) };
        self.archiver.round().await?;
        self.redis.trim(&self.key, &last).await?;
        Ok(drained)
    }

    /// Archives what was drained and not archived, without draining more: for a node that is not elected any more.
    ///
    /// # Errors
    /// When the archive does not do its part.
    ///
    /// # Cancel safety
    /// As [`Drain::round`].
    pub async fn archive(&mut self) -> Result<(), DrainError> {
        self.archiver.round().await?;
        Ok(())
    }

    /// Whether it is a record.
    fn take(&self, entry: &StreamEntry) -> Result<bool, JournalError> {
        let line = entry.value.as_slice();
        let skim = match Skim::of(line) {
            Ok(skim) => skim,
            Err(error) => {
                tracing::error!(id = entry.id, %error, "an entry of the journal's stream is no record");
                return Ok(false);
            }
        };
        let Skim { stream, seq, effect, .. } = skim;
        self.journal.append(Encoded { line, hash: Digest::of(line), stream, seq, effect })?;
        Ok(true)
    }
}
