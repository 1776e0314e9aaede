//! Recovery of the end that a dead process left. A partial line is set aside, never deleted. The header of the next
//! segment records this and names the streams that were left open.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use countersign_common::id::StreamId;
use countersign_common::{Digest, Timestamp};

use crate::checkpoint::Signed;
use crate::line::Effect;
use crate::segment::{
    self, FOOTER_PREFIX, Footer, Header, OpenStream, Recovered, RunningDigest, SegmentPoint,
};
use crate::skim::Skim;

/// Starting state of the journal after recovery.
pub(super) struct Found {
    /// Header of the next segment.
    pub(super) header: Header,
    /// Ends of segments that no checkpoint covers yet.
    pub(super) unsigned: Vec<SegmentPoint>,
}

/// Examines the last segment, sets a torn end aside, and returns the starting state. Changes nothing if the segments
/// do not match the signed ones.
pub(super) fn recover(dir: &Path, now: Timestamp, signed: Signed) -> io::Result<Found> {
    let mut segments = segment::list(dir)?;
    let mut unsigned = check(dir, &segments, signed)?;
    let mut dropped_bytes = 0;
    while let Some(last) = segments.pop() {
        let tail = Tail::read(dir, last)?;
        dropped_bytes += tail.put_aside_torn(dir)?;
        // The dead process may not have synced it, and from here on all of it is confirmed.
        File::open(segment::path(dir, last))?.sync_all()?;
        if tail.point.lines == 0 {
            // The process died between creating the file and writing its header; the file is ignored.
            std::fs::remove_file(segment::path(dir, last))?;
            continue;
        }
        let recovered = (!tail.sealed || dropped_bytes > 0).then_some(Recovered { dropped_bytes });
        let open = tail.open.into_values().collect();
        let header = Header { segment: last + 1, at: now, previous: Some(tail.point), recovered, open };
        // The end may already be listed, if the process died before the next segment had its header.
        unsigned.retain(|end| *end != tail.point);
        if signed != Signed::UpTo(tail.point) {
            unsigned.push(tail.point);
        }
        return Ok(Found { header, unsigned });
    }
    let recovered = (dropped_bytes > 0).then_some(Recovered { dropped_bytes });
    let header = Header { segment: 0, at: now, previous: None, recovered, open: Vec::new() };
    Ok(Found { header, unsigned })
}

/// Checks that the segments match the signed ones. Returns the ends of later segments, which no checkpoint covers
/// yet, except the last one, which may be torn.
fn check(dir: &Path, segments: &[u64], signed: Signed) -> io::Result<Vec<SegmentPoint>> {
    let from = match signed {
        Signed::Unknown => return Ok(Vec::new()),
        Signed::UpTo(point) => point.segment,
        // The first checkpoint is durable before anything is recorded.
        Signed::Nothing if segments.len() > 1 => {
            return Err(unfit(0, "there are segments and no checkpoints"));
        }
        Signed::Nothing => 0,
    };
    let mut ends = Vec::new();
    let mut due = from;
    for &number in segments.iter().filter(|number| **number >= from) {
        if number != due {
            return Err(unfit(due, "it is missing"));
        }
        due += 1;
        let probe = match signed {
            Signed::UpTo(point) if point.segment == number => Some(point),
            _ => None,
        };
        let tail = Tail::probing(dir, number, probe)?;
        if probe.is_some() && !tail.fits {
            return Err(unfit(number, "it was changed or cut off"));
        }
        ends.push(tail.point);
    }
    match signed {
        Signed::UpTo(_) if due == from => return Err(unfit(from, "it is missing")),
        _ => {}
    }
    ends.pop();
    ends.retain(|end| signed != Signed::UpTo(*end));
    Ok(ends)
}

fn unfit(segment: u64, why: &str) -> io::Error {
    let text = format!(
        "segment {segment} of the recordings is not what their newest checkpoint was signed over: {why}; see \
         `docs/recording.md`, \"When a start is refused\""
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The complete part of the last segment.
struct Tail {
    point: SegmentPoint,
    whole_bytes: u64,
    file_bytes: u64,
    sealed: bool,
    open: BTreeMap<StreamId, OpenStream>,
    /// `true` if the segment passes through the requested point.
    fits: bool,
}

impl Tail {
    fn read(dir: &Path, segment: u64) -> io::Result<Self> {
        Self::probing(dir, segment, None)
    }

    fn probing(dir: &Path, segment: u64, point: Option<SegmentPoint>) -> io::Result<Self> {
        let file = File::open(segment::path(dir, segment))?;
        let file_bytes = file.metadata()?.len();
        let mut digest = RunningDigest::new();
        let mut tail = Self {
            point: digest.point(segment),
            whole_bytes: 0,
            file_bytes,
            sealed: false,
            open: BTreeMap::new(),
            fits: false,
        };
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            // An unreadable line ends the complete part; after a loss of power it may hold anything.
            if !tail.take(text, digest.point(segment).lines) {
                break;
            }
            digest.push(&Digest::of(text));
            tail.fits |=
                point.is_some_and(|wanted| digest.lines() == wanted.lines && digest.point(segment) == wanted);
            tail.whole_bytes += line.len() as u64;
            line.clear();
        }
        tail.point = digest.point(segment);
        Ok(tail)
    }

    /// Processes one line. Returns `false` if it cannot be parsed.
    fn take(&mut self, line: &[u8], index: u64) -> bool {
        if self.sealed {
            return false;
        }
        if index == 0 {
            let Ok(header) = Header::parse(line) else { return false };
            self.open = header.open.into_iter().map(|one| (one.stream, one)).collect();
            return true;
        }
        if line.starts_with(FOOTER_PREFIX.as_bytes()) {
            self.sealed = Footer::parse(line).is_ok();
            return self.sealed;
        }
        // Checks only what the intake checks. Otherwise one line sent by a gateway would make all later lines
        // unreadable.
        let Ok(skim) = Skim::of(line) else { return false };
        self.account(&skim, Digest::of(line));
        true
    }

    fn account(&mut self, skim: &Skim, tip: Digest) {
        let stream = skim.stream;
        if skim.effect == Effect::Closes {
            self.open.remove(&stream);
            return;
        }
        let fresh = || OpenStream { stream, count: 0, tip, running: Vec::new() };
        let one = self.open.entry(stream).or_insert_with(fresh);
        one.count = skim.seq + 1;
        one.tip = tip;
        match skim.effect {
            Effect::Begins(id) if one.running.contains(&id) => {}
            Effect::Begins(id) => one.running.push(id),
            Effect::Ends(id) => one.running.retain(|&other| other != id),
            Effect::Opens | Effect::Continues | Effect::Closes => {}
        }
    }

    /// Moves the bytes after the complete part to a separate file, and returns their number.
    fn put_aside_torn(&self, dir: &Path) -> io::Result<u64> {
        let torn_bytes = self.file_bytes - self.whole_bytes;
        if torn_bytes == 0 {
            return Ok(0);
        }
        let path = segment::path(dir, self.point.segment);
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        file.seek(SeekFrom::Start(self.whole_bytes))?;
        let mut torn = Vec::new();
        Read::by_ref(&mut file).read_to_end(&mut torn)?;
        let mut aside =
            OpenOptions::new().append(true).create(true).mode(0o600).open(path.with_extension("torn"))?;
        aside.write_all(&torn)?;
        aside.sync_all()?;
        file.set_len(self.whole_bytes)?;
        file.sync_all()?;
        tracing::warn!(segment = self.point.segment, torn_bytes, "a torn end was put aside");
        Ok(torn_bytes)
    }
}
