//! The last word to a client whose connection the gateway ends by itself: whether what it sent was run.

use bytes::Bytes;
use countersign_common::refusal::{Refusal, State};

use super::expect::{Expect, Flight};
use super::flow::Flow;
use super::own::Own;
use crate::codec::SqlState;
use crate::codec::backend::TransactionStatus;
use crate::reply;

/// The server is going down, as every driver and pool knows it.
const ADMIN_SHUTDOWN: SqlState = SqlState::new(*b"57P01");

/// What is known of what the client sent and was not answered to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// There is nothing: what was run was answered.
    Nothing,
    /// With the connection the target undoes it.
    Undone,
    /// It may have run.
    Unknown,
}

impl Flow {
    /// The FATAL that ends the connection, for this reason.
    pub(super) fn farewell(&self, reason: &str) -> Bytes {
        let left = self.left();
        let (state, truth) = match left {
            Left::Nothing => (State::Unavailable, "what was not answered was not run"),
            Left::Undone => (State::Unavailable, "its open transaction is undone: nothing of it has run"),
            Left::Unknown => (State::InDoubt, "what was not answered may have run"),
        };
        let mut refusal = Refusal::new(state, format!("{reason}; {truth}"));
        if left == Left::Unknown {
            refusal.ticket = self.ticket();
        }
        reply::farewell(ADMIN_SHUTDOWN, &refusal)
    }

    /// What becomes of what is on its way when the connection to the target is closed now.
    // INVARIANT: I3. "not run" is said only of what cannot come to last any more.
    fn left(&self) -> Left {
        let expects = |wanted: fn(&Expect) -> bool| self.expected.iter().any(wanted);
        let commands =
            |one: &Expect| matches!(one, Expect::Execute(_) | Expect::Query(_) | Expect::Function(_));
        if self.answering || self.own == Some(Own::Committing) || self.expected.settles_transactions() {
            return Left::Unknown;
        }
        if self.own.is_some() || self.status != TransactionStatus::Idle {
            return Left::Undone;
        }
        // A batch lasts from its Sync on, a string by itself.
        let by_itself = self.expected.iter().filter_map(Expect::flight).any(Flight::may_last_by_itself)
            || self.finished.iter().any(Flight::may_last_by_itself);
        let lasts =
            by_itself || expects(|one| matches!(one, Expect::Query(_) | Expect::Function(_) | Expect::Sync));
        let ran = expects(commands) || !self.finished.is_empty();
        match (ran, lasts) {
            (false, _) => Left::Nothing,
            (true, false) => Left::Undone,
            (true, true) => Left::Unknown,
        }
    }

    /// The approval of what is in doubt, if it is a countersigned command.
    fn ticket(&self) -> Option<countersign_common::id::ApprovalId> {
        let mut expected = self.expected.iter().filter_map(Expect::flight);
        expected
            .find_map(|flight| flight.running.ticket())
            .or_else(|| self.finished.iter().find_map(|flight| flight.running.ticket()))
    }
}
