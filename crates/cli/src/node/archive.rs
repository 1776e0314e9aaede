//! Recordings behind the control plane's port: this node's own folder and, where there is one, the archive.
//! Files are read on threads that may block; a long recording is streamed, never gathered.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::Timestamp;
use countersign_common::id::{SessionId, StreamId};
use countersign_common::time::{Clock as _, SystemClock};
use countersign_controlplane::audit::{
    Archive, ArchiveError, CommandSummary, Gathered, Recording, Records, Verification,
};
use countersign_controlplane::journal::{Anchor, gather, published_keys};
use countersign_controlplane::store::Store;
use countersign_recording::{
    ArchiveStore, Begin, Effect, Ending, Envelope, Log, PublicKey, Record, Report, SessionLines, Skim,
    UnverifiedLine, Verdict, VerifiedLines, Verifier,
};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// How many lines are read ahead of a slow reader.
const LINES_AHEAD_MAX: usize = 64;

/// How much of a command's text a summary has, in bytes.
const SUMMARY_TEXT_BYTES_MAX: usize = 4096;

/// How old the newest checkpoint of a log may be that is written at this moment: one is signed every second.
const CHECKPOINTS_WITHIN: Duration = Duration::from_secs(10);

/// How often a recording is verified again in which segments were sealed a moment ago, and how long to wait before.
const ATTEMPTS_MAX: u32 = 3;
const REST: Duration = Duration::from_secs(1);

/// Recordings in segment files: this node's, and what all nodes have archived.
#[derive(Debug, Clone)]
pub struct LocalArchive {
    dir: PathBuf,
    /// What this node drained from Redis, if it ever did.
    drained: Option<PathBuf>,
    key: PublicKey,
    archive: Option<ArchiveStore>,
    /// Where the other nodes say by which keys they sign.
    store: Option<Arc<dyn Store>>,
}

impl LocalArchive {
    /// Those in `dir`, whose checkpoints this key signs.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, key: PublicKey) -> Self {
        Self { dir: dir.into(), drained: None, key, archive: None, store: None }
    }

    /// And those that this node drained from Redis, if there are any.
    #[must_use]
    pub fn with_drained(mut self, dir: PathBuf) -> Self {
        self.drained = Some(dir);
        self
    }

    /// And those in the archive.
    #[must_use]
    pub fn with_archive(mut self, archive: ArchiveStore) -> Self {
        self.archive = Some(archive);
        self
    }

    /// Checkpoints may be signed by any node that has told its key in this store.
    #[must_use]
    pub fn with_keys_of(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The nodes that have told their keys, but this one.
    async fn others(&self) -> Result<Vec<(PublicKey, String)>, ArchiveError> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        let mut others = published_keys(&**store).await.map_err(unreadable)?;
        others.retain(|(key, _)| *key != self.key);
        Ok(others)
    }

    /// Where recordings lie now.
    async fn logs(&self) -> Result<Vec<Log>, ArchiveError> {
        let mut dirs = vec![self.dir.clone()];
        dirs.extend(self.drained.clone().filter(|dir| dir.is_dir()));
        if let Some(archive) = &self.archive {
            dirs.push(archive.refresh().await.map_err(unreadable)?);
        }
        let found = tokio::task::spawn_blocking(move || Log::find(&dirs)).await;
        found.map_err(io::Error::other).and_then(|result| result).map_err(unreadable)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&[Log]) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let logs = self.logs().await?;
        let done = tokio::task::spawn_blocking(move || work(&logs)).await;
        done.map_err(io::Error::other).and_then(|result| result).map_err(unreadable)
    }

    /// Verifies by the keys of all nodes, against these checkpoints. One that none of them signed is a fault.
    async fn verifier(&self, anchors: &[Anchor]) -> Result<(Verifier, Vec<String>), ArchiveError> {
        let others = self.others().await?;
        let mut verifier = others.iter().fold(Verifier::new(&self.key), |all, (key, _)| all.or(key));
        let mut faults = Vec::new();
        for anchor in anchors {
            match verifier.checkpoint(&anchor.line) {
                Ok(signed) if anchor.must => verifier = verifier.anchored_by(signed),
                Ok(signed) => verifier = verifier.may_be_behind(signed),
                Err(error) => faults.push(format!("a checkpoint in the store is by no node of it: {error}")),
            }
        }
        Ok((verifier, faults))
    }

    /// Does something with all recordings; again when they were just being sealed.
    async fn steadily<T: Send + 'static>(
        &self,
        work: impl Fn(&[Log]) -> io::Result<(T, bool)> + Clone + Send + 'static,
    ) -> Result<T, ArchiveError> {
        for _ in 1..ATTEMPTS_MAX {
            let (done, is_steady) = self.blocking(work.clone()).await?;
            if is_steady {
                return Ok(done);
            }
            tokio::time::sleep(REST).await;
        }
        Ok(self.blocking(work).await?.0)
    }
}

