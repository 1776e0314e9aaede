//! Who does what one node at a time does: a place in the store, `/cs/leader/<job>`, taken by compare-and-swap and held
//! under a lease. A node that stands still may think for a moment longer that it has the place; so the jobs that are done
//! by election are such that two who do them at once do no harm.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::NodeId;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::store::{Kept, LeaseId, Outcome, Store, StoreError, Transaction};

/// One node's candidacy for a job.
#[derive(Debug)]
pub struct Election {
    store: Arc<dyn Store>,
    key: String,
    me: NodeId,
    ttl: Duration,
    held: Mutex<Option<LeaseId>>,
    elected: watch::Sender<bool>,
}

impl Election {
    /// For this job. Another node gets it at most one and a quarter `ttl` after its holder has gone.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, job: &str, me: NodeId, ttl: Duration) -> Self {
        let (key, elected) = (format!("/cs/leader/{job}"), watch::Sender::new(false));
        Self { store, key, me, ttl, held: Mutex::default(), elected }
    }

    /// Whether this node has the job.
    #[must_use]
    pub fn elected(&self) -> watch::Receiver<bool> {
        self.elected.subscribe()
    }

    /// Stands for election until `stop` turns true or its sender is gone; then gives the place up, so that the next one
    /// need not wait.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.stand() => {}
        }
        self.elected.send_replace(false);
        let held = self.held.lock().take();
        if let Some(lease) = held
            && let Err(error) = self.store.revoke(lease).await
        {
            tracing::debug!(key = self.key, %error, "the place has to run out");
        }
    }

    async fn stand(&self) {
        loop {
            match self.take_place().await {
                Ok(Some(lease)) => self.hold(lease).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(key = self.key, %error, "there is no election without the store")
                }
            }
            tokio::time::sleep(self.ttl / 4).await;
        }
    }

    /// `None`: another node has it.
    async fn take_place(&self) -> Result<Option<LeaseId>, StoreError> {
        if self.store.get(&self.key).await?.is_some() {
            return Ok(None);
        }
        let lease = self.store.grant(self.ttl).await?;
        let place = Transaction::new().if_absent(&self.key).put_under(lease, &self.key, self.me.to_string());
        match self.store.transact(place).await {
            Ok(Outcome::Committed(_)) => Ok(Some(lease)),
            // Where nobody knows whether it was written, it goes with its lease.
            other => {
                self.store.revoke(lease).await?;
                other.map(|_| None)
            }
        }
    }

    /// Has the job as long as the store says so, or said so a short while ago.
    async fn hold(&self, lease: LeaseId) {
        *self.held.lock() = Some(lease);
        self.elected.send_replace(true);
        tracing::info!(key = self.key, "this node is elected");
        let mut kept = Instant::now();
        while kept.elapsed() < self.ttl / 2 {
            tokio::time::sleep(self.ttl / 4).await;
            let asked = Instant::now();
            match within(self.ttl / 4, self.store.keep_alive(lease)).await {
                Some(Ok(Kept::For(_))) => kept = asked,
                Some(Ok(Kept::Lost)) => break,
                Some(Err(_)) | None => {}
            }
        }
        self.elected.send_replace(false);
        self.held.lock().take();
        tracing::warn!(key = self.key, "this node is elected no longer");
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, answer).await.ok()
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;
    use crate::store::EmbeddedStore;

    /// Longer than any of this takes.
    const LONG: Duration = Duration::from_secs(30);

    struct Candidate {
        election: Arc<Election>,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    impl Candidate {
        fn stands(store: &EmbeddedStore) -> Self {
            let store: Arc<dyn Store> = Arc::new(store.clone());
            let election = Election::new(store, "test", NodeId::generate(), crate::store::TTL_MIN);
            let (election, (stop, stopped)) = (Arc::new(election), watch::channel(false));
            let candidate = Arc::clone(&election);
            let task = tokio::spawn(async move { candidate.run(stopped).await });
            Self { election, stop, task }
        }

        async fn gets_it(&self) {
            let mut elected = self.election.elected();
            tokio::time::timeout(LONG, elected.wait_for(|elected| *elected)).await.expect("elected").unwrap();
        }

        fn has_it(&self) -> bool {
            *self.election.elected().borrow()
        }
    }

    #[tokio::test]
    async fn another_node_gets_the_job_when_its_holder_ends_and_when_it_dies() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path().join("store.redb")).await.unwrap();
        let first = Candidate::stands(&store);
        first.gets_it().await;
        let second = Candidate::stands(&store);
        // It has looked for the place several times by then, and the first one has kept it.
        tokio::time::sleep(2 * crate::store::TTL_MIN).await;
        assert!(first.has_it() && !second.has_it());
        // In good order: it gives the place up.
        let Candidate { election, stop, task } = first;
        stop.send_replace(true);
        task.await.unwrap();
        assert!(!*election.elected().borrow());
        second.gets_it().await;
        let third = Candidate::stands(&store);
        // It dies: nobody gives anything up, its lease runs out.
        second.task.abort();
        third.gets_it().await;
        // What it had does not come back to it.
        assert_eq!(
            store.get(&third.election.key).await.unwrap().unwrap().value,
            third.election.me.to_string().into_bytes()
        );
    }

    #[tokio::test]
    async fn a_holder_whose_lease_is_gone_has_the_job_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path().join("store.redb")).await.unwrap();
        let holder = Candidate::stands(&store);
        holder.gets_it().await;
        let mut elected = holder.election.elected();
        let lease = holder.election.held.lock().unwrap();
        store.revoke(lease).await.unwrap();
        tokio::time::timeout(LONG, elected.wait_for(|elected| !*elected)).await.expect("in time").unwrap();
        // It stands again like anybody else.
        holder.gets_it().await;
    }
}
