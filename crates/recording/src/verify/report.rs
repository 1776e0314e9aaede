//! What a verification found.

use std::fmt;

use countersign_common::Digest;
use countersign_common::id::{CommandId, SessionId, StreamId};
use serde::Serialize;

use crate::segment::SegmentPoint;

/// How many faults are listed; beyond that they are only counted.
const FAULTS_MAX: usize = 1000;

/// What a verification found. Whole means: no faults.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Logs read: one a writer.
    pub logs: u64,
    /// Segments read.
    pub segments: u64,
    /// Records read, each counted once.
    pub records: u64,
    /// Records found again, the same, in another place: sent twice after a failover.
    pub repeated: u64,
    /// Checkpoints that are signed and linked.
    pub checkpoints: u64,
    /// Whether the last segment of every log is sealed: its writer ended in order. If not, it runs or was
    /// killed.
    pub sealed: bool,
    /// How many times a journal was opened after its writer had died.
    pub recoveries: u64,
    /// Bytes that were put aside as torn then.
    pub recovered_bytes: u64,
    /// Bytes of a last line that is not whole: being written, or torn.
    pub torn_bytes: u64,
    /// Lines after the last checkpoint. Nothing but their own chains vouches for them yet, so that the
    /// last records of a stream among them could be changed without being noticed.
    pub uncovered_lines: u64,
    /// The streams.
    pub streams: Vec<StreamSummary>,
    /// What is wrong: the first thousand.
    pub faults: Vec<Fault>,
    /// What is wrong, in number.
    pub fault_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.fault_count == 0
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Drops other sessions' streams, and faults that are about them alone.
    pub(super) fn keep_session(&mut self, session: SessionId) {
        let others: std::collections::BTreeSet<_> =
            self.streams.iter().filter(|s| s.session != Some(session)).map(|s| s.stream).collect();
        self.streams.retain(|s| s.session == Some(session));
        let listed = self.faults.len() as u64;
        self.faults.retain(|fault| fault.stream.is_none_or(|stream| !others.contains(&stream)));
        // Faults beyond those that are listed may concern anyone, so they stay counted.
        self.fault_count -= listed - self.faults.len() as u64;
    }
}

