//! What the checkpoints promise, and whether the segments keep it.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use countersign_common::Digest;
use countersign_common::id::StreamId;

use super::log::LogRun;
use super::report::Problem;
use crate::checkpoint::{Checkpoint, PublicKey, Tip};
use crate::line::NO_PREVIOUS;
use crate::log::{Log, read_line};
use crate::segment::SegmentPoint;

/// What was signed.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Points not yet reached, in order.
    points: VecDeque<SegmentPoint>,
    /// The newest point.
    newest: Option<SegmentPoint>,
    /// The newest tip of every stream.
    tips: BTreeMap<StreamId, Tip>,
}

impl Expected {
    /// Reads the checkpoints of a log; what is wrong with them goes into the report. All have to be signed by
    /// the one of `keys` that signed the first.
    pub(super) fn read(log: &Log, keys: &[PublicKey], run: &mut LogRun<'_>) -> io::Result<Self> {
        let mut expected = Self::default();
        let Some(mut reader) = log.checkpoints()? else {
            run.fault(0, None, Problem::NoCheckpoint);
            return Ok(expected);
        };
        let (mut number, mut prev, mut line) = (0, NO_PREVIOUS, Vec::new());
        let mut key = None;
        while read_line(&mut reader, &mut line)? > 0 {
            // A half-written last line is no checkpoint yet.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            let key = key.get_or_insert_with(|| signer(text, keys));
            match check(text, key, number, &prev) {
                Ok(checkpoint) => {
                    run.checkpoint();
                    expected.add(&checkpoint);
                }
                Err(why) => run.fault(0, None, Problem::CheckpointBroken { number, why }),
            }
            number += 1;
            prev = Digest::of(text);
            line.clear();
        }
        if number == 0 {
            run.fault(0, None, Problem::NoCheckpoint);
        }
        Ok(expected)
    }

    /// Adds what one checkpoint promises.
    pub(super) fn add(&mut self, checkpoint: &Checkpoint) {
        let place = |p: &SegmentPoint| (p.segment, p.lines);
        let at = self.points.partition_point(|p| place(p) <= place(&checkpoint.point));
        self.points.insert(at, checkpoint.point);
        self.newest = self.points.back().copied();
        for tip in &checkpoint.tips {
            let newest = self.tips.entry(tip.stream).or_insert_with(|| tip.clone());
            if newest.count < tip.count {
                *newest = tip.clone();
            }
        }
    }

    /// The segments have come to this point; says what was signed otherwise.
    pub(super) fn reach(&mut self, point: &SegmentPoint) -> Vec<Problem> {
        let mut problems = Vec::new();
        while let Some(signed) = self.points.front() {
            if (signed.segment, signed.lines) != (point.segment, point.lines) {
                break;
            }
            if signed.digest != point.digest {
                let (expected, found) = (signed.digest, point.digest);
                problems.push(Problem::CheckpointContradicted { expected, found });
            }
            self.points.pop_front();
        }
        problems
    }

    /// What was signed and never reached; and whether the end is as signed.
    pub(super) fn unfulfilled(
        &self,
        last: Option<SegmentPoint>,
        sealed: bool,
    ) -> Vec<(SegmentPoint, Problem)> {
        let cut = |p: &SegmentPoint| (*p, Problem::CutOff { lines: p.lines });
        let mut problems: Vec<_> = self.points.iter().map(cut).collect();
        if let (true, Some(last)) = (sealed, last)
            && problems.is_empty()
            && self.newest.is_some_and(|newest| newest != last)
        {
            problems.push((last, Problem::SealUnsigned));
        }
        problems
    }

    /// How many lines of the last segment no checkpoint covers.
    pub(super) fn uncovered_lines(&self, last: Option<SegmentPoint>) -> u64 {
        match (last, self.newest) {
            (Some(last), Some(newest)) if last.segment == newest.segment => {
                last.lines.saturating_sub(newest.lines)
            }
            (Some(last), _) => last.lines,
            (None, _) => 0,
        }
    }

    /// The newest tip of every stream.
    pub(super) fn into_tips(self) -> BTreeMap<StreamId, Tip> {
        self.tips
    }
}

/// The key that signed this line; the first, when none did, so that its fault is told.
fn signer(text: &[u8], keys: &[PublicKey]) -> Option<PublicKey> {
    keys.iter().find(|key| Checkpoint::parse(text, key).is_ok()).or(keys.first()).copied()
}

fn check(text: &[u8], key: &Option<PublicKey>, number: u64, prev: &Digest) -> Result<Checkpoint, String> {
    let key = key.as_ref().ok_or("no key to check it with")?;
    let checkpoint = Checkpoint::parse(text, key).map_err(|e| e.to_string())?;
    if checkpoint.seq != number || checkpoint.prev != *prev {
        return Err(format!("it does not follow the one before (it says to be number {})", checkpoint.seq));
    }
    Ok(checkpoint)
}
