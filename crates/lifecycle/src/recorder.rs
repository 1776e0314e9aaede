//! Records of the command pipeline. A recorder owns one connection's hash chain; all commands of the connection share
//! it.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_common::approval::Approval;
use countersign_common::id::CommandId;
use countersign_common::refusal::State;
use countersign_common::trace::TraceId;
use countersign_common::{Command, Digest, Facts};
use countersign_recording::{
    Begin, Captured, Decided, Ended, Ending, FactsJson, Held, Journal, JournalExt as _, Position, Record,
    Redeemed, Stream, TransactionEnded, TransactionOutcome, VerdictWord,
};
use parking_lot::Mutex;

use crate::ports::{Ruling, Unavailable};
use crate::running::End;

/// Facts and their JSON form, which is rendered once for all commands that share the facts.
#[derive(Debug, Clone)]
pub struct Described {
    /// Facts derived from the command.
    pub facts: Arc<Facts>,
    json: FactsJson,
}

impl Described {
    /// Renders the JSON form of the facts.
    #[must_use]
    pub fn new(facts: Arc<Facts>) -> Self {
        let json = FactsJson::of(&facts);
        Self { facts, json }
    }
}

/// The hash chain of one connection.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// `None` once closed. Only a command that is dropped on another thread contends for the mutex.
    stream: Arc<Mutex<Option<Stream>>>,
    journal: Arc<dyn Journal>,
}

/// A command whose begin record was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) command: CommandId,
    pub(crate) position: Position,
}

impl Recorder {
    /// Creates a recorder for an open stream.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        let journal = Arc::clone(stream.journal());
        Self { stream: Arc::new(Mutex::new(Some(stream))), journal }
    }

    /// Closes the chain. Commands that still run are recorded as lost.
    ///
    /// # Errors
    /// [`Unavailable`] if the journal rejects the closing record.
    pub fn close(&self, reason: &str) -> Result<(), Unavailable> {
        match self.stream.lock().take() {
            Some(stream) => stream.close(reason).map(|_| ()).map_err(not_recorded),
            None => Ok(()),
        }
    }

    /// Records the end of a transaction block that the command `since` had opened.
    pub fn transaction_ended(&self, since: CommandId, outcome: TransactionOutcome) {
        let ended = TransactionEnded { since, outcome };
        let written = self.stream.lock().as_mut().map(|stream| stream.transaction_ended(ended));
        if let Some(Err(error)) = written {
            tracing::error!(%error, "a record was not written");
        }
    }

    pub(crate) fn begin(
        &self,
        command: &Command,
        described: &Described,
        ruling: &Ruling,
        digest: Option<Digest>,
        trace: Option<TraceId>,
    ) -> Result<Begun, Unavailable> {
        let id = CommandId::generate();
        let position = self.append(&Record::Begin(Begin {
            id,
            command: command.for_record(),
            facts: described.json.clone(),
            verdict: VerdictWord::from(&ruling.verdict),
            policies: Cow::Borrowed(&ruling.policies),
            bundle: ruling.bundle.clone(),
            digest,
            trace,
        }))?;
        Ok(Begun { command: id, position })
    }

    pub(crate) fn hold(&self, id: CommandId, approval: &Approval) -> Result<Position, Unavailable> {
        let held = Held { id, approval: approval.id, need: approval.need(), expires_at: approval.expires_at };
        self.append(&Record::Hold(held))
    }

    /// Records the decisions, then the redemption.
    pub(crate) fn redeemed(
        &self,
        id: CommandId,
        approval: &Approval,
        fence: u64,
    ) -> Result<Position, Unavailable> {
        self.decisions(id, approval)?;
        let redeemed = Redeemed { id, approval: approval.id, fence, digest: approval.digest };
        self.append(&Record::Redeemed(redeemed))
    }

    /// Records each decision on a command.
    pub(crate) fn decisions(&self, id: CommandId, approval: &Approval) -> Result<(), Unavailable> {
        for decision in &approval.decisions {
            self.append(&Record::Decision(Decided {
                id,
                approval: approval.id,
                approver: decision.approver.clone(),
                vote: decision.vote,
                reason: decision.reason.clone(),
                method: decision.method.clone(),
                at: decision.at,
            }))?;
        }
        Ok(())
    }

    /// Records the end of a refused command. A journal that fails here refuses the next command as well.
    pub(crate) fn end_refused(&self, id: CommandId, state: State) {
        let outcome = Ending::Refused(state);
        self.note(&Record::End(Ended { id, outcome, rows: 0, bytes: 0, answer: None }));
    }

    /// Records the end of a released command.
    pub(crate) fn end(&self, id: CommandId, captured: Captured, end: &End<'_>) {
        let outcome = match end {
            End::Completed(tag) => Ending::Completed((*tag).to_owned()),
            End::Failed(code) => Ending::Failed((*code).to_owned()),
            End::Lost => Ending::Lost,
            End::NotRun => Ending::Refused(State::Withdrawn),
        };
        let Captured { rows, bytes, answer } = captured;
        self.note(&Record::End(Ended { id, outcome, rows, bytes, answer }));
    }

    /// Appends a record of something that has already been decided. A failure is only logged: it cannot undo the
    /// decision, and the next command will be refused.
    fn note(&self, record: &Record<'_>) {
        if let Err(error) = self.append(record) {
            tracing::error!(%error, "a record was not written");
        }
    }

    fn append(&self, record: &Record<'_>) -> Result<Position, Unavailable> {
        match self.stream.lock().as_mut() {
            Some(stream) => stream.append(record).map_err(not_recorded),
            None => Err(Unavailable("the recording of this connection has ended".into())),
        }
    }

    /// Waits until all records up to `position` are synced.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn synced(&self, position: Position) -> Result<(), Unavailable> {
        self.journal.synced(position).await.map_err(not_recorded)
    }

    /// Waits until all records up to `position` are accepted.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn accepted(&self, position: Position) -> Result<(), Unavailable> {
        self.journal.accepted(position).await.map_err(not_recorded)
    }
}

/// Logs the cause of a failure. The client learns only that nothing can be recorded.
fn not_recorded(error: impl std::fmt::Display) -> Unavailable {
    tracing::error!(%error, "recording failed");
    Unavailable("commands cannot be recorded at the moment".into())
}