impl fmt::Display for Report {
    /// For people: one line on what was read, one on each thing to know, one on each fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_whole() { "whole" } else { "BROKEN" };
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

/// How far one stream came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamSummary {
    /// The stream.
    pub stream: StreamId,
    /// Its session; `None` when its opening record is missing.
    pub session: Option<SessionId>,
    /// Its records.
    pub count: u64,
    /// The hash of the last.
    pub tip: Digest,
    /// Whether it has ended. If not, its connection is open, or its gateway died and has not come back.
    pub closed: bool,
    /// Commands that have not ended.
    pub running: u64,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The log, when there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The segment.
    pub segment: u64,
    /// The line in it, from 1.
    pub line: Option<u64>,
    /// The stream.
    pub stream: Option<StreamId>,
    /// The record in the stream.
    pub seq: Option<u64>,
    /// What.
    pub problem: Problem,
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

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// There are no segments.
    #[error("there is no recording here")]
    Empty,
    /// A segment is not there.
    #[error("segment {number} is missing")]
    SegmentMissing {
        /// Its number.
        number: u64,
    },
    /// A segment does not follow from the one before.
    #[error("the header follows {}, but the segment before ended as {}", point(names), point(found))]
    SegmentsUnlinked {
        /// What the header names.
        names: Option<SegmentPoint>,
        /// How the segment before ended.
        found: Option<SegmentPoint>,
    },
    /// A segment has no footer, and nobody recovered from that.
    #[error("segment {segment} has no footer and the next does not say that its writer died")]
    FooterMissing {
        /// The segment.
        segment: u64,
    },
    /// A segment is not what its footer says.
    #[error("the footer vouches for {lines} lines with digest {expected}, the lines have {found}")]
    SegmentChanged {
        /// The footer's digest.
        expected: Digest,
        /// The digest of the lines.
        found: Digest,
        /// The footer's count.
        lines: u64,
    },
    /// Something stands after a footer.
    #[error("a line after the footer")]
    AfterFooter,
    /// A line cannot be read.
    #[error("{why}")]
    Malformed {
        /// Why.
        why: String,
    },
    /// A checkpoint is not signed by the key, or was changed, or does not follow the one before.
    #[error("checkpoint {number} (line {}): {why}", number + 1)]
    CheckpointBroken {
        /// Its place in the file, from 0.
        number: u64,
        /// Why.
        why: String,
    },
    /// There are no checkpoints, so that nothing vouches for the end of the recording.
    #[error("no signed checkpoint vouches for this recording")]
    NoCheckpoint,
    /// The segments are not what was signed.
    #[error("a checkpoint was signed over digest {expected} here, the lines have {found}")]
    CheckpointContradicted {
        /// What was signed.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// What was signed is not there any more.
    #[error("a checkpoint was signed over {lines} lines of this segment, which are not there: cut off")]
    CutOff {
        /// How many lines were signed.
        lines: u64,
    },
    /// The recording ends in order, but nothing signed says so.
    #[error(
        "the last segment is sealed, but no checkpoint was signed over its footer: its writer died right then, or checkpoints were taken away"
    )]
    SealUnsigned,
    /// A signed stream is not there, or is shorter than was signed.
    #[error("a checkpoint was signed over {expected} records of this stream, {found} are there")]
    StreamCutOff {
        /// What was signed.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A record does not follow from the one before.
    #[error(
        "expected record {expected_seq} that follows {expected_prev}, found one that follows {found_prev}"
    )]
    ChainBroken {
        /// The number that was due.
        expected_seq: u64,
        /// The hash of the record before.
        expected_prev: Digest,
        /// What the record names.
        found_prev: Digest,
    },
    /// Another record stands for the same place of a stream elsewhere.
    #[error("fork: this record's place is taken by one with hash {expected}, this one has {found}")]
    Forked {
        /// The hash of the one that was found first.
        expected: Digest,
        /// The hash of this one.
        found: Digest,
    },
    /// A record stands in a log behind later ones of its stream, and was not there before them.
    #[error("the log had come further in this stream before: reordered")]
    Reordered,
    /// A stream begins without its opening record, or opens twice.
    #[error("a stream has exactly one opening record, as its first")]
    OpeningMisplaced,
    /// Something stands after the closing record, or its count is wrong.
    #[error("the closing record is not the last, or does not count {count} records")]
    ClosingWrong {
        /// The records so far.
        count: u64,
    },
    /// A record of a command that has not begun, or has ended.
    #[error("a record of {command}, which is not running")]
    NotRunning {
        /// The command.
        command: CommandId,
    },
    /// A command begins twice.
    #[error("{command} begins twice")]
    BegunTwice {
        /// The command.
        command: CommandId,
    },
    /// A stream is closed and a command in it never ended.
    #[error("{command} never ended")]
    NeverEnded {
        /// The command.
        command: CommandId,
    },
    /// A command ran that needed a countersign and did not have it (I12).
    #[error("{command} was held and ran without a redeemed approval")]
    NoCountersign {
        /// The command.
        command: CommandId,
    },
    /// What was approved is not what ran (I2, I12).
    #[error("{command}: the approval was redeemed for {redeemed}, not for what began")]
    WrongCountersign {
        /// The command.
        command: CommandId,
        /// The digest redeemed.
        redeemed: Digest,
    },
    /// One approval was redeemed twice (I1).
    #[error("{command}: its approval had been used up before")]
    RedeemedTwice {
        /// The command.
        command: CommandId,
    },
    /// A command ran that policy blocked.
    #[error("{command} was blocked and ran")]
    BlockedRan {
        /// The command.
        command: CommandId,
    },
}

fn point(point: &Option<SegmentPoint>) -> String {
    point.as_ref().map_or_else(
        || "nothing".into(),
        |p| format!("segment {} of {} lines with digest {}", p.segment, p.lines, p.digest),
    )
}
