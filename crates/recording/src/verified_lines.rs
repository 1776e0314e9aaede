//! Reads the records of one session, and stops at the first that fails verification, so that no altered record is
//! shown as recorded.

use std::collections::BTreeMap;
use std::io;

use countersign_common::Digest;
use countersign_common::id::{SessionId, StreamId};

use crate::line::NO_PREVIOUS;
use crate::log::Log;
use crate::replay::{RecordLine, ReplayError, SessionLines};
use crate::skim::Skim;
use crate::verify::{Fault, Problem, Report, Verifier};

/// Reason why a record is not shown, or why the shown ones cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum UnverifiedLine {
    /// The record could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReplayError),
    /// The record, or the following one, is not what was recorded.
    #[error("the next record does not fit: {0}")]
    Unfit(Box<Fault>),
    /// All records were shown, but there is a fault that belongs to no single one.
    #[error(
        "every record that was shown fits the one before, but the recording that they lie in is not sound: {0}"
    )]
    Unsound(Box<Fault>),
}

/// The verified record lines of one session. The whole recording is verified first; memory use as for that and for
/// [`SessionLines`].
#[derive(Debug)]
pub struct VerifiedLines {
    lines: SessionLines,
    logs: Vec<String>,
    report: Report,
    /// Faults by stream and record number.
    unfit: BTreeMap<(StreamId, u64), Fault>,
    ended: bool,
}

impl VerifiedLines {
    /// Verifies the recording and opens the lines of `session`.
    ///
    /// # Errors
    /// Any error of reading a file.
    pub fn open(logs: &[Log], session: SessionId, verifier: &Verifier) -> io::Result<Self> {
        let report = verifier.verify_session(logs, session)?;
        let unfit = report.faults.iter().flat_map(places).collect();
        let lines = SessionLines::open(logs, session)?;
        Ok(Self { lines, logs: logs.iter().map(Log::name).collect(), report, unfit, ended: false })
    }

    /// Report of the verification of the whole recording.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Returns the fault of this record, if any.
    fn fault_of(&self, line: &RecordLine) -> Option<&Fault> {
        let place = Skim::place(&line.text).ok().map(|skim| (skim.stream, skim.seq));
        let at_line = |fault: &&Fault| {
            let same_log = fault.log.is_none() || fault.log.as_ref() == self.logs.get(line.log);
            same_log && fault.segment == line.segment && fault.line == Some(line.number)
        };
        place.and_then(|place| self.unfit.get(&place)).or_else(|| self.report.faults.iter().find(at_line))
    }

    fn end_with(&mut self, error: UnverifiedLine) -> Option<Result<RecordLine, UnverifiedLine>> {
        self.ended = true;
        Some(Err(error))
    }
}

impl Iterator for VerifiedLines {
    type Item = Result<RecordLine, UnverifiedLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.lines.next() {
            Some(Ok(line)) => match self.fault_of(&line).cloned() {
                None => Some(Ok(line)),
                Some(fault) => self.end_with(UnverifiedLine::Unfit(Box::new(fault))),
            },
            Some(Err(error)) => self.end_with(error.into()),
            None => {
                self.ended = true;
                let fault = self.report.faults.first().cloned();
                fault.map(|fault| Err(UnverifiedLine::Unsound(Box::new(fault))))
            }
        }
    }
}

/// Records that a fault concerns. If a record does not follow from its predecessor, the predecessor may be the
/// altered one.
fn places(fault: &Fault) -> Vec<((StreamId, u64), Fault)> {
    let (Some(stream), Some(seq)) = (fault.stream, fault.seq) else { return Vec::new() };
    let mut places = vec![((stream, seq), fault.clone())];
    if let Problem::ChainBroken { expected_seq, .. } = fault.problem
        && expected_seq == seq
        && let Some(before) = seq.checked_sub(1)
    {
        places.push(((stream, before), fault.clone()));
    }
    places
}

/// Checks a sequence of lines from elsewhere: each must follow from its predecessor in its stream.
#[derive(Debug, Default)]
pub struct ChainCheck(BTreeMap<StreamId, (u64, Digest)>);

impl ChainCheck {
    /// Checks the next line.
    ///
    /// # Errors
    /// Describes why it is not the next line of its stream.
    pub fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let skim = Skim::place(line).map_err(|error| error.to_string())?;
        let (due, prev) = self.0.get(&skim.stream).copied().unwrap_or((0, NO_PREVIOUS));
        if (skim.seq, skim.prev) != (due, prev) {
            let Skim { stream, seq, .. } = skim;
            return Err(format!(
                "record {seq} of {stream} came where record {due} was due that follows {prev}"
            ));
        }
        self.0.insert(skim.stream, (due + 1, Digest::of(line)));
        Ok(())
    }
}
