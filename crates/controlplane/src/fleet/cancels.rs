//! Cancel requests find the gateway that they are meant for: over its link here, or through the node that has it.

use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::id::{AttemptId, NodeId};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::Fleet;
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

impl Fleet {
    /// Takes a cancel request to the gateway that has this route. Nobody is told whether it arrived, as in the
    /// protocols: a route that nobody has is passed over.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn route_cancel(&self, cancel: v1::RouteCancel) -> Result<(), StoreError> {
        let Some(node) = self.nodes().by_route(cancel.route) else { return Ok(()) };
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
