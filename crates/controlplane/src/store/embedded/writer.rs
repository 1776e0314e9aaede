//! The one writer: takes the transactions that have gathered, applies them in order, commits them
//! together, then wakes the watchers and answers.

use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable, Table, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::tables::{CHANGES, COMPACTED, ChangeKey, ChangeValue, ENTRIES, META, REVISION};
use super::{History, Shared, read_error};
use crate::store::{Compare, Expected, Outcome, Revision, StoreError, Transaction, Write};

/// How many transactions one commit may carry.
const GROUP_TRANSACTIONS_MAX: usize = 256;

/// How many old revisions one commit may drop; bounds the length of a commit.
const TRIM_CHANGES_MAX: usize = 2048;

/// A transaction that somebody waits for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) transaction: Transaction,
    pub(super) reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The one writer.
pub(super) struct Writer {
    shared: Arc<Shared>,
    history: History,
    /// Bytes of keys and values that the history holds.
    history_bytes: u64,
}

/// The state of the history while a group is applied.
struct Applied {
    outcomes: Vec<Outcome>,
    newest: u64,
    history_bytes: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, history: History) -> Result<Self, StoreError> {
        let read = shared.database.begin_read().map_err(read_error)?;
        let table = read.open_table(CHANGES).map_err(read_error)?;
        let mut history_bytes = 0;
        for item in table.iter().map_err(read_error)? {
            let (_, what) = item.map_err(read_error)?;
            let (key, value) = what.value();
            history_bytes += size(key, value);
        }
        drop((table, read));
        Ok(Self { shared, history, history_bytes })
    }

    /// Serves requests until the last store handle is gone.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP_TRANSACTIONS_MAX);
        while requests.blocking_recv_many(&mut group, GROUP_TRANSACTIONS_MAX) > 0 {
            let (transactions, replies): (Vec<_>, Vec<_>) =
                group.drain(..).map(|request| (request.transaction, request.reply)).unzip();
            match self.commit(&transactions) {
                Ok(outcomes) => {
                    for (reply, outcome) in replies.into_iter().zip(outcomes) {
                        // Whoever stopped waiting does not want to know.
                        let _ = reply.send(Ok(outcome));
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "the store failed");
                    for reply in replies {
                        let _ = reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Applies all and commits once. On an error none of them is answered as written.
    fn commit(&mut self, transactions: &[Transaction]) -> Result<Vec<Outcome>, StoreError> {
        // redb commits durably (fsync) unless told otherwise; we never tell it otherwise.
        let write = self.shared.database.begin_write().map_err(write_error)?;
        let before = *self.shared.newest.borrow();
        let applied = self.apply_all(&write, before, transactions).map_err(write_error)?;
        if applied.newest == before.0 {
            write.abort().map_err(write_error)?;
            return Ok(applied.outcomes);
        }
        write.commit().map_err(|e| StoreError::Unknown(Arc::new(redb::Error::from(e))))?;
        self.history_bytes = applied.history_bytes;
        self.shared.newest.send_replace(Revision(applied.newest));
        Ok(applied.outcomes)
    }

    fn apply_all(
        &self,
        write: &WriteTransaction,
        before: Revision,
        transactions: &[Transaction],
    ) -> Result<Applied, redb::Error> {
        let mut entries = write.open_table(ENTRIES)?;
        let mut changes = write.open_table(CHANGES)?;
        let mut meta = write.open_table(META)?;
        let mut applied = Applied {
            outcomes: Vec::with_capacity(transactions.len()),
            newest: before.0,
            history_bytes: self.history_bytes,
        };
        for transaction in transactions {
            let outcome = apply(&mut entries, &mut changes, &mut applied, transaction)?;
            applied.outcomes.push(outcome);
        }
        meta.insert(REVISION, applied.newest)?;
        self.trim(&mut changes, &mut meta, &mut applied)?;
        Ok(applied)
    }

    /// Drops the oldest revisions that the history has no room for; always whole revisions.
    fn trim(
        &self,
        changes: &mut Table<'_, ChangeKey, ChangeValue>,
        meta: &mut Table<'_, &'static str, u64>,
        applied: &mut Applied,
    ) -> Result<(), redb::Error> {
        let mut compacted = None;
        for _ in 0..TRIM_CHANGES_MAX {
            let Some((at, _)) = changes.first()? else { break };
            let (oldest, _) = at.value();
            let over = applied.newest - oldest >= self.history.revisions_max
                || applied.history_bytes > self.history.bytes_max
                // What is left of a revision whose first changes are gone.
                || compacted == Some(oldest);
            drop(at);
            if !over {
                break;
            }
            if let Some((_, what)) = changes.pop_first()? {
                let (key, value) = what.value();
                applied.history_bytes = applied.history_bytes.saturating_sub(size(key, value));
            }
            compacted = Some(oldest);
        }
        if let Some(oldest) = compacted {
            meta.insert(COMPACTED, oldest)?;
        }
        Ok(())
    }
}

/// Applies one transaction, if its comparisons hold.
fn apply(
    entries: &mut Table<'_, &'static str, (u64, &'static [u8])>,
    changes: &mut Table<'_, ChangeKey, ChangeValue>,
    applied: &mut Applied,
    transaction: &Transaction,
) -> Result<Outcome, redb::Error> {
    for compare in &transaction.compares {
        if !holds(entries, compare)? {
            return Ok(Outcome::Conflict);
        }
    }
    if transaction.writes.is_empty() {
        return Ok(Outcome::Committed(Revision(applied.newest)));
    }
    applied.newest += 1;
    let revision = applied.newest;
    for (index, write) in (0_u32..).zip(&transaction.writes) {
        let (key, value) = match write {
            Write::Put { key, value } => {
                entries.insert(key.as_str(), (revision, value.as_slice()))?;
                (key.as_str(), Some(value.as_slice()))
            }
            Write::Delete { key } => {
                entries.remove(key.as_str())?;
                (key.as_str(), None)
            }
        };
        changes.insert((revision, index), (key, value))?;
        applied.history_bytes += size(key, value);
    }
    Ok(Outcome::Committed(Revision(revision)))
}

fn holds(
    entries: &Table<'_, &'static str, (u64, &'static [u8])>,
    compare: &Compare,
) -> Result<bool, redb::Error> {
    let found = entries.get(compare.key.as_str())?.map(|found| Revision(found.value().0));
    Ok(match compare.expected {
        Expected::Absent => found.is_none(),
        Expected::Modified(revision) => found == Some(revision),
    })
}

fn size(key: &str, value: Option<&[u8]>) -> u64 {
    (key.len() + value.map_or(0, <[u8]>::len)) as u64
}

fn write_error(source: impl Into<redb::Error>) -> StoreError {
    StoreError::Write(Arc::new(source.into()))
}
