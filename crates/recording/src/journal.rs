//! The port that a stream writes records to. There are two kinds of implementation: local segment files
//! ([`crate::LocalJournal`]) and, in a cluster, Redis Streams.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_common::Digest;
use countersign_common::id::StreamId;

use crate::line::Effect;

/// Position in a journal: the number of records up to and including this one, since the journal was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// An encoded record, ready to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    /// Line of the record, without the line feed.
    pub line: &'a [u8],
    /// SHA-256 of the line, the next record's `prev`.
    pub hash: Digest,
    /// Stream that the record belongs to.
    pub stream: StreamId,
    /// Number of the record in the stream.
    pub seq: u64,
    /// Effect of the record on the stream.
    pub effect: Effect,
}

/// The first destination of records, shared by all sessions of a process.
pub trait Journal: Send + Sync + fmt::Debug {
    /// Appends a record. Does not wait for a disk or a peer; memory is bounded, see the implementation.
    ///
    /// # Errors
    /// Fails if an earlier record could not be stored: nothing is accepted any more (I8).
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError>;

    /// Ready when everything up to `position` survives the death of this process.
    fn poll_accepted(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>>;

    /// Ready when everything up to `position` is durable in the sense of this journal.
    fn poll_synced(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>>;
}

/// The journal no longer accepts or confirms records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// A write or a sync failed. Records appended since the last sync may be lost.
    #[error("recording stopped after a failure: {cause}")]
    Poisoned {
        /// The first failure, in words.
        cause: Arc<str>,
    },
    /// The store behind the journal does not acknowledge records at the moment. Accepted records are not lost;
    /// nothing new is accepted until it does.
    #[error("records are not acknowledged at the moment")]
    Unacknowledged,
    /// The queue of unacknowledged records is full. Accepted records keep their order; nothing new is accepted until
    /// there is room.
    #[error("records come faster than they are kept: as many wait as may ({bytes_max} bytes)")]
    Full {
        /// Capacity of the queue, in bytes.
        bytes_max: usize,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// The waits of [`Journal`] as futures. They do not allocate, and are ready at once if the journal is far enough.
pub trait JournalExt: Journal {
    /// Completes when everything up to `position` survives the death of this process.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future does not affect the record.
    fn accepted(&self, position: Position) -> Accepted<'_, Self> {
        Accepted { journal: self, position }
    }

    /// Completes when everything up to `position` is durable in the sense of this journal.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future does not affect the record.
    fn synced(&self, position: Position) -> Synced<'_, Self> {
        Synced { journal: self, position }
    }
}

impl<J: Journal + ?Sized> JournalExt for J {}

/// Future returned by [`JournalExt::accepted`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Accepted<'a, J: ?Sized> {
    journal: &'a J,
    position: Position,
}

impl<J: Journal + ?Sized> Future for Accepted<'_, J> {
    type Output = Result<(), JournalError>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.journal.poll_accepted(self.position, context)
    }
}

/// Future returned by [`JournalExt::synced`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Synced<'a, J: ?Sized> {
    journal: &'a J,
    position: Position,
}

impl<J: Journal + ?Sized> Future for Synced<'_, J> {
    type Output = Result<(), JournalError>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.journal.poll_synced(self.position, context)
    }
}
