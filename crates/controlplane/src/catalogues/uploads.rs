//! How much one gateway may upload and have stored: a gateway that lies must not fill the store for all.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_postgres::facts::CopyError;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use super::record::Known;
use crate::store::{Entry, StoreError};

/// The largest catalogue, compressed, in bytes.
const COMPRESSED_BYTES_MAX: usize = 8 << 20;

/// What one gateway may have stored, and all of them together, in bytes.
const GATEWAY_BYTES_MAX: usize = 64 << 20;
const STORED_BYTES_MAX: usize = 512 << 20;

/// What one gateway may upload to one node within [`WINDOW`], in bytes.
const WINDOW_BYTES_MAX: usize = 64 << 20;
const WINDOW: Duration = Duration::from_secs(600);

/// So many others of a gateway make room for one at most.
const EVICTED_MAX: usize = 32;

/// Why a catalogue was not taken. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It is not what its digest says, or none at all.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// It is too large.
    #[error("the catalogue has {bytes} bytes compressed, at most {bytes_max} are taken")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The gateway uploads too much.
    #[error("the gateway uploads too many catalogues")]
    TooMany,
    /// There are too many of all gateways.
    #[error("too many catalogues are stored")]
    Full,
    /// It was stored by somebody else at the same time.
    #[error("the catalogue was written by another node at the same time; ask again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What gateways have uploaded lately.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    /// Since when, and how many bytes.
    lately: Mutex<BTreeMap<String, (Timestamp, usize)>>,
    one: AsyncMutex<()>,
}

impl Uploads {
    /// Counts an upload.
    pub(super) fn admit(&self, gateway: &str, bytes: usize, now: Timestamp) -> Result<(), TakeError> {
        if bytes > COMPRESSED_BYTES_MAX {
            return Err(TakeError::TooLarge { bytes, bytes_max: COMPRESSED_BYTES_MAX });
        }
        let mut lately = self.lately.lock();
        lately.retain(|_, (since, _)| now < since.after(WINDOW));
        let (_, counted) = lately.entry(gateway.to_owned()).or_insert((now, 0));
        if counted.saturating_add(bytes) > WINDOW_BYTES_MAX {
            return Err(TakeError::TooMany);
        }
        *counted += bytes;
        Ok(())
    }

    /// Waits until nobody else stores one here.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.one.lock().await
    }
}

/// What has to go so that a gateway may store so many bytes: those that it has uploaded itself and that were used least
/// lately.
pub(super) fn make_room<'e>(
    stored: impl Iterator<Item = (&'e Entry, Known)>,
    gateway: &str,
    bytes: usize,
) -> Result<Vec<(Entry, Known)>, TakeError> {
    let (mut all, mut of_gateway, mut own) = (bytes, bytes, Vec::new());
    for (entry, known) in stored {
        all = all.saturating_add(known.bytes);
        if known.by == gateway {
            of_gateway = of_gateway.saturating_add(known.bytes);
            own.push((entry.clone(), known));
        }
    }
    own.sort_by_key(|(_, known)| known.used_at);
    let mut evicted = Vec::new();
    for (entry, known) in own {
        if of_gateway <= GATEWAY_BYTES_MAX && all <= STORED_BYTES_MAX {
            break;
        }
        of_gateway = of_gateway.saturating_sub(known.bytes);
        all = all.saturating_sub(known.bytes);
        evicted.push((entry, known));
    }
    if evicted.len() > EVICTED_MAX {
        return Err(TakeError::TooMany);
    }
    if all > STORED_BYTES_MAX { Err(TakeError::Full) } else { Ok(evicted) }
}
