//! Reads the raw lines of recordings, exactly as they are chained. `countersign_recording::Replay` reads
//! the same as records; who hands a recording on wants the bytes.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use countersign_common::id::{SessionId, StreamId};
use countersign_recording::{Envelope, Record};

/// What every record's line begins with (`docs/recording.md`).
const RECORD_PREFIX: &[u8] = b"{\"v\":1,\"stream\":\"";

/// What an opening record has within its first bytes.
const OPENED: &[u8] = b"\"record\":{\"opened\":";
const OPENED_WITHIN_BYTES: usize = 320;

/// The record lines of a recording, in the order in which the journal took them. Memory: one line.
#[derive(Debug)]
pub(crate) struct RecordLines {
    segments: VecDeque<PathBuf>,
    current: Option<BufReader<File>>,
}

impl RecordLines {
    /// Those in this folder; none when the folder is not there yet.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let mut segments = Vec::new();
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { segments: VecDeque::new(), current: None });
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("segment-") && name.ends_with(".jsonl") {
                segments.push(path);
            }
        }
        // Their numbers have leading zeros, so that names sort as numbers do.
        segments.sort();
        Ok(Self { segments: segments.into(), current: None })
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(reader) = &mut self.current else {
                let Some(path) = self.segments.pop_front() else { return Ok(None) };
                self.current = Some(BufReader::with_capacity(1 << 16, File::open(path)?));
                continue;
            };
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            // Without a line feed it is not whole yet.
            if line.pop() != Some(b'\n') {
                self.current = None;
            } else if line.starts_with(RECORD_PREFIX) {
                return Ok(Some(line));
            }
        }
    }
}

impl Iterator for RecordLines {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

/// The stream that a record's line names.
pub(crate) fn stream_of(line: &[u8]) -> Option<StreamId> {
    let rest = line.strip_prefix(RECORD_PREFIX)?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// The record of a line, if it opens a stream. Others are not parsed.
pub(crate) fn opening(line: &[u8]) -> Option<Envelope> {
    let start = line.get(..OPENED_WITHIN_BYTES).unwrap_or(line);
    let opens = start.windows(OPENED.len()).any(|window| window == OPENED);
    if opens { Envelope::parse(line).ok() } else { None }
}

/// The record lines of one session, from all its streams.
#[derive(Debug)]
pub(crate) struct SessionLines {
    lines: RecordLines,
    session: SessionId,
    streams: BTreeSet<StreamId>,
}

impl SessionLines {
    pub(crate) fn open(dir: &Path, session: SessionId) -> io::Result<Self> {
        Ok(Self { lines: RecordLines::open(dir)?, session, streams: BTreeSet::new() })
    }

    fn takes(&mut self, line: &[u8]) -> bool {
        let Some(stream) = stream_of(line) else { return false };
        if self.streams.contains(&stream) {
            return true;
        }
        let opens = opening(line).is_some_and(
            |envelope| matches!(envelope.record, Record::Opened(opened) if opened.session == self.session),
        );
        if opens {
            self.streams.insert(stream);
        }
        opens
    }
}

impl Iterator for SessionLines {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.lines.next()? {
                Ok(line) if !self.takes(&line) => {}
                other => return Some(other),
            }
        }
    }
}
