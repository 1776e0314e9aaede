//! What is done when a node is lost, and this node's own place among the nodes. All of it may be done by several
//! nodes at once, and again: each step is a compare-and-swap, or changes nothing the second time.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::id::NodeId;
use tokio::sync::mpsc;

use super::Fleet;
use super::links::Wish;
use super::nodes::Event;
use crate::approvals::ApprovalError;
use crate::store::{Kept, StoreError};

/// How many events of nodes may wait; the watch waits for room.
const EVENTS_WAITING_MAX: usize = 1024;

/// How often it is looked for what a lost node has left, besides being told.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often all starts are looked through for one that went while no node looked.
const SEARCH_EVERY: Duration = Duration::from_secs(600);

/// How often old starts are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How long a fault of the store is rested after.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

impl Fleet {
    /// Keeps this node's lease, and takes its place anew where it was lost.
    pub(super) async fn keep_own_place(&self) {
        let key = self.nodes().own_key();
        let keep = async {
            loop {
                tokio::time::sleep(self.nodes().ttl() / 4).await;
                let own = self.own.lock().clone();
                match self.nodes().keep_alive(&own).await {
                    Ok(Kept::For(_)) => {}
                    Ok(Kept::Lost) => self.come_back().await,
                    Err(error) => tracing::warn!(%error, "this node's lease was not kept alive"),
                }
            }
        };
        let pulse = self.pulse().run(&key, |there| async move {
            if !there {
                self.come_back().await;
            }
        });
        tokio::join!(keep, pulse);
    }

    async fn come_back(&self) {
        match self.nodes().register_self(&self.options().name, &self.options().software).await {
            Ok(own) => {
                tracing::warn!("this node had lost its place in the fleet, and has taken it anew");
                *self.own.lock() = own;
            }
            Err(error) => tracing::warn!(%error, "this node could not take its place in the fleet"),
        }
    }

    /// Follows what becomes of the nodes.
    pub(super) async fn follow_nodes(&self) {
        let (to, mut events) = mpsc::channel(EVENTS_WAITING_MAX);
        let take = async {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Changed(node) => self.node_changed(node.id),
                    Event::Gone(id) => {
                        crate::metrics::node_gone();
                        self.node_gone(id).await;
                    }
                }
            }
        };
        tokio::join!(self.nodes().follow(to), take);
    }

    /// A link here may be superseded, or its gateway asked to drain.
    pub(super) fn node_changed(&self, id: NodeId) {
        let Some(link) = self.links().get(id) else { return };
        // As it stands now: an older event may tell of a time before the link was here.
        let Some(node) = self.nodes().get(id) else { return };
        let Some(gateway) = node.gateway() else { return };
        if gateway.linked_to != self.control().node() {
            link.end(Wish::Superseded);
        } else if gateway.draining && link.drain() {
            link.send(drain());
        }
    }

    /// A node is lost, or has ended.
    async fn node_gone(&self, id: NodeId) {
        if let Some(link) = self.links().get(id) {
            link.end(Wish::Lost);
        }
        match self.give_up(id).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(node = %id, count, "commands of a lost node are in doubt, or did not run")
            }
            // It is looked for again, see below.
            Err(error) => tracing::error!(node = %id, %error, "a lost node's commands could not be given up"),
        }
    }

    /// INVARIANT: I1. What it had redeemed cannot be reported as anything but by itself or the target, and cannot
    /// be presented any more.
    async fn give_up(&self, id: NodeId) -> Result<usize, ApprovalError> {
        self.intake().refuse(id);
        let count = self.control().approvals().owner_lost(id).await?;
        // Where there is no room it is found again by [`Fleet::give_lost_up`].
        let _ = self.to_end.try_send(id);
        Ok(count)
    }

    /// Ends the streams of those who are gone, one after the other: that reads what is recorded, and may take long.
    pub(super) async fn end_streams(&self) {
        let Some(mut gone) = self.ends.lock().take() else { return std::future::pending().await };
        // Those that could not be ended, most likely because the archive is away; no more than there are lost starts.
        let mut again = BTreeSet::new();
        loop {
            let due = tokio::select! {
                told = gone.recv() => match told {
                    Some(id) => BTreeSet::from([id]),
                    None => return,
                },
                () = tokio::time::sleep(LOOK_EVERY), if !again.is_empty() => std::mem::take(&mut again),
            };
            for id in due {
                if let Err(error) = self.end_streams_of(id).await {
                    tracing::error!(node = %id, %error, "the streams of a lost gateway are not ended yet");
                    again.insert(id);
                }
            }
        }
    }

    async fn end_streams_of(&self, id: NodeId) -> std::io::Result<()> {
        self.intake().end_lost(id).await?;
        self.nodes().given_up(id).await.map_err(std::io::Error::other)
    }

    /// Gives up what nobody was told of: starts that went while no node looked, and redeemed commands whose owner
    /// has no place among the nodes.
    pub(super) async fn give_lost_up(&self) {
        let (mut sweep, mut search) =
            (tokio::time::interval(SWEEP_EVERY), tokio::time::interval(SEARCH_EVERY));
        loop {
            if let Err(error) = self.look_for_lost().await {
                tracing::warn!(%error, "it could not be looked for lost nodes");
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
            tokio::select! {
                _ = sweep.tick() => self.sweep().await,
                _ = search.tick() => match self.nodes().not_given_up().await {
                    Ok(gone) => for id in gone {
                        self.node_gone(id).await;
                    },
                    Err(error) => tracing::warn!(%error, "it could not be looked for starts that went unseen"),
                },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn sweep(&self) {
        match self.nodes().sweep().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "starts of long ago are forgotten"),
            Err(error) => tracing::warn!(%error, "old starts could not be swept"),
        }
        match self.revoked().sweep().await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(count, "revoked gateways whose certificates have ended are forgotten")
            }
            Err(error) => tracing::warn!(%error, "revoked gateways could not be swept"),
        }
    }

    async fn look_for_lost(&self) -> Result<(), StoreError> {
        for owner in self.control().approvals().owners() {
            // Memory may be late: only the store says that a node is gone.
            if self.nodes().get(owner).is_none() && !self.nodes().is_alive(owner).await? {
                self.node_gone(owner).await;
            }
        }
        Ok(())
    }
}

/// Asks a gateway to drain.
pub(super) fn drain() -> Frame {
    Frame::Leave(v1::Leave { drain: true, reason: "it was asked to drain".into(), ..v1::Leave::default() })
}
