//! Proves offline that a recording is complete (I12): every line belongs to its stream's chain, every segment follows
//! from the previous one, every checkpoint is signed and fulfilled, every begun command ended once, and every command
//! that needed an approval had one. Reads files only; trusts only the public keys.
//!
//! First each log is verified separately ([`log`]), then the records of all logs together ([`story`]). The removal of
//! records together with the checkpoints that cover them is detected only with a checkpoint from elsewhere
//! ([`anchors`]).

mod anchors;
mod checkpoints;
mod log;
mod recorded;
mod report;
mod story;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use countersign_common::id::SessionId;

use self::anchors::Anchors;
use self::checkpoints::Expected;
use self::log::LogRun;
pub use self::recorded::{Recorded, RecordedApproval};
pub use self::report::{Fault, LogHead, Problem, Reached, Report, StreamSummary, Verdict};
use self::story::Story;
use crate::checkpoint::{SignedCheckpoint, is_tips};
use crate::line::MalformedLine;
use crate::log::Log;
use crate::merge::Index;
use crate::signing::PublicKey;

/// Verifies the whole recording in `dir` with the key that signs its checkpoints.
///
/// # Errors
/// Any error of reading a file. Faults of the recording are in the report.
pub fn verify(dir: &Path, key: &PublicKey) -> io::Result<Report> {
    Verifier::new(key).verify(dir)
}

/// Verifies one session: all segments and checkpoints, and the session's streams. A report without streams means that
/// the session is not in the recording.
///
/// # Errors
/// Any error of reading a file.
pub fn verify_session(dir: &Path, key: &PublicKey, session: SessionId) -> io::Result<Report> {
    Verifier::new(key).verify_session(&[Log::at(dir)], session)
}

/// A verification, with its keys and the checkpoints from elsewhere.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    anchors: Anchors,
}

impl Verifier {
    /// Requires checkpoints to be signed by this key.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        Self { keys: vec![*key], anchors: Anchors::default() }
    }

    /// Accepts a further key: each node of a control plane has its own. All checkpoints of one log must be signed by
    /// the same key.
    #[must_use]
    pub fn or(mut self, key: &PublicKey) -> Self {
        self.keys.push(*key);
        self
    }

    /// Adds a checkpoint that was kept elsewhere: its log must exist and contain it. Only this detects the removal of
    /// the newest records together with the checkpoints that cover them. May be called any number of times.
    #[must_use]
    pub fn anchored_by(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.anchors.add(checkpoint, true);
        self
    }

    /// Adds a checkpoint of a log that may end before it, or be absent, because its writer could not be asked for the
    /// rest. The report says so, and its verdict is not "whole" then.
    #[must_use]
    pub fn may_be_behind(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.anchors.add(checkpoint, false);
        self
    }

    /// Parses a checkpoint that one of the keys signed.
    ///
    /// # Errors
    /// [`MalformedLine`] if none of them did.
    pub fn checkpoint(&self, line: &[u8]) -> Result<SignedCheckpoint, MalformedLine> {
        let parsed = self.keys.iter().map(|key| SignedCheckpoint::parse(line, key));
        let failed = || Err(MalformedLine("checkpoint: no key to check it with".into()));
        parsed.reduce(|one, other| one.or(other)).unwrap_or_else(failed)
    }

    /// Parses checkpoints that were kept elsewhere, one per line; lines with tips are skipped. The newest of each log
    /// must be signed by one of the keys. The earlier ones are linked to it, so that comparing them is sufficient.
    ///
    /// # Errors
    /// [`MalformedLine`] if a line is not a checkpoint.
    pub fn anchors_in(&self, text: &[u8]) -> Result<Vec<SignedCheckpoint>, MalformedLine> {
        // A file that is copied while it is written may end within a line.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (whole, rest) = text.split_at(whole);
        let lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| !line.is_empty() && !is_tips(line));
        let mut found = lines.map(SignedCheckpoint::skim).collect::<Result<Vec<_>, _>>()?;
        match SignedCheckpoint::skim(rest.trim_ascii()) {
            Ok(last) => found.push(last),
            Err(_) if rest.trim_ascii().is_empty() || !found.is_empty() => {}
            Err(error) => return Err(error),
        }
        let mut newest: BTreeMap<&str, &SignedCheckpoint> = BTreeMap::new();
        for signed in &found {
            let known = newest.entry(&signed.checkpoint.log).or_insert(signed);
            if known.checkpoint.seq < signed.checkpoint.seq {
                *known = signed;
            }
        }
        for signed in newest.into_values() {
            self.checkpoint(&signed.line)?;
        }
        Ok(found)
    }

    /// Verifies everything in one folder.
    ///
    /// # Errors
    /// Any error of reading a file.
    pub fn verify(&self, dir: &Path) -> io::Result<Report> {
        self.verify_all(&[Log::at(dir)])
    }

    /// Verifies everything that the nodes of a control plane recorded, each in its log. A stream may be in several of
    /// them; copies of a record must be identical.
    ///
    /// # Errors
    /// Any error of reading a file.
    pub fn verify_all(&self, logs: &[Log]) -> io::Result<Report> {
        let mut report = Report { sealed: true, logs: logs.len() as u64, ..Report::default() };
        let (mut index, mut tips) = (Index::default(), Vec::new());
        let mut anchors = self.anchors.clone();
        for (number, log) in logs.iter().enumerate() {
            let name = (logs.len() > 1).then(|| log.name());
            let mut run = LogRun::new(number, name, &mut report, &mut index);
            let expected = Expected::read(log, &self.keys, &mut anchors, &mut run)?;
            tips.extend(run.read(log, expected)?);
        }
        missing_logs(&anchors, &mut report);
        repeated_logs(&mut report);
        Story::new(logs, &mut report).read(index, tips)?;
        Ok(report)
    }

    /// Verifies one session: all logs and checkpoints, and the session's streams. A report without streams means that
    /// the session is not in the recording.
    ///
    /// # Errors
    /// Any error of reading a file.
    pub fn verify_session(&self, logs: &[Log], session: SessionId) -> io::Result<Report> {
        let mut report = self.verify_all(logs)?;
        report.keep_session(session);
        Ok(report)
    }
}

/// Reports absent logs of which a checkpoint was kept elsewhere.
fn missing_logs(anchors: &Anchors, report: &mut Report) {
    for anchor in anchors.newest() {
        let checkpoint = &anchor.signed.checkpoint;
        // A node that has recorded nothing yet has nothing in the archive either: only the header of its first
        // segment.
        if checkpoint.point.segment == 0 && checkpoint.point.lines <= 1 {
            report.heads.push(LogHead::empty(checkpoint));
        } else if anchor.must {
            let (log, number, at) = (checkpoint.log.clone(), checkpoint.seq, checkpoint.at);
            report.add(Fault::of_recording(Problem::LogMissing { log, number, at }));
        } else {
            report.heads.push(LogHead::unseen(checkpoint));
        }
    }
}

/// Reports a log in several folders that are not marked as the same log.
fn repeated_logs(report: &mut Report) {
    let mut seen = BTreeSet::new();
    let logs: Vec<String> = report.heads.iter().filter_map(|head| head.log.clone()).collect();
    for log in logs {
        if !seen.insert(log.clone()) {
            report.add(Fault::of_recording(Problem::LogTwice { log }));
        }
    }
}
