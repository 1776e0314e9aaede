//! The newest checkpoint of every log, kept outside of the files that it speaks of: in the store, and in the data directory of
//! every node. What was taken away from the files together with their checkpoints contradicts these.
//!
//! ```text
//! /cs/checkpoints/newest/<log>   the newest checkpoint, with the node that signed it
//! /cs/checkpoints/lost/<log>     that an operator has accepted the loss of the log, and why
//! <data>/checkpoints.seen        what this node last saw under the first, a line for each log
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use countersign_common::Timestamp;
use countersign_common::id::{NodeId, Subject};
use countersign_recording::{NotContinued, PublicKey, SignedCheckpoint, check_continuation, log_of};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::audit::{self, AuditEvent, Looked};
use crate::fleet::control_of;
use crate::store::{Change, Entry, Outcome, Store, StoreError, Transaction, range_all};

const NEWEST: &str = "/cs/checkpoints/newest/";
const LOST: &str = "/cs/checkpoints/lost/";

/// The file with what this node saw.
const SEEN: &str = "checkpoints.seen";

/// How often a lost race is tried again.
const ATTEMPTS_MAX: usize = 16;

/// The newest checkpoint of a log, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    /// The start of the node that signed it.
    node: NodeId,
    /// The checkpoint's line.
    checkpoint: String,
}

/// That the loss of a log was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedLoss {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Subject,
    /// Why.
    pub reason: String,
    /// The newest checkpoint of the log that was known then.
    pub checkpoint: String,
}

impl AcceptedLoss {
    /// What people are told about it.
    pub(crate) fn note(&self, line: &[u8]) -> String {
        let log = SignedCheckpoint::skim(line)
            .map_or_else(|_| "a log".into(), |one| format!("the log {}", one.checkpoint.log));
        let Self { at, by, reason, .. } = self;
        format!("{log} is lost, or was changed: accepted at {at} by {by}: {reason}")
    }
}

/// Why a checkpoint was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store has another one of the same place, or a newer one: two writers have the same log, or its files are an older
    /// copy.
    #[error(
        "the store has checkpoint {stored} of the log {log}, which does not fit checkpoint {own} of this node"
    )]
    Contradicted {
        /// The log.
        log: String,
        /// The place of the one that is stored.
        stored: u64,
        /// The place of the one that was to be published.
        own: u64,
    },
    /// It kept changing under our hands.
    #[error("the newest checkpoint was changed by others again and again")]
    Contended,
    /// It does not last here yet, so nobody is told of it.
    #[error("the checkpoints in `{place}` cannot be synced: {source}")]
    Unsynced {
        /// Where they are.
        place: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the recordings of a node are not gone on with.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// The files do not fit the newest checkpoint that is known of them.
    #[error(
        "the recordings in `{place}` do not go on from checkpoint {number} of the log {log}, which was signed at {at} and is kept elsewhere: {why}"
    )]
    NotContinued {
        /// Where.
        place: String,
        /// The log.
        log: String,
        /// The place of the checkpoint.
        number: u64,
        /// When it was signed.
        at: Timestamp,
        /// What does not fit.
        #[source]
        why: NotContinued,
    },
    /// This node has written a log that is not here.
    #[error(
        "the log {log}, of which checkpoint {number} of {at} is known, is not in {places}: it was deleted, or the data directory is another one"
    )]
    Missing {
        /// The log.
        log: String,
        /// Where it was looked for.
        places: String,
        /// The place of the checkpoint.
        number: u64,
        /// When it was signed.
        at: Timestamp,
    },
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be read or moved.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl NotAdmitted {
    /// The log whose loss would have to be accepted.
    #[must_use]
    pub fn log(&self) -> Option<&str> {
        match self {
            Self::NotContinued { log, .. } | Self::Missing { log, .. } => Some(log),
            Self::Store(_) | Self::Io(_) => None,
        }
    }
}

