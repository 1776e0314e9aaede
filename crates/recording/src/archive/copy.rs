//! The copy through which an archive in an object store is read: a folder with the same objects, each whole or not there.
//!
//! Of a log, segments come before the checkpoints that speak of them, as they came into the archive; so whoever reads the
//! copy meanwhile never sees a checkpoint without its segment.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;

use super::{ArchiveStore, ArchiveStoreError, blocking};
use crate::checkpoint_files::piece_offset;
use crate::log::{ID_FILE, is_id, new_id};

/// How many objects are fetched at once.
const FETCHES_MAX: usize = 4;

/// Where objects are on their way into the copy.
const PARTS: &str = "parts";

impl ArchiveStore {
    /// The folder in which it can be read, with everything that was archived when this was called.
    ///
    /// # Errors
    /// When the archive cannot be read.
    ///
    /// # Cancel safety
    /// Safe: a copy is whole or not there.
    pub async fn refresh(&self) -> Result<PathBuf, ArchiveStoreError> {
        self.copy(None).await
    }

    /// The same, of which only what was archived since then need be there.
    pub(super) async fn refresh_since(&self, since: SystemTime) -> Result<PathBuf, ArchiveStoreError> {
        self.copy(Some(since)).await
    }

    async fn copy(&self, since: Option<SystemTime>) -> Result<PathBuf, ArchiveStoreError> {
        let store = self.store().await?;
        if self.copied {
            let wanted = |object: &ObjectMeta| {
                let is_new = since.is_none_or(|since| SystemTime::from(object.last_modified) >= since);
                is_new || object.location.filename() == Some(ID_FILE)
            };
            // The history and what is agreed on are read object by object.
            let mut folders = store.list_with_delimiter(None).await?.common_prefixes;
            folders.retain(|folder| is_id(folder.as_ref()));
            for log in folders {
                let mut objects: Vec<_> = store.list(Some(&log)).try_collect().await?;
                objects.retain(&wanted);
                let (last, first) = objects.into_iter().partition(is_checkpoints);
                self.fetch_all(first).await?;
                self.fetch_all(last).await?;
            }
        }
        Ok(self.folder.clone())
    }

    async fn fetch_all(&self, objects: Vec<ObjectMeta>) -> Result<(), ArchiveStoreError> {
        let fetches = futures::stream::iter(objects).map(|object| self.fetch(object));
        fetches.buffer_unordered(FETCHES_MAX).try_collect().await
    }

    async fn fetch(&self, object: ObjectMeta) -> Result<(), ArchiveStoreError> {
        let target = self.folder.join(object.location.as_ref());
        // Objects never change.
        if std::fs::metadata(&target).is_ok_and(|copy| copy.len() == object.size) {
            return Ok(());
        }
        let content = self.get(&object.location).await?;
        let parts = self.folder.join(PARTS);
        blocking(move || {
            std::fs::create_dir_all(target.parent().unwrap_or(&target))?;
            std::fs::create_dir_all(&parts)?;
            let part = parts.join(new_id()?);
            let mut file = std::fs::File::create(&part)?;
            file.write_all(&content)?;
            // Its name must not outlive a power cut without it.
            file.sync_data()?;
            std::fs::rename(part, target)
        })
        .await
    }

    /// Takes away what a process that died left on its way. Before anything is fetched.
    pub(super) async fn clear_parts(&self) -> Result<(), ArchiveStoreError> {
        if !self.copied {
            return Ok(());
        }
        let parts = self.folder.join(PARTS);
        blocking(move || match std::fs::remove_dir_all(parts) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

fn is_checkpoints(object: &ObjectMeta) -> bool {
    object.location.filename().and_then(piece_offset).is_some()
}
