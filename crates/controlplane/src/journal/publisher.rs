//! Publishes the checkpoints of one journal as they are signed: to the store, and to an anchor outside of the control plane where
//! one is configured. Nothing waits for it: what is recorded is acknowledged as ever.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_recording::{Newest, SignedCheckpoint, sync_checkpoints};
use tokio::task::JoinHandle;

use super::anchor::AnchorSender;
use super::checkpoints::{Checkpoints, PublishError};

/// How long it rests after each: of checkpoints that are signed faster than that the newest is published.
const REST: Duration = Duration::from_secs(1);

/// How long the last one is waited for when the node ends.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// Publishes the checkpoints of one journal.
#[derive(Debug)]
pub struct Publisher {
    task: JoinHandle<()>,
}

impl Publisher {
    /// Begins. `dir` is where the journal keeps its checkpoints.
    #[must_use]
    pub fn begin(
        checkpoints: Arc<Checkpoints>,
        dir: PathBuf,
        newest: Newest,
        anchor: Option<AnchorSender>,
    ) -> Self {
        let publishing = Publishing { checkpoints, dir, newest, anchor };
        Self { task: tokio::spawn(publishing.run()) }
    }

    /// After the journal was closed: waits until its last checkpoint is published, for five seconds.
    pub async fn end(mut self) {
        if tokio::time::timeout(LAST_WITHIN, &mut self.task).await.is_err() {
            tracing::error!("the last checkpoint was not published; the next start does it");
            self.task.abort();
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Publishing {
    checkpoints: Arc<Checkpoints>,
    dir: PathBuf,
    newest: Newest,
    anchor: Option<AnchorSender>,
}

impl Publishing {
    /// Until the journal is closed and its last checkpoint published.
    async fn run(mut self) {
        let mut published = None;
        loop {
            let newest = self.newest.borrow_and_update().clone();
            if let Some(signed) = newest.filter(|signed| published.as_ref() != Some(&signed.hash)) {
                match self.publish(&signed).await {
                    Ok(()) => published = Some(signed.hash),
                    Err(PublishError::Contradicted { log, stored, own }) => {
                        crate::metrics::checkpoint_contradicted();
                        tracing::error!(
                            log,
                            stored,
                            own,
                            "the store has another checkpoint of this log: two writers have it, or an older copy of its files is being written; stop this node and verify"
                        );
                        published = Some(signed.hash);
                    }
                    Err(error) => {
                        crate::metrics::checkpoint_not_published();
                        tracing::warn!(%error, "the newest checkpoint was not published; it is tried again");
                        tokio::time::sleep(REST).await;
                        continue;
                    }
                }
            }
            if self.newest.changed().await.is_err() {
                // The journal is closed; its last one may have come meanwhile.
                let last = self.newest.borrow().as_ref().map(|signed| signed.hash);
                if last == published {
                    return;
                }
                continue;
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// INVARIANT: I12 - what is told to others lasts here first; else a loss of power would look like a forgery.
    async fn publish(&self, signed: &Arc<SignedCheckpoint>) -> Result<(), PublishError> {
        let dir = self.dir.clone();
        let synced = tokio::task::spawn_blocking(move || sync_checkpoints(&dir)).await;
        let synced = synced.map_err(std::io::Error::other).and_then(|synced| synced);
        synced.map_err(|source| PublishError::Unsynced { place: self.dir.display().to_string(), source })?;
        if let Some(anchor) = &self.anchor {
            anchor.send(signed);
        }
        self.checkpoints.publish(signed).await?;
        crate::metrics::checkpoint_published(signed.checkpoint.at);
        Ok(())
    }
}
