//! What has ended goes from the store to the archive, where it stays: approvals after a while, and who looked at
//! recordings. One node does it, the elected one, by a period; two that do it at once do the same.
//!
//! A page is planned first, by compare-and-swap: which entries it has. So whoever carries the plan out, and however
//! often, writes the same page. Only what the archive has is deleted, by a transaction that compares it with what was
//! archived; then the plan is closed. Whatever dies in between is gone on with.

mod approvals;
mod ledger;
mod looks;
mod read;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::Timestamp;
use countersign_common::time::Clock;
use countersign_recording::history::{Day, Page};
use countersign_recording::{ArchiveStore, ArchiveStoreError, MalformedLine, SigningKey};

pub use self::read::{Archived, History, HistoryError};

use self::approvals::EndedApprovals;
use self::ledger::{Books, Ledger, Plan};
use self::looks::OldLooks;
use crate::store::{Revision, Store, StoreError};

/// How long approvals stay in the store after they have ended, when nothing else is said.
pub const APPROVALS_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// The shortest that may be said: longer than a no is remembered, and than anybody who asked looks at the answer.
pub const APPROVALS_KEPT_MIN: Duration = Duration::from_secs(3600);

/// How long it stays in the store who looked at recordings.
const LOOKS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// The most entries of a page, and the most bytes unless a single entry has more.
const PAGE_ENTRIES_MAX: usize = 256;
const PAGE_BYTES_MAX: usize = 8 << 20;

/// The most that one round takes on; the next one goes on.
const ROUND_ENTRIES_MAX: usize = 8192;

/// How what has ended is kept.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// How long an approval stays in the store after it has ended; at least [`APPROVALS_KEPT_MIN`].
    pub approvals_kept: Duration,
    /// Where it goes then; `None`: it stays in the store.
    pub archive: Option<HistoryArchive>,
}

/// Where what has ended goes.
#[derive(Debug, Clone)]
pub struct HistoryArchive {
    /// The archive.
    pub store: ArchiveStore,
    /// What seals its pages: the key that signs this node's checkpoints.
    pub key: Arc<SigningKey>,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { approvals_kept: APPROVALS_KEPT, archive: None }
    }
}

/// Something that is due to go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Due {
    /// Its key.
    key: String,
    /// When it began.
    day: Day,
    /// About how many bytes its entry has.
    bytes: usize,
}

/// Where entries come from. Two: approvals, and looks at recordings.
#[async_trait]
trait Source: Send + Sync {
    /// The chapter of the history.
    fn chapter(&self) -> &'static str;

    /// At most `limit` of what is due at this time.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, StoreError>;

