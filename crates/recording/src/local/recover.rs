//! What is done about the end that a dead process left: half a line is put aside, never deleted, and the
//! next segment's header says so and names the streams that were left open.

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

/// How a journal goes on.
pub(super) struct Found {
    /// The header of the segment that comes next.
    pub(super) header: Header,
    /// The ends of segments that no checkpoint speaks of yet.
    pub(super) unsigned: Vec<SegmentPoint>,
}

/// Looks at the last segment, puts aside what is torn, and says how the journal goes on. Changes nothing when what is there is
/// not what was signed.
pub(super) fn recover(dir: &Path, now: Timestamp, signed: Signed) -> io::Result<Found> {
    let mut segments = segment::list(dir)?;
    let mut unsigned = check(dir, &segments, signed)?;
    let mut dropped_bytes = 0;
    while let Some(last) = segments.pop() {
        let tail = Tail::read(dir, last)?;
        dropped_bytes += tail.put_aside_torn(dir)?;
        // The dead process may not have come to it, and from here on all of it is vouched for.
        File::open(segment::path(dir, last))?.sync_all()?;
        if tail.point.lines == 0 {
            // It died between making the file and writing its header: as if it had not been made.
            std::fs::remove_file(segment::path(dir, last))?;
            continue;
        }
        let recovered = (!tail.sealed || dropped_bytes > 0).then_some(Recovered { dropped_bytes });
        let open = tail.open.into_values().collect();
        let header = Header { segment: last + 1, at: now, previous: Some(tail.point), recovered, open };
        // It may be among them, when the process died before the next one had its header.
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

/// The segments are what was signed. The ends of those that follow, but of the last one, which may be torn: nothing speaks of
/// them yet.
fn check(dir: &Path, segments: &[u64], signed: Signed) -> io::Result<Vec<SegmentPoint>> {
    let from = match signed {
        Signed::Unknown => return Ok(Vec::new()),
        Signed::UpTo(point) => point.segment,
        // The first checkpoint lasts before anything is recorded.
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

/// The last segment, as far as it is whole.
struct Tail {
    point: SegmentPoint,
    whole_bytes: u64,
    file_bytes: u64,
    sealed: bool,
    open: BTreeMap<StreamId, OpenStream>,
    /// Whether it comes through the point that was asked for.
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
            // What cannot be read ends the whole part; after a loss of power it may be anything.
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

    /// Takes one line into account; says whether it could be read.
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
        // Not more than was checked when it was taken in: else one line that a gateway sent would make all
        // that stands behind it unreadable.
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

    /// Moves what is after the whole part into a file of its own; says how many bytes that were.
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
