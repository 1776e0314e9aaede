//! Checks once, by doing it, that an object store has the properties that an archive needs: conditional put, read,
//! list. The object put for this check stays and holds the archive's id, so that no other archive is used by mistake:
//! a folder that is not mounted, a bucket whose name was mistyped.

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path as Key;

use super::{ArchiveStore, ArchiveStoreError, Put, get, put_once, words};
use crate::line::MalformedLine;
use crate::log::{is_id, new_id};

/// Name of the object that holds the id, beside the folders of logs.
const ID: &str = "archive.id";

impl ArchiveStore {
    /// Returns the archive's id, 32 hex digits, and creates it if there is none. A store that has passed the check is
    /// not checked again.
    ///
    /// # Errors
    /// Describes the fault: unreachable, access refused, objects overwritten, or not the expected archive.
    ///
    /// # Cancel safety
    /// Cancel safe: a repeated call finds the object that was put.
    pub async fn id(&self) -> Result<&str, ArchiveStoreError> {
        let proven = self.proven.get_or_try_init(|| async {
            let id = self.prove().await?;
            self.clear_parts().await?;
            Ok::<_, ArchiveStoreError>(id)
        });
        proven.await.map(String::as_str)
    }

    async fn prove(&self) -> Result<String, ArchiveStoreError> {
        let store = &*self.unproven;
        let id = self.found().await?;
        if put_once(store, &Key::from(ID), line(&id)).await? == Put::Done {
            return Err(ArchiveStoreError::Overwrites);
        }
        match store.list(None).try_next().await? {
            Some(_) => Ok(id),
            None => Err(MalformedLine("the archive does not list what was put into it".into()).into()),
        }
    }

    /// Returns the existing id, or a new one if none is required.
    async fn found(&self) -> Result<String, ArchiveStoreError> {
        let another = |expected: &String, found: String| {
            Err(ArchiveStoreError::Another { expected: expected.clone(), found })
        };
        match (self.read_id().await?, &self.expected) {
            (Some(id), Some(expected)) if id != *expected => another(expected, format!("the archive `{id}`")),
            (Some(id), _) => Ok(id),
            (None, Some(expected)) => another(expected, "none: it is empty, or not mounted".into()),
            (None, None) => {
                put_once(&*self.unproven, &Key::from(ID), line(&new_id()?)).await?;
                // The id of the node that put it first.
                self.read_id().await?.ok_or_else(|| {
                    MalformedLine("the archive does not have what was put into it".into()).into()
                })
            }
        }
    }

    async fn read_id(&self) -> Result<Option<String>, ArchiveStoreError> {
        let content = match get(&*self.unproven, &Key::from(ID)).await {
            Ok(content) => content,
            Err(ArchiveStoreError::Store(error @ object_store::Error::NotFound { .. })) => {
                return if words::is_bucket_missing(&error) { Err(error.into()) } else { Ok(None) };
            }
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&content).trim().to_owned();
        match is_id(&text) {
            true => Ok(Some(text)),
            false => Err(MalformedLine(format!("`{ID}` of the archive holds no id")).into()),
        }
    }
}

fn line(id: &str) -> Bytes {
    format!("{id}\n").into()
}
