//! Which connection a cancel request means: keys of our own making, so that a target's key never leaves
//! the gateway (I11).

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::CancelKey;

/// Where a connection is told that its client wants to cancel.
#[derive(Debug, Default)]
pub(crate) struct CancelSlot {
    pub(crate) notify: Notify,
}

/// The connections of this gateway, by the process id that their clients were told.
#[derive(Debug, Default)]
pub(crate) struct CancelRegistry {
    slots: Mutex<FxHashMap<u32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: CancelKey,
    slot: Weak<CancelSlot>,
}

/// A connection's place in the registry; it leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Arc<CancelRegistry>,
    pid: u32,
    pub(crate) slot: Arc<CancelSlot>,
}

impl CancelRegistry {
    /// Gives a connection its key: `first`, or another of `more` when its process id is taken.
    pub(crate) fn register(
        self: &Arc<Self>,
        first: CancelKey,
        mut more: impl FnMut() -> Option<CancelKey>,
    ) -> (CancelKey, Registered) {
        let slot = Arc::new(CancelSlot::default());
        let mut slots = self.slots.lock();
        let mut key = first;
        while slots.contains_key(&key.pid()) {
            // Without randomness the old one is overwritten: its client can no longer cancel, nothing worse.
            let Some(another) = more() else { break };
            key = another;
        }
        slots.insert(key.pid(), Entry { key: key.clone(), slot: Arc::downgrade(&slot) });
        let registered = Registered { registry: Arc::clone(self), pid: key.pid(), slot };
        (key, registered)
    }

    /// Tells the connection with this key, and whether there is one with its process id. As in PostgreSQL the client
    /// is answered nothing either way.
    pub(crate) fn cancel(&self, key: &CancelKey) -> bool {
        let slots = self.slots.lock();
        let Some(entry) = slots.get(&key.pid()) else { return false };
        if entry.key.same_as(key)
            && let Some(slot) = entry.slot.upgrade()
        {
            slot.notify.notify_one();
        }
        true
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.slots.lock().remove(&self.pid);
    }
}
