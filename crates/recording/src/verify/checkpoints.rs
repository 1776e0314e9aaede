//! What the checkpoints promise, and whether the segments keep it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use countersign_common::Digest;
use countersign_common::id::StreamId;

use super::report::{Fault, Problem, Report};
use crate::checkpoint::{Checkpoint, FILE_NAME, PublicKey, Tip};
use crate::line::NO_PREVIOUS;
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
    /// Reads the checkpoints beside the segments; what is wrong with them goes into the report.
    pub(super) fn read(dir: &Path, key: &PublicKey, report: &mut Report) -> io::Result<Self> {
        let mut expected = Self::default();
        let file = match File::open(dir.join(FILE_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                report.add(fault(0, Problem::NoCheckpoint));
                return Ok(expected);
            }
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        let (mut number, mut prev, mut line) = (0, NO_PREVIOUS, Vec::new());
        while super::read_line(&mut reader, &mut line)? > 0 {
            // A half-written last line is no checkpoint yet.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            match check(text, key, number, &prev) {
                Ok(checkpoint) => {
                    report.checkpoints += 1;
                    expected.add(&checkpoint);
                }
                Err(why) => report.add(fault(0, Problem::CheckpointBroken { number, why })),
            }
            number += 1;
            prev = Digest::of(text);
            line.clear();
        }
        if number == 0 {
            report.add(fault(0, Problem::NoCheckpoint));
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
    pub(super) const fn tips(&self) -> &BTreeMap<StreamId, Tip> {
        &self.tips
    }
}

fn check(text: &[u8], key: &PublicKey, number: u64, prev: &Digest) -> Result<Checkpoint, String> {
    let checkpoint = Checkpoint::parse(text, key).map_err(|e| e.to_string())?;
    if checkpoint.seq != number || checkpoint.prev != *prev {
        return Err(format!("it does not follow the one before (it says to be number {})", checkpoint.seq));
    }
    Ok(checkpoint)
}

const fn fault(segment: u64, problem: Problem) -> Fault {
    Fault { segment, line: None, stream: None, seq: None, problem }
}
