//! Leases of tokens and sessions: one for all that goes in the same minute. A lease for each would take
//! etcd twenty minutes to end a million of them. Leases only tidy up; the time in the record decides.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_common::Timestamp;

use super::{ATTEMPTS_MAX, KEPT_AFTER_EXPIRY, Sessions};
use crate::store::{LeaseId, Outcome, StoreError, Transaction};

/// Where the lease of each minute stands, under itself: `/cs/leases/<minute since 1970>`.
const LEASES: &str = "/cs/leases/";

const MINUTE: Duration = Duration::from_secs(60);

/// The minutes of which a lease is known here.
pub(super) type Known = BTreeMap<u64, LeaseId>;

impl Sessions {
    /// Writes something that goes, with everything else of the same minute, a while after it has expired.
    pub(super) async fn write_until(
        &self,
        expires_at: Timestamp,
        write: impl Fn(LeaseId) -> Transaction,
    ) -> Result<Outcome, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let (minute, lease) = self.lease_of(expires_at).await?;
            match self.write(write(lease)).await? {
                // The clocks of etcd and of this node differ, or somebody revoked it.
                Outcome::LeaseLost => self.leases.lock().remove(&minute),
                decided => return Ok(decided),
            };
        }
        Ok(Outcome::LeaseLost)
    }

    /// The lease of the minute in which a record is to go.
    async fn lease_of(&self, expires_at: Timestamp) -> Result<(u64, LeaseId), StoreError> {
        let goes_at = expires_at.after(KEPT_AFTER_EXPIRY).after(MINUTE);
        let minute = goes_at.as_micros() / u64::try_from(MINUTE.as_micros()).unwrap_or(u64::MAX);
        if let Some(known) = self.leases.lock().get(&minute) {
            return Ok((minute, *known));
        }
        let lease = self.agree_on(minute, goes_at).await?;
        let mut leases = self.leases.lock();
        let now = self.clock.now();
        leases.retain(|minute, _| Timestamp::from_micros(minute.saturating_mul(60_000_000)) > now);
        leases.insert(minute, lease);
        Ok((minute, lease))
    }

    /// The lease that all nodes use for a minute: the one that stands there, or a new one.
    async fn agree_on(&self, minute: u64, goes_at: Timestamp) -> Result<LeaseId, StoreError> {
        let key = format!("{LEASES}{minute:012}");
        if let Some(entry) = self.store.get(&key).await? {
            return crate::decode(&entry);
        }
        let lease = self.store.grant(self.clock.now().until(goes_at)).await?;
        let agreeing = Transaction::new().if_absent(&key).put_own_under(lease, &key, crate::encode(&lease));
        match self.store.transact(agreeing).await? {
            Outcome::Committed(_) => Ok(lease),
            Outcome::Conflict | Outcome::LeaseLost => {
                self.store.revoke(lease).await?;
                let entry = self.store.get(&key).await?;
                let gone = || StoreError::BadValue { key, detail: "the lease went as it came".into() };
                crate::decode(&entry.ok_or_else(gone)?)
            }
        }
    }
}
