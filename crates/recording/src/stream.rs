//! The writing end of one connection's chain. It numbers and links the records, and ensures that every command that
//! begins ends exactly once.

use std::cell::RefCell;
use std::sync::Arc;

use countersign_common::id::{CommandId, StreamId};
use countersign_common::time::Clock;
use countersign_common::{Digest, Timestamp};

use crate::journal::{Encoded, Journal, JournalError, Position};
use crate::line::{Effect, Encoder, NO_PREVIOUS};
use crate::record::{Closed, Ended, Ending, Opened, Record, TransactionEnded};

thread_local! {
    /// Buffer of the current line, from its encoding until the journal has copied it.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One connection of a session. Its records form one chain.
///
/// If it is dropped without [`Stream::close`] (a task was aborted), running commands are recorded as lost and the
/// stream as closed, provided that the journal still accepts records.
#[derive(Debug)]
pub struct Stream {
    id: StreamId,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    encoder: Encoder,
    next_seq: u64,
    tip: Digest,
    last: Position,
    /// Commands that have begun and not ended. A list, because a pipeline has only a few.
    running: Vec<CommandId>,
    closed: bool,
}

/// Reason why a record was not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The journal does not accept the record.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The record belongs to a command that has not begun, or has ended.
    #[error("record of {id}, which is not running")]
    NotRunning {
        /// Identifier of the rejected command.
        id: CommandId,
    },
    /// The command has already begun.
    #[error("{id} begins twice")]
    BegunTwice {
        /// Identifier of the rejected command.
        id: CommandId,
    },
    /// Only the stream itself writes `Opened` and `Closed`.
    #[error("a stream opens and closes itself")]
    NotYours,
    /// The record could not be encoded as a line.
    #[error("record does not serialise: {0}")]
    Unserialisable(String),
}

impl Stream {
    /// Starts the chain of a connection with its opening record.
    ///
    /// # Errors
    /// Fails if the journal does not accept the record.
    pub fn open(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        opened: Opened,
    ) -> Result<Self, StreamError> {
        let id = StreamId::of(opened.node);
        let mut stream = Self {
            id,
            journal,
            clock,
            encoder: Encoder::new(id),
            next_seq: 0,
            tip: NO_PREVIOUS,
            last: Position(0),
            running: Vec::new(),
            closed: false,
        };
        let written = stream.write(&Record::Opened(opened));
        stream.closed = written.is_err();
        written?;
        Ok(stream)
    }

    /// Identifier of the stream.
    #[must_use]
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// Position of its last record in the journal.
    #[must_use]
    pub const fn last(&self) -> Position {
        self.last
    }

    /// Journal to which it writes; used to wait for a position.
    #[must_use]
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// Appends one record of a command.
    ///
    /// # Errors
    /// Fails if the journal does not accept the record, or the record does not fit the earlier ones. Nothing was
    /// appended then.
    pub fn append(&mut self, record: &Record<'_>) -> Result<Position, StreamError> {
        // INVARIANT: I5 - every begun command gets exactly one end record.
        let effect = Effect::from(record);
        let id = record.command().ok_or(StreamError::NotYours)?;
        let running = self.running.iter().position(|&one| one == id);
        match (effect, running) {
            (Effect::Begins(_), Some(_)) => return Err(StreamError::BegunTwice { id }),
            (Effect::Begins(_), None) | (_, Some(_)) => {}
            (_, None) => return Err(StreamError::NotRunning { id }),
        }
        let position = self.write(record)?;
        match (effect, running) {
            (Effect::Begins(_), _) => self.running.push(id),
            (Effect::Ends(_), Some(index)) => {
                self.running.swap_remove(index);
            }
            _ => {}
        }
        Ok(position)
    }

    /// Appends the end of a transaction block.
    ///
    /// # Errors
    /// Fails if the journal does not accept the record.
    pub fn transaction_ended(&mut self, ended: TransactionEnded) -> Result<Position, StreamError> {
        self.write(&Record::Transaction(ended))
    }

    /// Ends the chain. Running commands are first recorded as lost.
    ///
    /// # Errors
    /// Fails if the journal does not accept the records.
    pub fn close(mut self, reason: &str) -> Result<Position, StreamError> {
        self.finish(reason)
    }

    fn finish(&mut self, reason: &str) -> Result<Position, StreamError> {
        self.closed = true;
        for record in endings(&std::mem::take(&mut self.running), self.next_seq, reason) {
            self.write(&record)?;
        }
        Ok(self.last)
    }

    fn write(&mut self, record: &Record<'_>) -> Result<Position, StreamError> {
        LINE.with_borrow_mut(|buffer| self.write_through(buffer, record))
    }

    fn write_through(&mut self, buffer: &mut Vec<u8>, record: &Record<'_>) -> Result<Position, StreamError> {
        let at = self.clock.now();
        let line = self.encoder.encode(buffer, self.next_seq, &self.tip, at, record);
        let line = line.map_err(|e| StreamError::Unserialisable(e.to_string()))?;
        let hash = Digest::of(line);
        let encoded = Encoded { line, hash, stream: self.id, seq: self.next_seq, effect: record.into() };
        self.last = self.journal.append(encoded)?;
        self.next_seq += 1;
        self.tip = hash;
        Ok(self.last)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.closed
            && let Err(error) = self.finish("dropped")
        {
            tracing::error!(stream = %self.id, %error, "a stream could not be closed");
        }
    }
}

/// Records that end a stream with `next_seq` records and these running commands.
fn endings(running: &[CommandId], next_seq: u64, reason: &str) -> Vec<Record<'static>> {
    let lost = |&id| Record::End(Ended { id, outcome: Ending::Lost, rows: 0, bytes: 0, answer: None });
    let count = next_seq + running.len() as u64 + 1;
    let closed = Record::Closed(Closed { reason: reason.into(), count });
    running.iter().map(lost).chain([closed]).collect()
}

/// Encodes the end of a stream that a dead process left open: its lines with their hashes, in order. They depend on
/// the arguments only.
pub(crate) fn end_abandoned(
    id: StreamId,
    next_seq: u64,
    mut tip: Digest,
    running: &[CommandId],
    at: Timestamp,
    reason: &str,
) -> Result<Vec<(Vec<u8>, Digest, Effect)>, serde_json::Error> {
    let (encoder, mut buffer) = (Encoder::new(id), Vec::new());
    let mut lines = Vec::with_capacity(running.len() + 1);
    for (seq, record) in (next_seq..).zip(endings(running, next_seq, reason)) {
        let line = encoder.encode(&mut buffer, seq, &tip, at, &record)?.to_vec();
        tip = Digest::of(&line);
        lines.push((line, tip, Effect::from(&record)));
    }
    Ok(lines)
}
