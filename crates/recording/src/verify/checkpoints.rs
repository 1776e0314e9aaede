//! The claims of one log's checkpoints, and their comparison with the segments.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use countersign_common::id::StreamId;

use super::anchors::{Anchors, LogAnchors};
use super::log::LogRun;
use super::report::{Problem, Reached};
use crate::checkpoint::{Checkpoint, SignedCheckpoint, Tip};
use crate::checkpoint_log::{CheckpointReader, Read};
use crate::log::Log;
use crate::segment::SegmentPoint;
use crate::signing::PublicKey;

/// Signed claims about one log.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Identifier of the log, as named by its checkpoints.
    log: Option<String>,
    /// Points that were not reached yet, in order.
    points: VecDeque<SegmentPoint>,
    /// The last point that was reached.
    reached: Option<SegmentPoint>,
    /// The newest checkpoint of the log itself.
    newest: Option<Reached>,
    /// The newest checkpoint from elsewhere that the log contains.
    anchored: Option<Reached>,
    /// Checkpoints from elsewhere that the log must contain, but lacks.
    missing: Vec<Reached>,
    /// The newest checkpoint that the log lacks and need not contain (see [`super::Verifier::may_be_behind`]).
    ahead: Option<Reached>,
    /// The newest tip of every stream.
    tips: BTreeMap<StreamId, Tip>,
}

impl Expected {
    /// Reads the checkpoints of a log; faults are added to the report. One of `keys` must have signed all of them,
    /// and they must agree with `anchors`.
    pub(super) fn read(
        log: &Log,
        keys: &[PublicKey],
        anchors: &mut Anchors,
        run: &mut LogRun<'_>,
    ) -> io::Result<Self> {
        let mut expected = Self::default();
        let reader = log.checkpoints()?.unwrap_or_else(|| Box::new(io::empty()));
        let mut reader = CheckpointReader::new(reader, keys);
        let mut kept = None;
        loop {
            match reader.next()? {
                Read::Checkpoint(signed, tips) => {
                    run.checkpoint();
                    let kept = kept.get_or_insert_with(|| anchors.of(&signed.checkpoint.log));
                    expected.anchored_at(&signed, kept, run);
                    expected.add(&signed.checkpoint, tips);
                }
                Read::Broken { number, why } => {
                    run.fault(0, None, Problem::CheckpointBroken { number, why });
                }
                Read::End => break,
            }
        }
        if reader.count() == 0 {
            run.fault(0, None, Problem::NoCheckpoint);
        }
        expected.log = reader.log().map(str::to_owned);
        // An archive that has lost all checkpoints of a log still has its id.
        let named = expected.log.clone().or(log.id()?);
        if let (Some(signed), Some(folder)) = (&expected.log, log.id()?)
            && *signed != folder
        {
            let signed = signed.clone();
            run.fault(0, None, Problem::AnotherLog { signed, folder });
        }
        let kept = kept.or_else(|| named.map(|log| anchors.of(&log))).unwrap_or_default();
        for anchor in kept.beyond(reader.count()) {
            expected.beyond(&anchor.signed, anchor.must);
        }
        Ok(expected)
    }

    /// Compares a checkpoint with those from elsewhere with the same number.
    fn anchored_at(&mut self, signed: &SignedCheckpoint, kept: &LogAnchors, run: &mut LogRun<'_>) {
        for anchor in kept.at(signed.checkpoint.seq) {
            if anchor.signed.hash == signed.hash {
                self.anchored = Some(Reached::of(&signed.checkpoint));
            } else {
                let number = signed.checkpoint.seq;
                run.fault(0, None, Problem::AnchorContradicted { number, at: anchor.signed.checkpoint.at });
            }
        }
    }

    /// Handles a checkpoint from elsewhere whose number exceeds the last one here.
    fn beyond(&mut self, signed: &SignedCheckpoint, must: bool) {
        if must {
            self.promise(signed.checkpoint.point);
            self.missing.push(Reached::of(&signed.checkpoint));
        } else {
            self.ahead = Some(Reached::of(&signed.checkpoint));
        }
    }

