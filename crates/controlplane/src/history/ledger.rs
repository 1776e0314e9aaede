//! How far a chapter of the history has come, and the page that is being written: `/cs/history/<chapter>`.

use std::sync::Arc;

use aws_lc_rs::rand;
use countersign_common::Digest;
use countersign_common::id::AttemptId;
use countersign_recording::history::{Chapter, Day, Page};
use serde::{Deserialize, Serialize};

use super::RetainError;
use crate::Also;
use crate::store::{Entry, Outcome, Revision, Store, StoreError, Transaction};

/// Where ledgers stand.
const LEDGERS: &str = "/cs/history/";

/// How far a chapter has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ledger {
    /// Which attempt wrote it.
    attempt: AttemptId,
    /// Under which name this store's history stands in the archive, so that several may share one.
    installation: String,
    /// The page that is written next.
    pub(super) next: u64,
    /// The digest of the page before it.
    pub(super) tip: Digest,
    /// How many entries the pages so far have.
    pub(super) entries: u64,
    /// What the next page will have, once that is decided.
    pub(super) plan: Option<Plan>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    also: Also,
}

/// What a page will have. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// When its entries began.
    pub(super) day: Day,
    /// Their keys in the store.
    pub(super) keys: Vec<String>,
}

impl Ledger {
    fn new() -> Result<Self, RetainError> {
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|_| RetainError::NoRandom)?;
        Ok(Self {
            attempt: AttemptId::generate(),
            installation: hex::encode(random),
            next: 0,
            tip: Page::NO_PREVIOUS,
            entries: 0,
            plan: None,
            also: Also::default(),
        })
    }

    /// The chapter in the archive.
    pub(super) fn chapter(&self, name: &str) -> Chapter {
        Chapter { installation: self.installation.clone(), name: name.to_owned() }
    }

    /// The same with the next page decided.
    pub(super) fn planned(&self, plan: Plan) -> Self {
        Self { plan: Some(plan), ..self.clone() }
    }

    /// The same behind the page that was planned.
    pub(super) fn closed(self, tip: Digest, entries: usize) -> Self {
        let entries = self.entries + entries as u64;
        Self { next: self.next + 1, tip, entries, plan: None, ..self }
    }
}

/// The ledgers of a store.
#[derive(Debug)]
pub(super) struct Books(Arc<dyn Store>);

impl Books {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// The ledger of a chapter, if one was ever begun.
    pub(super) async fn find(&self, chapter: &str) -> Result<Option<Ledger>, StoreError> {
        let entry = self.0.get(&key(chapter)).await?;
        entry.as_ref().map(crate::decode).transpose()
    }

    /// The ledger of a chapter, begun where there is none, and the revision of it.
    pub(super) async fn open(&self, chapter: &str) -> Result<(Revision, Ledger), RetainError> {
        if let Some(entry) = self.0.get(&key(chapter)).await? {
            return Ok((entry.modified, crate::decode(&entry)?));
        }
        let ledger = Ledger::new()?;
        let key = key(chapter);
        let begin = Transaction::new().if_absent(&key).put_own(&key, crate::encode(&ledger));
        Ok((committed(self.0.transact(begin).await?)?, ledger))
    }

    /// Writes a ledger, if nobody has since this revision.
    pub(super) async fn write(
        &self,
        chapter: &str,
        at: Revision,
        ledger: Ledger,
    ) -> Result<Revision, RetainError> {
        let ledger = Ledger { attempt: AttemptId::generate(), ..ledger };
        let key = key(chapter);
        let swap = Transaction::new().if_modified(&key, at).put_own(&key, crate::encode(&ledger));
        committed(self.0.transact(swap).await?)
    }
}

fn key(chapter: &str) -> String {
    format!("{LEDGERS}{chapter}")
}

fn committed(outcome: Outcome) -> Result<Revision, RetainError> {
    match outcome {
        Outcome::Committed(revision) => Ok(revision),
        Outcome::Conflict | Outcome::LeaseLost => Err(RetainError::Contended),
    }
}

/// Deletes an entry that still is what was read.
pub(super) fn deleting(entry: &Entry) -> Transaction {
    Transaction::new().if_modified(&entry.key, entry.modified).delete(&entry.key)
}
