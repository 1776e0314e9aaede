//! Wakes the sender of the link: at once if a caller waits, else after a short delay that lets messages share a
//! frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::task::AtomicWaker;
use tokio::sync::Notify;

/// Delay of records that no caller waits for. Together with the control plane's own 30 ms, they are synced within the
/// 50 ms of I5.
const LINGER: Duration = Duration::from_millis(2);

/// Wake-up signal of the current link.
#[derive(Debug)]
pub(super) struct Bell {
    /// Waker of the sender on the current link. Each link has its own, so that an old link never consumes the wake-up
    /// of a new one.
    sender: ArcSwap<AtomicWaker>,
    lingering: AtomicBool,
    linger: Notify,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self {
            sender: ArcSwap::from_pointee(AtomicWaker::new()),
            lingering: AtomicBool::new(false),
            linger: Notify::new(),
        }
    }

    /// Directs wake-ups to this waker from now on.
    pub(super) fn moves_to(&self, sender: Arc<AtomicWaker>) {
        self.sender.store(sender);
        self.ring();
    }

    /// Wakes the sender at once.
    pub(super) fn ring(&self) {
        self.sender.load().wake();
    }

    /// Wakes the sender after [`LINGER`].
    pub(super) fn soon(&self) {
        if !self.lingering.swap(true, Ordering::AcqRel) {
            self.linger.notify_one();
        }
    }

    /// Wakes the sender after each [`Bell::soon`], until dropped.
    ///
    /// # Cancel safety
    /// Cancel safe if it is not started again.
    pub(super) async fn keep_ringing(&self) {
        loop {
            self.linger.notified().await;
            tokio::time::sleep(LINGER).await;
            // Cleared before the wake-up, so that a concurrent request starts the next round.
            self.lingering.store(false, Ordering::Release);
            self.ring();
        }
    }
}
