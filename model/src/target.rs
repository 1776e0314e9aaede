//! The target, and the bytes on their way to it, which arrive as late as they like.

use crate::gateway::Start;
use crate::record::Bytes;

/// What happened at the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// What was sent and has not arrived; they outlive their sender.
    pub(crate) on_the_way: Vec<Parcel>,
    /// How often the command was forwarded.
    pub(crate) sent: u8,
    /// How often it had an effect.
    pub(crate) effects: u8,
    /// Whether anything went up that was not approved.
    pub(crate) sent_other: bool,
    /// The transaction that each start of a gateway has opened for it, by [`Start::bit`].
    pub(crate) transactions: [Transaction; 4],
}

/// Bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Parcel {
    pub(crate) from: Start,
    pub(crate) what: What,
}

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    /// The command.
    Command,
    /// The order to commit it.
    Commit,
}

/// A server-side transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Transaction {
    /// There is none.
    None,
    /// It is open: what ran in it has no effect so far.
    Open,
    /// It was committed; the target remembers.
    Committed,
    /// It was rolled back; the target remembers.
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

    /// A gateway sends the command.
    pub(crate) fn send(&mut self, from: Start, bytes: Bytes) {
        self.sent += 1;
        self.sent_other |= bytes == Bytes::Other;
        self.put(Parcel { from, what: What::Command });
    }

    /// Puts bytes on their way.
    pub(crate) fn put(&mut self, parcel: Parcel) {
        self.on_the_way.push(parcel);
        // One order for one set, so that equal worlds look equal.
        self.on_the_way.sort_unstable();
    }

    /// The transaction of this start.
    pub(crate) fn transaction(&self, of: Start) -> Transaction {
        self.transactions.get(of.bit()).copied().unwrap_or(Transaction::None)
    }

    /// The transaction of this start becomes that.
    pub(crate) fn become_of(&mut self, of: Start, transaction: Transaction) {
        if let Some(one) = self.transactions.get_mut(of.bit()) {
            *one = transaction;
        }
    }

    /// Takes bytes off their way; `None`: there are none such.
    pub(crate) fn take(&mut self, parcel: Parcel) -> Option<()> {
        let place = self.on_the_way.iter().position(|other| *other == parcel)?;
        self.on_the_way.remove(place);
        Some(())
    }
}
