//! The definitions that an approved command rests on are read again when it has run, before it lasts: between the look at
//! them and the command somebody may have changed them, for as long as the command waited for a lock.
//!
//! In a transaction of our own that is before its COMMIT. In a transaction or batch of the client the end of the command
//! is kept back, and nothing else goes up, until it is known. Where they have changed the transaction is undone, or made to
//! fail.

use std::sync::Arc;

use bytes::BytesMut;
use countersign_common::approval::DRIFTED;
use countersign_common::facts::Flag;
use countersign_common::id::ApprovalId;
use countersign_common::refusal::{Refusal, State};
use countersign_lifecycle::End;
use countersign_masking::Outlet;

use super::answers::{accept, note, unexpected};
use super::expect::{Ended, Expect, Flight};
use super::flow::{Broken, Flow};
use super::refuse::PROVOKED;
use crate::codec::backend::TransactionStatus;
use crate::codec::build;
use crate::definitions::{Definitions, Roots};
use crate::exchange::Unit;
use crate::reply;

/// The definitions that an approved command rests on, to be read again when it has run.
#[derive(Debug)]
pub(crate) struct Recheck {
    pub(crate) roots: Arc<Roots>,
    pub(crate) definitions: Arc<Definitions>,
    /// The approval that it used up.
    pub(crate) ticket: Option<ApprovalId>,
}

impl Flow {
    /// A command was let go: its definitions are read again when it has run, where it can still be undone then.
    // INVARIANT: I2.
    pub(super) fn recheck_later(&mut self, unit: &Unit, flight: &mut Flight, in_transaction: bool) {
        let Some(mut recheck) = self.recheck.take() else { return };
        recheck.ticket = flight.running.ticket();
        if self.own.is_some() {
            self.own_rechecks.push(*recheck);
            return;
        }
        // A Bind by itself changes nothing that lasts.
        if unit.command.form == "bind" {
            return;
        }
        // What a batch did lasts only with its Sync, which waits.
        let is_execute = unit.command.form == "execute";
        if (in_transaction || is_execute) && !lasts_at_once(unit) {
            flight.recheck = Some(recheck);
            self.rechecking = true;
            if is_execute {
                self.ask_to_answer();
            }
        }
    }

    /// Has the server answer what was sent so far.
    pub(super) fn ask_to_answer(&mut self) {
        let mut flush = BytesMut::new();
        build::bare(&mut flush, b'H');
        self.send_ours(flush);
    }

    /// Whether the client has to wait until the definitions of a command have been read again. The data of a COPY belongs
    /// to the command.
    pub(super) fn awaits_recheck(&self) -> bool {
        self.rechecking && !self.is_copying_in()
    }

    /// All of a transaction of our own has been answered: why it must not last, if so.
    pub(super) async fn own_must_not_last(&mut self, status: TransactionStatus) -> Option<Refusal> {
        let rechecks = std::mem::take(&mut self.own_rechecks);
        if status != TransactionStatus::InTransaction {
            return None;
        }
        for recheck in &rechecks {
            let refusal = self.must_not_last(recheck).await;
            if refusal.is_some() {
                return refusal;
            }
        }
        None
    }

    /// Why what a command did must not last.
    async fn must_not_last(&self, recheck: &Recheck) -> Option<Refusal> {
        let refusal = match self.database.definitions.read(&recheck.roots).await {
            Ok(now) => {
                let drift = now.drift_since(&recheck.definitions)?;
                Refusal::new(State::Voided, format!("{DRIFTED}: {drift}; it was undone"))
            }
            Err(error) => Refusal::new(State::Unavailable, format!("{error}; it was undone")),
        };
        Some(match recheck.ticket {
            Some(ticket) => refusal.with_ticket(ticket),
            None => refusal,
        })
    }

    /// An Execute has ended, or was suspended. Answers whether it was undone.
    pub(super) async fn execute_is_undone(
        &mut self,
        input: &[u8],
        outlet: &mut Outlet,
    ) -> Result<bool, Broken> {
        let Some(Expect::Execute(flight)) = self.expected.front() else { return Ok(false) };
        let Some(recheck) = flight.recheck.take() else { return Ok(false) };
        let refusal = self.must_not_last(&recheck).await;
        self.rechecking = false;
        let Some(refusal) = refusal else { return Ok(false) };
        outlet.swallow();
        let Some(Expect::Execute(mut flight)) = self.expected.pop() else { return Err(unexpected(b'C')) };
        accept(&mut flight).await?;
        note(&mut flight, input, outlet);
        let code = reply::sqlstate(refusal.state);
        flight.ended = Some(Ended::Failed(code));
        self.take_effect(&flight);
        flight.running.end(End::Failed(code.as_str())).await;
        self.provoke(&refusal, false);
        Ok(true)
    }

    /// A string of statements in a transaction of the client has ended, or a function call. Answers whether it was undone.
    pub(super) async fn query_is_undone(
        &mut self,
        status: TransactionStatus,
        input: &[u8],
        outlet: &mut Outlet,
    ) -> Result<bool, Broken> {
        let Some(Expect::Query(flight) | Expect::Function(flight)) = self.expected.front() else {
            return Ok(false);
        };
        let Some(recheck) = flight.recheck.take() else { return Ok(false) };
        let refusal = match status {
            TransactionStatus::InTransaction => self.must_not_last(&recheck).await,
            TransactionStatus::Idle | TransactionStatus::Failed => None,
        };
        self.rechecking = false;
        let Some(Expect::Query(flight) | Expect::Function(flight)) = self.expected.front() else {
            return Ok(false);
        };
        let Some(refusal) = refusal else {
            flight.release(outlet);
            return Ok(false);
        };
        outlet.swallow();
        flight.held = None;
        flight.ended = Some(Ended::Failed(reply::sqlstate(refusal.state)));
        self.end_front(input, outlet).await?;
        self.statements.answered();
        self.portals.answered();
        self.provoke(&refusal, true);
        Ok(true)
    }

    /// Makes the client's transaction fail, and tells it why.
    fn provoke(&mut self, refusal: &Refusal, synced: bool) {
        let mut frames = BytesMut::new();
        // INVARIANT: I2. It runs nothing, whatever the client has put under any name.
        if build::parse(&mut frames, PROVOKED, PROVOKED, &[]).is_err() {
            return;
        }
        if synced {
            build::bare(&mut frames, b'S');
            self.statements.synced();
            self.portals.synced();
            self.expected.unpop(Expect::Sync);
        } else {
            build::bare(&mut frames, b'H');
        }
        self.expected.unpop(Expect::Provoked(reply::refusal(refusal)));
        self.send_ours(frames);
    }

    /// Commands that will not be answered are not looked at again either.
    pub(super) fn recheck_is_off(&mut self) {
        self.rechecking = false;
        self.own_rechecks.clear();
    }
}

/// Whether what the command does lasts before its end is seen here.
fn lasts_at_once(unit: &Unit) -> bool {
    let ends = unit.reading.as_ref().is_some_and(|reading| {
        let effects = reading.effects();
        reading.failure().is_some() || !effects.transactions.is_empty() || effects.may_commit
    });
    let outside = |flags: &std::collections::BTreeSet<Flag>| flags.contains(&Flag::OutsideTransaction);
    ends || unit.described.facts.operations.iter().any(|operation| outside(&operation.flags))
}
