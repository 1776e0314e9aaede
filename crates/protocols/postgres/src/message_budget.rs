//! Memory for large messages: a message that is judged is read whole, and a gateway reads only so many bytes of such
//! messages at once. A connection whose message does not fit is not read further until there is room (back-pressure).

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{LARGE_MESSAGE_BYTES, LARGE_MESSAGE_WAITS};

/// The bytes of one permit: permits are counted in 32 bits, and messages have up to 1 GiB.
const UNIT_BYTES: usize = 1024;

static RESERVED: LazyLock<Gauge> = LazyLock::new(|| gauge!(LARGE_MESSAGE_BYTES.name));
static WAITS: LazyLock<Counter> = LazyLock::new(|| counter!(LARGE_MESSAGE_WAITS.name));

/// The bytes of large messages that a gateway keeps at once, over all its connections.
#[derive(Debug)]
pub struct MessageBudget {
    room: Arc<Semaphore>,
    units: u32,
}

impl MessageBudget {
    /// The default: 512 MiB.
    pub const BYTES_DEFAULT: usize = 512 << 20;

    /// A budget of so many bytes, at least 1 KiB.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let units = units(bytes_max).max(1);
        Self { room: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Reserves memory for a message, once there is room for all of it: in the order of asking, so that a large message
    /// is not kept waiting by small ones. One that is larger than the whole budget takes all of it.
    ///
    /// The whole message at once, because connections that each wait for the rest of theirs would wait for each other.
    ///
    /// # Cancel safety
    /// Safe: nothing is reserved then.
    pub(crate) async fn reserve(&self, bytes: usize) -> Reservation {
        let units = units(bytes).clamp(1, self.units);
        let room = Arc::clone(&self.room);
        let permit = match Arc::clone(&room).try_acquire_many_owned(units) {
            Ok(permit) => Some(permit),
            Err(_) => {
                WAITS.increment(1);
                // The semaphore is never closed.
                room.acquire_many_owned(units).await.ok()
            }
        };
        RESERVED.increment(bytes as f64);
        Reservation { bytes, _permit: permit }
    }
}

/// Rounded up.
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX >> 3)
}

/// Memory that is reserved for a message, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    bytes: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        RESERVED.decrement(self.bytes as f64);
    }
}

impl Reservation {
    /// The message that it was made for; it is given back with the last part of it.
    pub(crate) fn keep_with(self, message: Bytes) -> Bytes {
        Bytes::from_owner(Kept { message, _reservation: self })
    }
}

/// A message and its reservation.
struct Kept {
    message: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    async fn is_pending<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn a_message_waits_until_there_is_room_for_all_of_it() {
        let budget = MessageBudget::new(1 << 20);
        let first = budget.reserve(700 << 10).await;
        let mut second = Box::pin(budget.reserve(400 << 10));
        assert!(is_pending(&mut second).await);
        let mut third = Box::pin(budget.reserve(100 << 10));
        assert!(is_pending(&mut third).await, "a small one does not overtake");
        drop(first);
        let (_second, _third) = (second.await, third.await);
    }

    #[tokio::test]
    async fn a_message_keeps_its_memory_until_its_last_part_is_dropped() {
        let budget = MessageBudget::new(1 << 20);
        let message = budget.reserve(1 << 20).await.keep_with(Bytes::from_static(b"message"));
        let part = message.slice(1..3);
        drop(message);
        let mut next = Box::pin(budget.reserve(1));
        assert!(is_pending(&mut next).await);
        assert_eq!(&part[..], b"es");
        drop(part);
        drop(next.await);
    }

    #[tokio::test]
    async fn a_message_larger_than_the_budget_takes_all_of_it() {
        let budget = MessageBudget::new(1 << 20);
        let whole = budget.reserve(usize::MAX).await;
        assert!(is_pending(&mut Box::pin(budget.reserve(1))).await);
        drop(whole);
        drop(budget.reserve(1).await);
    }
}
