//! Gateways that were shut out: `/cs/revoked-gateways/<member>`. Every certificate of a member names its id, those that
//! it got by renewing included; so one record refuses all of them. Nodes hold the records in memory for the handshake,
//! which cannot wait, and read the store where a link, a certificate or a place in the fleet is given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::id::{NodeId, Subject};
use countersign_common::time::Clock;
use futures::StreamExt as _;
use parking_lot::RwLock;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::Fleet;
use super::links::Wish;
use super::member::Member;
use crate::Also;
use crate::audit::{self, AuditEvent, Looked};
use crate::store::{Change, Entry, Outcome, Revision, Store, StoreError, Transaction, range_all};

/// Where the records stand.
const REVOKED: &str = "/cs/revoked-gateways/";

/// How long a record stays: longer than any certificate lives.
const KEPT: Duration = Duration::from_secs(400 * 86_400);

/// The longest that a gateway's certificate may live; what a record outlives.
pub const CERTIFICATE_TTL_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// What stands for the name of a gateway that was shut out by its id alone.
const NAME_UNKNOWN: &str = "unknown";

/// How often a lost race is tried again.
const ATTEMPTS_MAX: usize = 8;

/// How long to rest before a watch that ended is begun again.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// A gateway that was shut out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedGateway {
    /// The gateway.
    pub member: Member,
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: Subject,
    /// Why.
    pub reason: String,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

/// Why a gateway was not shut out.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There is none of this name.
    #[error("there is no gateway `{0}`; `countersign fleet nodes` lists them")]
    Unknown(String),
    /// Several gateways have this name.
    #[error("several gateways are called `{name}`; name one by its id: {}", ids.join(", "))]
    Several {
        /// The name.
        name: String,
        /// Their ids.
        ids: Vec<String>,
    },
    /// It kept changing under our hands.
    #[error("it was changed by others again and again; try again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The gateways that were shut out.
#[derive(Debug)]
pub(super) struct Revoked {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<BTreeMap<String, RevokedGateway>>,
}

impl Revoked {
    /// With all that there are: a node that has not read them lets nobody in.
    pub(super) async fn load(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let revoked = Self { store, clock, known: RwLock::default() };
        revoked.read_all().await?;
        Ok(revoked)
    }

    async fn read_all(&self) -> Result<Revision, StoreError> {
        let (entries, revision) = range_all(&*self.store, REVOKED).await?;
        entries.iter().filter_map(|entry| self.read(entry)).for_each(|revoked| self.learn(revoked));
        Ok(revision)
    }

    /// What a record says. Fail closed: of one that cannot be read the key says whom it shuts out. `None`: not even that.
    fn read(&self, entry: &Entry) -> Option<RevokedGateway> {
        if let Some(revoked) = crate::readable(entry) {
            return Some(revoked);
        }
        let id = entry.key.strip_prefix(REVOKED).filter(|id| Member::is_id(id))?;
        let reason = "its record cannot be read by this version".into();
        let (member, at, also) = (unnamed(id)?, self.clock.now(), Also::default());
        Some(RevokedGateway { member, at, by: crate::nobody(), reason, also })
    }

    fn learn(&self, revoked: RevokedGateway) {
        self.known.write().insert(revoked.member.id.clone(), revoked);
    }

    /// Whether a certificate is a shut-out gateway's, as far as this node has heard.
    pub(super) fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        Member::of(certificate).is_some_and(|member| self.known.read().contains_key(&member.id))
    }

    /// The gateways that were shut out, as far as this node has heard, newest first.
    pub(super) fn list(&self) -> Vec<RevokedGateway> {
        let mut all: Vec<_> = self.known.read().values().cloned().collect();
        all.sort_by_key(|revoked| std::cmp::Reverse(revoked.at));
        all
    }

    /// Whether the gateway was shut out, as the store has it.
    pub(super) async fn is_revoked(&self, member: &Member) -> Result<bool, StoreError> {
        Ok(self.store.get(&key(&member.id)).await?.is_some())
    }

    /// Shuts a gateway out, and notes who did; one that is out already stays as it was.
    async fn add(&self, member: Member, by: &Subject, reason: &str) -> Result<RevokedGateway, RevokeError> {
        let (key, at) = (key(&member.id), self.clock.now());
        let (by_whom, also) = (by.clone(), Also::default());
        let revoked = RevokedGateway { member, at, by: by_whom, reason: cut(reason), also };
        for _ in 0..ATTEMPTS_MAX {
            if let Some(entry) = self.store.get(&key).await? {
                let stands = self.read(&entry).ok_or_else(|| crate::bad_value(&entry, "no gateway's"))?;
                self.learn(stands.clone());
                return Ok(stands);
            }
            let about = format!("{} ({})", revoked.member.name, revoked.member.id);
            let event = AuditEvent::of_operator(at, by, Looked::RevokedGateway, about, &revoked.reason);
            let write = Transaction::new().if_absent(&key).put(&key, crate::encode(&revoked));
            match self.store.transact(audit::noting(write, &event)).await {
                Ok(Outcome::Committed(_)) => {
                    self.learn(revoked.clone());
                    return Ok(revoked);
                }
                // Somebody else did, or nobody knows: look again.
                Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RevokeError::Contended)
    }

    /// Forgets those of whose certificates none can be valid any more; how many. Safe to run at any time, by any node.
    pub(super) async fn sweep(&self) -> Result<usize, StoreError> {
        let (entries, _) = range_all(&*self.store, REVOKED).await?;
        let mut count = 0;
        for entry in entries {
            let Some(revoked) = crate::readable::<RevokedGateway>(&entry) else { continue };
            if revoked.at.after(KEPT) > self.clock.now() {
                continue;
            }
            let delete = Transaction::new().if_modified(&entry.key, entry.modified).delete(&entry.key);
            self.store.transact(delete).await?;
            self.known.write().remove(&revoked.member.id);
            count += 1;
        }
        Ok(count)
    }

    async fn follow(&self, told: &impl Fn(&Member)) -> Result<(), StoreError> {
        let after = self.read_all().await?;
        // Those that were missed while nothing was followed.
        self.list().iter().for_each(|revoked| told(&revoked.member));
        let mut changes = self.store.watch(REVOKED, after).await?;
        while let Some(change) = changes.next().await {
            if let Change::Put(entry) = change?
                && let Some(revoked) = self.read(&entry)
            {
                self.learn(revoked.clone());
                told(&revoked.member);
            }
        }
        Err(StoreError::Closed)
    }
}

