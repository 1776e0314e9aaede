//! The result of a verification.

use std::fmt;
use std::time::Duration;

use countersign_common::id::{CommandId, SessionId, StreamId};
use countersign_common::{Digest, Timestamp};
use serde::Serialize;

use super::recorded::Recorded;
use crate::checkpoint::Checkpoint;
use crate::segment::SegmentPoint;

/// Maximum number of listed faults; further ones are only counted.
const FAULTS_MAX: usize = 1000;

/// Result of a verification. [`Report::verdict`] says what it proves.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Number of logs read, one per writer.
    pub logs: u64,
    /// Number of segments read.
    pub segments: u64,
    /// Number of records read, each counted once.
    pub records: u64,
    /// Number of identical copies of records: sent twice after a failover.
    pub repeated: u64,
    /// Number of checkpoints that are signed and linked.
    pub checkpoints: u64,
    /// `true` if the last segment of every log is sealed, i.e. its writer ended properly. Otherwise it is running or
    /// was killed.
    pub sealed: bool,
    /// Number of times a journal was opened after its writer had died.
    pub recoveries: u64,
    /// Number of bytes that these recoveries set aside as torn.
    pub recovered_bytes: u64,
    /// Number of bytes of an incomplete last line: being written, or torn.
    pub torn_bytes: u64,
    /// Number of lines after the last checkpoint of their log, in all segments. Only their own chains protect them,
    /// so that they could have been changed unnoticed.
    pub uncovered_lines: u64,
    /// Extent of each log, with the checkpoints that confirm it.
    pub heads: Vec<LogHead>,
    /// Summary of each stream in the logs.
    pub streams: Vec<StreamSummary>,
    /// The first thousand faults.
    pub faults: Vec<Fault>,
    /// Total number of faults, listed or not.
    pub fault_count: u64,
    /// Approvals and sessions named by the records, for comparison with the control plane's store.
    #[serde(skip)]
    pub recorded: Recorded,
}

/// Statement that a verification proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No fault, every line is covered by a checkpoint, and every log reaches a checkpoint that was kept elsewhere:
    /// nothing that this one covers was changed, dropped, reordered or truncated.
    Whole,
    /// No fault, and nothing more. Each log matches its own newest checkpoint. Later records may have been removed
    /// together with their checkpoints.
    Consistent,
    /// At least one fault was found.
    Broken,
}

impl Verdict {
    /// Name of the verdict in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Consistent => "consistent",
            Self::Broken => "broken",
        }
    }
}

/// A checkpoint that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Number of the checkpoint in its log.
    pub checkpoint: u64,
    /// Time at which it was signed.
    pub at: Timestamp,
    /// Extent of the segments that it covers.
    pub point: SegmentPoint,
}

impl Reached {
    pub(super) const fn of(checkpoint: &Checkpoint) -> Self {
        Self { checkpoint: checkpoint.seq, at: checkpoint.at, point: checkpoint.point }
    }
}

/// Extent of one log, with the checkpoints that confirm it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// Identifier of the log, as named by its checkpoints.
    pub log: Option<String>,
    /// Location of the log, for people.
    pub place: String,
    /// Number of its checkpoints that are signed and linked.
    pub checkpoints: u64,
    /// The newest of these checkpoints; the log itself confirms the records up to it.
    pub newest: Option<Reached>,
    /// The newest checkpoint from elsewhere that the log contains; `None` if none was given.
    pub anchored: Option<Reached>,
    /// A newer checkpoint known from elsewhere. The records up to it are not here, and need not be, because their
    /// node was not asked.
    pub ahead: Option<Reached>,
    /// Number of lines after the newest checkpoint.
    pub uncovered_lines: u64,
    /// `true` if the last segment is sealed.
    pub sealed: bool,
}

impl LogHead {
    /// Head of an absent log in which nothing was recorded.
    pub(super) fn empty(newest: &Checkpoint) -> Self {
        Self { anchored: Some(Reached::of(newest)), ahead: None, ..Self::unseen(newest) }
    }

    /// Head of a log that is absent and need not be here.
    pub(super) fn unseen(newest: &Checkpoint) -> Self {
        Self {
            log: Some(newest.log.clone()),
            place: "nowhere here".into(),
            checkpoints: 0,
            newest: None,
            anchored: None,
            ahead: Some(Reached::of(newest)),
            uncovered_lines: 0,
            sealed: true,
        }
    }

