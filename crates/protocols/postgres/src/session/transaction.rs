//! The transaction block that the client has open, followed by what the server says, so that the record tells whether
//! what ran in it lasts.

use countersign_common::id::CommandId;
use countersign_lifecycle::TransactionOutcome;
use countersign_sql::Transaction;

use super::expect::Flight;
use super::flow::Flow;
use crate::codec::backend::TransactionStatus;
use crate::exchange::Unit;

/// Tags of the statements that [`countersign_sql::Effects::transactions`] has, in its order.
const CONTROLS: [&str; 9] = [
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE TRANSACTION",
    "COMMIT PREPARED",
    "ROLLBACK PREPARED",
];

/// The transaction block of the client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Block {
    /// Something that changes more than the session was let go, and may stand in a transaction that is still open.
    wrote: bool,
    /// The command that opened it.
    open: Option<CommandId>,
    /// The command that ended the last one: with AND CHAIN it opened another.
    ended_by: Option<CommandId>,
}

impl Flight {
    /// The statement of transaction control that ended with this tag, if it is one and was read.
    fn control(&mut self, tag: &str) -> Option<Transaction> {
        if !CONTROLS.contains(&tag) {
            return None;
        }
        let reading = self.reading.as_ref()?;
        let control = reading.effects().transactions.get(self.controls).copied();
        self.controls += 1;
        control
    }
}

impl Flow {
    /// A command is let go.
    pub(super) fn note_write(&mut self, unit: &Unit) {
        self.block.wrote |= !unit.described.facts.is_plain_read();
    }

    /// Whether the command makes lasting what was written before it. What PREPARE TRANSACTION has put aside was
    /// written in whichever session: of that it is always assumed.
    pub(crate) fn makes_lasting(&self, unit: &Unit) -> bool {
        let Some(reading) = &unit.reading else { return self.block.wrote };
        reading.effects().transactions.iter().any(|control| match control {
            Transaction::Commit | Transaction::Prepare => self.block.wrote,
            Transaction::Prepared => true,
            Transaction::Begin
            | Transaction::Rollback
            | Transaction::Savepoint
            | Transaction::Release
            | Transaction::RollbackTo => false,
        })
    }

    /// A statement of the command that is being answered has ended with this tag.
    pub(super) fn follow_block(&mut self, tag: &str) {
        let Some(flight) = self.flight() else { return };
        let (by, control) = (flight.running.command(), flight.control(tag));
        let outcome = match (tag, control) {
            ("BEGIN" | "START TRANSACTION", _) => {
                // A second BEGIN is only warned about.
                self.block.open.get_or_insert(by);
                return;
            }
            ("COMMIT", _) => TransactionOutcome::Committed,
            ("PREPARE TRANSACTION", _) => TransactionOutcome::Prepared,
            // To a savepoint it goes by the same tag. Of what was not read the status at the end tells.
            ("ROLLBACK", Some(Transaction::Rollback | Transaction::Commit | Transaction::Prepare)) => {
                TransactionOutcome::RolledBack
            }
            _ => return,
        };
        self.block.ended_by = Some(by);
        self.end_block(outcome);
    }

    /// The server is ready, and says whether a block is open.
    pub(super) fn settle_block(&mut self) {
        let ended_by = self.block.ended_by.take();
        // What was sent behind may have written already; then it is kept until all of it is answered.
        self.block.wrote &= self.status != TransactionStatus::Idle || self.expected.has_effects();
        if self.status == TransactionStatus::Idle {
            // It was ended by what has no tag: a COMMIT that failed, a ROLLBACK that was not read.
            self.end_block(TransactionOutcome::RolledBack);
        } else if self.block.open.is_none() {
            self.block.open = ended_by;
        }
    }

    /// The connection ends: the server undoes what is open, unless it was just asked to commit it.
    pub(crate) fn leave_block(&mut self) {
        let asked = self.expected.settles_transactions();
        self.end_block(if asked { TransactionOutcome::Lost } else { TransactionOutcome::RolledBack });
    }

    fn end_block(&mut self, outcome: TransactionOutcome) {
        if let Some(since) = self.block.open.take() {
            self.recorder.transaction_ended(since, outcome);
        }
    }
}
