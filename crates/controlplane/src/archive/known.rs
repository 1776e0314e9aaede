//! Which archive the recordings of this control plane go to: `/cs/archive`, told by the first node that had one, and held
//! against every other. So no node archives where the others do not look: a folder that is not mounted, another bucket.

use countersign_recording::{ArchiveStore, ArchiveStoreError};
use serde::{Deserialize, Serialize};

use crate::store::{Outcome, Store, StoreError, Transaction};

/// Where it stands. For good: what was archived does not move by itself.
const KEY: &str = "/cs/archive";

/// The archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Its id.
    id: String,
    /// The node that told it first.
    by: String,
}

/// Why an archive is not used.
#[derive(Debug, thiserror::Error)]
pub enum KnownArchiveError {
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not do what an archive has to.
    #[error(transparent)]
    Archive(#[from] ArchiveStoreError),
    /// It is another one.
    #[error("{why}, as `{by}` said first")]
    Another {
        /// Which is expected, and which this is.
        why: ArchiveStoreError,
        /// Who told.
        by: String,
    },
}

/// Looks whether this archive does its part and is the control plane's; tells the others, when it is the first. One that is
/// away is taken: it is looked at when it answers, before anything is put there or read.
///
/// # Errors
/// When it cannot be used, which somebody has to mend; or the store cannot.
pub async fn settle(
    store: &dyn Store,
    archive: ArchiveStore,
    name: &str,
) -> Result<ArchiveStore, KnownArchiveError> {
    loop {
        let known: Option<Known> = store.get(KEY).await?.as_ref().map(crate::decode).transpose()?;
        let archive = match &known {
            Some(known) => archive.clone().expecting(&known.id),
            None => archive.clone(),
        };
        let id = match (archive.id().await, known) {
            (Ok(_), Some(_)) => return Ok(archive),
            (Ok(id), None) => id.to_owned(),
            (Err(error), _) if error.is_away() => {
                tracing::error!(%error, "the archive is away; records stay here until it is back");
                return Ok(archive);
            }
            (Err(why @ ArchiveStoreError::Another { .. }), Some(Known { by, .. })) => {
                return Err(KnownArchiveError::Another { why, by });
            }
            (Err(error), _) => return Err(error.into()),
        };
        let known = Known { id, by: name.to_owned() };
        let told = Transaction::new().if_absent(KEY).put(KEY, crate::encode(&known));
        // Else another node told at the same time: its word holds.
        if let Outcome::Committed(_) = store.transact(told).await? {
            return Ok(archive);
        }
    }
}
