//! The tables in the file, and how entries are read out of a snapshot.

use std::path::Path;

use redb::{Database, ReadTransaction, ReadableTable, TableDefinition};

use super::read_error;
use crate::store::{Change, Entry, LeaseId, Page, Revision, StoreError};

/// key → (modified, value).
pub(super) const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("entries");

/// (revision, index within it).
pub(super) type ChangeKey = (u64, u32);

/// (key, value; none: deleted).
pub(super) type ChangeValue = (&'static str, Option<&'static [u8]>);

/// What happened, in order.
pub(super) const CHANGES: TableDefinition<'_, ChangeKey, ChangeValue> = TableDefinition::new("changes");

/// Counters by name.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// lease → (deadline in microseconds since 1970, time to live in microseconds).
pub(super) const LEASES: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("leases");

/// key → the lease that it stands under.
pub(super) const LEASED: TableDefinition<'_, &str, u64> = TableDefinition::new("leased");

/// (lease, key that stands under it).
pub(super) const UNDER: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("under");

/// Name of the counter that holds the newest revision.
pub(super) const REVISION: &str = "revision";

/// Name of the counter that holds the newest revision that is *not* in the history any more.
pub(super) const COMPACTED: &str = "compacted";

/// Name of the counter that holds the format of the file.
const FORMAT: &str = "format";

/// The format that this version writes; it has leases.
const FORMAT_NOW: u64 = 2;

/// The oldest format that it takes over.
const FORMAT_OLDEST: u64 = 1;

/// Creates the tables in a new file, checks the format of an old one; the newest revision.
pub(super) fn prepare(database: &Database, path: &Path) -> Result<Revision, StoreError> {
    let failed = |e: redb::Error| StoreError::Damaged { path: path.into(), detail: e.to_string() };
    let write = database.begin_write().map_err(|e| failed(e.into()))?;
    let (format, newest) = (|| -> Result<(u64, u64), redb::Error> {
        write.open_table(ENTRIES)?;
        write.open_table(CHANGES)?;
        write.open_table(LEASES)?;
        write.open_table(LEASED)?;
        write.open_table(UNDER)?;
        let mut meta = write.open_table(META)?;
        let format = meta.get(FORMAT)?.map(|value| value.value());
        // Refused below, before this is committed, where it is a format that we do not know.
        meta.insert(FORMAT, FORMAT_NOW)?;
        let newest = meta.get(REVISION)?.map_or(0, |value| value.value());
        Ok((format.unwrap_or(FORMAT_NOW), newest))
    })()
    .map_err(failed)?;
    if !(FORMAT_OLDEST..=FORMAT_NOW).contains(&format) {
        return Err(StoreError::OtherFormat { path: path.into(), found: format, expected: FORMAT_NOW });
    }
    write.commit().map_err(|e| failed(e.into()))?;
    Ok(Revision(newest))
}

/// What stands under `key`.
pub(super) fn get(read: &ReadTransaction, key: &str) -> Result<Option<Entry>, StoreError> {
    let entries = read.open_table(ENTRIES).map_err(read_error)?;
    let leased = read.open_table(LEASED).map_err(read_error)?;
    let Some(found) = entries.get(key).map_err(read_error)? else { return Ok(None) };
    let (modified, value) = found.value();
    Ok(Some(Entry { lease: lease_of(&leased, key)?, ..entry(key, modified, value) }))
}

/// The lease that a key stands under.
fn lease_of(
    leased: &impl ReadableTable<&'static str, u64>,
    key: &str,
) -> Result<Option<LeaseId>, StoreError> {
    Ok(leased.get(key).map_err(read_error)?.map(|lease| LeaseId(lease.value())))
}

/// At most `limit` entries under `prefix` behind `after`.
pub(super) fn range(
    read: &ReadTransaction,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, StoreError> {
    use std::ops::Bound;

    let entries = read.open_table(ENTRIES).map_err(read_error)?;
    let leased = read.open_table(LEASED).map_err(read_error)?;
    let start = after.filter(|key| *key >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
    let mut page = Page { entries: Vec::new(), revision: counter(read, REVISION)?, more: false };
    for item in entries.range::<&str>((start, Bound::Unbounded)).map_err(read_error)? {
        let (key, found) = item.map_err(read_error)?;
        if !key.value().starts_with(prefix) {
            break;
        }
        if page.entries.len() == limit {
            page.more = true;
            break;
        }
        let (modified, value) = found.value();
        let lease = lease_of(&leased, key.value())?;
        page.entries.push(Entry { lease, ..entry(key.value(), modified, value) });
    }
    Ok(page)
}

/// The changes of at most `revisions_max` revisions after `after`, and the revision they reach up to.
pub(super) fn changes(
    read: &ReadTransaction,
    prefix: &str,
    after: Revision,
    revisions_max: u64,
) -> Result<(Vec<Change>, Revision), StoreError> {
    let oldest = counter(read, COMPACTED)?;
    if after < oldest {
        return Err(StoreError::Compacted { asked: after, oldest });
    }
    let last = counter(read, REVISION)?.0.min(after.0.saturating_add(revisions_max));
    let table = read.open_table(CHANGES).map_err(read_error)?;
    let mut found = Vec::new();
    let behind = (after.0.saturating_add(1), 0);
    for item in table.range(behind..=(last, u32::MAX)).map_err(read_error)? {
        let (at, what) = item.map_err(read_error)?;
        let ((revision, _), (key, value)) = (at.value(), what.value());
        if key.starts_with(prefix) {
            found.push(match value {
                Some(value) => Change::Put(entry(key, revision, value)),
                None => Change::Deleted { key: key.to_owned(), revision: Revision(revision) },
            });
        }
    }
    Ok((found, Revision(last.max(after.0))))
}

/// A counter; zero where it was never written.
fn counter(read: &ReadTransaction, name: &str) -> Result<Revision, StoreError> {
    let meta = read.open_table(META).map_err(read_error)?;
    let found = meta.get(name).map_err(read_error)?;
    Ok(Revision(found.map_or(0, |value| value.value())))
}

fn entry(key: &str, modified: u64, value: &[u8]) -> Entry {
    Entry { key: key.to_owned(), value: value.to_vec(), modified: Revision(modified), lease: None }
}
