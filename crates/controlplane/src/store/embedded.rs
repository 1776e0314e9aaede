//! The store of a single process, on `redb`: one file, one writer, durable commits.
//!
//! All transactions go through one thread, which commits what has gathered while the last commit was
//! under way as one (group commit): an fsync costs a millisecond, and many waiters share it. Each
//! transaction keeps a revision of its own. Reads take a snapshot where they are called: a small record
//! out of redb's page cache costs microseconds, less than a thread hop would.

mod apply;
mod sweeper;
mod tables;
mod watch;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadableDatabase, StorageError};
use tokio::sync::{mpsc, oneshot};

use self::apply::{Done, Work};
use self::writer::{Request, Writer};
use super::{
    Changes, Entry, Kept, LeaseId, Outcome, Page, Revision, Store, StoreError, TTL_MIN, Transaction,
};

/// How many requests may wait for the writer; more wait in `transact` before they are queued.
const QUEUE_REQUESTS_MAX: usize = 1024;

/// How many bytes of the file redb may keep in memory. Its own default is 1 GiB.
const CACHE_BYTES: usize = 64 << 20;

/// How far back watches can resume.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// The most revisions that are kept.
    pub revisions_max: u64,
    /// The most bytes of keys and values that they may hold.
    pub bytes_max: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { revisions_max: 10_000, bytes_max: 64 << 20 }
    }
}

/// The store of a single process. Cheap to clone; the file is closed when the last clone is gone.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    writer: mpsc::Sender<Request>,
}

/// What readers and the writer share.
#[derive(Debug)]
struct Shared {
    database: Database,
    /// The newest committed revision: watches wake on it.
    newest: tokio::sync::watch::Sender<Revision>,
}

impl EmbeddedStore {
    /// Opens or creates the store in this file.
    ///
    /// # Errors
    /// When another process has it open, when it is damaged or of another format, or on I/O errors.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_with(path, History::default()).await
    }

    /// The same, with another bound on its history.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub async fn open_with(path: impl Into<PathBuf>, history: History) -> Result<Self, StoreError> {
        let path = path.into();
        let (deadlines, next_deadline) = tokio::sync::watch::channel(None);
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(&path, history, deadlines));
        let store = opened.await.unwrap_or_else(|panicked| Err(StoreError::Read(Arc::new(panicked))))?;
        // Its fate: it ends by itself when the last store handle is gone.
        tokio::spawn(sweeper::run(store.writer.downgrade(), next_deadline));
        Ok(store)
    }

    fn open_blocking(
        path: &Path,
        history: History,
        deadlines: tokio::sync::watch::Sender<Option<u64>>,
    ) -> Result<Self, StoreError> {
        // Only its owner reads it: it holds hashes of tokens, and the texts of commands.
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        drop(file.map_err(|e| StoreError::Open { path: path.into(), source: Arc::new(e) })?);
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|e| open_error(path, e))?;
        let newest = tables::prepare(&database, path)?;
        let shared = Arc::new(Shared { database, newest: tokio::sync::watch::Sender::new(newest) });
        let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let writer = Writer::new(Arc::clone(&shared), history, deadlines)?;
        // A thread and not a blocking task: it lives as long as the store, and blocks on fsync.
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(receiver))
            .map_err(|e| StoreError::Open { path: path.into(), source: Arc::new(e) })?;
        Ok(Self { shared, writer: sender })
    }

    async fn write(&self, work: Work) -> Result<Done, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(Request { work, reply }).await.map_err(|_| StoreError::Closed)?;
        // The writer answers every request that it took; if it is gone, it died in the middle of one.
        answer.await.unwrap_or_else(|gone| Err(StoreError::Unknown(Arc::new(gone))))
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let read = self.shared.database.begin_read().map_err(read_error)?;
        tables::get(&read, key)
    }

    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let read = self.shared.database.begin_read().map_err(read_error)?;
        tables::range(&read, prefix, after, limit)
    }

    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        transaction.check()?;
        match self.write(Work::Transact(transaction)).await? {
            Done::Transacted(outcome) => Ok(outcome),
            Done::Kept(_) | Done::Nothing => Err(misanswered()),
        }
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        watch::changes(Arc::clone(&self.shared), prefix.to_owned(), after)
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let lease = super::lease::new_id()?;
        self.write(Work::Grant { lease, ttl: ttl.max(TTL_MIN) }).await?;
        Ok(lease)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Kept, StoreError> {
        match self.write(Work::KeepAlive(lease)).await? {
            Done::Kept(kept) => Ok(kept),
            Done::Transacted(_) | Done::Nothing => Err(misanswered()),
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.write(Work::Revoke(lease)).await.map(drop)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(*self.shared.newest.borrow())
    }
}

/// The writer answered something else than was asked: a fault of ours.
fn misanswered() -> StoreError {
    StoreError::Unknown(Arc::new(std::io::Error::other("the writer answered another request")))
}

fn read_error(source: impl Into<redb::Error>) -> StoreError {
    StoreError::Read(Arc::new(source.into()))
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.into() },
        DatabaseError::LockProtocolMismatch => StoreError::InUse { path: path.into() },
        DatabaseError::Storage(StorageError::Corrupted(detail)) => {
            StoreError::Damaged { path: path.into(), detail }
        }
        // redb answers this for a file that is no database at all.
        DatabaseError::Storage(StorageError::Io(e))
            if matches!(e.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Damaged { path: path.into(), detail: e.to_string() }
        }
        DatabaseError::UpgradeRequired(format) => StoreError::Damaged {
            path: path.into(),
            detail: format!("written by an older version (file format {format})"),
        },
        other => StoreError::Open { path: path.into(), source: Arc::new(other) },
    }
}

#[cfg(test)]
mod tests;