    /// The entry of a key, as one line; `None`: it is not there any more.
    async fn entry(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Deletes it from the store, if it still is what the archive has.
    async fn forget(&self, key: &str, archived: &[u8], now: Timestamp) -> Result<(), RetainError>;
}

/// Why what has ended was not archived, or not deleted. It stays where it is, and is gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive did not do its part.
    #[error(transparent)]
    Archive(#[from] ArchiveStoreError),
    /// A page cannot be written.
    #[error(transparent)]
    Page(#[from] MalformedLine),
    /// What is to be archived is neither in the store nor in the archive.
    #[error("`{0}` is neither in the store nor on its page of the archive: the archive has lost a page")]
    Gone(String),
    /// What the archive has is not what the store has.
    #[error("`{0}` stands in the archive otherwise than in the store; it stays in both")]
    Differs(String),
    /// Another node was faster.
    #[error("another node is at it")]
    Contended,
    /// The machine has no random bytes.
    #[error("there are no random bytes")]
    NoRandom,
}

/// Brings what has ended to the archive.
#[derive(Debug)]
pub(crate) struct Retention {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: HistoryOptions,
    books: Books,
}

impl Retention {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: HistoryOptions) -> Self {
        let books = Books::new(Arc::clone(&store));
        Self { store, clock, options, books }
    }

    /// Archives what is due, then deletes it; says how many entries. More may be due when it is as many as a round
    /// takes. Safe to run at any time, by any node.
    ///
    /// # Errors
    /// Says what failed; run it again.
    ///
    /// # Cancel safety
    /// Safe: the next round goes on.
    pub(crate) async fn round(&self) -> Result<usize, RetainError> {
        let store = || Arc::clone(&self.store);
        let approvals = self.round_of(&EndedApprovals::new(store(), self.options.approvals_kept)).await?;
        Ok(approvals + self.round_of(&OldLooks::new(store(), LOOKS_KEPT)).await?)
    }

    /// Whether a round that did so much has left something.
    pub(crate) const fn is_full(done: usize) -> bool {
        done >= ROUND_ENTRIES_MAX
    }

    async fn round_of(&self, source: &dyn Source) -> Result<usize, RetainError> {
        let now = self.clock.now();
        let Some(archive) = &self.options.archive else {
            let due = source.due(now, ROUND_ENTRIES_MAX).await?;
            crate::metrics::history_waiting(source.chapter(), due.len());
            return Ok(0);
        };
        let (mut at, mut ledger) = self.books.open(source.chapter()).await?;
        let mut done = 0;
        if let Some(plan) = ledger.plan.clone() {
            // Somebody died over it.
            (at, ledger) = self.carry_out(source, archive, at, ledger, &plan).await?;
            done += plan.keys.len();
        }
        let due = source.due(now, ROUND_ENTRIES_MAX).await?;
        crate::metrics::history_waiting(source.chapter(), due.len());
        for plan in plans(due) {
            // Compared with the ledger before the look at what is due: nobody has taken any of it since.
            at = self.books.write(source.chapter(), at, ledger.planned(plan.clone())).await?;
            ledger.plan = Some(plan.clone());
            (at, ledger) = self.carry_out(source, archive, at, ledger, &plan).await?;
            done += plan.keys.len();
        }
        crate::metrics::history_waiting(source.chapter(), 0);
        Ok(done)
    }

    /// Sees to it that the planned page is in the archive, deletes what stands on it, and closes the plan.
    async fn carry_out(
        &self,
        source: &dyn Source,
        archive: &HistoryArchive,
        at: Revision,
        ledger: Ledger,
        plan: &Plan,
    ) -> Result<(Revision, Ledger), RetainError> {
        let chapter = ledger.chapter(source.chapter());
        let page = match archive.store.page(&chapter, &plan.day, ledger.next).await? {
            Some(page) => page,
            None => {
                let page = self.page(source, &ledger, plan).await?;
                archive.store.put_page(&chapter, &page).await?;
                page
            }
        };
        if page.prev != ledger.tip || page.entries.len() != plan.keys.len() {
            return Err(RetainError::Differs(format!("page {} of {}", ledger.next, chapter.name)));
        }
        // Before anything is deleted: what only the archive has, is under a signature.
        archive.store.seal_page(&chapter, &page, &archive.key).await?;
        for (key, archived) in plan.keys.iter().zip(&page.entries) {
            source.forget(key, archived, self.clock.now()).await?;
        }
        let closed = ledger.closed(page.digest(&chapter)?, plan.keys.len());
        let at = self.books.write(source.chapter(), at, closed.clone()).await?;
        tracing::info!(chapter = source.chapter(), page = page.number, entries = plan.keys.len(), "archived");
        Ok((at, closed))
    }

    async fn page(&self, source: &dyn Source, ledger: &Ledger, plan: &Plan) -> Result<Page, RetainError> {
        let mut entries = Vec::new();
        for key in &plan.keys {
            entries.push(source.entry(key).await?.ok_or_else(|| RetainError::Gone(key.clone()))?);
        }
        Ok(Page { number: ledger.next, day: plan.day.clone(), prev: ledger.tip, entries })
    }
}

/// Pages of what is due: of one day each, none too large.
fn plans(mut due: Vec<Due>) -> Vec<Plan> {
    due.sort_by(|one, other| (&one.day, &one.key).cmp(&(&other.day, &other.key)));
    let mut plans: Vec<Plan> = Vec::new();
    let mut bytes = 0;
    for Due { key, day, bytes: more } in due {
        bytes += more;
        match plans.last_mut() {
            Some(plan)
                if plan.day == day && plan.keys.len() < PAGE_ENTRIES_MAX && bytes <= PAGE_BYTES_MAX =>
            {
                plan.keys.push(key);
            }
            _ => {
                bytes = more;
                plans.push(Plan { day, keys: vec![key] });
            }
        }
    }
    plans
}

#[cfg(test)]
mod tests;
