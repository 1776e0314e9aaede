//! Reading what was archived.

use std::sync::Arc;

use countersign_common::Digest;
use countersign_common::id::ApprovalId;
use countersign_recording::history::{Chapter, ChapterReport, Day, Page};
use countersign_recording::{ArchiveStore, ArchiveStoreError};

use super::approvals::{CHAPTER, Line, day_of};
use super::ledger::Books;
use super::looks;
use crate::approvals::{Details, Snapshot, Stored};
use crate::store::{Store, StoreError};

/// Why the history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive did not do its part.
    #[error(transparent)]
    Archive(#[from] ArchiveStoreError),
    /// An entry is not what this version writes.
    #[error("an entry of page {page} of the history cannot be read: {why}")]
    Malformed {
        /// The page.
        page: u64,
        /// Why.
        why: String,
    },
}

/// An approval that was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// How it ended.
    pub snapshot: Snapshot,
    /// What was asked, whole.
    pub details: Details,
}

/// What was archived, for those who ask.
#[derive(Debug)]
pub struct History {
    archive: Option<ArchiveStore>,
    books: Books,
}

impl History {
    pub(crate) fn new(store: Arc<dyn Store>, archive: Option<ArchiveStore>) -> Self {
        Self { archive, books: Books::new(store) }
    }

    /// An approval; `None`: it was not archived. Reads the pages of the day on which it was asked.
    ///
    /// # Errors
    /// When store or archive cannot be read, or what is archived is not what was asked (I2).
    pub async fn approval(&self, id: ApprovalId) -> Result<Option<Archived>, HistoryError> {
        let Some((archive, chapter, next)) = self.chapter(CHAPTER).await? else { return Ok(None) };
        let day = day_of(id);
        let name = id.to_string();
        for number in numbers(archive, &chapter, &day, next).await? {
            let Some(page) = archive.page(&chapter, &day, number).await? else { continue };
            for entry in page.entries.iter().filter(|entry| holds(entry, name.as_bytes())) {
                let line: Line<'_> = parsed(&page, entry)?;
                let stored: Stored = parsed(&page, line.approval.get().as_bytes())?;
                if stored.approval.id == id {
                    return archived(&page, stored, &line).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// At most `limit` approvals that `wanted` selects, newest first; reads page after page until there are so many.
    ///
    /// # Errors
    /// When store or archive cannot be read.
    pub async fn approvals(
        &self,
        limit: usize,
        wanted: impl Fn(&Snapshot) -> bool,
    ) -> Result<Vec<Snapshot>, HistoryError> {
        let Some((archive, chapter, next)) = self.chapter(CHAPTER).await? else { return Ok(Vec::new()) };
        let mut found: Vec<Snapshot> = Vec::new();
        for day in archive.days(&chapter).await? {
            for number in numbers(archive, &chapter, &day, next).await? {
                let Some(page) = archive.page(&chapter, &day, number).await? else { continue };
                for entry in &page.entries {
                    let line: Line<'_> = parsed(&page, entry)?;
                    let snapshot = parsed::<Stored>(&page, line.approval.get().as_bytes())?.into();
                    found.extend(Some(snapshot).filter(&wanted));
                }
            }
            // A day is whole before it is cut: its pages are in the order in which approvals ended.
            if found.len() >= limit {
                break;
            }
        }
        found.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.approval.id));
        found.truncate(limit);
        Ok(found)
    }

    /// Reads all that was archived, and checks that nothing is missing or was changed.
    ///
    /// # Errors
    /// When store or archive cannot be read; that something is wrong is no error but the answer.
    pub async fn verify(&self) -> Result<ChapterReport, HistoryError> {
        let mut all = ChapterReport::default();
        let Some(archive) = &self.archive else { return Ok(all) };
        for name in [CHAPTER, looks::CHAPTER] {
            let Some(ledger) = self.books.find(name).await? else { continue };
            let report = archive.verify_chapter(&ledger.chapter(name), ledger.next, ledger.tip).await?;
            if report.faults.is_empty() && report.entries != ledger.entries {
                all.faults
                    .push(format!("history of {name}: {} entries, not {}", report.entries, ledger.entries));
            }
            all.pages += report.pages;
            all.entries += report.entries;
            all.faults.extend(report.faults);
        }
        Ok(all)
    }

    /// The chapter, and the page that is written next.
    async fn chapter(&self, name: &str) -> Result<Option<(&ArchiveStore, Chapter, u64)>, StoreError> {
        let Some(archive) = &self.archive else { return Ok(None) };
        Ok(self.books.find(name).await?.map(|ledger| (archive, ledger.chapter(name), ledger.next)))
    }
}

/// The pages of a day that the store knows of. Others are not ours, whoever put them there.
async fn numbers(
    archive: &ArchiveStore,
    chapter: &Chapter,
    day: &Day,
    next: u64,
) -> Result<Vec<u64>, ArchiveStoreError> {
    let mut numbers = archive.pages_of(chapter, day).await?;
    numbers.retain(|number| *number <= next);
    Ok(numbers)
}

/// INVARIANT: I2. What is shown later is what was stored when the command was held.
fn archived(page: &Page, stored: Stored, line: &Line<'_>) -> Result<Archived, HistoryError> {
    let details = line.details.get().as_bytes();
    if Digest::of(details) != stored.details_digest {
        let why = format!("the text of {} is not the one that was asked about", stored.approval.id);
        return Err(HistoryError::Malformed { page: page.number, why });
    }
    Ok(Archived { details: parsed(page, details)?, snapshot: stored.into() })
}

fn parsed<'a, T: serde::Deserialize<'a>>(page: &Page, bytes: &'a [u8]) -> Result<T, HistoryError> {
    serde_json::from_slice(bytes)
        .map_err(|error| HistoryError::Malformed { page: page.number, why: error.to_string() })
}

fn holds(entry: &[u8], part: &[u8]) -> bool {
    entry.windows(part.len()).any(|window| window == part)
}
