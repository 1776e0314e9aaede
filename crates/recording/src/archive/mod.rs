//! The archive: sealed segments, compressed, with the checkpoints that vouch for them, in any object store. An
//! object is put once and never changed.
//!
//! ```text
//! archive.id                            the archive's id, see [`proof`]
//! <log>/id                              the log's id
//! <log>/segment-00000000.jsonl.zst      a sealed segment
//! <log>/checkpoints-<offset>.jsonl      the checkpoints from this byte on
//! lost/<node>.json                      how the streams of a lost gateway are ended
//! history/<installation>/<chapter>/…    what has left the control plane's store, see [`history`]
//! ```
//! What is read is always a folder: the archive itself when it is one, or else a copy in a cache. So whatever
//! reads recordings ([`crate::Log`]) reads archives.

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

/// Where segments are kept for long.
#[derive(Debug, Clone)]
pub struct ArchiveStore {
    /// Asked through [`Self::store`] alone.
    unproven: Arc<dyn ObjectStore>,
    /// The folder that is read.
    folder: PathBuf,
    /// Whether that is a copy.
    copied: bool,
    /// The archive's id, if it has to be a certain one.
    expected: Option<String>,
    /// Its id, once it was seen to do what an archive has to.
    proven: Arc<OnceCell<String>>,
}

/// Why the archive does not do its part. Nothing is lost then: what could not be archived stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveStoreError {
    /// The object store failed.
    #[error("the archive fails: {}", words::of(.0))]
    Store(#[from] object_store::Error),
    /// A local file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The archive has something else under this name.
    #[error("the archive holds another `{key}`: two writers have the same log, or it was changed")]
    Conflict {
        /// Its name.
        key: String,
    },
    /// The object store put a second object in the place of the first.
    #[error(
        "the archive's object store does not put conditionally (`If-None-Match: *`): objects could be overwritten"
    )]
    Overwrites,
    /// It is an archive, but another one.
    #[error("the recordings go to the archive `{expected}`, and this is {found}")]
    Another {
        /// The id of the one that was expected.
        expected: String,
        /// What this is.
        found: String,
    },
    /// An object is not what its name says.
    #[error(transparent)]
    Malformed(#[from] MalformedLine),
    /// The journal has stopped.
    #[error(transparent)]
    Journal(#[from] crate::JournalError),
}

impl ArchiveStoreError {
    /// Whether the store is away or overloaded, and may answer otherwise in a while. Else somebody has to mend something.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if words::is_away(error))
    }
}

/// What became of a conditional put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    Done,
    /// There is an object of this name already.
    Taken,
}

impl ArchiveStore {
    /// An archive in a local folder, or one that is mounted. What was put lasts (fsync) when it has been
    /// answered.
    ///
    /// # Errors
    /// When the folder can be neither found nor made.
    pub fn folder(folder: &Path) -> Result<Self, ArchiveStoreError> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { copied: false, ..Self::of(Arc::new(store), folder.to_owned()) })
    }

    /// An archive in any store that can put conditionally. It is read through a copy in the folder `cache`, which
    /// [`Self::refresh`] brings up to date and which may be deleted at any time; it grows as large as the archive.
    #[must_use]
    pub fn of(store: Arc<dyn ObjectStore>, cache: PathBuf) -> Self {
        let proven = Arc::new(OnceCell::new());
        Self { unproven: store, folder: cache, copied: true, expected: None, proven }
    }

    /// The same, which has to have this id ([`Self::id`]): nothing is put into another one, nor read from it.
    #[must_use]
    pub fn expecting(self, id: impl Into<String>) -> Self {
        Self { expected: Some(id.into()), proven: Arc::new(OnceCell::new()), ..self }
    }

    /// The object store, once it was seen to be an archive.
    async fn store(&self) -> Result<&dyn ObjectStore, ArchiveStoreError> {
        self.id().await?;
        Ok(&*self.unproven)
    }

    /// Agrees, with all who use this archive, on how the streams of a lost gateway are ended: what was proposed
    /// first. Asked again it answers the same.
    ///
    /// # Errors
    /// When the archive does not answer; ask again.
    pub async fn agree(&self, proposed: &Abandoned) -> Result<Abandoned, ArchiveStoreError> {
        let key = lost_key(proposed.gateway);
        match self.put(&key, proposed.encode()?.into()).await? {
            Put::Done => Ok(proposed.clone()),
            Put::Taken => Ok(Abandoned::decode(&self.get(&key).await?)?),
        }
    }

    /// What was agreed on; `None`: nothing yet.
    ///
    /// # Errors
    /// When the archive does not answer.
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

/// Work on files, on a thread that may wait for them.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ArchiveStoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(std::io::Error::other).and_then(|result| result)?)
}