/// A checkpoint that is kept outside of the files.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// Its line.
    pub line: Vec<u8>,
    /// The node that signed it; `None`: only this node's own copy is left.
    pub node: Option<NodeId>,
    /// The loss of its log, if it was accepted.
    pub lost: Option<AcceptedLoss>,
    /// Whether the files that are read have to have it.
    pub must: bool,
}

/// The newest checkpoints, in the store and in this node's own copy.
#[derive(Debug)]
pub struct Checkpoints {
    store: Arc<dyn Store>,
    me: NodeId,
    /// Whether the store belongs to this node.
    alone: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    path: PathBuf,
    logs: BTreeMap<String, SignedCheckpoint>,
}

impl Checkpoints {
    /// Reads what this node saw before, and what the store has.
    pub(crate) async fn open(store: Arc<dyn Store>, data: &Path, me: NodeId) -> Result<Self, StoreError> {
        let path = data.join(SEEN);
        let logs = Seen::read(&path);
        let seen = Mutex::new(Seen { path, logs });
        let checkpoints = Self { store, me, alone: AtomicBool::new(false), seen };
        checkpoints.reload().await?;
        Ok(checkpoints)
    }

    /// Takes over what the store has.
    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        let (entries, _) = range_all(&*self.store, NEWEST).await?;
        entries.iter().for_each(|entry| self.saw(entry));
        Ok(())
    }

    /// Takes a change over.
    pub(crate) fn apply(&self, change: &Change) {
        match change {
            Change::Put(entry) if entry.key.starts_with(NEWEST) => self.saw(entry),
            Change::Deleted { key, .. } if key.starts_with(NEWEST) => {
                crate::metrics::checkpoint_contradicted();
                tracing::error!(key, "the newest checkpoint of a log was deleted in the store");
            }
            Change::Put(_) | Change::Deleted { .. } => {}
        }
    }

    fn saw(&self, entry: &Entry) {
        let Some(found) = crate::readable::<Published>(entry) else { return };
        let Ok(signed) = SignedCheckpoint::skim(found.checkpoint.as_bytes()) else {
            return tracing::error!(key = entry.key, "the newest checkpoint of a log cannot be read");
        };
        let mut seen = self.seen.lock();
        match seen.logs.get(&signed.checkpoint.log) {
            Some(known) if known.hash == signed.hash => return,
            Some(known) if known.checkpoint.seq >= signed.checkpoint.seq => {
                crate::metrics::checkpoint_contradicted();
                let (stored, known) = (signed.checkpoint.seq, known.checkpoint.seq);
                return tracing::error!(
                    log = signed.checkpoint.log,
                    stored,
                    known,
                    "the store has an older checkpoint of a log than this node has seen, or another one"
                );
            }
            Some(_) | None => {}
        }
        seen.logs.insert(signed.checkpoint.log.clone(), signed);
        if let Err(error) = seen.write() {
            tracing::warn!(%error, "this node's copy of the newest checkpoints was not written");
        }
    }

    /// Keeps a checkpoint as the newest one of its log.
    ///
    /// # Errors
    /// When the store has one that does not fit it.
    pub async fn publish(&self, signed: &SignedCheckpoint) -> Result<(), PublishError> {
        let log = &signed.checkpoint.log;
        let key = format!("{NEWEST}{log}");
        let own = Published { node: self.me, checkpoint: text_of(signed) };
        for _ in 0..ATTEMPTS_MAX {
            let entry = self.store.get(&key).await?;
            if let Some(before) = entry.as_ref().and_then(crate::readable::<Published>)
                && let Ok(stored) = SignedCheckpoint::skim(before.checkpoint.as_bytes())
            {
                if stored.hash == signed.hash {
                    return Ok(());
                }
                if stored.checkpoint.seq >= signed.checkpoint.seq {
                    let (stored, own) = (stored.checkpoint.seq, signed.checkpoint.seq);
                    return Err(PublishError::Contradicted { log: log.clone(), stored, own });
                }
            }
            let swap = Transaction::new().if_unchanged(&key, entry.as_ref());
            match self.store.transact(swap.put(&key, crate::encode(&own))).await {
                Ok(Outcome::Committed(_)) => return Ok(()),
                Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PublishError::Contended)
    }

    /// Every checkpoint that is kept outside of the files: the store's, and this node's own copies where those are newer or
    /// differ. Read before what they are compared with: what is recorded meanwhile only adds to that.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn anchors(&self) -> Result<Vec<Anchor>, StoreError> {
        let (entries, _) = range_all(&*self.store, NEWEST).await?;
        let mut lost = self.lost().await?;
        let mut anchors = Vec::new();
        for entry in &entries {
            let published: Published = crate::decode(entry)?;
            let log = entry.key.strip_prefix(NEWEST).unwrap_or_default();
            let (line, node, lost) =
                (published.checkpoint.into_bytes(), Some(published.node), lost.remove(log));
            anchors.push(Anchor { line, node, must: lost.is_none(), lost });
        }
        let stored: BTreeSet<Vec<u8>> = anchors.iter().map(|anchor| anchor.line.clone()).collect();
        for signed in self.seen.lock().logs.values() {
            // A newer one than the store's, or of a log that it does not know: it stands for itself, whoever is alive.
            if !stored.contains(&signed.line[..]) && !self.is_behind(signed, &anchors) {
                let (line, lost) = (signed.line.to_vec(), lost.remove(&signed.checkpoint.log));
                anchors.push(Anchor { line, node: None, must: lost.is_none(), lost });
            }
        }
        Ok(anchors)
    }

    /// Asks for less of the logs of nodes that did not bring what they have to where it is read: those in `silent`, or all others,
    /// and those that are not there. What they recorded last was not seen, and need not have been taken away.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn relax(
        &self,
        anchors: &mut [Anchor],
        silent: &BTreeSet<NodeId>,
        all_silent: bool,
    ) -> Result<(), StoreError> {
        // Where this is the only node, it has all logs, whichever of its starts wrote them.
        if self.alone.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut there = BTreeMap::new();
        for anchor in anchors {
            let Some(node) = anchor.node.filter(|node| *node != self.me) else { continue };
            let is_there = match there.get(&node) {
                Some(known) => *known,
                None => {
                    let found = self.store.get(&control_of(&node.to_string())).await?.is_some();
                    *there.entry(node).or_insert(found)
                }
            };
            anchor.must &= is_there && !all_silent && !silent.contains(&node);
        }
        Ok(())
    }

    /// Whether what this node saw of a log is merely older than what the store has.
    fn is_behind(&self, seen: &SignedCheckpoint, anchors: &[Anchor]) -> bool {
        let stored = anchors.iter().filter_map(|anchor| SignedCheckpoint::skim(&anchor.line).ok());
        stored
            .into_iter()
            .any(|one| one.checkpoint.log == seen.checkpoint.log && one.checkpoint.seq > seen.checkpoint.seq)
    }

    /// The logs whose loss was accepted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lost(&self) -> Result<BTreeMap<String, AcceptedLoss>, StoreError> {
        let (entries, _) = range_all(&*self.store, LOST).await?;
        let read = |entry: &Entry| {
            let log = entry.key.strip_prefix(LOST).unwrap_or_default().to_owned();
            Ok((log, crate::decode(entry)?))
        };
        entries.iter().map(read).collect()
    }

    /// Finds out, before a journal is opened, whether the recordings in these folders go on from what is known of them. Then,
    /// and only then, this node may continue and sign them.
    ///
    /// `alone`: the store belongs to this node, so that every log in it is this node's.
    ///
    /// # Errors
    /// Says what does not fit. Nothing was changed.
    pub async fn admit(&self, key: &PublicKey, folders: &[PathBuf], alone: bool) -> Result<(), NotAdmitted> {
        self.alone.store(alone, Ordering::Release);
        let mut here = BTreeMap::new();
        for folder in folders {
            here.extend(log_of(folder)?.map(|log| (log, folder.clone())));
        }
        for anchor in self.anchors().await? {
            if anchor.lost.is_some() {
                continue;
            }
            let own = SignedCheckpoint::parse(&anchor.line, key).ok();
            let signed = match own.or_else(|| SignedCheckpoint::skim(&anchor.line).ok().filter(|_| alone)) {
                Some(signed) => signed,
                // Another node's.
                None => continue,
            };
            let (log, number, at) =
                (signed.checkpoint.log.clone(), signed.checkpoint.seq, signed.checkpoint.at);
            let Some(folder) = here.get(&log).cloned() else {
                let names: Vec<_> = folders.iter().map(|one| format!("`{}`", one.display())).collect();
                return Err(NotAdmitted::Missing { log, places: names.join(", "), number, at });
            };
            let (place, key) = (folder.display().to_string(), *key);
            let checked =
                tokio::task::spawn_blocking(move || check_continuation(&folder, &key, &signed)).await;
            let checked = checked.map_err(io::Error::other)?;
            checked.map_err(|why| NotAdmitted::NotContinued { place, log, number, at, why })?;
        }
        Ok(())
    }

    /// Puts on record that a log is lost, or was changed, and moves what is left of it aside, so that the node begins a new one.
    /// Verification says so from then on, for good.
    ///
    /// # Errors
    /// When nothing is known of such a log, or it cannot be put on record.
    pub async fn accept_loss(
        &self,
        log: &str,
        folders: &[PathBuf],
        by: &Subject,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        let anchors = self.anchors().await?;
        let of_log = |anchor: &&Anchor| {
            SignedCheckpoint::skim(&anchor.line).is_ok_and(|signed| signed.checkpoint.log == log)
        };
        let Some(anchor) = anchors.iter().find(of_log) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no log {log} is known")).into());
        };
        let loss = AcceptedLoss {
            at: now,
            by: by.clone(),
            reason: reason.to_owned(),
            checkpoint: String::from_utf8_lossy(&anchor.line).into_owned(),
        };
        let key = format!("{LOST}{log}");
        if anchor.lost.is_none() {
            let event = AuditEvent::of_operator(now, by, Looked::AcceptedLoss, log.to_owned(), reason);
            let put = Transaction::new().if_absent(&key).put(&key, crate::encode(&loss));
            self.store.transact(audit::noting(put, &event)).await?;
        }
        for folder in folders {
            if log_of(folder)?.as_deref() == Some(log) {
                move_aside(folder, log)?;
            }
        }
        Ok(())
    }
}

