//! A log: the segments of one writer, in any location (the writer's own folder, the folder of the archive), and its
//! lines. All readers of recordings read logs.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use countersign_common::id::StreamId;

use crate::checkpoint_files;
use crate::line::RECORD_PREFIX;
use crate::skim::{LINE_BYTES_MAX, Skim};

/// File with the id of the log whose segments are in the folder.
pub(crate) const ID_FILE: &str = "id";

/// Suffix of an archived segment's name.
pub(crate) const COMPRESSED: &str = ".zst";

/// The segments of one writer, in one or several folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    dirs: Vec<PathBuf>,
    /// Segments last written before this time are skipped.
    since: Option<SystemTime>,
}

impl Log {
    /// Opens the log in this folder. A missing folder is an empty log.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dirs: vec![dir.into()], since: None }
    }

    /// Restricts the log to segments last written at or after `since`, according to the file system.
    pub(crate) fn since(&self, since: SystemTime) -> Self {
        Self { dirs: self.dirs.clone(), since: Some(since) }
    }

    /// Finds the logs in these folders. Folders with the same log id form one log. A folder without segments stands
    /// for its subfolders, as in an archive.
    ///
    /// # Errors
    /// Any error of reading a folder.
    pub fn find(dirs: &[PathBuf]) -> io::Result<Vec<Self>> {
        let mut logs: Vec<(Option<String>, Self)> = Vec::new();
        for dir in dirs {
            for dir in with_segments(dir)? {
                let id = read_id(&dir)?;
                match logs.iter_mut().find(|(other, _)| id.is_some() && *other == id) {
                    Some((_, log)) if log.dirs.contains(&dir) => {}
                    Some((_, log)) => log.dirs.push(dir),
                    None => logs.push((id, Self::at(dir))),
                }
            }
        }
        Ok(logs.into_iter().map(|(_, log)| log).collect())
    }

    /// Location of the log, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.dirs.first().map_or_else(String::new, |dir| dir.display().to_string())
    }

    /// Identifier of the log, from the first of its folders that has one.
    pub(crate) fn id(&self) -> io::Result<Option<String>> {
        for dir in &self.dirs {
            if let Some(id) = read_id(dir)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Numbers of its segments, ascending.
    pub(crate) fn segments(&self) -> io::Result<Vec<u64>> {
        let mut numbers = BTreeSet::new();
        for dir in &self.dirs {
            for name in entries(dir)? {
                if let Some(number) = number_of(&name)
                    && self.is_wanted(&dir.join(name))?
                {
                    numbers.insert(number);
                }
            }
        }
        Ok(numbers.into_iter().collect())
    }

    fn is_wanted(&self, segment: &Path) -> io::Result<bool> {
        let Some(since) = self.since else { return Ok(true) };
        match std::fs::metadata(segment).and_then(|found| found.modified()) {
            Ok(written) => Ok(written >= since),
            // The segment was archived in between, and is found there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns `true` if there are only archived segments, so that the writer's own folder is not among the
    /// locations.
    pub(crate) fn is_archive(&self) -> io::Result<bool> {
        for dir in &self.dirs {
            let is_plain = |name: &String| number_of(name).is_some() && !name.ends_with(COMPRESSED);
            if entries(dir)?.iter().any(is_plain) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the first copy of a segment.
    pub(crate) fn open(&self, segment: u64) -> io::Result<Box<dyn BufRead + Send>> {
        let first = self.copies(segment).next();
        first.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::NotFound))).map(|(_, reader)| reader)
    }

    /// Opens all copies of a segment, each with its folder.
    pub(crate) fn copies(
        &self,
        segment: u64,
    ) -> impl Iterator<Item = io::Result<(&Path, Box<dyn BufRead + Send>)>> {
        let plain = move |dir: &Path| crate::segment::path(dir, segment);
        let forms = move |dir: &PathBuf| [(false, plain(dir)), (true, compressed(&plain(dir)))];
        let places = self.dirs.iter().flat_map(move |dir| forms(dir).map(|form| (dir.as_path(), form)));
        places.filter_map(|(dir, (is_compressed, path))| match open_segment(&path, is_compressed) {
            Ok(reader) => Some(Ok((dir, reader))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Returns the first folder whose checkpoints differ from those that [`Self::checkpoints`] reads.
    pub(crate) fn differing_checkpoints(&self) -> io::Result<Option<&Path>> {
        if self.dirs.len() < 2 {
            return Ok(None);
        }
        for dir in &self.dirs {
            for range in checkpoint_files::ranges(dir)? {
                let (begin, end) = (range.begin, range.end);
                let mut all = Vec::new();
                for dir in &self.dirs {
                    all.extend(checkpoint_files::ranges(dir)?);
                }
                let mut read = checkpoint_files::joined(all)?;
                io::copy(&mut io::Read::take(&mut read, begin), &mut io::sink())?;
                let copy = BufReader::new(range.from(begin)?);
                // A file that has grown in the meantime has grown in both readings.
                let read = BufReader::new(io::Read::take(read, end - begin));
                if !same(copy, read)? {
                    return Ok(Some(dir.as_path()));
                }
            }
        }
        Ok(None)
    }

    /// Opens the checkpoints of the log in all its locations. For each offset, the copy that extends furthest is
    /// read.
    pub(crate) fn checkpoints(&self) -> io::Result<Option<Box<dyn BufRead + Send>>> {
        let mut all = Vec::new();
        for dir in &self.dirs {
            all.extend(checkpoint_files::ranges(dir)?);
        }
        if all.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(BufReader::new(checkpoint_files::joined(all)?))))
    }

    /// Opens the lines of its records.
    pub(crate) fn lines(&self) -> io::Result<Lines> {
        Ok(Lines { log: self.clone(), segments: self.segments()?.into(), current: None })
    }
}

/// One record's line with its location.
#[derive(Debug)]
pub(crate) struct Line {
    /// Index of its log among those read together.
    pub(crate) log: usize,
    pub(crate) segment: u64,
    /// Number of the line in the segment, from 1.
    pub(crate) number: u64,
    pub(crate) text: Vec<u8>,
    /// Parsed beginning; `None` if the line does not begin like a record.
    pub(crate) skim: Option<Skim>,
    /// `true` if its log already had a later record of the stream.
    pub(crate) late: bool,
}

/// The record lines of one log, in the order of its journal. Keeps one line in memory.
pub(crate) struct Lines {
    log: Log,
    segments: VecDeque<u64>,
    current: Option<Current>,
}

struct Current {
    segment: u64,
    number: u64,
    reader: Box<dyn BufRead + Send>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Lines {
    /// Returns the next complete line of a record. An error names the segment; reading continues with the next
    /// segment.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, (u64, io::Error)> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(segment) = self.segments.pop_front() else { return Ok(None) };
                let reader = self.log.open(segment).map_err(|error| (segment, error))?;
                self.current = Some(Current { segment, number: 0, reader });
                continue;
            };
            let mut text = Vec::new();
            if let Err(error) = read_line(&mut current.reader, &mut text) {
                let segment = current.segment;
                self.current = None;
                return Err((segment, error));
            }
            // A line without a line feed is not complete yet.
            if text.pop() != Some(b'\n') {
                self.current = None;
                continue;
            }
            current.number += 1;
            if text.starts_with(RECORD_PREFIX.as_bytes()) {
                let (segment, number) = (current.segment, current.number);
                let skim = Skim::place(&text).ok();
                return Ok(Some(Line { log: 0, segment, number, text, skim, late: false }));
            }
        }
    }
}

fn open_segment(path: &Path, is_compressed: bool) -> io::Result<Box<dyn BufRead + Send>> {
    let file = File::open(path)?;
    Ok(match is_compressed {
        false => Box::new(BufReader::with_capacity(1 << 20, file)),
        true => {
            let reader = zstd::stream::read::Decoder::new(file)?;
            Box::new(BufReader::with_capacity(1 << 20, reader))
        }
    })
}

/// Returns `true` if both readers yield the same bytes.
fn same(mut one: impl BufRead, mut other: impl BufRead) -> io::Result<bool> {
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let bytes = left.len().min(right.len());
        if bytes == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        if left.get(..bytes) != right.get(..bytes) {
            return Ok(false);
        }
        one.consume(bytes);
        other.consume(bytes);
    }
}

/// Reads up to and including the next line feed. Returns the number of bytes read.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let read = io::Read::take(reader, LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line)?;
    if read > LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 256 MiB"));
    }
    Ok(read)
}

