//! Proves offline that a recording is whole (I12): every line belongs to its stream's chain, every
//! segment to the one before, every checkpoint is signed and fulfilled, every begun command ended once,
//! and what needed a countersign had it. Reads files only; trusts the public keys and nothing else.
//!
//! First every log by itself ([`log`]), then the records of all of them as one story ([`story`]).

mod checkpoints;
mod log;
mod report;
mod story;
mod streams;

use std::io;
use std::path::Path;

use countersign_common::id::SessionId;

use self::checkpoints::Expected;
use self::log::LogRun;
pub use self::report::{Fault, Problem, Report, StreamSummary};
use self::story::Story;
use crate::checkpoint::{Checkpoint, PublicKey};
use crate::line::MalformedLine;
use crate::log::Log;
use crate::merge::Index;

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
    anchor: Option<Checkpoint>,
}

impl Verifier {
    /// Checkpoints have to be signed by this key.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        Self { keys: vec![*key], anchor: None }
    }

    /// Or by this one: the nodes of a control plane have a key each. All checkpoints of one log have to be
    /// signed by the same one.
    #[must_use]
    pub fn or(mut self, key: &PublicKey) -> Self {
        self.keys.push(*key);
        self
    }

    /// The recording also has to fulfil this checkpoint, which was kept elsewhere. Only so does it show
    /// when the newest records are taken out together with the checkpoints that speak of them. It is about
    /// one log; of several it is asked of the first.
    #[must_use]
    pub fn anchored_by(mut self, checkpoint: Checkpoint) -> Self {
        self.anchor = Some(checkpoint);
        self
    }

    /// Reads a checkpoint that one of the keys signed.
    ///
    /// # Errors
    /// When none of them did.
    pub fn checkpoint(&self, line: &[u8]) -> Result<Checkpoint, MalformedLine> {
        let parsed = self.keys.iter().map(|key| Checkpoint::parse(line, key));
        let failed = || Err(MalformedLine("checkpoint: no key to check it with".into()));
        parsed.reduce(|one, other| one.or(other)).unwrap_or_else(failed)
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
        let mut anchor = self.anchor.as_ref();
        for (number, log) in logs.iter().enumerate() {
            let name = (logs.len() > 1).then(|| log.name());
            let mut run = LogRun::new(number, name, &mut report, &mut index);
            let mut expected = Expected::read(log, &self.keys, &mut run)?;
            if let Some(anchor) = anchor.take() {
                expected.add(anchor);
            }
            tips.extend(run.read(log, expected)?);
        }
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
