//! Definitions that sessions of this gateway are changing: from before the change is sent to the target until a snapshot
//! has it, no session relies on what was known of them.

use std::sync::Arc;

use countersign_sql::{Catalogue, Reading, Redefined};
use parking_lot::Mutex;

use super::{Database, Ticket};

/// Changes that are going on.
#[derive(Debug, Default)]
pub(super) struct Redefinitions {
    all: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    /// Number of the change that was begun last.
    last: u64,
    open: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    number: u64,
    redefined: Redefined,
    /// The request to read it; `None` while its transaction is open.
    ticket: Option<Ticket>,
}

/// A change that a session makes in its open transaction. When this is dropped without [`Self::over`], what was changed
/// is read again as well: nobody knows how the transaction has ended.
#[derive(Debug)]
pub(crate) struct Redefining {
    database: Arc<Database>,
    number: u64,
}

impl Redefining {
    /// A change that is about to be sent.
    pub(crate) fn begin(database: &Arc<Database>, redefined: &Redefined) -> Self {
        let mut changes = database.redefinitions.all.lock();
        changes.last += 1;
        let number = changes.last;
        changes.open.push(Change { number, redefined: redefined.clone(), ticket: None });
        Self { database: Arc::clone(database), number }
    }

    /// More is changed in the same transaction.
    pub(crate) fn add(&self, redefined: &Redefined) {
        let mut changes = self.database.redefinitions.all.lock();
        changes.last += 1;
        if let Some(change) = changes.open.iter_mut().find(|change| change.number == self.number) {
            change.redefined.merge(redefined);
        }
    }
}

impl Drop for Redefining {
    fn drop(&mut self) {
        let mut changes = self.database.redefinitions.all.lock();
        let Some(change) = changes.open.iter_mut().find(|change| change.number == self.number) else {
            return;
        };
        change.ticket = Some(self.database.request(&change.redefined));
    }
}

impl Database {
    /// Whether what a text means rests on a definition that is being changed.
    // INVARIANT: I7.
    pub(crate) fn is_redefining(&self, reading: &Reading) -> bool {
        !self.redefinitions_of(reading).is_empty()
    }

    /// Waits, for a bounded time, until changes are read that a text rests on and that are committed.
    pub(crate) async fn settle_redefinitions(self: &Arc<Self>, reading: &Reading) {
        if let Some(ticket) = self.redefinitions_of(reading).into_iter().flatten().max() {
            self.settle(ticket).await;
        }
    }

    /// The changes that a text rests on, each with the request to read it.
    fn redefinitions_of(&self, reading: &Reading) -> Vec<Option<Ticket>> {
        let open = self.open_redefinitions();
        if open.is_empty() {
            return Vec::new();
        }
        let catalogue: Arc<Catalogue> = self.current();
        let touching = open.into_iter().filter(|(redefined, _)| reading.rests_on(redefined, &catalogue));
        touching.map(|(_, ticket)| ticket).collect()
    }

    /// Changes with every change of definitions that is begun, and when one is over.
    pub(crate) fn redefinitions_version(&self) -> (u64, usize) {
        let mut changes = self.redefinitions.all.lock();
        self.forget_served(&mut changes);
        (changes.last, changes.open.len())
    }

    fn open_redefinitions(&self) -> Vec<(Redefined, Option<Ticket>)> {
        let mut changes = self.redefinitions.all.lock();
        self.forget_served(&mut changes);
        changes.open.iter().map(|change| (change.redefined.clone(), change.ticket)).collect()
    }

    fn forget_served(&self, changes: &mut Changes) {
        if !changes.open.is_empty() {
            changes.open.retain(|change| change.ticket.is_none_or(|ticket| !self.is_served(ticket)));
        }
    }
}