/// Stream that a record's line names; `None` for headers and footers.
pub(crate) fn stream_of(line: &[u8]) -> Option<StreamId> {
    let rest = line.strip_prefix(RECORD_PREFIX.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// Reads the id of the log in this folder; `None` if it was written before logs had ids.
pub(crate) fn read_id(dir: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(dir.join(ID_FILE)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|id| is_id(id))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the id of the log in this folder, or creates one.
pub(crate) fn ensure_id(dir: &Path) -> io::Result<String> {
    if let Some(id) = read_id(dir)? {
        return Ok(id);
    }
    let id = new_id()?;
    let path = dir.join(ID_FILE);
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()?;
    Ok(id)
}

/// Generates a log id: 32 hex digits.
pub(crate) fn new_id() -> io::Result<String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    Ok(hex::encode(random))
}

/// Returns `true` for 32 hex digits. The id becomes a name in the archive, so nothing else is accepted.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Parses the number of a segment from its file name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let name = name.strip_suffix(COMPRESSED).unwrap_or(name);
    name.strip_prefix("segment-")?.strip_suffix(".jsonl")?.parse().ok()
}

fn compressed(plain: &Path) -> PathBuf {
    let mut name = plain.as_os_str().to_owned();
    name.push(COMPRESSED);
    name.into()
}

/// Returns the folder itself if it has segments or no subfolder has any, else the subfolders with segments.
fn with_segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let holds = |dir: &Path| -> io::Result<bool> {
        Ok(entries(dir)?.iter().any(|name| name == ID_FILE || number_of(name).is_some()))
    };
    if holds(dir)? {
        return Ok(vec![dir.to_owned()]);
    }
    // A subfolder that was just created and holds nothing is skipped; one with checkpoints but no segments has lost
    // them.
    let begun = |dir: &Path| -> io::Result<bool> {
        let has_segments = entries(dir)?.iter().any(|name| number_of(name).is_some());
        Ok(has_segments || !checkpoint_files::ranges(dir)?.is_empty())
    };
    let mut inside = Vec::new();
    for name in entries(dir)? {
        let sub = dir.join(name);
        if sub.is_dir() && begun(&sub)? {
            inside.push(sub);
        }
    }
    inside.sort();
    Ok(if inside.is_empty() { vec![dir.to_owned()] } else { inside })
}

fn entries(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
