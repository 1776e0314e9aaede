//! What a verification found.

use std::fmt;
use std::time::Duration;

use countersign_common::id::{CommandId, SessionId, StreamId};
use countersign_common::{Digest, Timestamp};
use serde::Serialize;

use super::recorded::Recorded;
use crate::checkpoint::Checkpoint;
use crate::segment::SegmentPoint;

/// How many faults are listed; beyond that they are only counted.
const FAULTS_MAX: usize = 1000;

/// What a verification found. See [`Report::verdict`] for what it proves.
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
    /// Lines after the last checkpoint of their log, in whichever segments. Nothing but their own chains vouches for them, so
    /// that they could have been changed without being noticed.
    pub uncovered_lines: u64,
    /// How far each log came, and who says so.
    pub heads: Vec<LogHead>,
    /// The streams.
    pub streams: Vec<StreamSummary>,
    /// What is wrong: the first thousand.
    pub faults: Vec<Fault>,
    /// What is wrong, in number.
    pub fault_count: u64,
    /// The approvals and sessions that the records name, to be compared with the control plane's store.
    #[serde(skip)]
    pub recorded: Recorded,
}

/// What a verification proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong, every line is under a checkpoint, and every log reaches a checkpoint that was kept elsewhere: nothing
    /// that this one speaks of was changed, dropped, reordered or cut off.
    Whole,
    /// Nothing is wrong, but that is all. Each log is as its own newest checkpoint says; what came after that, and the checkpoints
    /// that spoke of it, may have been taken away.
    Consistent,
    /// Something is wrong.
    Broken,
}

impl Verdict {
    /// The word for it.
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
    /// Its place among those of the log.
    pub checkpoint: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// How far it speaks.
    pub point: SegmentPoint,
}

impl Reached {
    pub(super) const fn of(checkpoint: &Checkpoint) -> Self {
        Self { checkpoint: checkpoint.seq, at: checkpoint.at, point: checkpoint.point }
    }
}

/// How far one log came, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// Its id, as its checkpoints say.
    pub log: Option<String>,
    /// Where it lies, for people.
    pub place: String,
    /// Its checkpoints that are signed and linked.
    pub checkpoints: u64,
    /// The newest of them: what the log itself vouches for.
    pub newest: Option<Reached>,
    /// The newest checkpoint that was kept elsewhere and is one of them; `None`: none was given.
    pub anchored: Option<Reached>,
    /// A newer checkpoint that is known elsewhere: what was recorded up to it is not here, and need not be (its node was not
    /// asked).
    pub ahead: Option<Reached>,
    /// Lines after the newest.
    pub uncovered_lines: u64,
    /// Whether its last segment is sealed.
    pub sealed: bool,
}

impl LogHead {
    /// Of a log that is not here, and in which nothing was recorded.
    pub(super) fn empty(newest: &Checkpoint) -> Self {
        Self { anchored: Some(Reached::of(newest)), ahead: None, ..Self::unseen(newest) }
    }

    /// Of a log that is not here, and need not be.
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

    /// Whether something from elsewhere says that nothing of it is missing.
    fn is_whole(&self) -> bool {
        self.anchored.is_some() && self.ahead.is_none() && self.uncovered_lines == 0
    }
}

impl Report {
    /// Whether nothing is wrong with what is here.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }

    /// What it proves.
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

    /// The same where the logs may be written at this moment: lines after the newest checkpoint of a log count for nothing when
    /// that is no older than `within`.
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

    /// Whether all that is wrong is that segments were sealed whose ends are not signed yet: so it looks for a moment while a
    /// log is written, or archived. Verify again.
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

    /// Drops other sessions' streams, and faults that are about them alone.
    pub(super) fn keep_session(&mut self, session: SessionId) {
        let others: std::collections::BTreeSet<_> =
            self.streams.iter().filter(|s| s.session != Some(session)).map(|s| s.stream).collect();
        self.streams.retain(|s| s.session == Some(session));
        self.recorded.keep_session(session);
        let listed = self.faults.len() as u64;
        self.faults.retain(|fault| fault.stream.is_none_or(|stream| !others.contains(&stream)));
        // Faults beyond those that are listed may concern anyone, so they stay counted.
        self.fault_count -= listed - self.faults.len() as u64;
    }
}

impl fmt::Display for Report {
    /// For people: one line on what was read, one on each thing to know, one on each fault.
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

impl Fault {
    /// Of no place in particular.
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
    /// A segment that changes no more, and nothing signed says how it ended.
    #[error(
        "no checkpoint was signed over the end of this segment: its writer died right then and was not started again, or checkpoints were taken away"
    )]
    EndUnsigned,
    /// The log has another checkpoint at the place of one that was kept elsewhere.
    #[error(
        "checkpoint {number}, which was kept elsewhere and signed at {at}, is another one here: the log was written anew"
    )]
    AnchorContradicted {
        /// Its place.
        number: u64,
        /// When the one that was kept was signed.
        at: Timestamp,
    },
    /// The log ends before a checkpoint that was kept elsewhere.
    #[error(
        "checkpoint {number}, which was kept elsewhere and signed at {at}, is not here: the log was cut off or replaced by an older copy"
    )]
    AnchorMissing {
        /// Its place.
        number: u64,
        /// When it was signed.
        at: Timestamp,
    },
    /// A log of which a checkpoint was kept elsewhere is not there at all.
    #[error("the log {log}, of which checkpoint {number} of {at} was kept elsewhere, is not here")]
    LogMissing {
        /// Its id.
        log: String,
        /// The place of the checkpoint.
        number: u64,
        /// When it was signed.
        at: Timestamp,
    },
    /// The folder says that it is another log's.
    #[error("the checkpoints are those of the log {signed}, the folder says {folder}")]
    AnotherLog {
        /// What was signed.
        signed: String,
        /// What stands in the folder.
        folder: String,
    },
    /// Two folders that are not taken for one hold the checkpoints of the same log.
    #[error("the log {log} is here twice")]
    LogTwice {
        /// Its id.
        log: String,
    },
    /// The same part of a log is another one in another place.
    #[error("the copy in `{place}` is not the same")]
    CopyDiffers {
        /// Where.
        place: String,
    },
    /// A record is not the one that was signed as the last of its stream.
    #[error("a checkpoint was signed over this record with hash {expected}, it has {found}")]
    TipContradicted {
        /// What was signed.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
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
