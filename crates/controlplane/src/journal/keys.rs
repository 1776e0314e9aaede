//! The keys by which the control-plane nodes sign their checkpoints, told to each other through the store, so that each
//! verifies what all of them have recorded. Auditors hold the keys themselves.

use countersign_recording::PublicKey;

use crate::store::{Store, StoreError, Transaction, range_all};

/// `/cs/checkpoints/keys/<key>`, 64 hex digits. They stay: what they have signed does.
const KEYS: &str = "/cs/checkpoints/keys/";

/// Tells the other nodes the key of this one.
///
/// # Errors
/// When the store cannot be written.
pub async fn publish_key(store: &dyn Store, key: &PublicKey, name: &str) -> Result<(), StoreError> {
    store.transact(Transaction::new().put(format!("{KEYS}{key}"), name)).await.map(drop)
}

/// The keys of all nodes there ever were, and what each was called.
///
/// # Errors
/// When the store cannot be read.
pub async fn published_keys(store: &dyn Store) -> Result<Vec<(PublicKey, String)>, StoreError> {
    let (entries, _) = range_all(store, KEYS).await?;
    let named = entries.iter().filter_map(|entry| {
        let key = entry.key.strip_prefix(KEYS)?.parse().ok()?;
        Some((key, String::from_utf8_lossy(&entry.value).into_owned()))
    });
    Ok(named.collect())
}