impl Fleet {
    /// Shuts a gateway out for good: none of its certificates is accepted any more or renewed, its links end at every
    /// node, and what it was about is treated as that of a lost gateway. `wanted` is its name, the id of one of its
    /// starts, or its own. Repeated, it does again what was left to be done.
    ///
    /// # Errors
    /// When there is no such gateway, or more than one; or the store fails.
    pub async fn revoke(
        &self,
        wanted: &str,
        by: &Subject,
        reason: &str,
    ) -> Result<RevokedGateway, RevokeError> {
        let member = self.nodes().member_named(wanted).await?;
        let revoked = self.revoked().add(member, by, reason).await?;
        // INVARIANT: I1. Its starts are lost from here on, as if their leases had run out: what they had redeemed is in
        // doubt at once, and no node takes anything of them any more.
        for node in self.nodes().starts_of(&revoked.member).await? {
            self.nodes().goodbye(&node).await?;
        }
        self.end_links_of(&revoked.member);
        tracing::warn!(gateway = %revoked.member.name, member = %revoked.member.id, %by, "a gateway was revoked");
        Ok(revoked)
    }

    /// The gateways that were shut out, newest first.
    #[must_use]
    pub fn list_revoked(&self) -> Vec<RevokedGateway> {
        self.revoked().list()
    }

    /// Ends the links of gateways that are shut out at another node.
    pub(super) async fn follow_revoked(&self) {
        loop {
            if let Err(error) = self.revoked().follow(&|member| self.end_links_of(member)).await {
                tracing::warn!(%error, "following revoked gateways ended; reading them again");
            }
            tokio::time::sleep(REST_AFTER_ERROR).await;
        }
    }

    fn end_links_of(&self, member: &Member) {
        for link in self.links().all().into_iter().filter(|link| link.member == member.id) {
            link.end(Wish::Revoked);
        }
    }
}

/// Who is meant among gateways that are, or were lately, of the fleet.
pub(super) fn named(
    wanted: &str,
    starts: impl IntoIterator<Item = (NodeId, Member)>,
) -> Result<Member, RevokeError> {
    let mut found: BTreeMap<String, Member> = BTreeMap::new();
    for (id, member) in starts {
        if member.id == wanted || member.name.to_string() == wanted || id.to_string() == wanted {
            found.insert(member.id.clone(), member);
        }
    }
    let mut ids: Vec<String> = found.keys().cloned().collect();
    match (found.into_values().next(), ids.len()) {
        (Some(member), 1) => Ok(member),
        // One that joined and was never seen again: its id stands in the log of the node that let it in.
        (None, _) if Member::is_id(wanted) => {
            unnamed(wanted).ok_or_else(|| RevokeError::Unknown(wanted.to_owned()))
        }
        (None, _) => Err(RevokeError::Unknown(wanted.to_owned())),
        (Some(_), _) => {
            ids.sort();
            Err(RevokeError::Several { name: wanted.to_owned(), ids })
        }
    }
}

/// A gateway of which only the id is known.
fn unnamed(id: &str) -> Option<Member> {
    Some(Member { id: id.to_owned(), name: NAME_UNKNOWN.parse().ok()? })
}

fn key(member: &str) -> String {
    format!("{REVOKED}{member}")
}

/// As much of a reason as is kept.
pub(super) fn cut(reason: &str) -> String {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default().to_owned()
}
