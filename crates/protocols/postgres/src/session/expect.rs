//! What the server still has to answer, in order. A gateway that holds some messages back and answers
//! others itself keeps this queue, so that every answer is given to what it belongs to and in its place.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use countersign_common::facts::{Class, Flag};
use countersign_lifecycle::Running;
use countersign_masking::{CopyMasker, Plan};
use countersign_sql::{CopySide, Reading};

use super::ours::Question;
use super::own::Closing;
use super::settings::Answer;
use crate::codec::SqlState;
use crate::masked_outputs::MaskedOutputs;
use crate::statements::{Name, Portal, Prepared};

/// One answer that is awaited.
#[derive(Debug)]
pub(crate) enum Expect {
    /// ParseComplete; then the name stands for the statement.
    Parse(Name, Arc<Prepared>),
    /// BindComplete; then the name stands for the portal.
    Bind(Name, Arc<Portal>),
    /// CloseComplete of a statement.
    CloseStatement(Name),
    /// CloseComplete of a portal.
    ClosePortal(Name),
    /// ParameterDescription, then RowDescription or NoData.
    DescribeStatement,
    /// RowDescription or NoData: the columns of the portal. Ours are not passed on.
    DescribePortal { portal: Option<(Arc<Portal>, Arc<MaskedOutputs>)>, ours: bool },
    /// The rows and the end of an Execute.
    Execute(Box<Flight>),
    /// The rows and the ends of a string of statements, and ReadyForQuery.
    Query(Box<Flight>),
    /// FunctionCallResponse and ReadyForQuery.
    Function(Box<Flight>),
    /// ReadyForQuery.
    Sync,
    /// ReadyForQuery of a Sync of our own; not passed on.
    OurSync,
    /// ParseComplete and CloseComplete of a refused text that the server looked at, not passed on; or its error, which is.
    Probed,
    /// The error that we provoked; the client is told this instead.
    Provoked(Bytes),
    /// Nothing from the server: it is our turn to say this.
    Say(Bytes),
    /// Nothing from the server: our ReadyForQuery, with the status of that moment.
    SayReady,
    /// The rows of our own query for the session's settings, up to ReadyForQuery; not passed on.
    Settings(Answer),
    /// The answer to another question of our own, up to ReadyForQuery; not passed on.
    Asked(Question, Answer),
    /// The same in the middle of a batch of the client, up to so many CloseComplete.
    AskedInBatch(Question, Answer, usize),
    /// The end of a transaction of our own; what it was around waits for that.
    Closing(Closing),
}

/// A command that was let go and is being answered.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The command on the road.
    pub(crate) running: Running,
    /// What was read of its text.
    pub(crate) reading: Option<Arc<Reading>>,
    /// What its answer can show of masked columns, as it was when it was let go.
    pub(crate) outputs: Arc<MaskedOutputs>,
    /// The portal it runs, for Execute.
    pub(crate) portal: Option<(Name, Arc<Portal>)>,
    /// Whether something in its answer may have to be masked.
    pub(crate) masked: bool,
    /// Whether code that it sets off may quote hidden values in errors and notices, whatever it names itself.
    pub(crate) sets_off_code: bool,
    /// What becomes of its rows; `None` as long as a masked answer has not been described.
    pub(crate) plan: Option<Plan>,
    /// What becomes of its COPY data.
    pub(crate) copy: Option<Box<CopyMasker>>,
    /// How far its answer has come.
    pub(crate) stage: Stage,
    /// COPY data of the client was sent for it.
    pub(crate) data_sent: bool,
    /// How its last statement ended.
    pub(crate) ended: Option<Ended>,
    /// Whether its begin record is known to be accepted.
    pub(crate) accepted: bool,
    /// The CommandComplete of its last statement, until that is committed.
    pub(crate) held: Option<Bytes>,
    /// How many of its statements of transaction control have ended.
    pub(crate) controls: usize,
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Rows, or nothing yet.
    Rows,
    /// The server waits for COPY data of the client.
    CopyIn,
    /// The server sends COPY data.
    CopyOut,
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this tag.
    Completed(String),
    /// With this code.
    Failed(SqlState),
}

