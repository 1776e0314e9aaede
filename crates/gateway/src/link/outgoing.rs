//! What a link sends: the Hello, and from the Welcome on whatever has gathered while the last message was under way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;
use futures::Stream;
use futures::task::AtomicWaker;

use super::shared::Shared;

/// One link's stream of messages. It is asked for the next one when the transport can take it: that is how messages
/// batch by themselves.
#[derive(Debug)]
pub(super) struct Outgoing {
    shared: Arc<Shared>,
    epoch: u64,
    waker: Arc<AtomicWaker>,
    hello: Option<v1::Hello>,
    /// Whoever was ready to run has run since there were records to send.
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

    /// The frames that are to be sent now. `None`: nothing follows, or another link has taken over.
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
        // A goodbye is the last word.
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
        // Before the look: what comes after it rings.
        self.waker.register(context.waker());
        // Behind all who are ready to run: their records go with the same message. A lonely client waits for nobody.
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
