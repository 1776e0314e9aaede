//! The archive: sealed segments, compressed, with the checkpoints that cover them, in any object store. An
//! object is put once and never changed.
//!
//! ```text
//! archive.id                            the archive's id, see [`proof`]
//! <log>/id                              the log's id
//! <log>/segment-00000000.jsonl.zst      a sealed segment
//! <log>/checkpoints-<offset>.jsonl      checkpoints from this byte on
//! lost/<node>.json                      agreement on the streams of a lost gateway
//! history/<installation>/<chapter>/…    records that have left the control plane's store, see [`history`]
//! ```
//! Archives are read from a folder: the archive itself if it is one, else a copy in a cache. So every
//! reader of recordings ([`crate::Log`]) can read archives.

mod archiver;
mod copy;
pub mod history;
mod lost;
mod proof;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use countersign_common::id::NodeId;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use tokio::sync::OnceCell;

pub use self::archiver::{Archiver, Round};
use crate::abandoned::Abandoned;
use crate::line::MalformedLine;

/// Long-term storage of sealed segments and pages of history.
#[derive(Debug, Clone)]
pub struct ArchiveStore {
    /// Used only through [`Self::store`], which checks it first.
    unproven: Arc<dyn ObjectStore>,
    /// Folder from which the archive is read.
    folder: PathBuf,
    /// `true` if the folder is a copy.
    copied: bool,
    /// Required id of the archive, if any.
    expected: Option<String>,
    /// Id of the archive, set once its object store has passed the checks in [`proof`].
    proven: Arc<OnceCell<String>>,
}

/// Error of the archive. Nothing is lost: segments that could not be archived stay where they are.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveStoreError {
    /// The object store failed.
    #[error("the archive fails: {}", words::of(.0))]
    Store(#[from] object_store::Error),
    /// A local file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The archive has a different object under this name.
    #[error("the archive holds another `{key}`: two writers have the same log, or it was changed")]
    Conflict {
        /// Name of the object in the archive.
        key: String,
    },
    /// The object store replaced an object instead of rejecting a second one.
    #[error(
        "the archive's object store does not put conditionally (`If-None-Match: *`): objects could be overwritten"
    )]
    Overwrites,
    /// The archive is not the expected one.
    #[error("the recordings go to the archive `{expected}`, and this is {found}")]
    Another {
        /// Id of the expected archive.
        expected: String,
        /// Description of the archive that was found.
        found: String,
    },
    /// An object does not match its name.
    #[error(transparent)]
    Malformed(#[from] MalformedLine),
    /// The journal has stopped.
    #[error(transparent)]
    Journal(#[from] crate::JournalError),
}

impl ArchiveStoreError {
    /// Returns `true` if the store is unreachable or overloaded, so that a retry may succeed. Other errors need an
    /// operator.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if words::is_away(error))
    }
}

/// Result of a conditional put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    Done,
    /// An object of this name already exists.
    Taken,
}

impl ArchiveStore {
    /// Opens an archive in a local or mounted folder. A put is durable (fsync) when it returns.
    ///
    /// # Errors
    /// Fails if the folder cannot be opened or created.
    pub fn folder(folder: &Path) -> Result<Self, ArchiveStoreError> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { copied: false, ..Self::of(Arc::new(store), folder.to_owned()) })
    }

    /// Opens an archive in any store that supports conditional puts. It is read through a copy in the folder `cache`,
    /// which [`Self::refresh`] updates and which may be deleted at any time. The copy grows as large as the archive.
    #[must_use]
    pub fn of(store: Arc<dyn ObjectStore>, cache: PathBuf) -> Self {
        let proven = Arc::new(OnceCell::new());
        Self { unproven: store, folder: cache, copied: true, expected: None, proven }
    }

    /// Requires the archive to have this id ([`Self::id`]): no other archive is written or read.
    #[must_use]
    pub fn expecting(self, id: impl Into<String>) -> Self {
        Self { expected: Some(id.into()), proven: Arc::new(OnceCell::new()), ..self }
    }

    /// Returns the object store after the checks in [`proof`].
    async fn store(&self) -> Result<&dyn ObjectStore, ArchiveStoreError> {
        self.id().await?;
        Ok(&*self.unproven)
    }

    /// Agrees with all users of this archive on the streams of a lost gateway: the first proposal wins. A repeated
    /// call returns the same answer.
    ///
    /// # Errors
    /// Fails if the archive does not answer; call it again.
    pub async fn agree(&self, proposed: &Abandoned) -> Result<Abandoned, ArchiveStoreError> {
        let key = lost_key(proposed.gateway);
        match self.put(&key, proposed.encode()?.into()).await? {
            Put::Done => Ok(proposed.clone()),
            Put::Taken => Ok(Abandoned::decode(&self.get(&key).await?)?),
        }
    }

    /// Returns the agreement for a gateway; `None` if there is none yet.
    ///
    /// # Errors
    /// Fails if the archive does not answer.
    pub async fn agreed(&self, gateway: NodeId) -> Result<Option<Abandoned>, ArchiveStoreError> {
        match self.get(&lost_key(gateway)).await {
            Ok(content) => Ok(Some(Abandoned::decode(&content)?)),
            Err(ArchiveStoreError::Store(object_store::Error::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, key: &Key) -> Result<Bytes, ArchiveStoreError> {
        get(self.store().await?, key).await
    }

    async fn put(&self, key: &Key, content: Bytes) -> Result<Put, ArchiveStoreError> {
        put_once(self.store().await?, key, content).await
    }
}

async fn get(store: &dyn ObjectStore, key: &Key) -> Result<Bytes, ArchiveStoreError> {
    Ok(store.get(key).await?.bytes().await?)
}

async fn put_once(store: &dyn ObjectStore, key: &Key, content: Bytes) -> Result<Put, ArchiveStoreError> {
    let once = PutOptions::from(PutMode::Create);
    match store.put_opts(key, content.into(), once).await {
        Ok(_) => Ok(Put::Done),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Taken),
        Err(error) => Err(error.into()),
    }
}

fn lost_key(gateway: NodeId) -> Key {
    Key::from(format!("lost/{gateway}.json"))
}

/// Runs file I/O on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ArchiveStoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(std::io::Error::other).and_then(|result| result)?)
}