/// The queue of answers.
#[derive(Debug, Default)]
pub(crate) struct Expected(VecDeque<Expect>);

impl Expected {
    /// One more answer is awaited, after all others.
    pub(crate) fn push(&mut self, expect: Expect) {
        self.0.push_back(expect);
    }

    /// The answer that comes next.
    pub(crate) fn front(&mut self) -> Option<&mut Expect> {
        self.0.front_mut()
    }

    /// The same, to look at only.
    pub(crate) fn first(&self) -> Option<&Expect> {
        self.0.front()
    }

    /// It has come whole.
    pub(crate) fn pop(&mut self) -> Option<Expect> {
        self.0.pop_front()
    }

    /// Puts an answer back that has not come whole.
    pub(crate) fn unpop(&mut self, expect: Expect) {
        self.0.push_front(expect);
    }

    /// Gives back its memory when nothing is awaited.
    pub(crate) fn shrink(&mut self) {
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }

    /// Whether nothing is awaited.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing is awaited but answers to ourselves, all of which come by themselves.
    pub(crate) fn only_ours(&self) -> bool {
        self.0
            .iter()
            .all(|expect| matches!(expect, Expect::OurSync | Expect::Asked(..) | Expect::AskedInBatch(..)))
    }

    /// Returns whether a question of our own in the middle of a batch is among them.
    pub(crate) fn asks_in_batch(&self) -> bool {
        self.0.iter().any(|expect| matches!(expect, Expect::AskedInBatch(..)))
    }

    /// Returns whether a command is among them that takes, or may take, COPY data of the client.
    pub(crate) fn may_copy_in(&self) -> bool {
        self.0.iter().filter_map(Expect::flight).any(Flight::may_copy_in)
    }

    /// Returns whether something of the client's is among them, and not only questions of our own and what we say ourselves.
    pub(crate) fn has_commands(&self) -> bool {
        self.0.iter().any(|expect| match expect {
            Expect::OurSync
            | Expect::Asked(..)
            | Expect::AskedInBatch(..)
            | Expect::Settings(_)
            | Expect::Probed
            | Expect::Provoked(_)
            | Expect::Say(_)
            | Expect::SayReady
            | Expect::DescribePortal { ours: true, .. } => false,
            Expect::Parse(..)
            | Expect::Bind(..)
            | Expect::CloseStatement(_)
            | Expect::ClosePortal(_)
            | Expect::DescribeStatement
            | Expect::DescribePortal { .. }
            | Expect::Execute(_)
            | Expect::Query(_)
            | Expect::Function(_)
            | Expect::Sync
            | Expect::Closing(_) => true,
        })
    }

    /// How many answers are awaited.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// After an error the server skips everything up to the next Sync: takes out what will not be answered.
    pub(crate) fn skip_to_sync(&mut self) -> Vec<Expect> {
        let end =
            self.0.iter().position(|e| matches!(e, Expect::Sync | Expect::OurSync)).unwrap_or(self.0.len());
        self.0.drain(..end).collect()
    }

    /// While it takes COPY data the server ignores Syncs; those already sent behind the COPY are never answered.
    /// Answers with how many.
    pub(crate) fn forget_ignored_syncs(&mut self) -> usize {
        let mut ignored = 0;
        while matches!(self.0.get(1), Some(Expect::Sync)) {
            self.0.remove(1);
            ignored += 1;
        }
        ignored
    }

    /// Whether the answer that comes next comes by itself: its batch is ended, and it does not wait for COPY data.
    pub(crate) fn comes_by_itself(&self) -> bool {
        let waits = match self.0.front() {
            Some(Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight)) => {
                flight.stage == Stage::CopyIn
            }
            _ => false,
        };
        let ends = |e: &Expect| {
            matches!(e, Expect::Sync | Expect::Query(_) | Expect::Function(_) | Expect::Closing(_))
        };
        !waits && self.0.iter().any(ends)
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Expect> {
        self.0.iter()
    }

