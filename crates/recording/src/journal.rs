//! Where records go first: the port that a stream writes to. Two kinds exist by design: local segment
//! files ([`crate::LocalJournal`]) and, in a cluster, Redis Streams.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_common::Digest;
use countersign_common::id::StreamId;

use crate::line::Effect;

/// How far a journal has come: the number of records up to and with this one, since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A record, ready to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    /// Its line, without the line feed.
    pub line: &'a [u8],
    /// SHA-256 of the line.
    pub hash: Digest,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub seq: u64,
    /// What it does to the stream.
    pub effect: Effect,
}

/// Where records go first. Shared by all sessions of a process.
pub trait Journal: Send + Sync + fmt::Debug {
    /// Takes a record in. Does not wait for a disk or a peer; memory is bounded, see the implementation.
    ///
    /// # Errors
    /// When an earlier record could not be kept: nothing is taken any more (I8).
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError>;

    /// Ready when everything up to `position` outlives the death of this process.
    fn poll_accepted(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>>;

    /// Ready when everything up to `position` is durable in the sense of this journal.
    fn poll_synced(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>>;
}

/// The journal no longer takes or vouches for records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// A write or a sync failed; what was appended since the last sync may be lost.
    #[error("recording stopped after a failure: {cause}")]
    Poisoned {
        /// What failed first.
        cause: Arc<str>,
    },
    /// Whoever keeps the records does not acknowledge them at the moment. What was taken is not lost; nothing new is
    /// taken until they do.
    #[error("records are not acknowledged at the moment")]
    Unacknowledged,
    /// More waits to be kept than may. What was taken is kept in its order; nothing new is taken until there is room.
    #[error("records come faster than they are kept: as many wait as may ({bytes_max} bytes)")]
    Full {
        /// How many bytes may wait.
        bytes_max: usize,
    },
    /// It was closed.
    #[error("the journal is closed")]
    Closed,
}

/// The waits, as futures. They allocate nothing; when the journal is far enough they are ready at once.
pub trait JournalExt: Journal {
    /// Completes when everything up to `position` outlives the death of this process.
    ///
    /// # Cancel safety
    /// Safe: dropping the future leaves the record where it is.
    fn accepted(&self, position: Position) -> Accepted<'_, Self> {
        Accepted { journal: self, position }
    }

    /// Completes when everything up to `position` is durable in the sense of this journal.
    ///
    /// # Cancel safety
    /// Safe: dropping the future leaves the record where it is.
    fn synced(&self, position: Position) -> Synced<'_, Self> {
        Synced { journal: self, position }
    }
}

impl<J: Journal + ?Sized> JournalExt for J {}

/// See [`JournalExt::accepted`].
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

/// See [`JournalExt::synced`].
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
