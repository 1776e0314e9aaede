//! Recordings behind the control plane's port: this node's own folder and, where there is one, the archive.
//! Files are read on threads that may block; a long recording is streamed, never gathered.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::id::{SessionId, StreamId};
use countersign_controlplane::audit::{
    Archive, ArchiveError, CommandSummary, Recording, Records, Verification,
};
use countersign_controlplane::journal::{gather, published_keys};
use countersign_controlplane::store::Store;
use countersign_recording::{
    ArchiveStore, Begin, Effect, Ending, Envelope, Log, PublicKey, Record, Report, SessionLines, Skim,
    Verifier,
};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// How many lines are read ahead of a slow reader.
const LINES_AHEAD_MAX: usize = 64;

/// How much of a command's text a summary has, in bytes.
const SUMMARY_TEXT_BYTES_MAX: usize = 4096;

/// Recordings in segment files: this node's, and what all nodes have archived.
#[derive(Debug, Clone)]
pub struct LocalArchive {
    dir: PathBuf,
    key: PublicKey,
    archive: Option<ArchiveStore>,
    /// Where the other nodes say by which keys they sign.
    store: Option<Arc<dyn Store>>,
}

impl LocalArchive {
    /// Those in `dir`, whose checkpoints this key signs.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, key: PublicKey) -> Self {
        Self { dir: dir.into(), key, archive: None, store: None }
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

    async fn verifier(&self) -> Result<Verifier, ArchiveError> {
        let others = self.others().await?;
        Ok(others.iter().fold(Verifier::new(&self.key), |all, (key, _)| all.or(key)))
    }
}

fn unreadable(error: impl ToString) -> ArchiveError {
    ArchiveError::Unreadable(error.to_string())
}

#[async_trait]
impl Archive for LocalArchive {
    async fn gather(&self) -> Vec<String> {
        let (Some(store), Some(_)) = (&self.store, &self.archive) else { return Vec::new() };
        gather(&**store).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "no node could be asked for what it has recorded");
            vec!["all others".into()]
        })
    }

    async fn recordings(&self, limit: usize) -> Result<Vec<Recording>, ArchiveError> {
        let mut all = self.blocking(recordings).await?;
        all.sort_by_key(|recording| std::cmp::Reverse((recording.started_at, recording.session)));
        all.truncate(limit);
        Ok(all)
    }

    async fn records(&self, session: SessionId) -> Result<Records, ArchiveError> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
        let logs = self.logs().await?;
        // Ends with the files, or when the reader is gone and `blocking_send` fails.
        tokio::task::spawn_blocking(move || send_lines(&logs, session, &sender));
        let mut lines = ReceiverStream::new(receiver);
        let first = lines.next().await.ok_or(ArchiveError::NotFound(session))?;
        Ok(futures::stream::iter([first]).chain(lines).boxed())
    }

    async fn commands(&self, session: SessionId, limit: usize) -> Result<Vec<CommandSummary>, ArchiveError> {
        let found = self.blocking(move |logs| commands(logs, session, limit)).await?;
        found.map(Vec::from).ok_or(ArchiveError::NotFound(session))
    }

    async fn verify(&self, session: Option<SessionId>) -> Result<Verification, ArchiveError> {
        let verifier = self.verifier().await?;
        let verified = self.blocking(move |logs| match session {
            Some(session) => verifier.verify_session(logs, session),
            None => verifier.verify_all(logs),
        });
        let report = verified.await?;
        match session {
            Some(session) if report.streams.is_empty() => Err(ArchiveError::NotFound(session)),
            _ => Ok(verification(&report)),
        }
    }
}

fn verification(report: &Report) -> Verification {
    let mut faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
    let unlisted = report.fault_count.saturating_sub(faults.len() as u64);
    if unlisted > 0 {
        faults.push(format!("and {unlisted} more"));
    }
    Verification { records: report.records, faults }
}

fn send_lines(logs: &[Log], session: SessionId, to: &mpsc::Sender<Result<String, ArchiveError>>) {
    let lines = match SessionLines::open(logs, session) {
        Ok(lines) => lines,
        Err(error) => return drop(to.blocking_send(Err(unreadable(error)))),
    };
    for line in lines {
        let line = line.map_err(unreadable).and_then(|line| String::from_utf8(line.text).map_err(unreadable));
        let failed = line.is_err();
        if to.blocking_send(line).is_err() || failed {
            return;
        }
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
            | Record::Output(_)
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
