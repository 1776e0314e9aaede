//! Which connection a cancel request means: keys of our own making, so that a target's key never leaves
//! the gateway (I11).

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::CancelKey;

/// Where a connection is told that its client wants to cancel. One task waits at it, the connection's own, and
/// does so around every command: so to begin and to give up waiting costs no more than a look.
#[derive(Debug, Default)]
pub(crate) struct CancelSlot {
    state: Mutex<Asked>,
}

/// Whether somebody has asked, and who wants to hear of it.
#[derive(Debug, Default)]
struct Asked {
    asked: bool,
    waiter: Option<Waker>,
}

impl CancelSlot {
    /// Waits until the client asks to cancel. What was asked while nobody waited is told to the next who waits.
    ///
    /// # Cancel safety
    /// Safe: it only looks.
    pub(crate) async fn asked(&self) {
        poll_fn(|cx| self.poll_asked(cx)).await;
    }

    fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.asked) {
            return Poll::Ready(());
        }
        if !state.waiter.as_ref().is_some_and(|waiter| waiter.will_wake(cx.waker())) {
            state.waiter = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn ask(&self) {
        let mut state = self.state.lock();
        state.asked = true;
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
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
            slot.ask();
        }
        true
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.slots.lock().remove(&self.pid);
    }
}
