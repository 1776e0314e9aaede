//! Watches that outlive the member they began at. One that ends, fails or falls silent is begun anew at
//! another member where it stopped; only a history that is gone, or a refusal, ends it for its reader.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tokio::time::{Instant, timeout};

use super::cluster::{Cluster, Connecting};
use super::wire::{Fault, Refusal, Watch};
use crate::store::{Change, Changes, Revision, StoreError};

/// After how much silence a member is asked for a sign of life, and how long it may take to give one.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long it may take to begin a watch at one member.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after all members have failed.
const ROUND_PAUSE: Duration = Duration::from_millis(200);

/// Every change under `prefix` (a whole key, with what all keys begin with) after `after`.
pub(super) async fn changes(
    cluster: Arc<Cluster>,
    prefix: String,
    after: Revision,
) -> Result<Changes, StoreError> {
    let deadline = Instant::now() + cluster.config().call_timeout();
    let place = Place { next: Revision(after.0.saturating_add(1)), seen: HashSet::new() };
    let mut watcher = Watcher { cluster, prefix, place, live: None, ready: VecDeque::new(), ended: false };
    watcher.begin(Some(deadline)).await?;
    Ok(stream::unfold(watcher, |mut watcher| async {
        let next = watcher.next().await?;
        Some((next, watcher))
    })
    .boxed())
}

/// Up to where a reader has got.
#[derive(Debug)]
struct Place {
    /// Everything before this revision has been handed out.
    next: Revision,
    /// And of this revision the changes of these keys: one revision may come in pieces.
    seen: HashSet<String>,
}

impl Place {
    /// Whether a change is new to the reader; the place is then behind it.
    fn advance(&mut self, change: &Change) -> bool {
        let revision = change.revision();
        if revision > self.next {
            self.next = revision;
            self.seen.clear();
        }
        // A transaction writes a key once, so a key names a change within its revision.
        revision == self.next && self.seen.insert(change.key().to_owned())
    }
}

/// A watch at a member.
#[derive(Debug)]
struct Live {
    member: usize,
    watch: Watch,
    /// Whether it was asked for a sign of life, and has not given one yet.
    asked: bool,
}

/// One watcher.
#[derive(Debug)]
struct Watcher {
    cluster: Arc<Cluster>,
    prefix: String,
    place: Place,
    live: Option<Live>,
    /// Read and not yet handed out.
    ready: VecDeque<Change>,
    ended: bool,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Change, StoreError>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(Ok(change));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.more().await {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }

    /// Reads what comes next; begins the watch where there is none.
    async fn more(&mut self) -> Result<(), StoreError> {
        let Some(live) = &mut self.live else { return self.begin(None).await };
        let heard = match timeout(SILENCE_MAX, live.watch.next()).await {
            Ok(heard) => heard,
            Err(_) if live.asked => Err(Fault::NotDone("the watch gives no sign of life".into())),
            Err(_) => {
                live.asked = true;
                match live.watch.ask().await {
                    Ok(()) => return Ok(()),
                    Err(fault) => Err(fault),
                }
            }
        };
        match heard {
            Ok(changes) => {
                // An empty answer is the sign of life. Where it says it stands is not relied on: members of
                // 3.4 and early 3.5 name revisions there whose changes are still to come.
                live.asked = false;
                for change in changes {
                    if self.place.advance(&change) {
                        self.ready.push_back(change);
                    }
                }
                Ok(())
            }
            Err(Fault::NotDone(said) | Fault::Unknown(said)) => {
                tracing::debug!(prefix = self.prefix, said, "a watch ended; it goes on at another member");
                self.cluster.failed(live.member, &said);
                self.live = None;
                Ok(())
            }
            Err(Fault::Refused(Refusal::Unauthorised(said))) => {
                // A token may have run out: a new connection logs in again, and is refused if that was not it.
                self.cluster.failed(live.member, &said);
                self.live = None;
                Ok(())
            }
            Err(Fault::Refused(refusal)) => Err(self.refused(refusal)),
        }
    }

    /// Begins the watch at the first member that takes it; without a deadline tries for ever.
    async fn begin(&mut self, deadline: Option<Instant>) -> Result<(), StoreError> {
        loop {
            let mut last = String::new();
            for member in self.cluster.order() {
                let begun = timeout(BEGIN_TIMEOUT, self.begin_at(member)).await;
                match begun.unwrap_or_else(|_| Err(silent())) {
                    Ok(watch) => {
                        self.live = Some(Live { member, watch, asked: false });
                        return Ok(());
                    }
                    Err(Connecting::Fault(Fault::Refused(refusal))) => return Err(self.refused(refusal)),
                    Err(Connecting::Fault(Fault::NotDone(said) | Fault::Unknown(said))) => {
                        self.cluster.failed(member, &said);
                        last = self.cluster.about(member, &said);
                    }
                    Err(Connecting::Access(error)) if deadline.is_some() => return Err(error),
                    Err(Connecting::Access(error)) => last = error.to_string(),
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(StoreError::Unreachable { endpoints: self.cluster.endpoints(), detail: last });
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }

    async fn begin_at(&self, member: usize) -> Result<Watch, Connecting> {
        let (from, end) = super::keys::of_prefix(&self.prefix);
        let wire = self.cluster.wire(member).await?;
        match wire.watch(from.clone(), end.clone(), self.place.next).await {
            // The token may have run out while nothing was asked; a new connection logs in again.
            Err(Fault::Refused(Refusal::Unauthorised(_))) => {
                self.cluster.renew(member);
                let wire = self.cluster.wire(member).await?;
                wire.watch(from, end, self.place.next).await.map_err(Connecting::Fault)
            }
            begun => begun.map_err(Connecting::Fault),
        }
    }

    fn refused(&self, refusal: Refusal) -> StoreError {
        match refusal {
            Refusal::Compacted(oldest) => StoreError::Compacted {
                asked: Revision(self.place.next.0.saturating_sub(1)),
                oldest: Revision(oldest.0.saturating_sub(1)),
            },
            Refusal::Unauthorised(detail) => StoreError::Unauthorised { detail },
            other => StoreError::Refused { detail: other.to_string() },
        }
    }
}

fn silent() -> Connecting {
    Connecting::Fault(Fault::NotDone(format!("no watch within {BEGIN_TIMEOUT:?}")))
}
