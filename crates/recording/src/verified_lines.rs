//! Reads the records of one session back, and stops at the first that does not fit: so nothing is shown as recorded that
//! somebody has changed.

use std::collections::BTreeMap;
use std::io;

use countersign_common::Digest;
use countersign_common::id::{SessionId, StreamId};

use crate::line::NO_PREVIOUS;
use crate::log::Log;
use crate::replay::{RecordLine, ReplayError, SessionLines};
use crate::skim::Skim;
use crate::verify::{Fault, Problem, Report, Verifier};

/// Why a record is not shown, or what is wrong with those that were.
#[derive(Debug, thiserror::Error)]
pub enum UnverifiedLine {
    /// It could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReplayError),
    /// It, or the one behind it, is not what was recorded.
    #[error("the next record does not fit: {0}")]
    Unfit(Box<Fault>),
    /// All were shown, and something is wrong that concerns no single one of them.
    #[error(
        "every record that was shown fits the one before, but the recording that they lie in is not sound: {0}"
    )]
    Unsound(Box<Fault>),
}

/// The record lines of one session, verified. The whole recording is verified first; memory as for that and for
/// [`SessionLines`].
#[derive(Debug)]
pub struct VerifiedLines {
    lines: SessionLines,
    logs: Vec<String>,
    report: Report,
    /// What is wrong at which record.
    unfit: BTreeMap<(StreamId, u64), Fault>,
    ended: bool,
}

impl VerifiedLines {
    /// Those of `session`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(logs: &[Log], session: SessionId, verifier: &Verifier) -> io::Result<Self> {
        let report = verifier.verify_session(logs, session)?;
        let unfit = report.faults.iter().flat_map(places).collect();
        let lines = SessionLines::open(logs, session)?;
        Ok(Self { lines, logs: logs.iter().map(Log::name).collect(), report, unfit, ended: false })
    }

    /// What the verification found.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// What is wrong with this record.
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

/// The records that a fault is about. When a record does not follow from the one before, that one may be what was changed.
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

/// Checks lines that come one after the other from elsewhere: that each follows from the one before in its stream.
#[derive(Debug, Default)]
pub struct ChainCheck(BTreeMap<StreamId, (u64, Digest)>);

impl ChainCheck {
    /// Takes the next line.
    ///
    /// # Errors
    /// Says why it is not the next of its stream.
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
