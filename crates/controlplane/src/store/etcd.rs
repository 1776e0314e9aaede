//! The store on etcd, for several control-plane nodes: linearizable reads, transactions that compare,
//! watches, leases. Calls go to another member when one fails; a transaction whose answer was lost is
//! sent again only where it can be written at most once, and is told to have happened only where that is
//! known.

mod access;
mod cluster;
mod keys;
mod watch;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;

pub use self::access::{EtcdConfig, EtcdTls, EtcdUser};
pub use self::cluster::MemberHealth;
use self::cluster::{Attempt, Cluster, Connecting, Failed, Repeat};
use self::keys::Keys;
use self::wire::{Answer, Fault, Refusal};
use super::{
    Changes, Entry, Kept, LeaseId, Outcome, Page, Revision, Store, StoreError, TTL_MIN, Transaction, lease,
};

/// The oldest etcd that has what we need: watches in fragments, and linearizable reads that are.
const OLDEST: &str = "3.4";

/// The first of the line 3.5 that is taken: the members of those before can come to hold different data.
const OLDEST_OF_3_5: &str = "3.5.3";

/// The first of each line without known faults in reads.
const SOUND: [&str; 3] = ["3.4.42", "3.5.28", "3.6.9"];

/// The key by which a start finds out what it may write. Nothing ever stands there.
const PROBE: &str = "/cs/probe";

/// The store on etcd. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EtcdStore {
    cluster: Arc<Cluster>,
    keys: Keys,
}

/// How one attempt at a transaction ended.
#[derive(Debug)]
enum Tried {
    Outcome(Outcome),
    /// A comparison failed, perhaps because an earlier attempt of ours was written.
    Undecided,
}

impl EtcdStore {
    /// Connects to the cluster, and finds out whether it can be used: its version, our permissions, a
    /// majority of members.
    ///
    /// # Errors
    /// [`StoreError::Misconfigured`], [`StoreError::TooOld`], [`StoreError::Unauthorised`], or
    /// [`StoreError::Unreachable`] when no member answers within the time of a call.
    pub async fn open(config: EtcdConfig) -> Result<Self, StoreError> {
        config.check()?;
        let keys = Keys::new(&config.prefix);
        let store = Self { cluster: Arc::new(Cluster::new(config)), keys };
        store.check_versions().await?;
        store.range("/cs/", None, 1).await?;
        let probe = keys::probe(store.keys.whole(PROBE));
        let probed = store.cluster.call(Repeat::Harmless, |attempt| {
            let probe = probe.clone();
            async move { attempt.wire.transact(&probe).await }
        });
        probed.await.map_err(|failed| store.read_error(failed))?;
        Ok(store)
    }

    /// How the members are doing.
    #[must_use]
    pub fn members(&self) -> Vec<MemberHealth> {
        self.cluster.health()
    }

    /// Asks each member whether it is there, in the order of the configuration. Their health is left alone: what calls
    /// make of them decides whom calls go to.
    async fn answering(&self) -> Vec<bool> {
        let answers: Vec<bool> = self.cluster.versions().await.iter().map(|(_, one)| one.is_ok()).collect();
        // The client mends nothing by itself: a connection that failed is made anew the next time.
        answers.iter().enumerate().filter(|(_, up)| !**up).for_each(|(member, _)| self.cluster.renew(member));
        answers
    }

    async fn check_versions(&self) -> Result<(), StoreError> {
        for (endpoint, answer) in self.cluster.versions().await {
            match answer {
                Ok(found) => {
                    if let Some(oldest) = oldest_instead_of(&found) {
                        return Err(StoreError::TooOld { endpoint, found, oldest });
                    }
                    if has_known_faults(&found) {
                        tracing::warn!(
                            endpoint,
                            version = found,
                            "this version of etcd has known faults in reads"
                        );
                    }
                    tracing::info!(endpoint, version = found, "etcd member");
                }
                Err(Connecting::Access(error)) => return Err(error),
                // Whether enough of them answer, and let us in, shows in the read that follows.
                Err(Connecting::Fault(fault)) => tracing::warn!(endpoint, ?fault, "etcd member"),
            }
        }
        Ok(())
    }

    /// The error for a call that changes nothing.
    fn read_error(&self, failed: Failed) -> StoreError {
        match failed {
            Failed::NotDone(detail) | Failed::Unknown(detail) => {
                StoreError::Unreachable { endpoints: self.cluster.endpoints(), detail }
            }
            Failed::Refused { refusal, .. } => refused(refusal),
            Failed::Access(error) => error,
        }
    }

    /// The error for a call that writes.
    fn write_error(&self, failed: Failed) -> StoreError {
        match failed {
            Failed::Unknown(detail) => unknown(detail),
            Failed::Refused { refusal, unsure: true } => unknown(refusal.to_string()),
            sure => self.read_error(sure),
        }
    }
}

