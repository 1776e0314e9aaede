//! Joining: a token that works for a while, and for one key unless it was issued for many. Only its hash is stored.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use countersign_common::id::Subject;
use countersign_common::time::Clock;
use countersign_common::{Digest, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::member::{GatewayName, Member};
use super::revoked::cut;
use crate::Also;
use crate::audit::{self, AuditEvent, Looked};
use crate::store::{Entry, Outcome, Store, StoreError, Transaction, range_all};

/// Where join tokens stand: `/cs/joins/<hash>`.
const JOINS: &str = "/cs/joins/";

/// How many digits of a token's hash name it for people.
const ID_DIGITS: usize = 16;

/// How every join token begins, so that scanners for leaked secrets find it.
const PREFIX: &str = "csj_";

/// Random bits of a token, in bytes.
const SECRET_BYTES: usize = 32;

/// The shortest and the longest life of a token.
const TTL_MIN: Duration = Duration::from_secs(10);
const TTL_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The longest life of a reusable one.
const REUSABLE_TTL_MAX: Duration = Duration::from_secs(90 * 86_400);

/// How often a lost race is tried again.
const ATTEMPTS_MAX: usize = 8;

/// Why a join token was not issued, or lets nobody in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JoinError {
    /// Its life is out of bounds.
    #[error("a join token lives between 10 seconds and 7 days, a reusable one at most 90 days")]
    Lifetime,
    /// It is unknown, over, or was used by another key. Which one it is, is for our log.
    #[error("the join token is not accepted: it is unknown, used, or its time is over")]
    Refused,
    /// The machine has no random bytes.
    #[error("there are no random bytes")]
    NoRandom,
    /// It kept changing under our hands.
    #[error("the join token was changed by others again and again; look at it and try again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A join token, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    issued_by: Subject,
    expires_at: Timestamp,
    /// Who has used it, and the digest of the key it was used for.
    used: Option<(Member, Digest)>,
    /// Whether any number of gateways may use it; then nobody is noted.
    #[serde(default)]
    reusable: bool,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    also: Also,
}

/// A join token, as far as anybody may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedToken {
    /// By what it is called: the beginning of its hash.
    pub id: String,
    /// Who issued it.
    pub issued_by: Subject,
    /// From when on it is not accepted any more.
    pub expires_at: Timestamp,
    /// For how many gateways it is.
    pub uses: Uses,
    /// Who has used it; `None`: nobody, or it is for many.
    pub used_by: Option<Member>,
}

/// For how many gateways a join token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// One.
    Once,
    /// Any number, until its time is over.
    Many,
}

/// A token that was issued.
#[derive(Debug)]
pub struct JoinToken {
    /// The token: the only time that it is seen.
    pub secret: Secret<String>,
    /// From when on it is not accepted any more.
    pub expires_at: Timestamp,
}

/// Join tokens.
#[derive(Debug)]
pub(super) struct Joins {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The digest of the authority; gateways know by it whom to trust.
    authority: Digest,
}

