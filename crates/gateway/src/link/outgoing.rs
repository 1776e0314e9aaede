//! The outgoing messages of a link: the Hello, and after the Welcome all frames that have accumulated during the
//! previous send.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;
use futures::Stream;
use futures::task::AtomicWaker;

use super::shared::Shared;

/// Message stream of one link. The transport polls it when it can send, so that messages are batched automatically.
#[derive(Debug)]
pub(super) struct Outgoing {
    shared: Arc<Shared>,
    epoch: u64,
    waker: Arc<AtomicWaker>,
    hello: Option<v1::Hello>,
    /// `true` once all tasks that were ready have run since there were records to send.
    gathered: bool,
}

impl Outgoing {
    pub(super) const fn new(
        shared: Arc<Shared>,
        epoch: u64,
        waker: Arc<AtomicWaker>,
        hello: v1::Hello,
    ) -> Self {
        Self { shared, epoch, waker, hello: Some(hello), gathered: false }
    }

    /// Frames to be sent now. `None` if nothing follows, or another link has taken over.
    fn gather(&self) -> Option<Vec<v1::GatewayFrame>> {
        let mut frames = {
            let mut state = self.shared.state.lock();
            match state.outbox.epoch().cmp(&self.epoch) {
                std::cmp::Ordering::Less => return Some(Vec::new()),
                std::cmp::Ordering::Greater => return None,
                std::cmp::Ordering::Equal if state.outbox.is_finished() => return None,
                std::cmp::Ordering::Equal => state.outbox.take(),
            }
        };
        // Nothing follows a Goodbye.
        let says_goodbye = |one: &v1::GatewayFrame| matches!(one.frame, Some(Frame::Goodbye(_)));
        if !frames.last().is_some_and(says_goodbye)
            && let Some(lines) = self.shared.journal.take()
        {
            frames.push(v1::GatewayFrame { frame: Some(Frame::Records(lines)) });
        }
        Some(frames)
    }
}

impl Stream for Outgoing {
    type Item = v1::LinkRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<v1::LinkRequest>> {
        if let Some(hello) = self.hello.take() {
            let frames = vec![v1::GatewayFrame { frame: Some(Frame::Hello(hello)) }];
            return Poll::Ready(Some(v1::LinkRequest { frames }));
        }
        // Registered before the check, so that a later change wakes this task.
        self.waker.register(context.waker());
        // Yield once to all tasks that are ready, so that their records join this message. With a single client this
        // costs nothing.
        self.gathered = !self.gathered && self.shared.journal.is_ready();
        if self.gathered {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.gather() {
            None => Poll::Ready(None),
            Some(frames) if frames.is_empty() => Poll::Pending,
            Some(frames) => Poll::Ready(Some(v1::LinkRequest { frames })),
        }
    }
}
