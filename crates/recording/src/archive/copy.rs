//! The local copy through which an archive in an object store is read: a folder with the same objects. Each object is
//! either complete or absent.
//!
//! Within a log, segments are copied before the checkpoints that cover them, in the order in which they were
//! archived. A concurrent reader of the copy never sees a checkpoint without its segment.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;

use super::{ArchiveStore, ArchiveStoreError, blocking};
use crate::checkpoint_files::piece_offset;
use crate::log::{ID_FILE, is_id, new_id};

/// Maximum number of concurrent downloads.
const FETCHES_MAX: usize = 4;

/// Folder for objects that are being downloaded.
const PARTS: &str = "parts";

impl ArchiveStore {
    /// Updates the copy with everything that was archived before this call. Returns the folder to read.
    ///
    /// # Errors
    /// Any error of reading the archive.
    ///
    /// # Cancel safety
    /// Cancel safe: each object is either complete or absent.
    pub async fn refresh(&self) -> Result<PathBuf, ArchiveStoreError> {
        self.copy(None).await
    }

    /// Like [`Self::refresh`], limited to objects that were archived after `since`.
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
            // The history and the agreements on lost gateways are read object by object.
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
            // After a loss of power, the name must not exist without the contents.
            file.sync_data()?;
            std::fs::rename(part, target)
        })
        .await
    }

    /// Deletes the partial downloads of a process that died. Called before the first download.
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