impl Joins {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, authority: Digest) -> Self {
        Self { store, clock, authority }
    }

    /// Issues a token.
    pub(super) async fn issue(
        &self,
        ttl: Duration,
        uses: Uses,
        by: &Subject,
    ) -> Result<JoinToken, JoinError> {
        let longest = match uses {
            Uses::Once => TTL_MAX,
            Uses::Many => REUSABLE_TTL_MAX,
        };
        if !(TTL_MIN..=longest).contains(&ttl) {
            return Err(JoinError::Lifetime);
        }
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret).map_err(|_| JoinError::NoRandom)?;
        let secret = Secret::new(format!("{PREFIX}{}.{}", hex::encode(secret), self.authority));
        let expires_at = self.clock.now().after(ttl);
        let (issued_by, reusable) = (by.clone(), uses == Uses::Many);
        let invitation = Invitation { issued_by, expires_at, used: None, reusable, also: Also::default() };
        let lease = self.store.grant(ttl).await?;
        let key = key(&secret);
        let put = Transaction::new().if_absent(&key).put_own_under(lease, &key, crate::encode(&invitation));
        match self.store.transact(put).await? {
            Outcome::Committed(_) => Ok(JoinToken { secret, expires_at }),
            // 256 random bits do not meet twice, and a new lease is not lost: the machine or the store is broken.
            Outcome::Conflict | Outcome::LeaseLost => Err(JoinError::NoRandom),
        }
    }

    /// Those that there are. Their time may be over; the store deletes them a moment later.
    pub(super) async fn list(&self) -> Result<Vec<ListedToken>, StoreError> {
        let (entries, _) = range_all(&*self.store, JOINS).await?;
        let mut all = entries.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|token| token.expires_at);
        Ok(all)
    }

    /// Takes a token back, and notes who did.
    pub(super) async fn revoke(
        &self,
        id: &str,
        by: &Subject,
        reason: &str,
    ) -> Result<Option<ListedToken>, JoinError> {
        if id.len() < ID_DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS_MAX {
            let found = self.store.range(&format!("{JOINS}{id}"), None, 2).await?;
            let [entry] = found.entries.as_slice() else { return Ok(None) };
            let token = listed(entry)?;
            let action = Looked::RevokedJoinToken;
            let event = AuditEvent::of_operator(self.clock.now(), by, action, token.id.clone(), &cut(reason));
            let delete = Transaction::new().if_modified(&entry.key, entry.modified).delete(&entry.key);
            match self.store.transact(audit::noting(delete, &event)).await {
                Ok(Outcome::Committed(_)) => return Ok(Some(token)),
                // It was used in between, or nobody knows: look again.
                Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(JoinError::Contended)
    }

    /// Who joins with this token. The same key may ask again, when its answer was lost; any other is refused.
    pub(super) async fn admit(
        &self,
        token: &Secret<String>,
        name: &GatewayName,
        public_key: Digest,
    ) -> Result<Member, JoinError> {
        let key = key(token);
        for _ in 0..ATTEMPTS_MAX {
            let entry = self.store.get(&key).await?.ok_or(JoinError::Refused)?;
            let invitation: Invitation = crate::decode(&entry)?;
            if self.clock.now() >= invitation.expires_at {
                return Err(JoinError::Refused);
            }
            if invitation.reusable {
                return Member::new(name.clone()).ok_or(JoinError::NoRandom);
            }
            if let Some((member, used_for)) = invitation.used {
                let again = used_for == public_key && member.name == *name;
                return if again { Ok(member) } else { Err(JoinError::Refused) };
            }
            let member = Member::new(name.clone()).ok_or(JoinError::NoRandom)?;
            if self.use_up(&entry, invitation, (member.clone(), public_key)).await? {
                return Ok(member);
            }
        }
        Err(JoinError::Refused)
    }

    /// One swap decides who used it. `false`: somebody else was faster, or nobody knows; look again.
    async fn use_up(
        &self,
        entry: &Entry,
        invitation: Invitation,
        used: (Member, Digest),
    ) -> Result<bool, StoreError> {
        let used = crate::encode(&Invitation { used: Some(used), ..invitation });
        let swap = Transaction::new().if_modified(&entry.key, entry.modified);
        match self.store.transact(swap.put_own_under(entry.lease, &entry.key, used)).await {
            Ok(Outcome::Committed(_)) => Ok(true),
            Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn listed(entry: &Entry) -> Result<ListedToken, StoreError> {
    let Invitation { issued_by, expires_at, used, reusable, also: _ } = crate::decode(entry)?;
    let hash = entry.key.strip_prefix(JOINS).unwrap_or_default();
    let id = hash.get(..ID_DIGITS).unwrap_or(hash).to_owned();
    let uses = if reusable { Uses::Many } else { Uses::Once };
    Ok(ListedToken { id, issued_by, expires_at, uses, used_by: used.map(|(member, _)| member) })
}

/// The key of a token: its hash, so that who reads the store can use none.
fn key(token: &Secret<String>) -> String {
    format!("{JOINS}{}", Digest::of(token.expose().as_bytes()))
}