    /// Returns `true` if a checkpoint from elsewhere confirms that nothing is missing.
    fn is_whole(&self) -> bool {
        self.anchored.is_some() && self.ahead.is_none() && self.uncovered_lines == 0
    }
}

impl Report {
    /// Returns `true` if no fault was found.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }

    /// Returns the statement that this report proves.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.is_sound() {
            Verdict::Broken
        } else if !self.heads.is_empty() && self.heads.iter().all(LogHead::is_whole) {
            Verdict::Whole
        } else {
            Verdict::Consistent
        }
    }

    /// Like [`Self::verdict`], for logs that may be written concurrently: lines after a log's newest checkpoint are
    /// ignored if that checkpoint is not older than `within`.
    #[must_use]
    pub fn verdict_at(&self, now: Timestamp, within: Duration) -> Verdict {
        let is_fresh =
            |head: &LogHead| head.newest.as_ref().is_some_and(|newest| newest.at.after(within) >= now);
        let is_whole = |head: &LogHead| {
            let uncovered_lines = if is_fresh(head) { 0 } else { head.uncovered_lines };
            LogHead { uncovered_lines, ..head.clone() }.is_whole()
        };
        match self.verdict() {
            Verdict::Consistent if !self.heads.is_empty() && self.heads.iter().all(is_whole) => {
                Verdict::Whole
            }
            verdict => verdict,
        }
    }

    /// Returns `true` if the only faults are sealed segments with unsigned ends. This occurs briefly while a log is
    /// written or archived; verify again.
    #[must_use]
    pub fn may_be_in_progress(&self) -> bool {
        let unsigned = |fault: &Fault| matches!(fault.problem, Problem::EndUnsigned);
        !self.is_sound() && self.fault_count == self.faults.len() as u64 && self.faults.iter().all(unsigned)
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Removes the streams of other sessions, and faults that concern only them.
    pub(super) fn keep_session(&mut self, session: SessionId) {
        let others: std::collections::BTreeSet<_> =
            self.streams.iter().filter(|s| s.session != Some(session)).map(|s| s.stream).collect();
        self.streams.retain(|s| s.session == Some(session));
        self.recorded.keep_session(session);
        let listed = self.faults.len() as u64;
        self.faults.retain(|fault| fault.stream.is_none_or(|stream| !others.contains(&stream)));
        // Faults that are not listed may concern any session, so they stay counted.
        self.fault_count -= listed - self.faults.len() as u64;
    }
}

impl fmt::Display for Report {
    /// Text for people: one line on what was read, one per remark, one per fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_sound() { self.verdict().as_str() } else { "BROKEN" };
        let open = self.streams.iter().filter(|stream| !stream.closed).count();
        writeln!(
            f,
            "{word}: {} records of {} streams in {} segments, {} checkpoints",
            self.records,
            self.streams.len(),
            self.segments,
            self.checkpoints
        )?;
        if open > 0 {
            writeln!(f, "{open} streams are open")?;
        }
        if self.repeated > 0 {
            writeln!(f, "{} records are there more than once, the same", self.repeated)?;
        }
        if self.recoveries > 0 {
            let (times, bytes) = (self.recoveries, self.recovered_bytes);
            writeln!(
                f,
                "the recorder died {times} times; {bytes} bytes of half-written lines were put aside"
            )?;
        }
        if self.uncovered_lines > 0 {
            writeln!(f, "the last {} lines are not covered by a checkpoint yet", self.uncovered_lines)?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        let more = self.fault_count - self.faults.len() as u64;
        if more > 0 { writeln!(f, "and {more} more") } else { Ok(()) }
    }
}

/// Extent of one stream, as verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamSummary {
    /// Identifier of the summarised stream.
    pub stream: StreamId,
    /// Session of the stream; `None` if its opening record is missing.
    pub session: Option<SessionId>,
    /// Number of its records that were found.
    pub count: u64,
    /// Hash of its last record.
    pub tip: Digest,
    /// `true` if the stream has ended. Otherwise its connection is open, or its gateway died and has not come back.
    pub closed: bool,
    /// Number of commands that have not ended.
    pub running: u64,
}

