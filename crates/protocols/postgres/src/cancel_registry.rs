//! The connections that cancel requests mean, and the clients that notifications name: keys and process ids of our own
//! making, so that a target's key never leaves the gateway (I11).

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::CancelKey;

/// Clients that wait until one connection has taken their cancel requests. Those of further clients are closed at once;
/// what they ask for is being done already.
const WAITING_MAX: usize = 64;

/// A client that asked to cancel, as the connection that it means has it. The client's own connection stays open until
/// this is dropped: then the target has been signalled, or there was nothing to cancel.
#[derive(Debug, Default)]
pub(crate) struct CancelRequest {
    waiting: Vec<oneshot::Sender<Infallible>>,
}

/// Resolves when a cancel request has been carried out.
#[derive(Debug)]
pub(crate) struct Carried(Option<oneshot::Receiver<Infallible>>);

impl Carried {
    /// Waits for it.
    ///
    /// # Cancel safety
    /// Safe: the request is carried out all the same.
    pub(crate) async fn done(self) {
        if let Some(receiver) = self.0 {
            // It never sends: to be dropped is the message.
            let _ = receiver.await;
        }
    }
}

/// The place where a connection receives its client's cancel requests. One task waits at it, the connection's own, and
/// does so around every command: so to begin and to give up waiting costs no more than a look.
#[derive(Debug, Default)]
pub(crate) struct CancelSlot {
    state: Mutex<Asked>,
}

/// Whether somebody has asked, and who wants to hear of it.
#[derive(Debug, Default)]
struct Asked {
    request: Option<CancelRequest>,
    waiter: Option<Waker>,
}

impl CancelSlot {
    /// Waits until the client asks to cancel. What was asked while nobody waited is given to the next who waits.
    ///
    /// # Cancel safety
    /// Safe: a request that was not returned stays.
    pub(crate) async fn asked(&self) -> CancelRequest {
        poll_fn(|cx| self.poll_asked(cx)).await
    }

    /// Takes a request that came while nobody waited.
    pub(crate) fn take(&self) -> Option<CancelRequest> {
        self.state.lock().request.take()
    }

    fn poll_asked(&self, cx: &Context<'_>) -> Poll<CancelRequest> {
        let mut state = self.state.lock();
        if let Some(request) = state.request.take() {
            return Poll::Ready(request);
        }
        if !state.waiter.as_ref().is_some_and(|waiter| waiter.will_wake(cx.waker())) {
            state.waiter = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn ask(&self) -> Carried {
        let mut state = self.state.lock();
        let request = state.request.get_or_insert_default();
        let carried = (request.waiting.len() < WAITING_MAX).then(|| {
            let (sender, receiver) = oneshot::channel();
            request.waiting.push(sender);
            receiver
        });
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        Carried(carried)
    }
}

/// The connections of this gateway, by the process id that their clients were told.
#[derive(Debug, Default)]
pub(crate) struct CancelRegistry {
    slots: Mutex<FxHashMap<u32, Entry>>,
    /// The process ids that clients were told, by the server processes that serve them now.
    clients: Mutex<FxHashMap<Process, u32>>,
}

/// A process of a server: the address of the server, and the process id there.
pub(crate) type Process = (SocketAddr, u32);

/// A client's connection to its target; the server process stands for the client until this is dropped.
#[derive(Debug)]
pub(crate) struct ServedBy {
    registry: Arc<CancelRegistry>,
    process: Process,
    client: u32,
}

#[derive(Debug)]
struct Entry {
    key: CancelKey,
    slot: Weak<CancelSlot>,
}

/// A connection's place in the registry; it leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) registry: Arc<CancelRegistry>,
    pub(crate) pid: u32,
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

    /// Asks the connection with this key; `None` when there is none with its process id. As in PostgreSQL the client is
    /// answered nothing either way.
    pub(crate) fn cancel(&self, key: &CancelKey) -> Option<Carried> {
        let slots = self.slots.lock();
        let entry = slots.get(&key.pid())?;
        let slot = entry.slot.upgrade().filter(|_| entry.key.same_as(key));
        Some(slot.map_or(Carried(None), |slot| slot.ask()))
    }

    /// The client with this process id is served by this process of a server from here on, until the guard is dropped.
    pub(crate) fn serves(self: &Arc<Self>, client: u32, process: Process) -> ServedBy {
        self.clients.lock().insert(process, client);
        ServedBy { registry: Arc::clone(self), process, client }
    }

    /// The process id that the client of this process was told; `None`: it serves no client of this gateway.
    pub(crate) fn client_of(&self, process: Process) -> Option<u32> {
        self.clients.lock().get(&process).copied()
    }
}

impl Drop for ServedBy {
    fn drop(&mut self) {
        let mut clients = self.registry.clients.lock();
        // The server may have given the number to another of our connections by now.
        if clients.get(&self.process) == Some(&self.client) {
            clients.remove(&self.process);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.slots.lock().remove(&self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(registry: &Arc<CancelRegistry>, pid: u32) -> (CancelKey, Registered) {
        registry.register(CancelKey::new(pid, vec![1, 2, 3, 4]), || None)
    }

    #[tokio::test]
    async fn a_cancel_request_is_carried_out_when_the_connection_drops_it() {
        let registry = Arc::<CancelRegistry>::default();
        let (key, place) = registered(&registry, 7);
        let (first, second) = (registry.cancel(&key).unwrap(), registry.cancel(&key).unwrap());
        let request = place.slot.take().unwrap();
        assert!(place.slot.take().is_none(), "one request for all who asked before it was taken");
        let mut first = std::pin::pin!(first.done());
        assert!(std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await.is_pending());
        drop(request);
        first.await;
        second.done().await;
    }

    #[tokio::test]
    async fn a_cancel_request_ends_with_the_connection_that_it_means() {
        let registry = Arc::<CancelRegistry>::default();
        let (key, place) = registered(&registry, 7);
        let carried = registry.cancel(&key).unwrap();
        drop(place);
        carried.done().await;
        assert!(registry.cancel(&key).is_none());
    }

    #[tokio::test]
    async fn a_wrong_secret_asks_nobody_and_waits_for_nothing() {
        let registry = Arc::<CancelRegistry>::default();
        let (_, place) = registered(&registry, 7);
        registry.cancel(&CancelKey::new(7, vec![1, 2, 3, 5])).unwrap().done().await;
        assert!(place.slot.take().is_none());
    }

    #[tokio::test]
    async fn more_clients_than_may_wait_are_closed_at_once() {
        let registry = Arc::<CancelRegistry>::default();
        let (key, place) = registered(&registry, 7);
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| registry.cancel(&key).unwrap()).collect();
        registry.cancel(&key).unwrap().done().await;
        drop(place.slot.take());
        for carried in waiting {
            carried.done().await;
        }
    }

    #[test]
    fn a_process_stands_for_its_client_as_long_as_it_serves_it() {
        let registry = Arc::<CancelRegistry>::default();
        let process = (SocketAddr::from(([127, 0, 0, 1], 5432)), 4711);
        let first = registry.serves(7, process);
        assert_eq!(registry.client_of(process), Some(7));
        assert_eq!(registry.client_of((process.0, 4712)), None);
        // The server has given the number to another of our connections before the first was dropped.
        let second = registry.serves(8, process);
        drop(first);
        assert_eq!(registry.client_of(process), Some(8));
        drop(second);
        assert_eq!(registry.client_of(process), None);
    }
}
