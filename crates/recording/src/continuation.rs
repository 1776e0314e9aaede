//! Checks that the files of a log still match a checkpoint that was kept elsewhere, before a writer continues the
//! log. Otherwise it would sign files that an attacker has rewritten.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use countersign_common::Digest;

use crate::checkpoint::SignedCheckpoint;
use crate::checkpoint_files::{self, Range};
use crate::checkpoint_log::{CheckpointReader, Read};
use crate::log::{read_id, read_line};
use crate::segment::{self, RunningDigest, SegmentPoint};
use crate::signing::PublicKey;

/// Reason why the files of a log do not continue a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum NotContinued {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder belongs to another log, or to none.
    #[error("the folder has {}", .found.as_ref().map_or_else(|| "no log".to_owned(), |id| format!("another log, {id}")))]
    AnotherLog {
        /// Identifier that was found, if any.
        found: Option<String>,
    },
    /// The checkpoint is not among those in the folder.
    #[error("checkpoint {number} is not there: the files were cut off, or replaced by older ones")]
    CheckpointMissing {
        /// Number of the checkpoint, from 0.
        number: u64,
    },
    /// A later checkpoint is not signed by the node's key, or does not follow from its predecessor.
    #[error("checkpoint {number}: {why}")]
    CheckpointBroken {
        /// Number of the checkpoint, from 0.
        number: u64,
        /// Description of the fault, in words.
        why: String,
    },
    /// A segment differs from what was signed.
    #[error("segment {segment} is not the one that was signed: it was changed, cut off or taken away")]
    SegmentDiffers {
        /// Number of the segment, from 0.
        segment: u64,
    },
}

/// Returns the id of the log in this folder; `None` if there is no log.
///
/// # Errors
/// Any error of reading the id.
pub fn log_of(dir: &Path) -> io::Result<Option<String>> {
    read_id(dir)
}

/// Checks that the folder holds the log of the checkpoint `anchor`, that this checkpoint is among its own, and that
/// its segments match this and every later checkpoint. Reads only what was recorded since the start of the anchor's
/// segment.
///
/// # Errors
/// [`NotContinued`] with the first mismatch.
pub fn check_continuation(
    dir: &Path,
    key: &PublicKey,
    anchor: &SignedCheckpoint,
) -> Result<(), NotContinued> {
    let found = read_id(dir)?;
    if found.as_deref() != Some(&anchor.checkpoint.log) {
        return Err(NotContinued::AnotherLog { found });
    }
    let mut points = VecDeque::from([anchor.checkpoint.point]);
    let mut later = CheckpointReader::after(behind(dir, anchor)?, key, anchor);
    loop {
        match later.next()? {
            Read::Checkpoint(signed, _) => points.push_back(signed.checkpoint.point),
            Read::Broken { number, why } => return Err(NotContinued::CheckpointBroken { number, why }),
            Read::End => break,
        }
    }
    check_segments(dir, points)
}

/// Opens the checkpoints after the anchor.
fn behind(dir: &Path, anchor: &SignedCheckpoint) -> Result<impl BufRead, NotContinued> {
    let missing = NotContinued::CheckpointMissing { number: anchor.checkpoint.seq };
    let mut ranges = checkpoint_files::ranges(dir)?;
    // The anchor is one of the newest, so the older pieces need not be read.
    while let Some(range) = ranges.pop() {
        let (begin, end) = (range.begin, range.end);
        let Some(bytes) = place_behind(range, anchor.hash)? else { continue };
        let mut rest = checkpoint_files::ranges(dir)?;
        rest.retain(|range| range.end >= end);
        let mut reader = BufReader::new(checkpoint_files::joined_from(rest, begin)?);
        io::copy(&mut io::Read::take(&mut reader, bytes), &mut io::sink())?;
        return Ok(reader);
    }
    Err(missing)
}

/// Returns the offset in the range at which the line with this hash ends.
fn place_behind(range: Range, hash: Digest) -> io::Result<Option<u64>> {
    let begin = range.begin;
    let mut reader = BufReader::new(range.from(begin)?);
    let (mut line, mut bytes) = (Vec::new(), 0);
    while read_line(&mut reader, &mut line)? > 0 {
        bytes += line.len() as u64;
        let Some(text) = line.strip_suffix(b"\n") else { break };
        if Digest::of(text) == hash {
            return Ok(Some(bytes));
        }
        line.clear();
    }
    Ok(None)
}

/// Checks that the segments pass through all these points, in order.
fn check_segments(dir: &Path, mut points: VecDeque<SegmentPoint>) -> Result<(), NotContinued> {
    while let Some(point) = points.front() {
        let number = point.segment;
        let mut of_segment = points.iter().take_while(|point| point.segment == number).copied().peekable();
        let differs = || NotContinued::SegmentDiffers { segment: number };
        let file = match std::fs::File::open(segment::path(dir, number)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(differs()),
            Err(error) => return Err(error.into()),
        };
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (mut digest, mut line) = (RunningDigest::new(), Vec::new());
        while of_segment.peek().is_some() && read_line(&mut reader, &mut line)? > 0 {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            digest.push(&Digest::of(text));
            line.clear();
            while let Some(point) = of_segment.next_if(|point| point.lines == digest.lines()) {
                if digest.point(number) != point {
                    return Err(differs());
                }
            }
        }
        if of_segment.next().is_some() {
            return Err(differs());
        }
        points.retain(|point| point.segment != number);
    }
    Ok(())
}
