//! Reads the records of one session back, from all its streams, in the order in which the journal took
//! them: that is the order of their times, but for what two connections did within the same microseconds.
//! Proves nothing; that is [`crate::verify`]'s work.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use countersign_common::id::{SessionId, StreamId};

use crate::line::{Envelope, MalformedLine, RECORD_PREFIX};
use crate::record::Record;
use crate::segment;

/// An iterator over the records of one session. Memory: one line, and the session's stream ids.
#[derive(Debug)]
pub struct Replay {
    dir: PathBuf,
    session: SessionId,
    segments: VecDeque<u64>,
    current: Option<Current>,
    streams: BTreeSet<StreamId>,
}

#[derive(Debug)]
struct Current {
    segment: u64,
    line: u64,
    reader: BufReader<File>,
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

impl Replay {
    /// The records of `session` in the recording in `dir`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(dir: &Path, session: SessionId) -> io::Result<Self> {
        let segments = segment::list(dir)?.into();
        Ok(Self { dir: dir.to_owned(), session, segments, current: None, streams: BTreeSet::new() })
    }

    /// The next whole line; `None` at the end of everything.
    fn next_line(&mut self) -> Result<Option<(u64, u64, Vec<u8>)>, ReplayError> {
        loop {
            if self.current.is_none() {
                let Some(segment) = self.segments.pop_front() else { return Ok(None) };
                let file = File::open(segment::path(&self.dir, segment))
                    .map_err(|source| ReplayError::Io { segment, source })?;
                self.current = Some(Current { segment, line: 0, reader: BufReader::new(file) });
            }
            let Some(current) = &mut self.current else { continue };
            let mut text = Vec::new();
            let segment = current.segment;
            let read = current.reader.read_until(b'\n', &mut text);
            if let Err(source) = read {
                self.current = None;
                return Err(ReplayError::Io { segment, source });
            }
            // Without a line feed it is not whole yet.
            if text.pop() == Some(b'\n') {
                current.line += 1;
                return Ok(Some((segment, current.line, text)));
            }
            self.current = None;
        }
    }

    /// Whether the line is of this session; learns the session's streams on the way. Other sessions'
    /// lines are not parsed, but for their opening records.
    fn take(&mut self, line: &[u8]) -> Result<Option<Envelope>, MalformedLine> {
        let Some(stream) = stream_of(line) else { return Ok(None) };
        let known = self.streams.contains(&stream);
        if !known && !contains(line, b"\"record\":{\"opened\":") {
            return Ok(None);
        }
        let envelope = Envelope::parse(line)?;
        if let Record::Opened(opened) = &envelope.record
            && opened.session == self.session
        {
            self.streams.insert(envelope.stream);
            return Ok(Some(envelope));
        }
        Ok(known.then_some(envelope))
    }
}

impl Iterator for Replay {
    type Item = Result<Envelope, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (segment, line, text) = match self.next_line() {
                Ok(Some(next)) => next,
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            };
            match self.take(&text) {
                Ok(None) => {}
                Ok(Some(envelope)) => return Some(Ok(envelope)),
                Err(source) => return Some(Err(ReplayError::Malformed { segment, line, source })),
            }
        }
    }
}

/// The stream a record's line names; `None` for headers and footers.
fn stream_of(line: &[u8]) -> Option<StreamId> {
    let rest = line.strip_prefix(RECORD_PREFIX.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// The opening record's name stands within the first bytes of a line.
fn contains(line: &[u8], part: &[u8]) -> bool {
    line.get(..320).unwrap_or(line).windows(part.len()).any(|window| window == part)
}
