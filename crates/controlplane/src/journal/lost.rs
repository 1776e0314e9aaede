//! Where the records of gateways go in a control plane with an archive, and how the streams of a lost gateway are ended
//! there, once for all nodes.
//!
//! Each node takes nothing more of the gateway, archives what it has of it, and notes that under
//! `/cs/lost/<gateway>/<node>`. When all nodes that are alive have, the elected one looks at everything and proposes the
//! ends; the first proposal in the archive holds, and every node writes it down.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::id::NodeId;
use countersign_common::time::Clock;
use countersign_recording::{ArchiveStore, Archiver, Journal, JournalExt as _, Ledger, LocalJournal};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::{Drain, RedisJournal};
use crate::fleet::intake::{LinkIntake, RecordIntake};
use crate::fleet::{LOST, control_of, start_of};
use crate::store::{Store, Transaction, range_all};

/// How often it is looked what the others have done.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long the others are waited for, before it is begun anew some time later.
const OTHERS_WITHIN: Duration = Duration::from_secs(120);

/// Into the journal of this node, which is archived.
#[derive(Debug)]
pub struct ArchivedIntake {
    /// What takes the records in.
    pub ledger: Arc<Ledger>,
    /// This node's files.
    pub files: Arc<LocalJournal>,
    /// The journal before them, if there is one.
    pub redis: Option<Arc<RedisJournal>>,
    /// What drains Redis while this node is elected.
    pub drain: Option<Arc<Mutex<Drain>>>,
    /// Where it is archived.
    pub archive: ArchiveStore,
    /// What archives this node's files.
    pub archiver: Arc<Mutex<Archiver>>,
    /// Where nodes agree.
    pub store: Arc<dyn Store>,
    /// This node.
    pub me: NodeId,
    /// Whether this node is elected.
    pub elected: watch::Receiver<bool>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl RecordIntake for ArchivedIntake {
    fn link(&self, gateway: NodeId) -> Box<dyn LinkIntake> {
        Box::new(self.ledger.link(gateway))
    }

    fn refuse(&self, gateway: NodeId) {
        self.ledger.refuse(gateway);
    }

    async fn end_lost(&self, gateway: NodeId) -> io::Result<()> {
        // Control-plane nodes go, too; they have no streams.
        if self.store.get(&start_of(gateway)).await.map_err(io::Error::other)?.is_none() {
            return Ok(());
        }
        self.give_up(gateway).await?;
        self.wait_for_agreement(gateway).await?;
        let ended = self.archive.end_lost(&self.ledger, &self.files, gateway, self.clock.now()).await;
        let count = ended.map_err(io::Error::other)?.streams.len();
        if count > 0 {
            tracing::warn!(%gateway, count, "the streams of a lost gateway are ended");
        }
        let noted = Transaction::new().delete(self.note(gateway));
        self.store.transact(noted).await.map(drop).map_err(io::Error::other)
    }

    fn journal(&self) -> &Arc<dyn Journal> {
        self.ledger.journal()
    }
}

impl ArchivedIntake {
    /// From here on this node takes nothing of the gateway, and what it took is in the archive.
    async fn give_up(&self, gateway: NodeId) -> io::Result<()> {
        self.ledger.refuse(gateway);
        if let Some(redis) = &self.redis {
            redis.synced(redis.appended()).await.map_err(io::Error::other)?;
        }
        self.archiver.lock().await.round().await.map_err(io::Error::other)?;
        let note = Transaction::new().put(self.note(gateway), "");
        self.store.transact(note).await.map(drop).map_err(io::Error::other)
    }

    /// Until it is agreed on how the streams end, or this node is to propose it and may.
    async fn wait_for_agreement(&self, gateway: NodeId) -> io::Result<()> {
        let began = Instant::now();
        while self.archive.agreed(gateway).await.map_err(io::Error::other)?.is_none() {
            let is_elected = *self.elected.borrow();
            if is_elected && self.all_have_given_up(gateway).await? {
                if let Some(drain) = &self.drain {
                    drain.lock().await.round().await.map_err(io::Error::other)?;
                }
                return Ok(());
            }
            if began.elapsed() > OTHERS_WITHIN {
                return Err(io::Error::other("not every control-plane node has given the gateway up yet"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn all_have_given_up(&self, gateway: NodeId) -> io::Result<bool> {
        let store = &*self.store;
        let (alive, _) = range_all(store, &control_of("")).await.map_err(io::Error::other)?;
        let notes = notes_of(gateway);
        let (noted, _) = range_all(store, &notes).await.map_err(io::Error::other)?;
        let noted: BTreeSet<_> = noted.iter().filter_map(|note| note.key.strip_prefix(&notes)).collect();
        Ok(alive
            .iter()
            .filter_map(|node| node.key.strip_prefix(&control_of("")))
            .all(|id| noted.contains(id)))
    }

    fn note(&self, gateway: NodeId) -> String {
        format!("{}{}", notes_of(gateway), self.me)
    }
}

fn notes_of(gateway: NodeId) -> String {
    format!("{LOST}{gateway}/")
}