/// One fault with its location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Log of the fault, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Number of the line in the segment, from 1.
    pub line: Option<u64>,
    /// Stream of the faulty record.
    pub stream: Option<StreamId>,
    /// Number of the record in the stream.
    pub seq: Option<u64>,
    /// Kind of the fault, with its details.
    pub problem: Problem,
}

impl Fault {
    /// Creates a fault without a particular location.
    pub(super) const fn of_recording(problem: Problem) -> Self {
        Self { log: None, segment: 0, line: None, stream: None, seq: None, problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(log) = &self.log {
            write!(f, "{log} ")?;
        }
        write!(f, "segment {}", self.segment)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if let Some(stream) = self.stream {
            write!(f, " stream {stream}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " record {seq}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Kind of a fault, with its details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// There are no segments.
    #[error("there is no recording here")]
    Empty,
    /// A segment is missing.
    #[error("segment {number} is missing")]
    SegmentMissing {
        /// Number of the missing segment.
        number: u64,
    },
    /// A segment does not follow from the previous one.
    #[error("the header follows {}, but the segment before ended as {}", point(names), point(found))]
    SegmentsUnlinked {
        /// End of the previous segment according to the header.
        names: Option<SegmentPoint>,
        /// Actual end of the previous segment.
        found: Option<SegmentPoint>,
    },
    /// A segment has no footer, and the next one does not record a recovery.
    #[error("segment {segment} has no footer and the next does not say that its writer died")]
    FooterMissing {
        /// Number of the segment, from 0.
        segment: u64,
    },
    /// A segment does not match its footer.
    #[error("the footer vouches for {lines} lines with digest {expected}, the lines have {found}")]
    SegmentChanged {
        /// Digest in the footer.
        expected: Digest,
        /// Digest of the actual lines.
        found: Digest,
        /// Number of lines in the footer.
        lines: u64,
    },
    /// There is a line after a footer.
    #[error("a line after the footer")]
    AfterFooter,
    /// A line cannot be parsed.
    #[error("{why}")]
    Malformed {
        /// Description of the error, in words.
        why: String,
    },
    /// A checkpoint is not signed by the key, was changed, or does not follow from the previous one.
    #[error("checkpoint {number} (line {}): {why}", number + 1)]
    CheckpointBroken {
        /// Number of the checkpoint in the file, from 0.
        number: u64,
        /// Description of the error, in words.
        why: String,
    },
    /// There are no checkpoints, so that nothing confirms the end of the recording.
    #[error("no signed checkpoint vouches for this recording")]
    NoCheckpoint,
    /// The segments do not match a checkpoint.
    #[error("a checkpoint was signed over digest {expected} here, the lines have {found}")]
    CheckpointContradicted {
        /// Digest that was signed.
        expected: Digest,
        /// Digest of the actual lines.
        found: Digest,
    },
    /// Lines that a checkpoint covers are missing.
    #[error("a checkpoint was signed over {lines} lines of this segment, which are not there: cut off")]
    CutOff {
        /// Number of lines that were signed.
        lines: u64,
    },
    /// No checkpoint covers the end of a finished segment.
    #[error(
        "no checkpoint was signed over the end of this segment: its writer died right then and was not started again, or checkpoints were taken away"
    )]
    EndUnsigned,
    /// The log has a different checkpoint than the one kept elsewhere with the same number.
    #[error(
        "checkpoint {number}, which was kept elsewhere and signed at {at}, is another one here: the log was written anew"
    )]
    AnchorContradicted {
        /// Number of the checkpoint, from 0.
        number: u64,
        /// Signing time of the one kept elsewhere.
        at: Timestamp,
    },
    /// The log ends before a checkpoint that was kept elsewhere.
    #[error(
        "checkpoint {number}, which was kept elsewhere and signed at {at}, is not here: the log was cut off or replaced by an older copy"
    )]
    AnchorMissing {
        /// Number of the checkpoint, from 0.
        number: u64,
        /// Signing time of the checkpoint.
        at: Timestamp,
    },
    /// A log of which a checkpoint was kept elsewhere is absent.
    #[error("the log {log}, of which checkpoint {number} of {at} was kept elsewhere, is not here")]
    LogMissing {
        /// Identifier of the log, 32 hex digits.
        log: String,
        /// Number of the checkpoint, from 0.
        number: u64,
        /// Signing time of the checkpoint.
        at: Timestamp,
    },
    /// The folder's id names a different log than its checkpoints.
    #[error("the checkpoints are those of the log {signed}, the folder says {folder}")]
    AnotherLog {
        /// Identifier in the checkpoints.
        signed: String,
        /// Identifier in the folder.
        folder: String,
    },
    /// Two folders that do not form one log hold checkpoints of the same log.
    #[error("the log {log} is here twice")]
    LogTwice {
        /// Identifier of the log, 32 hex digits.
        log: String,
    },
    /// Two copies of the same part of a log differ.
    #[error("the copy in `{place}` is not the same")]
    CopyDiffers {
        /// Location of the differing copy.
        place: String,
    },
    /// A record differs from the one that was signed as the last of its stream.
    #[error("a checkpoint was signed over this record with hash {expected}, it has {found}")]
    TipContradicted {
        /// Hash that was signed.
        expected: Digest,
        /// Hash of the actual record.
        found: Digest,
    },
    /// A signed stream is missing, or is shorter than signed.
    #[error("a checkpoint was signed over {expected} records of this stream, {found} are there")]
    StreamCutOff {
        /// Number of records that were signed.
        expected: u64,
        /// Number of records found.
        found: u64,
    },
    /// A record does not follow from its predecessor.
    #[error(
        "expected record {expected_seq} that follows {expected_prev}, found one that follows {found_prev}"
    )]
    ChainBroken {
        /// Number of the expected record.
        expected_seq: u64,
        /// Hash of the predecessor.
        expected_prev: Digest,
        /// Previous hash that the record names.
        found_prev: Digest,
    },
    /// A different record with the same number of the stream exists elsewhere.
    #[error("fork: this record's place is taken by one with hash {expected}, this one has {found}")]
    Forked {
        /// Hash of the record found first.
        expected: Digest,
        /// Hash of the record with this fault.
        found: Digest,
    },
    /// A record comes after later ones of its stream in the same log, and not before them as well.
    #[error("the log had come further in this stream before: reordered")]
    Reordered,
    /// A stream begins without its opening record, or opens twice.
    #[error("a stream has exactly one opening record, as its first")]
    OpeningMisplaced,
    /// A record follows the closing record, or the closing record has a wrong count.
    #[error("the closing record is not the last, or does not count {count} records")]
    ClosingWrong {
        /// Number of records so far.
        count: u64,
    },
    /// A record belongs to a command that has not begun, or has ended.
    #[error("a record of {command}, which is not running")]
    NotRunning {
        /// Identifier of the faulty command.
        command: CommandId,
    },
    /// A command begins twice.
    #[error("{command} begins twice")]
    BegunTwice {
        /// Identifier of the faulty command.
        command: CommandId,
    },
    /// A stream is closed although one of its commands never ended.
    #[error("{command} never ended")]
    NeverEnded {
        /// Identifier of the faulty command.
        command: CommandId,
    },
    /// A command that needed an approval ran without one (I12).
    #[error("{command} was held and ran without a redeemed approval")]
    NoCountersign {
        /// Identifier of the faulty command.
        command: CommandId,
    },
    /// The approved command is not the one that ran (I2, I12).
    #[error("{command}: the approval was redeemed for {redeemed}, not for what began")]
    WrongCountersign {
        /// Identifier of the faulty command.
        command: CommandId,
        /// Digest that was redeemed.
        redeemed: Digest,
    },
    /// One approval was redeemed twice (I1).
    #[error("{command}: its approval had been used up before")]
    RedeemedTwice {
        /// Identifier of the faulty command.
        command: CommandId,
    },
    /// A command ran although policy blocked it.
    #[error("{command} was blocked and ran")]
    BlockedRan {
        /// Identifier of the faulty command.
        command: CommandId,
    },
}

fn point(point: &Option<SegmentPoint>) -> String {
    point.as_ref().map_or_else(
        || "nothing".into(),
        |p| format!("segment {} of {} lines with digest {}", p.segment, p.lines, p.digest),
    )
}
