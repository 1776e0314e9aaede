//! Cancel requests find the gateway that they are meant for: over its link here, or through the node that has it. They
//! come from clients that have not logged in: only keys that were given out are carried on ([`Vouchers`]).
//!
//! A client must not send its next command before the target was signalled, and learns that from the end of its
//! connection. So each step waits for the next one: the gateway says that it has carried a request out, the node that has
//! its link deletes the request from the store, and the node that wrote it there answers the gateway that asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::id::{AttemptId, NodeId};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Fleet;
use super::authority::Authority;
use crate::Also;
use crate::store::{Change, Entry, Outcome, Revision, StoreError, Transaction, range_all};

/// Where they wait for another node: `/cs/cancels/<control-plane node>/<id>`.
const CANCELS: &str = "/cs/cancels/";

/// How long one waits. A cancel that comes later would meet another command.
const WAITS_FOR: Duration = Duration::from_secs(10);

/// The time that a gateway has to carry a request out, before its sender is answered all the same.
const CARRIED_WITHIN: Duration = Duration::from_secs(4);

/// Requests of other nodes that gateways of this one carry out at once; further ones wait.
const CARRIED_AT_ONCE: usize = 64;

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

/// Requests that gateways were given and have not carried out.
#[derive(Debug, Default)]
pub(super) struct Carrying {
    numbers: AtomicU64,
    waiting: Mutex<HashMap<(NodeId, u64), oneshot::Sender<()>>>,
}

/// A request that a gateway is about to be given.
struct Given<'c> {
    carrying: &'c Carrying,
    gateway: NodeId,
    id: u64,
    carried: oneshot::Receiver<()>,
}

impl Carrying {
    fn give(&self, gateway: NodeId) -> Given<'_> {
        // Zero would ask for no answer.
        let id = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, carried) = oneshot::channel();
        self.waiting.lock().insert((gateway, id), sender);
        Given { carrying: self, gateway, id, carried }
    }

    /// This gateway has carried the request out. One that it was never given changes nothing.
    pub(super) fn carried(&self, gateway: NodeId, id: u64) {
        if let Some(sender) = self.waiting.lock().remove(&(gateway, id)) {
            // Nobody waits any more once it has taken too long.
            let _ = sender.send(());
        }
    }
}

impl Given<'_> {
    /// Waits until it was carried out, or has taken too long. A gateway of an earlier version never says so.
    async fn carried(mut self) {
        let _ = tokio::time::timeout(CARRIED_WITHIN, &mut self.carried).await;
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.carrying.waiting.lock().remove(&(self.gateway, self.id));
    }
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
    /// Takes a cancel request to the gateway that has this route, and waits until it was carried out there. Nobody is told
    /// whether it arrived, as in the protocols: a route that nobody has is passed over.
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
            self.push_cancel(errand).await;
            return Ok(());
        }
        let key = format!("{CANCELS}{}/{}", gateway.linked_to, AttemptId::generate());
        let Some(written) = self.leave_errand(&key, &errand).await? else { return Ok(()) };
        let carried = tokio::time::timeout(CARRIED_WITHIN, self.errand_done(&key, written)).await;
        carried.unwrap_or(Ok(()))
    }

    /// Leaves a request in the store for the node that has the gateway's link. `None`: it was not written.
    async fn leave_errand(&self, key: &str, errand: &Errand) -> Result<Option<Revision>, StoreError> {
        // Whoever reaches a gateway may ask to cancel, without a token: however many do, the store has little of it.
        let turn = tokio::time::timeout(WAITS_FOR, self.cancelling.acquire()).await;
        let Ok(_turn) = turn else { return Ok(None) };
        let lease = self.store().grant(WAITS_FOR).await?;
        let put = Transaction::new().put_under(lease, key.to_owned(), crate::encode(errand));
        match self.store().transact(put).await? {
            Outcome::Committed(revision) => Ok(Some(revision)),
            Outcome::Conflict | Outcome::LeaseLost => Ok(None),
        }
    }

    /// Waits until the node that has the gateway's link has deleted the request.
    async fn errand_done(&self, key: &str, written: Revision) -> Result<(), StoreError> {
        let mut changes = self.store().watch(key, written).await?;
        while let Some(change) = changes.next().await {
            if let Change::Deleted { .. } = change? {
                break;
            }
        }
        Ok(())
    }

    /// Gives a request to the gateway, and waits until it was carried out.
    async fn push_cancel(&self, errand: Errand) {
        if let Some(link) = self.links().get(errand.gateway) {
            let given = self.carrying.give(errand.gateway);
            let push = v1::CancelPush { protocol: errand.protocol, key: errand.key, id: given.id };
            link.send(Frame::Cancel(push));
            given.carried().await;
        }
    }

    /// A gateway says that it has carried a request out.
    pub(super) fn cancel_carried(&self, gateway: NodeId, id: u64) {
        self.carrying.carried(gateway, id);
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
        // Beside each other: one gateway that is slow must not keep the requests of others waiting.
        let mut taken: FuturesUnordered<_> =
            waiting.into_iter().map(|entry| self.take_errand(entry)).collect();
        let mut changes = self.store().watch(prefix, revision).await?;
        loop {
            tokio::select! {
                Some(done) = taken.next() => done?,
                change = changes.next(), if taken.len() < CARRIED_AT_ONCE => match change {
                    Some(change) => if let Change::Put(entry) = change? {
                        taken.push(self.take_errand(entry));
                    },
                    None => return Err(StoreError::Closed),
                },
            }
        }
    }

    async fn take_errand(&self, entry: Entry) -> Result<(), StoreError> {
        match crate::decode(&entry) {
            Ok(errand) => self.push_cancel(errand).await,
            Err(error) => tracing::error!(%error, "a cancel request cannot be read"),
        }
        // That it is gone tells the node that wrote it.
        self.store().transact(Transaction::new().delete(&entry.key)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::time::SystemClock;

    use super::*;
    use crate::fleet::authority::AuthorityFiles;

    #[tokio::test]
    async fn only_the_gateway_that_was_given_a_request_can_say_that_it_was_carried_out() {
        let carrying = Carrying::default();
        let (gateway, other) = (NodeId::generate(), NodeId::generate());
        let given = carrying.give(gateway);
        let id = given.id;
        assert_ne!(id, 0);
        carrying.carried(other, id);
        carrying.carried(gateway, id + 1);
        assert_eq!(carrying.waiting.lock().len(), 1);
        carrying.carried(gateway, id);
        given.carried().await;
        assert!(carrying.waiting.lock().is_empty());
        drop(carrying.give(gateway));
        assert!(carrying.waiting.lock().is_empty(), "one that nobody waits for is forgotten");
    }

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
