//! Records as values of the store: JSON, one version a record type. Unknown fields are refused, so a
//! record of a later version is never half understood; but for what it says under [`Also`].

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Change, Entry, Revision, StoreError, Write};

/// What a later version notes in a record that means the same to who does not know it. It is passed over, and written back
/// as it stood. Whatever changes what a record means stands outside of it, where it is refused.
///
/// # Source
/// `docs/decisions/0015-versions-side-by-side.md`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Also(BTreeMap<String, Value>);

impl Also {
    /// Whether there is nothing: then it is not written at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

/// A record as a value.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    // Our records hold strings, numbers and lists of them: they always serialise. Should one not, the
    // empty value is refused by every reader.
    serde_json::to_vec(record).unwrap_or_default()
}

/// A value as a record.
pub(crate) fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<T, StoreError> {
    serde_json::from_slice(&entry.value).map_err(|e| bad_value(entry, e))
}

/// The same among others: one that does not read is passed over, and the log says so.
pub(crate) fn readable<T: DeserializeOwned>(entry: &Entry) -> Option<T> {
    decode(entry).inspect_err(|error| tracing::error!(%error, "a record is passed over")).ok()
}

/// The error for a value that does not read.
pub(crate) fn bad_value(entry: &Entry, detail: impl ToString) -> StoreError {
    StoreError::BadValue { key: entry.key.clone(), detail: detail.to_string() }
}

/// The change that a committed write made.
pub(crate) fn change_of(write: Write, modified: Revision) -> Change {
    match write {
        Write::Put { key, value, .. } => Change::Put(Entry { key, value, modified, lease: None }),
        Write::Delete { key } => Change::Deleted { key, revision: modified },
    }
}

/// The bucket of an id: its last byte, which is random.
pub(crate) fn bucket(id: &[u8; 16]) -> String {
    format!("{:02x}", id.last().copied().unwrap_or_default())
}