fn unreadable(error: impl ToString) -> ArchiveError {
    ArchiveError::Unreadable(error.to_string())
}

#[async_trait]
impl Archive for LocalArchive {
    async fn gather(&self) -> Gathered {
        let (Some(store), Some(_)) = (&self.store, &self.archive) else { return Gathered::default() };
        match gather(&**store).await {
            Ok(silent) => Gathered { silent, failed: false },
            Err(error) => {
                tracing::warn!(%error, "no node could be asked for what it has recorded");
                Gathered { silent: Vec::new(), failed: true }
            }
        }
    }

    async fn recordings(&self, limit: usize) -> Result<Vec<Recording>, ArchiveError> {
        let mut all = self.blocking(recordings).await?;
        all.sort_by_key(|recording| std::cmp::Reverse((recording.started_at, recording.session)));
        all.truncate(limit);
        Ok(all)
    }

    async fn records(&self, session: SessionId, anchors: &[Anchor]) -> Result<Records, ArchiveError> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
        let (verifier, faults) = self.verifier(anchors).await?;
        let lines = self.steadily(move |logs| {
            let lines = VerifiedLines::open(logs, session, &verifier)?;
            let is_steady = !lines.report().may_be_in_progress();
            Ok((lines, is_steady))
        });
        let lines = lines.await?;
        // Ends with the files, or when the reader is gone and `blocking_send` fails.
        tokio::task::spawn_blocking(move || send_lines(lines, faults, &sender));
        let mut lines = ReceiverStream::new(receiver);
        let first = lines.next().await.ok_or(ArchiveError::NotFound(session))?;
        Ok(futures::stream::iter([first]).chain(lines).boxed())
    }

    async fn commands(&self, session: SessionId, limit: usize) -> Result<Vec<CommandSummary>, ArchiveError> {
        let found = self.blocking(move |logs| commands(logs, session, limit)).await?;
        found.map(Vec::from).ok_or(ArchiveError::NotFound(session))
    }

    async fn verify(
        &self,
        session: Option<SessionId>,
        anchors: &[Anchor],
    ) -> Result<Verification, ArchiveError> {
        let (verifier, faults) = self.verifier(anchors).await?;
        let verified = self.steadily(move |logs| {
            let report = match session {
                Some(session) => verifier.verify_session(logs, session),
                None => verifier.verify_all(logs),
            }?;
            let is_steady = !report.may_be_in_progress();
            Ok((report, is_steady))
        });
        let report = verified.await?;
        match session {
            // That there is nothing of it may be what is wrong.
            Some(session) if report.streams.is_empty() && report.is_sound() => {
                Err(ArchiveError::NotFound(session))
            }
            _ => Ok(verification(report, faults, SystemClock.now())),
        }
    }
}

fn verification(report: Report, mut faults: Vec<String>, now: Timestamp) -> Verification {
    let verdict = match faults.is_empty() {
        true => report.verdict_at(now, CHECKPOINTS_WITHIN),
        false => Verdict::Broken,
    };
    faults.extend(report.faults.iter().map(ToString::to_string));
    let unlisted = report.fault_count.saturating_sub(report.faults.len() as u64);
    if unlisted > 0 {
        faults.push(format!("and {unlisted} more"));
    }
    let Report { records, heads: logs, recorded, .. } = report;
    Verification { records, verdict, faults, logs, notes: Vec::new(), recorded }
}

