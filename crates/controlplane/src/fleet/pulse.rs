//! Whether this node reaches its store. Gateways may judge only as long as they hear from a node that does.

use std::sync::Arc;
use std::time::Duration;

use countersign_runtime::awake::since_boot;
use parking_lot::Mutex;

use crate::store::{Store, StoreError};

/// How often the store is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long an answer counts.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// Whether this node reaches its store.
#[derive(Debug)]
pub(super) struct Pulse {
    store: Arc<dyn Store>,
    /// Since the machine was started: what it slept counts.
    answered: Mutex<Duration>,
}

impl Pulse {
    /// To be made when the store has just answered.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, answered: Mutex::new(since_boot()) }
    }

    /// Whether the store has answered lately.
    pub(super) fn is_felt(&self) -> bool {
        self.silent_for() <= COUNTS_FOR
    }

    /// How long it has not.
    pub(super) fn silent_for(&self) -> Duration {
        since_boot().saturating_sub(*self.answered.lock())
    }

    /// Waits until it has not answered for so long.
    pub(super) async fn lost_for(&self, time: Duration) {
        while self.silent_for() <= time {
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Asks for `key` again and again, and tells each answer: whether there is anything. A read is answered by a
    /// majority of the store's members, or not at all.
    pub(super) async fn run<F: Future<Output = ()>>(&self, key: &str, mut answered: impl FnMut(bool) -> F) {
        let mut was_felt = true;
        loop {
            let asked = since_boot();
            match self.ask(key).await {
                Ok(there) => {
                    // What it proves is that the store was reached after the question, not before the answer.
                    *self.answered.lock() = asked;
                    answered(there).await;
                }
                Err(error) => tracing::debug!(%error, "the store did not answer"),
            }
            if self.is_felt() != was_felt {
                was_felt = self.is_felt();
                match was_felt {
                    true => tracing::info!("the store answers again"),
                    false => {
                        tracing::error!("the store does not answer; gateways are told nothing until it does")
                    }
                }
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn ask(&self, key: &str) -> Result<bool, StoreError> {
        let asked = tokio::time::timeout(ANSWER_WITHIN, self.store.get(key)).await;
        asked.unwrap_or(Err(StoreError::Closed)).map(|entry| entry.is_some())
    }
}