/// Nothing is deleted: it is evidence.
fn move_aside(folder: &Path, log: &str) -> io::Result<()> {
    let mut aside = folder.as_os_str().to_owned();
    aside.push(format!(".lost-{log}"));
    fs::rename(folder, &aside)?;
    tracing::warn!(from = %folder.display(), to = %PathBuf::from(aside).display(), "the recordings were moved aside");
    Ok(())
}

fn text_of(signed: &SignedCheckpoint) -> String {
    String::from_utf8_lossy(&signed.line).into_owned()
}

impl Seen {
    /// What cannot be read is passed over: it is the store's copy that counts, and what this node sees from now on.
    fn read(path: &Path) -> BTreeMap<String, SignedCheckpoint> {
        let text = fs::read(path).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let read = lines.filter_map(|line| match SignedCheckpoint::skim(line) {
            Ok(signed) => Some((signed.checkpoint.log.clone(), signed)),
            Err(error) => {
                tracing::error!(%error, "this node's copy of the newest checkpoints cannot be read");
                None
            }
        });
        read.collect()
    }

    /// Whole or not at all. Not synced: a copy that is a little older is as good.
    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("seen.new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        for signed in self.logs.values() {
            file.write_all(&signed.line)?;
            file.write_all(b"\n")?;
        }
        fs::rename(new, &self.path)
    }
}
