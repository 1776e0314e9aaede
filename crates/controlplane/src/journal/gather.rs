//! Whoever looks at a recording sees what every node has of it: a wish in the store, and each node that is alive brings what
//! it has to the archive at once, not with its next round, and says so.
//!
//! ```text
//! /cs/gather/wanted        the newest wish: its revision is its name
//! /cs/gather/done/<node>   up to which wish the node has brought what it had
//! ```

use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::NodeId;
use countersign_recording::Archiver;
use futures::StreamExt as _;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::Drain;
use crate::fleet::Node;
use crate::fleet::control_of;
use crate::store::{Outcome, Revision, Store, StoreError, Transaction, range_all};

const WANTED: &str = "/cs/gather/wanted";
const DONE: &str = "/cs/gather/done/";

/// How long others are waited for.
const OTHERS_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a node rests after it has brought what it had: however many look, it seals no more than a segment in that time.
const REST: Duration = Duration::from_secs(1);

/// Has every control-plane node that is alive bring what it has recorded to the archive; answers when all have. Else says
/// which have not within five seconds: the newest part of what they recorded is not there.
///
/// # Errors
/// When the store does not do its part.
///
/// # Cancel safety
/// Safe: a wish that nobody waits for is carried out all the same.
pub async fn gather(store: &dyn Store) -> Result<Vec<Silent>, StoreError> {
    let Outcome::Committed(wish) = store.transact(Transaction::new().put(WANTED, "")).await? else {
        return Err(StoreError::Closed);
    };
    let began = Instant::now();
    loop {
        let silent = silent(store, wish).await?;
        if silent.is_empty() || began.elapsed() > OTHERS_WITHIN {
            return Ok(silent);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A node that has not brought what it recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Its start.
    pub node: NodeId,
    /// Its name.
    pub name: String,
}

/// Who is alive and has not carried it out. What those left who are not is taken away.
async fn silent(store: &dyn Store, wish: Revision) -> Result<Vec<Silent>, StoreError> {
    let (notes, _) = range_all(store, DONE).await?;
    let (alive, _) = range_all(store, &control_of("")).await?;
    let mut silent = Vec::new();
    let (mut old, mut any_old) = (Transaction::new(), false);
    for note in &notes {
        let node = note.key.strip_prefix(DONE).unwrap_or_default();
        if !alive.iter().any(|entry| entry.key == control_of(node)) {
            (old, any_old) = (old.delete(&note.key), true);
        }
    }
    for entry in &alive {
        let node: Node = crate::decode(entry)?;
        let note = notes.iter().find(|note| note.key == done_by(node.id));
        let done = note.and_then(|note| std::str::from_utf8(&note.value).ok()?.parse().ok());
        if done.is_none_or(|done: u64| done < wish.0) {
            silent.push(Silent { node: node.id, name: node.name });
        }
    }
    if any_old {
        store.transact(old).await?;
    }
    Ok(silent)
}

fn done_by(node: NodeId) -> String {
    format!("{DONE}{node}")
}

/// What one node does about it.
#[derive(Debug)]
pub(super) struct Bringer {
    pub(super) store: Arc<dyn Store>,
    pub(super) me: NodeId,
    pub(super) archiver: Arc<Mutex<Archiver>>,
    /// What drains Redis while this node is elected.
    pub(super) drain: Option<Arc<Mutex<Drain>>>,
    pub(super) elected: watch::Receiver<bool>,
}

impl Bringer {
    /// Carries wishes out until `stop` turns true or its sender is gone.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.go_on() => {}
        }
    }

    async fn go_on(&self) {
        let mut done = Revision::default();
        loop {
            if let Err(error) = self.next(&mut done).await {
                tracing::debug!(%error, "no wish can be heard");
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// Carries out the newest wish, or waits for one.
    async fn next(&self, done: &mut Revision) -> Result<(), StoreError> {
        let page = self.store.range(WANTED, None, 1).await?;
        match page.entries.first() {
            Some(wish) if wish.modified > *done => {
                *done = wish.modified;
                if let Err(error) = self.bring().await {
                    tracing::warn!(%error, "what this node recorded was not brought to the archive; it stays here");
                    return Ok(());
                }
                let note = Transaction::new().put(done_by(self.me), done.0.to_string());
                self.store.transact(note).await.map(drop)
            }
            _ => {
                let mut wishes = self.store.watch(WANTED, page.revision).await?;
                wishes.next().await.transpose().map(drop)
            }
        }
    }

    async fn bring(&self) -> Result<(), super::DrainError> {
        self.archiver.lock().await.round().await?;
        let is_elected = *self.elected.borrow();
        match (&self.drain, is_elected) {
            (Some(drain), true) => drop(drain.lock().await.round().await?),
            // What an earlier election left unarchived here is looked for, too.
            (Some(drain), false) => drain.lock().await.archive().await?,
            (None, _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::time::{Clock, SystemClock};
    use countersign_recording::{ArchiveStore, CheckpointFile, LeftOpen, LocalJournal, Options, SigningKey};

    use super::*;
    use crate::fleet::{Kind, Node};
    use crate::store::{EmbeddedStore, LeaseId};

    async fn comes(store: &dyn Store, id: NodeId, name: &str) {
        let node = Node {
            id,
            kind: Kind::Control,
            name: name.into(),
            lease: LeaseId(1),
            started_at: SystemClock.now(),
            software: "test".into(),
            also: Default::default(),
        };
        store
            .transact(Transaction::new().put(control_of(&id.to_string()), crate::encode(&node)))
            .await
            .unwrap();
    }

    fn bringer(store: &Arc<dyn Store>, me: NodeId, dir: &std::path::Path) -> Bringer {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let sink = Box::new(CheckpointFile::open(dir, key).unwrap());
        let options = Options { left_open: LeftOpen::Keep, ..Options::default() };
        let journal = LocalJournal::open(dir, options, Arc::new(SystemClock), sink).unwrap();
        let archive = ArchiveStore::folder(&dir.join("archive")).unwrap();
        let archiver = Archiver::new(archive, Arc::new(journal), Duration::MAX).unwrap();
        let (store, archiver) = (Arc::clone(store), Arc::new(Mutex::new(archiver)));
        Bringer { store, me, archiver, drain: None, elected: watch::channel(false).1 }
    }

    #[tokio::test]
    async fn a_wish_is_done_when_every_node_that_is_alive_has_done_it() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(dir.path().join("s")).await.unwrap());
        let [one, other, gone] = [1, 2, 3].map(NodeId::from_u128);
        comes(&*store, one, "control-1").await;
        comes(&*store, other, "control-2").await;
        store.transact(Transaction::new().put(done_by(gone), "1")).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let first = tokio::spawn(bringer(&store, one, &dir.path().join("1")).run(stopped.clone()));
        // The other one stands still: it is told, not passed over.
        assert_eq!(gather(&*store).await.unwrap(), [Silent { node: other, name: "control-2".into() }]);
        assert_eq!(store.get(&done_by(gone)).await.unwrap(), None);
        let second = tokio::spawn(bringer(&store, other, &dir.path().join("2")).run(stopped));
        for _ in 0..3 {
            assert_eq!(gather(&*store).await.unwrap(), []);
        }
        stop.send_replace(true);
        first.await.unwrap();
        second.await.unwrap();
    }
}
