//! The simulated target's transactions, opened by gateways around approved commands, and its answers to outcome
//! queries.

use std::collections::BTreeMap;

use countersign_lifecycle::ports::Said;
use parking_lot::Mutex;

use crate::history::Event;
use crate::world::World;

/// All opened transactions, by number.
#[derive(Debug, Default)]
pub(crate) struct Transactions(Mutex<BTreeMap<String, Fate>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// `sent` once the command was sent in it.
    Open {
        sent: bool,
    },
    Committed,
    RolledBack,
}

impl Transactions {
    /// Answers an outcome query.
    pub(crate) fn testify(&self, evidence: &str) -> Said {
        match self.0.lock().get(evidence) {
            Some(Fate::Committed) => Said::Ran("committed".into()),
            Some(Fate::RolledBack) => Said::DidNotRun("rolled back".into()),
            Some(Fate::Open { .. }) | None => Said::CannotTell("it is open".into()),
        }
    }
}

impl World {
    /// Opens a transaction and returns its number.
    pub(crate) fn begin(&self) -> String {
        let mut all = self.transactions.0.lock();
        let number = format!("xid:{}", all.len() + 1);
        all.insert(number.clone(), Fate::Open { sent: false });
        number
    }

    /// Marks that the command was sent in the transaction.
    pub(crate) fn run_in(&self, number: &str) {
        let before = self.transactions.0.lock().insert(number.to_owned(), Fate::Open { sent: true });
        assert_eq!(
            before,
            Some(Fate::Open { sent: false }),
            "{number} was used for two commands, or is over"
        );
    }

    /// Ends the transaction.
    pub(crate) fn end(&self, number: &str, committed: bool) {
        let fate = if committed { Fate::Committed } else { Fate::RolledBack };
        let before = self.transactions.0.lock().insert(number.to_owned(), fate);
        assert!(matches!(before, Some(Fate::Open { .. })), "{number} ended twice");
        self.log(Event::TransactionOver { evidence: number.to_owned(), committed });
    }

    /// Ends the transaction of a broken connection. If its command was sent, the commit may have been sent as well.
    pub(crate) fn abandon(&self, number: &str) {
        let fate = self.transactions.0.lock().get(number).copied();
        if let Some(Fate::Open { sent }) = fate {
            self.end(number, sent && self.chance(50));
        }
    }
}
