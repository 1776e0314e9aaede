//! Reads the records of one session back, from all its streams and from all places where they lie: each
//! stream in its order, streams among each other in the order of their times. Proves nothing; that is
//! [`crate::verify`]'s work.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use countersign_common::id::{SessionId, StreamId};

use crate::line::{Envelope, MalformedLine};
use crate::log::{Line, Log, stream_of};
use crate::merge::{Index, Merged, Next};
use crate::record::{Opened, Record};

/// What an opening record's line has, within its first bytes.
const OPENED: &[u8] = b"\"record\":{\"opened\":";
const OPENED_WITHIN_BYTES: usize = 320;

/// One record's line, exactly as it is chained, and where it was found.
#[derive(Debug)]
pub struct RecordLine {
    /// The log, by its place among those that were given.
    pub log: usize,
    /// The segment.
    pub segment: u64,
    /// The line in it, from 1.
    pub number: u64,
    /// The line, without its line feed.
    pub text: Vec<u8>,
}

/// Why a record could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file could not be read.
    #[error("segment {segment}: {source}")]
    Io {
        /// The segment.
        segment: u64,
        /// Why.
        source: io::Error,
    },
    /// A line could not be read; the ones after it can.
    #[error("segment {segment} line {line}: {source}")]
    Malformed {
        /// The segment.
        segment: u64,
        /// The line, from 1.
        line: u64,
        /// Why.
        source: MalformedLine,
    },
}

/// The record lines of one session, or of all. What lies in several places comes once. Memory: as
/// [`Replay`].
#[derive(Debug)]
pub struct SessionLines {
    merged: Merged,
    /// `None`: all.
    streams: Option<BTreeSet<StreamId>>,
}

impl SessionLines {
    /// Those of `session`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(logs: &[Log], session: SessionId) -> io::Result<Self> {
        let mut streams = BTreeSet::new();
        let index = Index::of(logs, |line, skim| {
            if opening(&line.text).is_some_and(|opened| opened.session == session) {
                streams.insert(skim.stream);
            }
            true
        });
        let mut index = index.map_err(|(_, error)| error)?;
        // A part of a stream may come before the log that has its opening.
        index.retain(|stream| streams.contains(&stream));
        Ok(Self { merged: Merged::of(logs, index)?, streams: Some(streams) })
    }

    /// Those of all sessions.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn all(logs: &[Log]) -> io::Result<Self> {
        let index = Index::of(logs, |_, _| true).map_err(|(_, error)| error)?;
        Ok(Self { merged: Merged::of(logs, index)?, streams: None })
    }

    fn takes(&self, line: &Line) -> bool {
        let Some(streams) = &self.streams else { return true };
        stream_of(&line.text).is_some_and(|stream| streams.contains(&stream))
    }
}

impl Iterator for SessionLines {
    type Item = Result<RecordLine, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.merged.next() {
                Ok(Some(Next::Record(line))) if self.takes(&line) => {
                    let Line { log, segment, number, text, .. } = line;
                    return Some(Ok(RecordLine { log, segment, number, text }));
                }
                Ok(Some(Next::Record(_) | Next::Again(_))) => {}
                Ok(None) => return None,
                Err((segment, source)) => return Some(Err(ReplayError::Io { segment, source })),
            }
        }
    }
}

/// An iterator over the records of one session. Memory: a line for each log, the session's stream ids, about
/// 50 bytes for every stream there is, and what lies in one place before its turn comes.
#[derive(Debug)]
pub struct Replay {
    lines: SessionLines,
}

impl Replay {
    /// The records of `session` in the recording in `dir`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(dir: &Path, session: SessionId) -> io::Result<Self> {
        Self::of(&[Log::at(dir)], session)
    }

    /// The records of `session` in all these logs.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(logs: &[Log], session: SessionId) -> io::Result<Self> {
        Ok(Self { lines: SessionLines::open(logs, session)? })
    }
}

impl Iterator for Replay {
    type Item = Result<Envelope, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let RecordLine { segment, number, text, .. } = line;
        let malformed = |source| ReplayError::Malformed { segment, line: number, source };
        Some(Envelope::parse(&text).map_err(malformed))
    }
}

/// The opening record of a line, if it is one. Others are not parsed.
pub(crate) fn opening(line: &[u8]) -> Option<Opened> {
    let start = line.get(..OPENED_WITHIN_BYTES).unwrap_or(line);
    if !start.windows(OPENED.len()).any(|window| window == OPENED) {
        return None;
    }
    match Envelope::parse(line).ok()?.record {
        Record::Opened(opened) => Some(opened),
        _ => None,
    }
}
