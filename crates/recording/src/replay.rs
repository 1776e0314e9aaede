//! Reads the records of one session from all its streams and locations. Each stream is in order; streams are
//! interleaved by time. Proves nothing; for that, see [`crate::verify`].

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use countersign_common::id::{SessionId, StreamId};

use crate::line::{Envelope, MalformedLine};
use crate::log::{Line, Log, stream_of};
use crate::merge::{Index, Merged, Next};
use crate::record::{Opened, Record};

/// Marker of an opening record's line, found within its first bytes.
const OPENED: &[u8] = b"\"record\":{\"opened\":";
const OPENED_WITHIN_BYTES: usize = 320;

/// One record's line, exactly as it is chained, with its location.
#[derive(Debug)]
pub struct RecordLine {
    /// Index of the log among the given ones.
    pub log: usize,
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Number of the line in the segment, from 1.
    pub number: u64,
    /// Contents of the line, without its line feed.
    pub text: Vec<u8>,
}

/// Reason why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file could not be read.
    #[error("segment {segment}: {source}")]
    Io {
        /// Number of the segment, from 0.
        segment: u64,
        /// Error of the file system.
        source: io::Error,
    },
    /// A line could not be parsed. Reading continues after it.
    #[error("segment {segment} line {line}: {source}")]
    Malformed {
        /// Number of the segment, from 0.
        segment: u64,
        /// Number of the line, from 1.
        line: u64,
        /// Error of the parser.
        source: MalformedLine,
    },
}

/// The record lines of one session, or of all sessions. A line in several locations is returned once. Memory use as
/// for [`Replay`].
#[derive(Debug)]
pub struct SessionLines {
    merged: Merged,
    /// Streams of the session; `None` means all streams.
    streams: Option<BTreeSet<StreamId>>,
}

impl SessionLines {
    /// Opens the lines of `session`.
    ///
    /// # Errors
    /// Any error of reading a file.
    pub fn open(logs: &[Log], session: SessionId) -> io::Result<Self> {
        let mut streams = BTreeSet::new();
        let index = Index::of(logs, |line, skim| {
            if opening(&line.text).is_some_and(|opened| opened.session == session) {
                streams.insert(skim.stream);
            }
            true
        });
        let mut index = index.map_err(|(_, error)| error)?;
        // A part of a stream may precede the log with its opening record.
        index.retain(|stream| streams.contains(&stream));
        Ok(Self { merged: Merged::of(logs, index)?, streams: Some(streams) })
    }

    /// Opens the lines of all sessions.
    ///
    /// # Errors
    /// Any error of reading a file.
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

/// Iterator over the records of one session. Keeps in memory one line per log, the session's stream ids, about 50
/// bytes for every existing stream, and the lines that wait for earlier ones.
#[derive(Debug)]
pub struct Replay {
    lines: SessionLines,
}

impl Replay {
    /// Opens the records of `session` in the folder `dir`.
    ///
    /// # Errors
    /// Any error of reading a file.
    pub fn open(dir: &Path, session: SessionId) -> io::Result<Self> {
        Self::of(&[Log::at(dir)], session)
    }

    /// Opens the records of `session` in all these logs.
    ///
    /// # Errors
    /// Any error of reading a file.
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

/// Parses the line if it is an opening record. Other lines are not parsed.
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