    /// Adds the claims of one checkpoint.
    fn add(&mut self, checkpoint: &Checkpoint, tips: Vec<Tip>) {
        self.promise(checkpoint.point);
        self.newest = Some(Reached::of(checkpoint));
        for tip in tips {
            match self.tips.get(&tip.stream) {
                Some(newest) if newest.count >= tip.count => {}
                _ => drop(self.tips.insert(tip.stream, tip)),
            }
        }
    }

    fn promise(&mut self, point: SegmentPoint) {
        let at = self.points.partition_point(|p| place(p) <= place(&point));
        self.points.insert(at, point);
    }

    /// Notes that the segments have reached this point, and returns contradictions with what was signed.
    pub(super) fn reach(&mut self, point: &SegmentPoint) -> Vec<Problem> {
        let mut problems = Vec::new();
        while let Some(signed) = self.points.front() {
            if place(signed) != place(point) {
                break;
            }
            if signed.digest != point.digest {
                let (expected, found) = (signed.digest, point.digest);
                problems.push(Problem::CheckpointContradicted { expected, found });
            }
            self.points.pop_front();
            self.reached = Some(*point);
        }
        problems
    }

    /// Returns `true` if a checkpoint covers exactly this point, which was just reached.
    pub(super) fn is_signed(&self, point: &SegmentPoint) -> bool {
        self.reached.as_ref().is_some_and(|reached| place(reached) == place(point))
    }

    /// Returns the signed points that were never reached. `last` is the end of the log, and whether that end is
    /// signed.
    ///
    /// In an archive, the newest checkpoint may cover the header of a segment that has no records and is not sealed:
    /// for a verification, nodes seal their segment and start the next one. No record is missing then.
    pub(super) fn unfulfilled(
        &mut self,
        last: Option<(SegmentPoint, bool)>,
        is_archive: bool,
    ) -> Vec<(SegmentPoint, Problem)> {
        let next = last.filter(|(_, signed)| *signed && is_archive).map(|(end, _)| end.segment + 1);
        let is_empty = |point: &SegmentPoint| point.lines == 1 && next == Some(point.segment);
        let cut = |p: &SegmentPoint| (*p, Problem::CutOff { lines: p.lines });
        let mut problems: Vec<_> = self.points.iter().filter(|p| !is_empty(p)).map(cut).collect();
        self.ahead.take_if(|ahead| is_empty(&ahead.point));
        for reached in std::mem::take(&mut self.missing) {
            if is_empty(&reached.point) {
                self.anchored = Some(reached);
            } else {
                let Reached { checkpoint: number, at, point } = reached;
                problems.push((point, Problem::AnchorMissing { number, at }));
            }
        }
        problems
    }

    /// Number of lines of a segment ending at this point that no checkpoint of the log covers.
    pub(super) fn uncovered_lines(&self, end: SegmentPoint) -> u64 {
        match &self.newest {
            Some(newest) if end.segment < newest.point.segment => 0,
            Some(newest) if end.segment == newest.point.segment => {
                end.lines.saturating_sub(newest.point.lines)
            }
            Some(_) | None => end.lines,
        }
    }

    /// Returns the id of the log, its newest checkpoint, the newest one from elsewhere, and the newest of those that
    /// need not be here.
    pub(super) fn heads(&self) -> (Option<String>, Option<Reached>, Option<Reached>, Option<Reached>) {
        (self.log.clone(), self.newest.clone(), self.anchored.clone(), self.ahead.clone())
    }

    /// Returns the newest tip of every stream.
    pub(super) fn into_tips(self) -> BTreeMap<StreamId, Tip> {
        self.tips
    }
}

const fn place(point: &SegmentPoint) -> (u64, u64) {
    (point.segment, point.lines)
}
