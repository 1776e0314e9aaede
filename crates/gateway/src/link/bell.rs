//! Wakes whoever sends: at once for what somebody waits for, a little later for what may ride along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::task::AtomicWaker;
use tokio::sync::Notify;

/// How long records that nobody waits for may wait for company. With the control plane's own 30 ms they are synced
/// within the 50 ms of I5.
const LINGER: Duration = Duration::from_millis(2);

/// The bell of the link that is in use.
#[derive(Debug)]
pub(super) struct Bell {
    /// Who sends, on the link in use. Each link has its own, so that an old one never takes a new one's wake-up.
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

    /// From here on this one is woken.
    pub(super) fn moves_to(&self, sender: Arc<AtomicWaker>) {
        self.sender.store(sender);
        self.ring();
    }

    /// There is something to send now.
    pub(super) fn ring(&self) {
        self.sender.load().wake();
    }

    /// There is something to send soon.
    pub(super) fn soon(&self) {
        if !self.lingering.swap(true, Ordering::AcqRel) {
            self.linger.notify_one();
        }
    }

    /// Rings a little after each [`Bell::soon`], until it is dropped.
    ///
    /// # Cancel safety
    /// Safe when it is dropped for good.
    pub(super) async fn keep_ringing(&self) {
        loop {
            self.linger.notified().await;
            tokio::time::sleep(LINGER).await;
            // Before the ring: what comes now begins the next round.
            self.lingering.store(false, Ordering::Release);
            self.ring();
        }
    }
}
