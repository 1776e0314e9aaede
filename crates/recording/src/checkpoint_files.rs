//! The files with a log's checkpoints. All checkpoints of a log, concatenated, form one text; each file holds a
//! range of it:
//!
//! ```text
//! checkpoints.jsonl            the active file: begins at the end of the last piece
//! checkpoints-<offset>.jsonl   a complete or archived piece: begins at this byte
//! ```
//! The pieces in a writer's own folder and in its archive may have different boundaries; they are read by their
//! offsets. The newest piece of a folder is never deleted, because it determines the offset of the active file.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Name of the active file.
pub(crate) const ACTIVE: &str = "checkpoints.jsonl";

/// Maximum number of attempts if the folder changes while it is read.
const ATTEMPTS_MAX: usize = 16;

/// Name of the piece that begins at this byte.
pub(crate) fn piece_name(offset: u64) -> String {
    format!("checkpoints-{offset:020}.jsonl")
}

/// Parses the offset of a piece from its file name.
pub(crate) fn piece_offset(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoints-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// A range of the text of all checkpoints, stored in one file.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) path: PathBuf,
    file: File,
}

impl Range {
    /// Reads the range from this byte of all checkpoints on.
    pub(crate) fn from(mut self, offset: u64) -> io::Result<impl Read + Send + use<>> {
        self.file.seek(SeekFrom::Start(offset.saturating_sub(self.begin)))?;
        let bytes = self.end.saturating_sub(offset.max(self.begin));
        Ok(self.file.take(bytes))
    }

    /// Syncs the file to disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Opens the ranges in a folder, in order, as a consistent snapshot.
pub(crate) fn ranges(dir: &Path) -> io::Result<Vec<Range>> {
    for _ in 0..ATTEMPTS_MAX {
        let before = pieces(dir)?;
        match open(dir, &before) {
            // The active file did not become a piece while it was opened.
            Ok(ranges) if pieces(dir)? == before => return Ok(ranges),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the checkpoints keep changing"))
}

fn open(dir: &Path, pieces: &[u64]) -> io::Result<Vec<Range>> {
    let mut ranges = Vec::new();
    for offset in pieces {
        ranges.push(range(dir.join(piece_name(*offset)), *offset)?);
    }
    let begin = ranges.last().map_or(0, |last: &Range| last.end);
    match range(dir.join(ACTIVE), begin) {
        Ok(active) => ranges.push(active),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(ranges)
}

fn range(path: PathBuf, begin: u64) -> io::Result<Range> {
    let file = File::open(&path)?;
    let end = begin + file.metadata()?.len();
    Ok(Range { begin, end, path, file })
}

/// Offsets of the pieces in a folder, ascending.
pub(crate) fn pieces(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut offsets = Vec::new();
    for entry in entries {
        offsets.extend(entry?.file_name().to_str().and_then(piece_offset));
    }
    offsets.sort_unstable();
    Ok(offsets)
}

/// Reads ranges from several folders as one text, at each offset from the range that extends furthest. After a gap,
/// the next existing range follows, so that verification detects the gap.
pub(crate) fn joined(ranges: Vec<Range>) -> io::Result<Box<dyn Read + Send>> {
    joined_from(ranges, 0)
}

/// Like [`joined`], from this byte on.
pub(crate) fn joined_from(mut ranges: Vec<Range>, mut at: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut all: Box<dyn Read + Send> = Box::new(io::empty());
    loop {
        ranges.retain(|range| range.end > at);
        let covers = |range: &Range| range.begin <= at;
        let furthest = (0..ranges.len())
            .filter(|index| ranges.get(*index).is_some_and(covers))
            .max_by_key(|index| ranges.get(*index).map(|range| range.end));
        let next = furthest
            .or_else(|| (0..ranges.len()).min_by_key(|index| ranges.get(*index).map(|range| range.begin)));
        let Some(next) = next else { return Ok(all) };
        let range = ranges.swap_remove(next);
        let end = range.end;
        all = Box::new(Read::chain(all, range.from(at)?));
        at = end;
    }
}
