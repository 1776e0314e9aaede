//! Proves offline that a recording is whole (I12): every line belongs to its stream's chain, every
//! segment to the one before, every checkpoint is signed and fulfilled, every begun command ended once,
//! and what needed a countersign had it. Reads files only; trusts the public key and nothing else.

mod checkpoints;
mod report;
mod streams;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use countersign_common::Digest;
use countersign_common::id::SessionId;

use self::checkpoints::Expected;
pub use self::report::{Fault, Problem, Report, StreamSummary};
use self::streams::Streams;
use crate::checkpoint::{Checkpoint, PublicKey};
use crate::line::Envelope;
use crate::segment::{self, FOOTER_PREFIX, Footer, HEADER_PREFIX, Header, RunningDigest, SegmentPoint};

/// The longest line that is read, in bytes. A statement is at most a few MiB; more is not ours.
const LINE_BYTES_MAX: usize = 256 << 20;

/// Verifies the whole recording in `dir` against the key that signs its checkpoints.
///
/// # Errors
/// When a file cannot be read. What is wrong with the recording is in the report.
pub fn verify(dir: &Path, key: &PublicKey) -> io::Result<Report> {
    Verifier::new(key).verify(dir)
}

/// Verifies what concerns one session: the segments and checkpoints as a whole, and its streams. A report
/// without streams means that the session is not in the recording.
///
/// # Errors
/// When a file cannot be read.
pub fn verify_session(dir: &Path, key: &PublicKey, session: SessionId) -> io::Result<Report> {
    let mut report = verify(dir, key)?;
    report.keep_session(session);
    Ok(report)
}

/// A verification, with what is known from elsewhere.
#[derive(Debug, Clone)]
pub struct Verifier<'a> {
    key: &'a PublicKey,
    anchor: Option<Checkpoint>,
}

impl<'a> Verifier<'a> {
    /// Checkpoints have to be signed by this key.
    #[must_use]
    pub const fn new(key: &'a PublicKey) -> Self {
        Self { key, anchor: None }
    }

    /// The recording also has to fulfil this checkpoint, which was kept elsewhere. Only so does it show
    /// when the newest records are taken out together with the checkpoints that speak of them.
    #[must_use]
    pub fn anchored_by(mut self, checkpoint: Checkpoint) -> Self {
        self.anchor = Some(checkpoint);
        self
    }

    /// Reads everything and reports.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self, dir: &Path) -> io::Result<Report> {
        let mut report = Report::default();
        let mut expected = Expected::read(dir, self.key, &mut report)?;
        if let Some(anchor) = &self.anchor {
            expected.add(anchor);
        }
        let mut run = Run { report, expected, streams: Streams::default(), last: None };
        let segments = segment::list(dir)?;
        for (index, &number) in (0..).zip(&segments) {
            if index != number {
                run.fault(number, None, Problem::SegmentMissing { number: index });
                break;
            }
            let is_last = index + 1 == segments.len() as u64;
            run.segment(dir, number, is_last)?;
        }
        if segments.is_empty() {
            run.fault(0, None, Problem::Empty);
        }
        Ok(run.finish())
    }
}

/// One run over the segments.
struct Run {
    report: Report,
    expected: Expected,
    streams: Streams,
    /// Where the segment before ended, and whether it was sealed.
    last: Option<(SegmentPoint, bool)>,
}

impl Run {
    fn segment(&mut self, dir: &Path, number: u64, is_last: bool) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(segment::path(dir, number))?);
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
            for problem in self.expected.reach(&point) {
                self.fault(number, Some(index), problem);
            }
        }
        self.report.segments += 1;
        self.last = Some((digest.point(number), sealed));
        self.report.sealed = sealed;
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
        } else {
            self.record(number, index, text);
        }
    }

    fn header(&mut self, number: u64, text: &[u8]) {
        let header = match Header::parse(text) {
            Ok(header) => header,
            Err(error) => return self.fault(number, Some(0), Problem::Malformed { why: error.to_string() }),
        };
        let before = self.last.map(|(point, _)| point);
        if header.segment != number || header.previous != before {
            self.fault(number, Some(0), Problem::SegmentsUnlinked { names: header.previous, found: before });
        }
        let unsealed_before = self.last.is_some_and(|(_, sealed)| !sealed);
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

    fn record(&mut self, number: u64, index: u64, text: &[u8]) {
        let envelope = match Envelope::parse(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                return self.fault(number, Some(index), Problem::Malformed { why: error.to_string() });
            }
        };
        self.report.records += 1;
        let (stream, seq) = (envelope.stream, envelope.seq);
        for problem in self.streams.take(envelope, Digest::of(text)) {
            self.report.add(Fault {
                segment: number,
                line: Some(index + 1),
                stream: Some(stream),
                seq: Some(seq),
                problem,
            });
        }
    }

    /// The last line of the file has no line feed. In the last segment of a recording that is open, that
    /// is a record being written; anywhere else something was cut off.
    fn torn(&mut self, number: u64, index: u64, is_last: bool, bytes: usize) {
        if is_last {
            self.report.torn_bytes = bytes as u64;
        } else {
            self.fault(number, Some(index), Problem::Malformed { why: "no line feed at the end".into() });
        }
    }

    fn fault(&mut self, segment: u64, index: Option<u64>, problem: Problem) {
        let line = index.map(|index| index + 1);
        self.report.add(Fault { segment, line, stream: None, seq: None, problem });
    }

    fn finish(mut self) -> Report {
        let last = self.last.map(|(point, _)| point);
        for (point, problem) in self.expected.unfulfilled(last, self.report.sealed) {
            self.fault(point.segment, None, problem);
        }
        self.report.uncovered_lines = self.expected.uncovered_lines(last);
        for (stream, problem) in self.streams.finish(&self.expected) {
            let segment = last.map_or(0, |point| point.segment);
            self.report.add(Fault { segment, line: None, stream: Some(stream), seq: None, problem });
        }
        self.report.streams = self.streams.summaries();
        self.report
    }
}

fn read_line(reader: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let read = io::Read::take(reader, LINE_BYTES_MAX as u64).read_until(b'\n', line)?;
    if read == LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 256 MiB"));
    }
    Ok(read)
}
