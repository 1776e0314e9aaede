//! The files with a log's checkpoints. All checkpoints of a log, one after the other, are one text; each file holds a
//! range of it:
//!
//! ```text
//! checkpoints.jsonl            what is written now: begins where the last piece ends
//! checkpoints-<offset>.jsonl   a piece that is complete, or was archived: begins at this byte
//! ```
//! Pieces of a writer's own folder and of its archive need not be cut at the same places; they are read by their
//! offsets. The newest piece of a folder always stays, because it says where what follows begins.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The file that is written.
pub(crate) const ACTIVE: &str = "checkpoints.jsonl";

/// How often a folder is looked at again because it was changed meanwhile.
const ATTEMPTS_MAX: usize = 16;

/// The name of the piece that begins at this byte.
pub(crate) fn piece_name(offset: u64) -> String {
    format!("checkpoints-{offset:020}.jsonl")
}

/// Where a piece begins, by its file's name.
pub(crate) fn piece_offset(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoints-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// A range of all checkpoints, in a file.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) path: PathBuf,
    file: File,
}

impl Range {
    /// What it holds from this byte of all checkpoints on.
    pub(crate) fn from(mut self, offset: u64) -> io::Result<impl Read + Send + use<>> {
        self.file.seek(SeekFrom::Start(offset.saturating_sub(self.begin)))?;
        let bytes = self.end.saturating_sub(offset.max(self.begin));
        Ok(self.file.take(bytes))
    }

    /// What it holds is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The ranges in a folder, in order. Taken while nothing was cut off or taken away in between.
pub(crate) fn ranges(dir: &Path) -> io::Result<Vec<Range>> {
    for _ in 0..ATTEMPTS_MAX {
        let before = pieces(dir)?;
        match open(dir, &before) {
            // What was opened as the active file has not become a piece meanwhile.
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

/// Where the pieces of a folder begin, ascending.
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

/// Reads through ranges from different folders as one text: at each place the one that goes furthest. Where none begins in
/// time the next one that there is follows, so that whoever checks finds the gap.
pub(crate) fn joined(ranges: Vec<Range>) -> io::Result<Box<dyn Read + Send>> {
    joined_from(ranges, 0)
}

/// The same from this byte on.
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
