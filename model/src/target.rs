//! The target, and the bytes in transit to it, which may arrive at any later time.

use crate::gateway::Start;
use crate::record::Bytes;

/// State of the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Bytes that were sent and have not arrived. They outlast their sender.
    pub(crate) on_the_way: Vec<Parcel>,
    /// Number of times the command was forwarded.
    pub(crate) sent: u8,
    /// Number of times the command had an effect.
    pub(crate) effects: u8,
    /// `true` once bytes were sent that were not approved.
    pub(crate) sent_other: bool,
    /// Transaction of each incarnation, by [`Start::bit`].
    pub(crate) transactions: [Transaction; 4],
}

/// Bytes in transit from one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Parcel {
    pub(crate) from: Start,
    pub(crate) what: What,
}

/// Kind of the bytes in transit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    /// The command itself.
    Command,
    /// The request to commit the command's transaction.
    Commit,
}

/// A server-side transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Transaction {
    /// No transaction was opened.
    None,
    /// Open: the command has had no effect so far.
    Open,
    /// Committed, as the target remembers.
    Committed,
    /// Rolled back, as the target remembers.
    RolledBack,
}

impl Target {
    pub(crate) const fn new() -> Self {
        Self {
            on_the_way: Vec::new(),
            sent: 0,
            effects: 0,
            sent_other: false,
            transactions: [Transaction::None; 4],
        }
    }

    /// Sends the command from a gateway.
    pub(crate) fn send(&mut self, from: Start, bytes: Bytes) {
        self.sent += 1;
        self.sent_other |= bytes == Bytes::Other;
        self.put(Parcel { from, what: What::Command });
    }

    /// Adds bytes to those in transit.
    pub(crate) fn put(&mut self, parcel: Parcel) {
        self.on_the_way.push(parcel);
        // Sorted, so that equal sets compare as equal states.
        self.on_the_way.sort_unstable();
    }

    /// Returns the transaction of this incarnation.
    pub(crate) fn transaction(&self, of: Start) -> Transaction {
        self.transactions.get(of.bit()).copied().unwrap_or(Transaction::None)
    }

    /// Sets the transaction of this incarnation.
    pub(crate) fn become_of(&mut self, of: Start, transaction: Transaction) {
        if let Some(one) = self.transactions.get_mut(of.bit()) {
            *one = transaction;
        }
    }

    /// Removes bytes from those in transit; `None` if there are none like these.
    pub(crate) fn take(&mut self, parcel: Parcel) -> Option<()> {
        let place = self.on_the_way.iter().position(|other| *other == parcel)?;
        self.on_the_way.remove(place);
        Some(())
    }
}
