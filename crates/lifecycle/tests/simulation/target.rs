//! What the target remembers of the transactions that gateways open around countersigned commands, and tells whoever asks.

use std::collections::BTreeMap;

use countersign_lifecycle::ports::Said;
use parking_lot::Mutex;

use crate::history::Event;
use crate::world::World;

/// Every transaction that was opened, by its number.
#[derive(Debug, Default)]
pub(crate) struct Transactions(Mutex<BTreeMap<String, Fate>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Whether the command went into it.
    Open {
        sent: bool,
    },
    Committed,
    RolledBack,
}

impl Transactions {
    /// What the target says of one.
    pub(crate) fn testify(&self, evidence: &str) -> Said {
        match self.0.lock().get(evidence) {
            Some(Fate::Committed) => Said::Ran("committed".into()),
            Some(Fate::RolledBack) => Said::DidNotRun("rolled back".into()),
            Some(Fate::Open { .. }) | None => Said::CannotTell("it is open".into()),
        }
    }
}

impl World {
    /// Opens one; its number.
    pub(crate) fn begin(&self) -> String {
        let mut all = self.transactions.0.lock();
        let number = format!("xid:{}", all.len() + 1);
        all.insert(number.clone(), Fate::Open { sent: false });
        number
    }

    /// The command goes into it.
    pub(crate) fn run_in(&self, number: &str) {
        let before = self.transactions.0.lock().insert(number.to_owned(), Fate::Open { sent: true });
        assert_eq!(
            before,
            Some(Fate::Open { sent: false }),
            "{number} was used for two commands, or is over"
        );
    }

    /// It is over.
    pub(crate) fn end(&self, number: &str, committed: bool) {
        let fate = if committed { Fate::Committed } else { Fate::RolledBack };
        let before = self.transactions.0.lock().insert(number.to_owned(), fate);
        assert!(matches!(before, Some(Fate::Open { .. })), "{number} ended twice");
        self.log(Event::TransactionOver { evidence: number.to_owned(), committed });
    }

    /// Its connection is gone. What went into it may have been asked to commit.
    pub(crate) fn abandon(&self, number: &str) {
        let fate = self.transactions.0.lock().get(number).copied();
        if let Some(Fate::Open { sent }) = fate {
            self.end(number, sent && self.chance(50));
        }
    }
}
