//! A transaction of our own around a countersigned command, so that afterwards the target itself can be asked
//! whether it ran: BEGIN, the transaction's number, which is presented as evidence, the exact bytes of the client, and
//! COMMIT. The client sees what it would have seen without it.
//!
//! All that precedes the command is done before its approval is used up, and the number is kept with the redemption: a
//! refusal then costs nothing but an empty transaction, and from the redemption on the control plane can ask any time
//! ([`crate::witness`]): committed, or not.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_common::refusal::{Refusal, State};
use countersign_lifecycle::End;
use countersign_masking::Outlet;

use super::Session;
use super::answers::unexpected;
use super::expect::{Ended, Expect, Flight, Stage};
use super::flow::{Broken, Flow};
use super::ours::{self, Question};
use super::settings::Answer;
use crate::codec::SqlState;
use crate::codec::backend::{Backend, TransactionStatus};
use crate::reply::{self, Plain};
use crate::witness::EVIDENCE;

/// How long the target may take to open or undo an empty transaction.
const ASKED_MAX: Duration = Duration::from_secs(10);

const BEGIN: &str = "BEGIN";
/// Assigns the number if there is none yet: also what writes nothing can then be testified of.
const NUMBER: &str = "SELECT pg_catalog.pg_current_xact_id()";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// The first version that knows `pg_current_xact_id` and `pg_xact_status`.
const SERVER_VERSION_MIN: u32 = 13;

/// How a command ended whose transaction was not asked to commit when its connection broke.
const UNDONE: &SqlState = &SqlState::CONNECTION_FAILURE;

/// Why a command that cannot be part of our transaction is refused.
pub(super) const NOT_IN_ONE_BATCH: &str = "it cannot run in one transaction with the countersigned command before it; put a Sync \
     between them";

/// How far a transaction of our own has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// It is open, or being opened; nothing of the client has gone into it.
    Begun,
    /// The batch of its command goes on: what the client sends up to its Sync is part of it.
    Open,
    /// Its last command is being answered; nothing else goes up before its end.
    Ending,
    /// COMMIT is on its way: until it is answered nobody knows.
    Committing,
}

/// The end of a transaction of our own, and whose answer waits for it.
#[derive(Debug)]
pub(crate) struct Closing {
    /// The string of statements; `None` for a batch, which ends with the client's Sync.
    pub(crate) flight: Option<Box<Flight>>,
    /// It was undone, and the client was told why.
    failed: bool,
}

impl Session {
    /// Undoes the transaction that was opened for a command which does not go after all.
    pub(super) async fn undo_own(&mut self) -> Result<(), Broken> {
        if self.flow.own != Some(Own::Begun) {
            return Ok(());
        }
        self.flow.own = None;
        self.flow.ask(Question::Rollback, &[ROLLBACK]);
        tokio::time::timeout(ASKED_MAX, self.flow.settle()).await.unwrap_or(Err(Broken::Upstream))
    }
}

impl Flow {
    /// Whether a transaction of our own can be opened now, and the target testify of it.
    pub(crate) fn is_at_rest(&self) -> bool {
        let version = self.parameters.get("server_version").unwrap_or_default();
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        self.upstream.is_some()
            && self.expected.is_empty()
            && self.status == TransactionStatus::Idle
            && self.prefix.is_none()
            && self.own.is_none()
            && !self.skipping
            // A replica numbers no transactions; nothing is written there that could be in doubt.
            && self.parameters.get("in_hot_standby") != Some("on")
            && digits.parse().is_ok_and(|major: u32| major >= SERVER_VERSION_MIN)
    }

    /// Asks the target to open a transaction of our own, and for its number.
    pub(crate) fn ask_to_begin_own(&mut self) {
        self.own = Some(Own::Begun);
        self.ask(Question::Begin, &[BEGIN, NUMBER]);
    }

    /// It has answered: by what it will remember the transaction.
    ///
    /// # Errors
    /// [`Broken::NotBegun`] when it has opened none; whatever it did is to be undone.
    pub(crate) fn own_begun(&mut self) -> Result<String, Broken> {
        let number = self.answered.take().and_then(Answer::only).ok_or(Broken::NotBegun)?;
        Ok(format!("{EVIDENCE}{number}"))
    }

    /// The command for which it was opened goes.
    pub(crate) fn own_goes(&mut self) {
        if self.own == Some(Own::Begun) {
            self.own_rechecks.clear();
            self.own = Some(Own::Open);
        }
    }

    /// What the client sent up to here is all there is in our transaction.
    pub(crate) fn own_takes_no_more(&mut self) {
        if self.own == Some(Own::Open) {
            self.own = Some(Own::Ending);
        }
    }

    /// Whether the client has to wait for our transaction to end. The data of a COPY belongs to it.
    pub(crate) fn own_is_ending(&self) -> bool {
        matches!(self.own, Some(Own::Ending | Own::Committing)) && !self.is_copying_in()
    }

