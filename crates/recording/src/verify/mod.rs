//! Proves offline that a recording is whole (I12): every line belongs to its stream's chain, every
//! segment to the one before, every checkpoint is signed and fulfilled, every begun command ended once,
//! and what needed a countersign had it. Reads files only; trusts the public keys and nothing else.
//!
//! First every log by itself ([`log`]), then the records of all of them as one story ([`story`]). That nothing was taken away
//! together with the checkpoints that speak of it, shows only against a checkpoint from elsewhere ([`anchors`]).

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
    Verifier::new(key).verify_session(&[Log::at(dir)], session)
}

/// A verification, with what is known from elsewhere.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    anchors: Anchors,
}

impl Verifier {
    /// Checkpoints have to be signed by this key.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        Self { keys: vec![*key], anchors: Anchors::default() }
    }

    /// Or by this one: the nodes of a control plane have a key each. All checkpoints of one log have to be
    /// signed by the same one.
    #[must_use]
    pub fn or(mut self, key: &PublicKey) -> Self {
        self.keys.push(*key);
        self
    }

    /// The log that this checkpoint names, which was kept elsewhere, has to be there and to have this checkpoint. Only so does
    /// it show when the newest records are taken out together with the checkpoints that speak of them. Any number may be given.
    #[must_use]
    pub fn anchored_by(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.anchors.add(checkpoint, true);
        self
    }

    /// The same of a log that may end before this checkpoint, or not be there: its writer could not be asked for the rest. The
    /// report says so, and is not whole then.
    #[must_use]
    pub fn may_be_behind(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.anchors.add(checkpoint, false);
        self
    }

    /// Reads a checkpoint that one of the keys signed.
    ///
    /// # Errors
    /// When none of them did.
    pub fn checkpoint(&self, line: &[u8]) -> Result<SignedCheckpoint, MalformedLine> {
        let parsed = self.keys.iter().map(|key| SignedCheckpoint::parse(line, key));
        let failed = || Err(MalformedLine("checkpoint: no key to check it with".into()));
        parsed.reduce(|one, other| one.or(other)).unwrap_or_else(failed)
    }

    /// Reads checkpoints that were kept elsewhere, a line each; lines with the tips of streams are passed over. The newest of each
    /// log has to be signed by one of the keys. Those before it are linked to it, so that comparing them is enough.
    ///
    /// # Errors
    /// When a line is none.
    pub fn anchors_in(&self, text: &[u8]) -> Result<Vec<SignedCheckpoint>, MalformedLine> {
        // What is copied while it is written may end in the middle of a line.
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

    /// Reads everything in one folder and reports.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self, dir: &Path) -> io::Result<Report> {
        self.verify_all(&[Log::at(dir)])
    }

    /// Reads everything that the nodes of a control plane recorded, each in its log, and reports. A stream may
    /// lie in several of them: what the same record says in two places has to be the same.
    ///
    /// # Errors
    /// When a file cannot be read.
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

    /// The same of one session: the logs and checkpoints as a whole, and its streams. A report without streams
    /// means that the session is not in the recording.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify_session(&self, logs: &[Log], session: SessionId) -> io::Result<Report> {
        let mut report = self.verify_all(logs)?;
        report.keep_session(session);
        Ok(report)
    }
}

/// Logs of which checkpoints were kept elsewhere, and which are not there.
fn missing_logs(anchors: &Anchors, report: &mut Report) {
    for anchor in anchors.newest() {
        let checkpoint = &anchor.signed.checkpoint;
        // A node that has recorded nothing yet has nothing in the archive either: the header of its first segment.
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

/// A log that lies in folders that do not say that they are one.
fn repeated_logs(report: &mut Report) {
    let mut seen = BTreeSet::new();
    let logs: Vec<String> = report.heads.iter().filter_map(|head| head.log.clone()).collect();
    for log in logs {
        if !seen.insert(log.clone()) {
            report.add(Fault::of_recording(Problem::LogTwice { log }));
        }
    }
}
