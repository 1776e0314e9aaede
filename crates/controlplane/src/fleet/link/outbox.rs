//! What goes to a gateway: frames gather while the last message is under way, and go as one. Bounded: a gateway
//! that does not read is let go.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tonic::Status;

/// The most frames of one message.
const MESSAGE_FRAMES_MAX: usize = 512;

/// The most bytes of one message, as far as its frames divide.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The most frames that may wait: one for each of 100,000 waiting commands after a reconnect, and as many more.
const WAITING_FRAMES_MAX: usize = 1 << 18;

/// The most bytes that may wait.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// The end at which frames are put in. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Outbox(Arc<Shared>);

/// The end at which messages come out: the answer of the call.
#[derive(Debug)]
pub(crate) struct Outgoing(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Rung when nobody reads any more, or too much waits.
    over: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(usize, v1::ControlFrame)>,
    bytes: usize,
    reader: Option<Waker>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// What is in it goes out, then this; `None`: an end in good order.
    Closed(Option<Status>),
    /// Too much waited. Whether the gateway has been told.
    Full { told: bool },
    /// The gateway is gone.
    Deserted,
}

/// Why nothing more goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The gateway reads more slowly than there is to say.
    Slow,
    /// The gateway is gone.
    Deserted,
}

/// A new one: where frames go in, and where they come out.
pub(in crate::fleet) fn outbox() -> (Outbox, Outgoing) {
    let shared = Arc::new(Shared::default());
    (Outbox(Arc::clone(&shared)), Outgoing(shared))
}

impl Outbox {
    /// Sends a frame after those before it. Waits for nothing; what cannot be sent any more is dropped, and
    /// [`Outbox::over`] says so.
    pub(in crate::fleet) fn send(&self, frame: Frame) {
        use prost::Message as _;

        let frame = v1::ControlFrame { frame: Some(frame) };
        let bytes = frame.encoded_len();
        let mut queue = self.0.queue.lock();
        if !matches!(queue.state, State::Open) {
            return;
        }
        if queue.frames.len() >= WAITING_FRAMES_MAX || queue.bytes + bytes > WAITING_BYTES_MAX {
            queue.state = State::Full { told: false };
            queue.wake();
            self.0.over.notify_one();
            return;
        }
        queue.bytes += bytes;
        queue.frames.push_back((bytes, frame));
        queue.wake();
    }

    /// Sends what is in it, then ends: in good order, or with a status.
    pub(in crate::fleet) fn close(&self, status: Option<Status>) {
        let mut queue = self.0.queue.lock();
        if matches!(queue.state, State::Open) {
            queue.state = State::Closed(status);
            queue.wake();
        }
    }

    /// Waits until nothing more goes out.
    ///
    /// # Cancel safety
    /// Safe: it only looks.
    pub(super) async fn over(&self) -> Over {
        loop {
            match self.0.queue.lock().state {
                State::Full { .. } => return Over::Slow,
                State::Deserted => return Over::Deserted,
                State::Open | State::Closed(_) => {}
            }
            self.0.over.notified().await;
        }
    }
}

impl Queue {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// The next message; `None`: nothing waits.
    fn take(&mut self) -> Option<v1::LinkResponse> {
        let (mut frames, mut bytes) = (Vec::new(), 0);
        while let Some((size, _)) = self.frames.front() {
            let fits = frames.len() < MESSAGE_FRAMES_MAX && bytes + size <= MESSAGE_BYTES_MAX;
            if !fits && !frames.is_empty() {
                break;
            }
            let Some((size, frame)) = self.frames.pop_front() else { break };
            bytes += size;
            frames.push(frame);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        (!frames.is_empty()).then_some(v1::LinkResponse { frames })
    }
}

impl Stream for Outgoing {
    type Item = Result<v1::LinkResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.0.queue.lock();
        if let State::Full { told } = &mut queue.state {
            let status = Status::resource_exhausted("the gateway reads too slowly");
            return Poll::Ready((!std::mem::replace(told, true)).then_some(Err(status)));
        }
        if let Some(message) = queue.take() {
            return Poll::Ready(Some(Ok(message)));
        }
        if let State::Closed(status) = &mut queue.state {
            return Poll::Ready(status.take().map(Err));
        }
        queue.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.queue.lock().state = State::Deserted;
        self.0.over.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn alive() -> Frame {
        Frame::Alive(v1::Alive { heard: 1, time: None })
    }

    fn bundle(bytes: usize) -> Frame {
        Frame::Bundle(v1::BundlePush { version: "x".repeat(bytes), bundle: None })
    }

    #[tokio::test]
    async fn what_has_gathered_goes_as_one_message_within_its_bounds() {
        let (outbox, mut outgoing) = outbox();
        for _ in 0..MESSAGE_FRAMES_MAX + 1 {
            outbox.send(alive());
        }
        assert_eq!(outgoing.next().await.unwrap().unwrap().frames.len(), MESSAGE_FRAMES_MAX);
        outbox.send(bundle(2 * MESSAGE_BYTES_MAX));
        assert_eq!(outgoing.next().await.unwrap().unwrap().frames.len(), 1);
        // Larger than a message should be, and alone in it.
        outbox.send(alive());
        assert_eq!(outgoing.next().await.unwrap().unwrap().frames.len(), 1);
        outbox.close(None);
        assert_eq!(outgoing.next().await.unwrap().unwrap().frames.len(), 1);
        assert!(outgoing.next().await.is_none());
    }

    #[tokio::test]
    async fn a_gateway_that_does_not_read_is_let_go() {
        let (outbox, mut outgoing) = outbox();
        for _ in 0..WAITING_FRAMES_MAX + 1 {
            outbox.send(alive());
        }
        assert_eq!(outbox.over().await, Over::Slow);
        assert!(outgoing.next().await.unwrap().is_err());
        assert!(outgoing.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_noticed() {
        let (outbox, outgoing) = outbox();
        drop(outgoing);
        assert_eq!(outbox.over().await, Over::Deserted);
    }
}
