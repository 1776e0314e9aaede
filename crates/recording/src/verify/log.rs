//! Verification of one log as files: every segment follows from the previous one and matches its footer, and every
//! checkpoint is fulfilled. [`super::story`] verifies the records.

use std::collections::BTreeMap;
use std::io;

use countersign_common::Digest;
use countersign_common::id::StreamId;

use super::checkpoints::Expected;
use super::report::{Fault, LogHead, Problem, Report};
use crate::checkpoint::Tip;
use crate::line::RECORD_PREFIX;
use crate::log::{Log, read_line};
use crate::merge::Index;
use crate::segment::{FOOTER_PREFIX, Footer, HEADER_PREFIX, Header, RunningDigest, SegmentPoint};
use crate::skim::Skim;

/// One pass over the segments of a log.
pub(super) struct LogRun<'a> {
    number: usize,
    /// Name of the log in faults; `None` if there is only one log.
    name: Option<String>,
    report: &'a mut Report,
    index: &'a mut Index,
    /// End of the previous segment.
    last: Option<SegmentEnd>,
    /// End of each segment, as far as it was read.
    ends: Vec<SegmentPoint>,
    checkpoints: u64,
    uncovered_lines: u64,
}

#[derive(Debug, Clone, Copy)]
struct SegmentEnd {
    point: SegmentPoint,
    /// `true` if the segment has its footer.
    sealed: bool,
    /// `true` if a checkpoint covers its last line.
    signed: bool,
}

impl<'a> LogRun<'a> {
    pub(super) const fn new(
        number: usize,
        name: Option<String>,
        report: &'a mut Report,
        index: &'a mut Index,
    ) -> Self {
        Self { number, name, report, index, last: None, ends: Vec::new(), checkpoints: 0, uncovered_lines: 0 }
    }

    /// Reads the whole log. Returns the newest signed tips.
    pub(super) fn read(mut self, log: &Log, mut expected: Expected) -> io::Result<BTreeMap<StreamId, Tip>> {
        let segments = log.segments()?;
        let mut due = 0;
        for &number in &segments {
            if number != due {
                self.fault(number, None, Problem::SegmentMissing { number: due });
                break;
            }
            due += 1;
            self.segment(log, number, due == segments.len() as u64, &mut expected)?;
        }
        if segments.is_empty() {
            self.fault(0, None, Problem::Empty);
        }
        let last = self.last.map(|end| (end.point, end.signed));
        for (point, problem) in expected.unfulfilled(last, log.is_archive()?) {
            self.fault(point.segment, None, problem);
        }
        self.copies(log)?;
        self.head(log, &expected);
        Ok(expected.into_tips())
    }

    /// Adds the extent of the log and its checkpoints to the report.
    fn head(&mut self, log: &Log, expected: &Expected) {
        let sealed = self.last.is_some_and(|end| end.sealed);
        let (id, newest, anchored, ahead) = expected.heads();
        let uncovered_lines = self.uncovered_lines;
        self.report.sealed &= sealed;
        self.report.uncovered_lines += uncovered_lines;
        let place = log.name();
        let checkpoints = self.checkpoints;
        self.report.heads.push(LogHead {
            log: id,
            place,
            checkpoints,
            newest,
            anchored,
            ahead,
            uncovered_lines,
            sealed,
        });
    }

    /// INVARIANT: I12 - all copies of a segment are identical. The first one was compared with the checkpoints.
    fn copies(&mut self, log: &Log) -> io::Result<()> {
        for end in std::mem::take(&mut self.ends) {
            for copy in log.copies(end.segment).skip(1) {
                let (place, mut reader) = copy?;
                // An unreadable copy counts as different.
                if !point_at(&mut reader, end).is_ok_and(|found| found == end) {
                    let place = place.display().to_string();
                    self.fault(end.segment, None, Problem::CopyDiffers { place });
                }
            }
        }
        if let Some(place) = log.differing_checkpoints()? {
            let place = place.display().to_string();
            self.fault(0, None, Problem::CopyDiffers { place });
        }
        Ok(())
    }