/// One attempt at a transaction.
async fn try_transaction(attempt: Attempt, transaction: &Transaction) -> Result<Tried, Fault> {
    let own = match attempt.wire.transact(transaction).await {
        Ok(Answer::Written(revision)) => return Ok(Tried::Outcome(Outcome::Committed(revision))),
        Ok(Answer::Differs { own }) => own,
        // Whatever an earlier attempt put under the lease has gone with it.
        Err(Fault::Refused(Refusal::NoLease)) => return Ok(Tried::Outcome(Outcome::LeaseLost)),
        Err(fault) => return Err(fault),
    };
    // INVARIANT: I1. Nobody else writes this value, so whoever finds it there has written it.
    match (own, transaction.own()) {
        (Some(found), Some((_, value))) if found.value == value => {
            Ok(Tried::Outcome(Outcome::Committed(found.modified)))
        }
        _ if attempt.unsure => Ok(Tried::Undecided),
        _ => Ok(Tried::Outcome(Outcome::Conflict)),
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let key = &self.keys.whole(key);
        let found = self.cluster.call(Repeat::Harmless, |attempt| async move { attempt.wire.get(key).await });
        let found = found.await.map_err(|failed| self.read_error(failed))?;
        Ok(found.map(|entry| self.keys.own(entry)))
    }

    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let (first, end) = keys::of_prefix(&self.keys.whole(prefix));
        let after = after.filter(|key| *key >= prefix).map(|key| keys::behind(&self.keys.whole(key)));
        let from = after.unwrap_or(first);
        let found = self.cluster.call(Repeat::Harmless, |attempt| {
            let (from, end) = (from.clone(), end.clone());
            async move { attempt.wire.range(from, end, limit).await }
        });
        let found = found.await.map_err(|failed| self.read_error(failed))?;
        let entries = found.entries.into_iter().map(|entry| self.keys.own(entry)).collect();
        Ok(Page { entries, revision: found.revision, more: found.more })
    }

    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        transaction.check()?;
        let transaction = &self.keys.whole_transaction(transaction);
        let repeat = if transaction.writes_at_most_once() { Repeat::Harmless } else { Repeat::Never };
        let tried = self.cluster.call(repeat, |attempt| try_transaction(attempt, transaction));
        match tried.await.map_err(|failed| self.write_error(failed))? {
            Tried::Outcome(outcome) => Ok(outcome),
            Tried::Undecided => Err(unknown("the answer was lost, and what stands there does not tell")),
        }
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        let keys = self.keys.clone();
        let changes = watch::changes(Arc::clone(&self.cluster), keys.whole(prefix), after).await?;
        Ok(changes.map(move |change| change.map(|change| keys.own_change(change))).boxed())
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let (lease, ttl) = (lease::new_id()?, ttl.max(TTL_MIN));
        let granted = self.cluster.call(Repeat::Harmless, |Attempt { wire, .. }| async move {
            match wire.grant(lease, ttl).await {
                // The name is ours alone: an earlier attempt was heard.
                Err(Fault::Refused(Refusal::LeaseExists)) => Ok(()),
                other => other,
            }
        });
        granted.await.map_err(|failed| self.write_error(failed))?;
        Ok(lease)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Kept, StoreError> {
        let kept = self.cluster.call(Repeat::Harmless, |Attempt { wire, .. }| async move {
            match wire.keep_alive(lease).await {
                Ok(ttl) => Ok(Kept::For(ttl)),
                Err(Fault::Refused(Refusal::NoLease)) => Ok(Kept::Lost),
                Err(fault) => Err(fault),
            }
        });
        kept.await.map_err(|failed| self.read_error(failed))
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        let revoked = self.cluster.call(Repeat::Harmless, |Attempt { wire, .. }| async move {
            match wire.revoke(lease).await {
                Err(Fault::Refused(Refusal::NoLease)) => Ok(()),
                other => other,
            }
        });
        revoked.await.map_err(|failed| self.write_error(failed))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.range(PROBE, None, 1).await?.revision)
    }

    async fn probe(&self) {
        for (member, up) in (0..).zip(self.answering().await) {
            crate::metrics::member_up(member, up);
        }
    }
}

fn refused(refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::Unauthorised(detail) => StoreError::Unauthorised { detail },
        other => StoreError::Refused { detail: other.to_string() },
    }
}

fn unknown(detail: impl Into<String>) -> StoreError {
    StoreError::Unknown(Arc::new(std::io::Error::other(detail.into())))
}

/// A version such as `3.5.28`; what follows a hyphen is left out.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split('-').next()?.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next().flatten().unwrap_or_default()])
}

/// The version that is needed at least, where this one is not taken. One that does not read is.
fn oldest_instead_of(version: &str) -> Option<&'static str> {
    let found = numbers(version)?;
    let too_old = |oldest: &str| numbers(oldest).is_some_and(|oldest| found < oldest);
    match found {
        [3, 5, _] if too_old(OLDEST_OF_3_5) => Some(OLDEST_OF_3_5),
        _ if too_old(OLDEST) => Some(OLDEST),
        _ => None,
    }
}

/// Whether a version has faults in reads that later ones of its line have not.
fn has_known_faults(version: &str) -> bool {
    let Some(found) = numbers(version) else { return false };
    SOUND
        .iter()
        .filter_map(|sound| numbers(sound))
        .any(|sound| (found[0], found[1]) == (sound[0], sound[1]) && found < sound)
}

#[cfg(test)]
mod tests;