    /// Takes everything out; for the end of the connection.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Expect> + '_ {
        self.0.drain(..)
    }

    /// Whether a command that may change something is among them.
    pub(crate) fn has_effects(&self) -> bool {
        self.0.iter().any(|expect| match expect {
            Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight) => {
                !flight.running.facts().is_plain_read()
            }
            Expect::Closing(_) => true,
            _ => false,
        })
    }

    /// Whether a command that begins or ends transactions, or may, is among them.
    pub(crate) fn settles_transactions(&self) -> bool {
        self.0.iter().any(|expect| match expect {
            Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight) => {
                flight.settles_transactions()
            }
            _ => false,
        })
    }

    /// Whether an answer that may have to be masked is among them.
    pub(crate) fn has_masked(&self) -> bool {
        self.0.iter().any(|expect| match expect {
            Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight) => {
                flight.masked || flight.sets_off_code
            }
            Expect::Closing(closing) => {
                closing.flight.as_ref().is_some_and(|flight| flight.masked || flight.sets_off_code)
            }
            _ => false,
        })
    }

    /// Whether a command was sent after the last Sync.
    pub(crate) fn has_open_batch(&self) -> bool {
        self.0
            .iter()
            .rev()
            .take_while(|e| {
                !matches!(e, Expect::Sync | Expect::OurSync | Expect::Query(_) | Expect::Asked(..))
            })
            .next()
            .is_some()
    }
}

impl Expect {
    /// The command that it answers, to look at.
    pub(crate) fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Execute(flight) | Self::Query(flight) | Self::Function(flight) => Some(flight),
            Self::Closing(closing) => closing.flight.as_deref(),
            _ => None,
        }
    }

    /// The command that it answers, if it is one.
    pub(crate) fn into_flight(self) -> Option<Box<Flight>> {
        match self {
            Self::Execute(flight) | Self::Query(flight) | Self::Function(flight) => Some(flight),
            Self::Closing(closing) => closing.flight,
            _ => None,
        }
    }
}

impl Flight {
    /// Whether the command ends transactions, or may: then what ran before it lasts, or does not, by now.
    pub(crate) fn settles_transactions(&self) -> bool {
        let controls = self.reading.as_ref().is_none_or(|reading| !reading.effects().transactions.is_empty());
        let may = |class| matches!(class, Class::Admin | Class::Unknown);
        controls || self.running.facts().operations.iter().any(|operation| may(operation.action.class()))
    }

    /// Whether it takes COPY data of the client that has not been sent to its end, or may.
    fn may_copy_in(&self) -> bool {
        let was_sent = self.data_sent && self.stage == Stage::Rows;
        let copies = |reading: &Arc<Reading>| match reading.copy() {
            Some(copy) => copy.side == CopySide::In,
            None => reading.failure().is_some(),
        };
        !was_sent && self.reading.as_ref().is_none_or(copies)
    }

    /// Whether what it does may last although its batch does not: it may commit, or runs outside of transactions.
    pub(crate) fn may_last_by_itself(&self) -> bool {
        let commits = self.reading.as_ref().is_none_or(|reading| reading.effects().may_commit);
        let operations = &self.running.facts().operations;
        commits || operations.iter().any(|operation| operation.flags.contains(&Flag::OutsideTransaction))
    }

    /// The flight of a command that was just let go.
    pub(crate) fn new(
        running: Running,
        reading: Option<Arc<Reading>>,
        masked: bool,
        outputs: Arc<MaskedOutputs>,
    ) -> Self {
        let plan = (!masked).then(Plan::clear);
        Self {
            running,
            reading,
            outputs,
            portal: None,
            masked,
            sets_off_code: false,
            plan,
            copy: None,
            stage: Stage::Rows,
            data_sent: false,
            ended: None,
            accepted: false,
            held: None,
            controls: 0,
        }
    }
}