    fn segment(&mut self, log: &Log, number: u64, is_last: bool, expected: &mut Expected) -> io::Result<()> {
        let mut reader = log.open(number)?;
        let mut digest = RunningDigest::new();
        let mut sealed = false;
        let mut line = Vec::new();
        loop {
            line.clear();
            if read_line(&mut reader, &mut line)? == 0 {
                break;
            }
            let index = digest.point(number).lines;
            let Some(text) = line.strip_suffix(b"\n") else {
                self.torn(number, index, is_last, line.len());
                break;
            };
            if sealed {
                self.fault(number, Some(index), Problem::AfterFooter);
            }
            self.line(number, index, text, &digest, &mut sealed);
            digest.push(&Digest::of(text));
            let point = digest.point(number);
            for problem in expected.reach(&point) {
                self.fault(number, Some(index), problem);
            }
        }
        self.report.segments += 1;
        let point = digest.point(number);
        let signed = expected.is_signed(&point);
        // INVARIANT: I12 - the end of every finished segment is signed. So nobody without the key can rewrite the
        // records after a checkpoint by removing the later checkpoints.
        if (sealed || !is_last) && !signed {
            self.fault(number, None, Problem::EndUnsigned);
        }
        self.uncovered_lines += expected.uncovered_lines(point);
        self.ends.push(point);
        self.last = Some(SegmentEnd { point, sealed, signed });
        Ok(())
    }

    fn line(&mut self, number: u64, index: u64, text: &[u8], digest: &RunningDigest, sealed: &mut bool) {
        if index == 0 {
            self.header(number, text);
        } else if text.starts_with(FOOTER_PREFIX.as_bytes()) {
            *sealed = true;
            self.footer(number, index, text, digest);
        } else if text.starts_with(HEADER_PREFIX.as_bytes()) {
            self.fault(number, Some(index), Problem::Malformed { why: "a header inside a segment".into() });
        } else if !text.starts_with(RECORD_PREFIX.as_bytes()) {
            self.fault(number, Some(index), Problem::Malformed { why: "not the line of a record".into() });
        } else if let Ok(skim) = Skim::place(text) {
            self.index.add(self.number, &skim);
        }
    }

    fn header(&mut self, number: u64, text: &[u8]) {
        let header = match Header::parse(text) {
            Ok(header) => header,
            Err(error) => return self.fault(number, Some(0), Problem::Malformed { why: error.to_string() }),
        };
        let before = self.last.map(|end| end.point);
        if header.segment != number || header.previous != before {
            self.fault(number, Some(0), Problem::SegmentsUnlinked { names: header.previous, found: before });
        }
        let unsealed_before = self.last.is_some_and(|end| !end.sealed);
        if unsealed_before && header.recovered.is_none() {
            self.fault(number, Some(0), Problem::FooterMissing { segment: number.saturating_sub(1) });
        }
        if let Some(recovered) = header.recovered {
            self.report.recoveries += 1;
            self.report.recovered_bytes += recovered.dropped_bytes;
        }
    }

    fn footer(&mut self, number: u64, index: u64, text: &[u8], digest: &RunningDigest) {
        let point = digest.point(number);
        match Footer::parse(text) {
            Ok(footer) if footer.lines == point.lines && footer.digest == point.digest => {}
            Ok(footer) => self.fault(
                number,
                Some(index),
                Problem::SegmentChanged { expected: footer.digest, found: point.digest, lines: footer.lines },
            ),
            Err(error) => self.fault(number, Some(index), Problem::Malformed { why: error.to_string() }),
        }
    }

    /// Handles a last line without a line feed. In the last segment of an open recording it is a record being
    /// written; elsewhere it was truncated.
    fn torn(&mut self, number: u64, index: u64, is_last: bool, bytes: usize) {
        if is_last {
            self.report.torn_bytes += bytes as u64;
        } else {
            self.fault(number, Some(index), Problem::Malformed { why: "no line feed at the end".into() });
        }
    }

    /// Counts a checkpoint that is signed and linked.
    pub(super) const fn checkpoint(&mut self) {
        self.checkpoints += 1;
        self.report.checkpoints += 1;
    }

    /// Adds a fault in this segment; `index` is the line, from 0.
    pub(super) fn fault(&mut self, segment: u64, index: Option<u64>, problem: Problem) {
        let line = index.map(|index| index + 1);
        self.report.add(Fault { log: self.name.clone(), segment, line, stream: None, seq: None, problem });
    }
}

/// End of a copy of a segment. A longer copy is read only up to `end`, because a segment that is still written may be
/// longer in another location.
fn point_at(reader: &mut impl io::BufRead, end: SegmentPoint) -> io::Result<SegmentPoint> {
    let mut digest = RunningDigest::new();
    let mut line = Vec::new();
    while digest.lines() < end.lines && read_line(reader, &mut line)? > 0 {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        digest.push(&Digest::of(text));
        line.clear();
    }
    Ok(digest.point(end.segment))
}
