//! A log: the segments of one writer, wherever they lie (the writer's own folder, the folder they were
//! archived to), and its lines. Everything that reads recordings reads logs.

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

/// The file that says whose segments lie in a folder.
pub(crate) const ID_FILE: &str = "id";

/// What is behind the name of a segment that was archived.
pub(crate) const COMPRESSED: &str = ".zst";

/// The segments of one writer, in one folder or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    dirs: Vec<PathBuf>,
    /// Segments that were last written before this are passed over.
    since: Option<SystemTime>,
}

impl Log {
    /// The one in this folder. A folder that is not there yet is an empty log.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dirs: vec![dir.into()], since: None }
    }

    /// The same without the segments that were last written before `since`, as the file system says.
    pub(crate) fn since(&self, since: SystemTime) -> Self {
        Self { dirs: self.dirs.clone(), since: Some(since) }
    }

    /// The logs in these folders: those that say they are of the same writer are one. A folder that holds
    /// no segments itself stands for the folders in it, as the archive has them.
    ///
    /// # Errors
    /// When a folder cannot be read.
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

    /// Where it lies, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.dirs.first().map_or_else(String::new, |dir| dir.display().to_string())
    }

    /// Its id, as the first of its folders that has one says.
    pub(crate) fn id(&self) -> io::Result<Option<String>> {
        for dir in &self.dirs {
            if let Some(id) = read_id(dir)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The numbers of its segments, ascending.
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
            // It was archived in between, and is looked for there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether there are only sealed segments that were archived, and the writer's own folder is not among the places.
    pub(crate) fn is_archive(&self) -> io::Result<bool> {
        for dir in &self.dirs {
            let is_plain = |name: &String| number_of(name).is_some() && !name.ends_with(COMPRESSED);
            if entries(dir)?.iter().any(is_plain) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens a segment, from where it is found first.
    pub(crate) fn open(&self, segment: u64) -> io::Result<Box<dyn BufRead + Send>> {
        let first = self.copies(segment).next();
        first.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::NotFound))).map(|(_, reader)| reader)
    }

    /// All copies of a segment, and the folder in which each lies.
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

    /// The first folder whose copy of the checkpoints is not the one that [`Self::checkpoints`] reads.
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
                // What is longer meanwhile is longer in both.
                let read = BufReader::new(io::Read::take(read, end - begin));
                if !same(copy, read)? {
                    return Ok(Some(dir.as_path()));
                }
            }
        }
        Ok(None)
    }

    /// Its checkpoints, wherever they lie; of what lies in several places the copy that goes furthest.
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

    /// The lines of its records.
    pub(crate) fn lines(&self) -> io::Result<Lines> {
        Ok(Lines { log: self.clone(), segments: self.segments()?.into(), current: None })
    }
}

/// One record's line, and where it was found.
#[derive(Debug)]
pub(crate) struct Line {
    /// Index of its log.
    pub(crate) log: usize,
    pub(crate) segment: u64,
    /// From 1.
    pub(crate) number: u64,
    pub(crate) text: Vec<u8>,
    /// `None` when it does not begin as a record does.
    pub(crate) skim: Option<Skim>,
    /// Whether its log had come further in its stream before.
    pub(crate) late: bool,
}

/// The record lines of one log, in the order in which its journal took them. Memory: one line.
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
    /// The next whole line of a record; an error says in which segment, and the lines of the next follow.
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
            // Without a line feed it is not whole yet.
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

/// Whether both hold the same bytes.
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

/// Reads up to and with the next line feed; says how many bytes.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let read = io::Read::take(reader, LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line)?;
    if read > LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 256 MiB"));
    }
    Ok(read)
}

/// The stream a record's line names; `None` for headers and footers.
pub(crate) fn stream_of(line: &[u8]) -> Option<StreamId> {
    let rest = line.strip_prefix(RECORD_PREFIX.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// The id of the log in this folder; `None`: it was written before logs had one.
pub(crate) fn read_id(dir: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(dir.join(ID_FILE)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|id| is_id(id))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The id of the log in this folder; a new one, from now on, when it has none.
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

/// 32 hex digits.
pub(crate) fn new_id() -> io::Result<String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    Ok(hex::encode(random))
}

/// 32 hex digits; it becomes a name in the archive, so nothing else passes.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The number of a segment by its file's name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let name = name.strip_suffix(COMPRESSED).unwrap_or(name);
    name.strip_prefix("segment-")?.strip_suffix(".jsonl")?.parse().ok()
}

fn compressed(plain: &Path) -> PathBuf {
    let mut name = plain.as_os_str().to_owned();
    name.push(COMPRESSED);
    name.into()
}

/// The folder itself when it has segments or nothing else, or else the folders in it that have.
fn with_segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let holds = |dir: &Path| -> io::Result<bool> {
        Ok(entries(dir)?.iter().any(|name| name == ID_FILE || number_of(name).is_some()))
    };
    if holds(dir)? {
        return Ok(vec![dir.to_owned()]);
    }
    // One that has been begun and holds nothing yet is on its way; one with checkpoints and no segments has lost them.
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