    /// Whether the server takes data of a COPY of the client.
    pub(super) fn is_copying_in(&self) -> bool {
        match self.expected.first() {
            Some(Expect::Query(flight) | Expect::Execute(flight)) => flight.stage == Stage::CopyIn,
            _ => false,
        }
    }

    /// All of our transaction has been answered: asks the target to commit it, or to undo what must not last. Of one that
    /// failed a COMMIT makes a rollback.
    pub(super) fn end_own(&mut self, undone: Option<Refusal>, outlet: &mut Outlet) -> Result<(), Broken> {
        let mut flight = match self.expected.pop() {
            Some(Expect::Query(flight)) => Some(flight),
            Some(Expect::Sync) => None,
            _ => return Err(unexpected(b'Z')),
        };
        if let Some(refusal) = &undone {
            let code = reply::sqlstate(refusal.state);
            outlet.insert(&Plain::ours(&reply::refusal(refusal)));
            match &mut flight {
                Some(flight) => {
                    flight.held = None;
                    flight.ended = Some(Ended::Failed(code));
                }
                None => self.batch_failed = Some(code),
            }
        }
        let failed = match &flight {
            Some(flight) => matches!(flight.ended, Some(Ended::Failed(_))),
            None => self.batch_failed.is_some(),
        };
        self.own = Some(Own::Committing);
        let mut frames = BytesMut::new();
        let end = if undone.is_some() { ROLLBACK } else { COMMIT };
        if ours::write(&mut frames, &[end], b'S').is_ok() {
            self.send_ours(frames);
        }
        self.expected.unpop(Expect::Closing(Closing { flight, failed }));
        Ok(())
    }

    /// A message that answers our COMMIT, other than an error and ReadyForQuery.
    pub(super) fn own_commits(&mut self, decoded: &Backend<'_>, outlet: &mut Outlet) -> Result<(), Broken> {
        let Backend::CommandComplete(tag) = decoded else { return Ok(()) };
        let Some(Expect::Closing(closing)) = self.expected.front() else { return Ok(()) };
        if *tag == COMMIT.as_bytes() {
            closing.release(outlet);
        } else if !closing.failed {
            // It says that it was undone, and nobody has said why: then nothing that we say would be true.
            return Err(unexpected(b'C'));
        }
        Ok(())
    }

    /// COMMIT failed: that is how the command ended.
    pub(super) fn own_failed(&mut self, code: SqlState) {
        let Some(Expect::Closing(closing)) = self.expected.front() else { return };
        closing.failed = true;
        match &mut closing.flight {
            Some(flight) => {
                flight.held = None;
                flight.ended = Some(Ended::Failed(code));
            }
            None => self.batch_failed = Some(code),
        }
    }

    /// Our transaction is over: the answer to what it was around goes on.
    pub(super) fn own_is_over(&mut self) {
        self.own = None;
        if let Some(Expect::Closing(closing)) = self.expected.pop() {
            self.expected.unpop(closing.flight.map_or(Expect::Sync, Expect::Query));
        }
    }

    /// The end of the last statement of a string is told when it is committed, as the server does; those before it at
    /// once. Which is the last shows when something else follows.
    pub(super) fn release_held(&mut self, tag: u8, outlet: &mut Outlet) {
        if matches!(tag, b'Z' | b'S' | b'A' | b'E') {
            return;
        }
        if let Some(Expect::Query(flight)) = self.expected.front() {
            flight.release(outlet);
        }
    }

    /// How a command ends whose connection broke.
    pub(crate) fn broken_end(&self) -> End<'static> {
        match self.own {
            // It was never asked to commit, so it does not.
            Some(Own::Begun | Own::Open | Own::Ending) => End::Failed(UNDONE.as_str()),
            Some(Own::Committing) | None => End::Lost,
        }
    }

    /// What the client is told when the target is gone and nobody knows whether it committed.
    pub(crate) fn in_doubt(&self) -> Option<Bytes> {
        if self.own != Some(Own::Committing) {
            return None;
        }
        let closing = match self.expected.first() {
            Some(Expect::Closing(closing)) => closing.flight.as_deref(),
            _ => None,
        };
        let flight = closing.or_else(|| self.finished.first());
        let mut refusal = Refusal::new(State::InDoubt, "the target closed the connection while it committed");
        refusal.ticket = flight.and_then(|flight| flight.running.ticket());
        Some(reply::last_refusal(&refusal))
    }
}

impl Closing {
    fn release(&mut self, outlet: &mut Outlet) {
        if let Some(flight) = &mut self.flight {
            flight.release(outlet);
        }
    }
}

impl Flight {
    /// Lets the end of a statement go that was held back.
    pub(super) fn release(&mut self, outlet: &mut Outlet) {
        if let Some(held) = self.held.take() {
            outlet.insert(&Plain::ours(&held));
        }
    }
}
