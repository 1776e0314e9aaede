//! The links that gateways have to this node: whoever has something to say to a gateway finds it here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use countersign_api::v1::control_frame::Frame;
use countersign_common::id::{ApprovalId, NodeId};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::link::{Followed, Outbox};

/// Why a link ends at the wish of this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The gateway has a newer link, here or at another node.
    Superseded,
    /// The gateway was declared lost.
    Lost,
    /// The gateway was shut out.
    Revoked,
}

/// A link, as others see it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    number: u64,
    pub(super) gateway: NodeId,
    /// The id in its certificate.
    pub(super) member: String,
    outbox: Outbox,
    wish: watch::Sender<Option<Wish>>,
    /// Whether the gateway has been told to drain, or has said itself that it does.
    drains: Arc<AtomicBool>,
    /// The approvals that it waits for.
    pub(super) followed: Arc<Followed>,
}

impl Handle {
    /// Sends a frame, after those before it.
    pub(super) fn send(&self, frame: Frame) {
        self.outbox.send(frame);
    }

    /// Lets the link end. The first wish holds.
    pub(super) fn end(&self, wish: Wish) {
        self.wish.send_if_modified(|wished| {
            let first = wished.is_none();
            wished.get_or_insert(wish);
            first
        });
    }

    /// Waits until the link is to end.
    pub(super) async fn wished(&self) -> Wish {
        let mut wish = self.wish.subscribe();
        // The sender lives in this handle.
        let wished = wish.wait_for(Option::is_some).await;
        wished.ok().and_then(|wish| *wish).unwrap_or(Wish::Superseded)
    }

    /// It drains from here on. Whether that is new.
    pub(super) fn drain(&self) -> bool {
        !self.drains.swap(true, Ordering::AcqRel)
    }

    /// Whether it drains.
    pub(super) fn drains(&self) -> bool {
        self.drains.load(Ordering::Acquire)
    }
}

/// The links to this node, one for each gateway.
#[derive(Debug, Default)]
pub(super) struct Links {
    numbers: AtomicU64,
    open: Mutex<HashMap<NodeId, Handle>>,
}

impl Links {
    /// A new link of a gateway; its older one ends.
    pub(super) fn open(&self, gateway: NodeId, member: String, outbox: Outbox) -> Handle {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (wish, drains, followed) = (watch::Sender::new(None), Arc::default(), Arc::default());
        let handle = Handle { number, gateway, member, outbox, wish, drains, followed };
        let (older, count) = {
            let mut open = self.open.lock();
            (open.insert(gateway, handle.clone()), open.len())
        };
        crate::metrics::links(count);
        if let Some(older) = older {
            older.end(Wish::Superseded);
        }
        handle
    }

    /// A link has ended. Whether it was the gateway's newest.
    pub(super) fn close(&self, handle: &Handle) -> bool {
        let mut open = self.open.lock();
        let newest = open.get(&handle.gateway).is_some_and(|newest| newest.number == handle.number);
        if newest {
            open.remove(&handle.gateway);
            crate::metrics::links(open.len());
        }
        newest
    }

    /// The link of a gateway.
    pub(super) fn get(&self, gateway: NodeId) -> Option<Handle> {
        self.open.lock().get(&gateway).cloned()
    }

    /// Whether a gateway that has its link here waits for the approval.
    pub(super) fn follows(&self, id: ApprovalId) -> bool {
        self.open.lock().values().any(|handle| handle.followed.contains(id))
    }

    /// All approvals that gateways wait for here.
    pub(super) fn followed(&self) -> BTreeSet<ApprovalId> {
        self.all().iter().flat_map(|handle| handle.followed.ids()).collect()
    }

    /// All links.
    pub(super) fn all(&self) -> Vec<Handle> {
        self.open.lock().values().cloned().collect()
    }
}
