//! Records as values of the store: JSON, one version a record type. Unknown fields are refused, so a
//! record of a later version is never half understood.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Change, Entry, Revision, StoreError, Write};

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
