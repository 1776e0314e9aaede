//! Cancel requests find the gateway that they are meant for: over its link here, or through the node that has it. They
//! come from clients that have not logged in: only keys that were given out are carried on ([`Vouchers`]).

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::id::{AttemptId, NodeId};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::Fleet;
use super::authority::Authority;
use crate::Also;
use crate::store::{Change, Entry, Outcome, StoreError, Transaction, range_all};

/// Where they wait for another node: `/cs/cancels/<control-plane node>/<id>`.
const CANCELS: &str = "/cs/cancels/";

/// How long one waits. A cancel that comes later would meet another command.
const WAITS_FOR: Duration = Duration::from_secs(10);

/// How many are written at once.
pub(super) const WRITTEN_AT_ONCE: usize = 8;

/// How long to rest before a watch that ended is begun again.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// A cancel request on its way to another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Errand {
    gateway: NodeId,
    protocol: String,
    key: Vec<u8>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    also: Also,
}

/// What each start of a gateway vouches with for the cancel keys that it gives out. Made from the authority's key, so that
/// every node knows it and nothing is stored.
pub(super) struct Vouchers(hmac::Key);

/// What the key is for; a new form of cancel keys gets a new one.
const PURPOSE: &str = "countersign cancel secret 1";

/// A tag that is shorter vouches for nothing.
const TAG_BYTES_MIN: usize = 2;

impl Vouchers {
    pub(super) fn new(authority: &Authority) -> Self {
        Self(authority.key_for(PURPOSE))
    }

    /// The secret of this start.
    pub(super) fn secret_of(&self, start: NodeId) -> Vec<u8> {
        hmac::sign(&self.0, &start.to_bytes()).as_ref().to_vec()
    }

    /// Whether this start gave the key out.
    fn vouched(&self, start: NodeId, key: &[u8], tag_bytes: u32) -> bool {
        let tag_bytes = usize::try_from(tag_bytes).unwrap_or(usize::MAX);
        let (Some(split), true) = (key.len().checked_sub(tag_bytes), tag_bytes >= TAG_BYTES_MIN) else {
            return false;
        };
        let (begin, tag) = key.split_at(split);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret_of(start));
        let whole = hmac::sign(&secret, begin);
        whole.as_ref().get(..tag_bytes).is_some_and(|right| verify_slices_are_equal(right, tag).is_ok())
    }
}

impl std::fmt::Debug for Vouchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vouchers")
    }
}

impl Fleet {
    /// Takes a cancel request to the gateway that has this route. Nobody is told whether it arrived, as in the
    /// protocols: a route that nobody has is passed over.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn route_cancel(&self, cancel: v1::RouteCancel) -> Result<(), StoreError> {
        let Some(node) = self.nodes().by_route(cancel.route) else { return Ok(()) };
        // Whoever sent it has shown nothing yet: only a key that was given out is worth a write.
        if !self.vouchers().vouched(node.id, &cancel.key, cancel.tag_bytes) {
            tracing::debug!(route = cancel.route, "a cancel request has a key that nobody gave out");
            return Ok(());
        }
        let Some(gateway) = node.gateway() else { return Ok(()) };
        let errand =
            Errand { gateway: node.id, protocol: cancel.protocol, key: cancel.key, also: Also::default() };
        if self.links().get(node.id).is_some() {
            self.push_cancel(errand);
            return Ok(());
        }
        // Whoever reaches a gateway may ask to cancel, without a token: however many do, the store has little of it.
        let turn = tokio::time::timeout(WAITS_FOR, self.cancelling.acquire()).await;
        let Ok(_turn) = turn else { return Ok(()) };
        let lease = self.store().grant(WAITS_FOR).await?;
        let key = format!("{CANCELS}{}/{}", gateway.linked_to, AttemptId::generate());
        let put = Transaction::new().put_under(lease, key, crate::encode(&errand));
        match self.store().transact(put).await? {
            Outcome::Committed(_) | Outcome::Conflict | Outcome::LeaseLost => Ok(()),
        }
    }

    fn push_cancel(&self, errand: Errand) {
        if let Some(link) = self.links().get(errand.gateway) {
            link.send(Frame::Cancel(v1::CancelPush { protocol: errand.protocol, key: errand.key }));
        }
    }

    /// Pushes what other nodes leave for this one.
    pub(super) async fn follow_cancels(&self) {
        let prefix = format!("{CANCELS}{}/", self.control().node());
        loop {
            if let Err(error) = self.take_errands(&prefix).await {
                tracing::warn!(%error, "following cancel requests ended; beginning again");
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
        }
    }

    async fn take_errands(&self, prefix: &str) -> Result<(), StoreError> {
        let (waiting, revision) = range_all(&**self.store(), prefix).await?;
        for entry in waiting {
            self.take_errand(&entry).await?;
        }
        let mut changes = self.store().watch(prefix, revision).await?;
        while let Some(change) = changes.next().await {
            if let Change::Put(entry) = change? {
                self.take_errand(&entry).await?;
            }
        }
        Err(StoreError::Closed)
    }

    async fn take_errand(&self, entry: &Entry) -> Result<(), StoreError> {
        match crate::decode(entry) {
            Ok(errand) => self.push_cancel(errand),
            Err(error) => tracing::error!(%error, "a cancel request cannot be read"),
        }
        self.store().transact(Transaction::new().delete(&entry.key)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::time::SystemClock;

    use super::*;
    use crate::fleet::authority::AuthorityFiles;

    #[test]
    fn only_a_key_that_this_start_gave_out_is_vouched_for() {
        let dir = tempfile::tempdir().unwrap();
        let files = AuthorityFiles::in_directory(dir.path());
        let here = Vouchers::new(&files.read_or_create(&SystemClock).unwrap());
        let there = Vouchers::new(&files.read_or_create(&SystemClock).unwrap());
        let (start, other) = (NodeId::generate(), NodeId::generate());
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &here.secret_of(start));
        let begin = [0, 0, 16, 7, 1, 2];
        let tag = hmac::sign(&secret, &begin);
        for tag_bytes in [2, 16, 32] {
            let key = [&begin[..], &tag.as_ref()[..tag_bytes]].concat();
            let tag_bytes = u32::try_from(tag_bytes).unwrap();
            assert!(there.vouched(start, &key, tag_bytes), "every node knows it");
            assert!(!there.vouched(other, &key, tag_bytes));
            let mut made_up = key.clone();
            made_up[0] ^= 1;
            assert!(!there.vouched(start, &made_up, tag_bytes));
        }
        let key = [&begin[..], &tag.as_ref()[..1]].concat();
        for tag_bytes in [0, 1, 7, 8, 33, u32::MAX] {
            assert!(!here.vouched(start, &key, tag_bytes), "{tag_bytes}");
        }
    }
}
