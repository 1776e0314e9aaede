//! The archive: sealed segments, compressed, with the checkpoints that vouch for them, in any object store. An
//! object is put once and never changed.
//!
//! ```text
//! <log>/id                              the log's id
//! <log>/segment-00000000.jsonl.zst      a sealed segment
//! <log>/checkpoints-<offset>.jsonl      the checkpoints from this byte on
//! lost/<node>.json                      how the streams of a lost gateway are ended
//! history/<installation>/<chapter>/…    what has left the control plane's store, see [`history`]
//! ```
//! What is read is always a folder: the archive itself when it is one, or else a copy in a cache. So whatever
//! reads recordings ([`crate::Log`]) reads archives.

mod archiver;
pub mod history;
mod lost;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use countersign_common::id::NodeId;
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};

pub use self::archiver::{Archiver, Round};
use crate::abandoned::Abandoned;
use crate::line::MalformedLine;

/// Where segments are kept for long.
#[derive(Debug, Clone)]
pub struct ArchiveStore {
    store: Arc<dyn ObjectStore>,
    /// The folder that is read.
    folder: PathBuf,
    /// Whether that is a copy.
    copied: bool,
}

/// Why the archive does not do its part. Nothing is lost then: what could not be archived stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveStoreError {
    /// The object store failed.
    #[error("the archive fails: {0}")]
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
    /// An object is not what its name says.
    #[error(transparent)]
    Malformed(#[from] MalformedLine),
    /// The journal has stopped.
    #[error(transparent)]
    Journal(#[from] crate::JournalError),
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
        Ok(Self { store: Arc::new(store), folder: folder.to_owned(), copied: false })
    }

    /// An archive in any store that can put conditionally. It is read through a copy in the folder `cache`, which
    /// [`Self::refresh`] brings up to date and which may be deleted at any time; it grows as large as the archive.
    #[must_use]
    pub fn of(store: Arc<dyn ObjectStore>, cache: PathBuf) -> Self {
        Self { store, folder: cache, copied: true }
    }

    /// The folder in which it can be read, with everything that was archived when this was called.
    ///
    /// # Errors
    /// When the archive cannot be read.
    ///
    /// # Cancel safety
    /// Safe: a copy is whole or not there.
    pub async fn refresh(&self) -> Result<PathBuf, ArchiveStoreError> {
        if self.copied {
            let objects: Vec<_> = self.store.list(None).try_collect().await?;
            // The history is read page by page.
            let of_recordings = |key: &Key| !key.as_ref().starts_with("history/");
            for object in objects.iter().filter(|object| of_recordings(&object.location)) {
                self.fetch(&object.location).await?;
            }
        }
        Ok(self.folder.clone())
    }

    async fn fetch(&self, key: &Key) -> Result<(), ArchiveStoreError> {
        let target = self.folder.join(key.as_ref());
        // Objects never change.
        if target.exists() {
            return Ok(());
        }
        let content = self.get(key).await?;
        blocking(move || {
            let parent = target.parent().unwrap_or(&target);
            std::fs::create_dir_all(parent)?;
            let part = target.with_extension("part");
            std::fs::write(&part, &content)?;
            std::fs::rename(part, target)
        })
        .await
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
        Ok(self.store.get(key).await?.bytes().await?)
    }

    async fn put(&self, key: &Key, content: Bytes) -> Result<Put, ArchiveStoreError> {
        let once = PutOptions::from(PutMode::Create);
        match self.store.put_opts(key, content.into(), once).await {
            Ok(_) => Ok(Put::Done),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Taken),
            Err(error) => Err(error.into()),
        }
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