fn send_lines(lines: VerifiedLines, faults: Vec<String>, to: &mpsc::Sender<Result<String, ArchiveError>>) {
    for line in lines {
        let line = line.map_err(unverified).and_then(|line| String::from_utf8(line.text).map_err(unreadable));
        let failed = line.is_err();
        if to.blocking_send(line).is_err() || failed {
            return;
        }
    }
    if let Some(fault) = faults.into_iter().next() {
        // Nobody is left to be told.
        let _ = to.blocking_send(Err(ArchiveError::Unsound(fault)));
    }
}

fn unverified(error: UnverifiedLine) -> ArchiveError {
    match error {
        UnverifiedLine::Unreadable(error) => unreadable(error),
        UnverifiedLine::Unfit(_) | UnverifiedLine::Unsound(_) => ArchiveError::Unsound(error.to_string()),
    }
}

/// Every session that was recorded. Memory: its streams.
fn recordings(logs: &[Log]) -> io::Result<Vec<Recording>> {
    let mut found: BTreeMap<SessionId, Recording> = BTreeMap::new();
    let mut open: BTreeMap<StreamId, SessionId> = BTreeMap::new();
    let mut of_stream: BTreeMap<StreamId, SessionId> = BTreeMap::new();
    for line in SessionLines::all(logs)? {
        let line = line.map_err(io::Error::other)?.text;
        let Ok(skim) = Skim::of(&line) else { continue };
        if skim.effect == Effect::Opens
            && let Ok(Envelope { at, record: Record::Opened(opened), .. }) = Envelope::parse(&line)
        {
            of_stream.insert(skim.stream, opened.session);
            open.insert(skim.stream, opened.session);
            found.entry(opened.session).or_insert(Recording {
                session: opened.session,
                principal: opened.principal,
                started_at: at,
                records: 0,
                open: false,
            });
        }
        let Some(recording) = of_stream.get(&skim.stream).and_then(|session| found.get_mut(session)) else {
            continue;
        };
        recording.records += 1;
        if skim.effect == Effect::Closes {
            open.remove(&skim.stream);
        }
    }
    for session in open.values() {
        if let Some(recording) = found.get_mut(session) {
            recording.open = true;
        }
    }
    Ok(found.into_values().collect())
}

/// The last `limit` commands of a session, newest first; `None` when it has no recording.
fn commands(logs: &[Log], session: SessionId, limit: usize) -> io::Result<Option<VecDeque<CommandSummary>>> {
    let mut newest: VecDeque<CommandSummary> = VecDeque::new();
    let mut recorded = false;
    for line in SessionLines::open(logs, session)? {
        recorded = true;
        let line = line.map_err(io::Error::other)?.text;
        let envelope = Envelope::parse(&line).map_err(io::Error::other)?;
        match envelope.record {
            Record::Begin(begin) => {
                newest.push_front(summary(&begin, envelope.at));
                newest.truncate(limit);
            }
            Record::End(ended) => {
                if let Some(command) = newest.iter_mut().find(|command| command.id == ended.id) {
                    command.outcome = Some(outcome(&ended.outcome));
                }
            }
            Record::Hold(held) => {
                if let Some(command) = newest.iter_mut().find(|command| command.id == held.id) {
                    command.approval = Some(held.approval);
                }
            }
            Record::Opened(_)
            | Record::Decision(_)
            | Record::Redeemed(_)
            | Record::Transaction(_)
            | Record::Closed(_) => {}
        }
    }
    Ok(recorded.then_some(newest))
}

fn summary(begin: &Begin<'_>, began_at: countersign_common::Timestamp) -> CommandSummary {
    let bytes = &begin.command.text;
    let kept = bytes.get(..SUMMARY_TEXT_BYTES_MAX).unwrap_or(bytes);
    CommandSummary {
        id: begin.id,
        began_at,
        text: String::from_utf8_lossy(kept).into_owned(),
        text_bytes: bytes.len() as u64,
        verdict: begin.verdict.as_str().into(),
        outcome: None,
        approval: None,
    }
}

fn outcome(ending: &Ending) -> String {
    match ending {
        Ending::Completed(tag) => format!("completed: {tag}"),
        Ending::Failed(code) => format!("failed: {code}"),
        Ending::Refused(state) => format!("not executed: {}", state.as_str()),
        Ending::Lost => "lost".into(),
    }
}
