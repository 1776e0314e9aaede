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
    /// The transaction in which it runs, where evidence is promised.
    pub(crate) transaction: Transaction,
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

/// The server-side transaction of a command with evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Transaction {
    /// There is none.
    None,
    /// The command ran in it, without effect so far.
    Open(Start),
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
            transaction: Transaction::None,
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

    /// Takes bytes off their way; `None`: there are none such.
    pub(crate) fn take(&mut self, parcel: Parcel) -> Option<()> {
        let place = self.on_the_way.iter().position(|other| *other == parcel)?;
        self.on_the_way.remove(place);
        Some(())
    }
}
