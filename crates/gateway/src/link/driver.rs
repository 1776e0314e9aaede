//! The task that owns the link: it dials, receives, and moves to other nodes.

use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::control_frame::Frame;
use tonic::Status;

use super::Order;
use super::dial::{Connection, DialError, Dialer};
use super::incoming::Incoming;
use super::shared::Shared;
use crate::metrics;

/// Reason why receiving on a link has stopped.
#[derive(Debug)]
enum Stopped {
    /// The link broke or was closed.
    Broken(String),
    /// The node asks to move to another one; the link still works.
    Leave(String),
    /// This incarnation of the gateway was declared lost.
    Lost(String),
    /// The gateway was revoked.
    Revoked(String),
}

impl From<DialError> for Stopped {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Revoked(reason) => Self::Revoked(reason),
            DialError::Lost(reason) => Self::Lost(reason),
            // `dial` retries after all other errors.
            other => Self::Broken(other.to_string()),
        }
    }
}

/// Keeps a link until this incarnation is declared lost, or until dropped.
///
/// # Cancel safety
/// Cancel safe if it is not started again: the link ends without a Goodbye, as if it had moved.
pub(super) async fn keep_linked(shared: Arc<Shared>, mut dialer: Dialer, mut incoming: Incoming) {
    let order = loop {
        let stopped = match dialer.dial().await {
            Ok(first) => stay_linked(&shared, &mut dialer, &mut incoming, first).await,
            Err(error) => error.into(),
        };
        match stopped {
            Stopped::Lost(reason) => break Order::Lost(reason),
            Stopped::Revoked(reason) => break Order::Revoked(reason),
            Stopped::Broken(why) | Stopped::Leave(why) => {
                if shared.link_down() {
                    return;
                }
                tracing::warn!(why, "the link to the control plane is lost");
                dialer.rest().await;
            }
        }
    };
    shared.lost(order);
}

/// Receives until the link breaks. If a node asks to move, or the link reaches its maximum age, the next link is
/// opened before this one is closed.
async fn stay_linked(
    shared: &Arc<Shared>,
    dialer: &mut Dialer,
    incoming: &mut Incoming,
    mut connection: Connection,
) -> Stopped {
    loop {
        shared.use_link(&connection);
        let stopped = listen_in_time(shared, incoming, &mut connection).await;
        let Stopped::Leave(why) = stopped else { return stopped };
        tracing::info!(address = connection.address, why, "moving to another control-plane node");
        let next = {
            let mut dialling = std::pin::pin!(dialer.dial_after_rest());
            tokio::select! {
                next = &mut dialling => next,
                stopped = listen_on(shared, incoming, &mut connection) => match stopped {
                    // The next node may already have taken over the link, and therefore closed the old one.
                    Stopped::Broken(_) | Stopped::Leave(_) if !shared.link_down() => dialling.await,
                    stopped => return stopped,
                },
            }
        };
        connection = match next {
            Ok(next) => next,
            Err(error) => return error.into(),
        };
    }
}

/// Receives until another link should replace this one.
async fn listen_in_time(shared: &Shared, incoming: &mut Incoming, connection: &mut Connection) -> Stopped {
    let outlived = connection.outlived.clone();
    tokio::select! {
        biased;
        stopped = listen_certified(shared, incoming, connection) => stopped,
        why = outlived.is_due() => Stopped::Leave(why.into()),
    }
}

/// Receives while the certificate that the link was opened with is valid.
async fn listen_certified(shared: &Shared, incoming: &mut Incoming, connection: &mut Connection) -> Stopped {
    let outlived = connection.outlived.clone();
    tokio::select! {
        biased;
        // INVARIANT: I8. No messages are accepted on a link whose certificate has expired.
        () = outlived.is_over(&*shared.clock) => Stopped::Broken("its certificate has ended".into()),
        stopped = listen(shared, incoming, connection) => stopped,
    }
}

/// Continues to receive although the link is about to be replaced.
async fn listen_on(shared: &Shared, incoming: &mut Incoming, connection: &mut Connection) -> Stopped {
    loop {
        match listen_certified(shared, incoming, connection).await {
            Stopped::Leave(_) => {}
            stopped => return stopped,
        }
    }
}

/// Receives and processes messages.
///
/// # Cancel safety
/// Cancel safe: a message is processed as a whole or not at all.
async fn listen(shared: &Shared, incoming: &mut Incoming, connection: &mut Connection) -> Stopped {
    loop {
        let frames = if connection.first.is_empty() {
            match next(connection, shared.options.silence_max).await {
                Ok(frames) => frames,
                Err(why) => return Stopped::Broken(why),
            }
        } else {
            std::mem::take(&mut connection.first)
        };
        if shared.state.lock().outbox.has_overflowed() {
            return Stopped::Broken("the node reads too slowly".into());
        }
        let mut stopped = None;
        for frame in frames {
            match frame.frame {
                Some(Frame::Leave(leave)) if leave.revoked => return Stopped::Revoked(leave.reason),
                Some(Frame::Leave(leave)) if leave.lost => return Stopped::Lost(leave.reason),
                Some(Frame::Leave(leave)) if leave.drain => shared.order(Order::Drain(leave.reason)),
                Some(Frame::Leave(leave)) => stopped = Some(Stopped::Leave(leave.reason)),
                Some(frame) => {
                    if let Err(why) = incoming.take(frame) {
                        return Stopped::Broken(why);
                    }
                }
                // INVARIANT: I8. An unknown frame was not meant for this version, so the link is closed.
                None => return Stopped::Broken("a frame of a kind that is not known here".into()),
            }
        }
        if let Some(stopped) = stopped {
            return stopped;
        }
    }
}

/// Receives the frames of the next message.
async fn next(
    connection: &mut Connection,
    silence_max: Duration,
) -> Result<Vec<countersign_api::v1::ControlFrame>, String> {
    match tokio::time::timeout(silence_max, connection.incoming.message()).await {
        Ok(Ok(Some(message))) => Ok(message.frames),
        Ok(Ok(None)) => Err("it ended".into()),
        Ok(Err(status)) => Err(Status::message(&status).to_owned()),
        Err(_) => Err("nothing was heard for too long".into()),
    }
}

impl Shared {
    /// Makes this link the current one, and sends the complete state on it.
    fn use_link(&self, connection: &Connection) {
        {
            let mut state = self.state.lock();
            if state.outbox.epoch() == connection.epoch {
                return;
            }
            self.journal.rewind();
            state.link_up(connection.epoch);
        }
        metrics::linked();
        self.bell.moves_to(Arc::clone(&connection.waker));
        self.ask_whether_alive();
        tracing::info!(address = connection.address, "linked to the control plane");
    }

    /// Marks that there is no link. Returns `true` if the Goodbye was sent before.
    fn link_down(&self) -> bool {
        let mut state = self.state.lock();
        let finished = state.outbox.is_finished();
        state.link_down();
        metrics::unlinked();
        finished
    }

    fn order(&self, order: Order) {
        // INVARIANT: I9. A loss or revocation is final.
        self.orders.send_if_modified(|given| {
            let follows = !matches!(given, Order::Lost(_) | Order::Revoked(_)) && *given != order;
            if follows {
                *given = order;
            }
            follows
        });
    }

    /// Handles a loss of this incarnation or a revocation of the gateway: its connections end, and it records nothing
    /// any more.
    fn lost(&self, order: Order) {
        tracing::error!(?order, "this start of the gateway is over; its connections end");
        let why = match order {
            Order::Revoked(_) => "the gateway was shut out of its fleet; connect to another one",
            _ => "the gateway lost touch with the control plane for too long; connect again",
        };
        self.order(order);
        let mut state = self.state.lock();
        state.link_down();
        metrics::unlinked();
        state.attached.end_all(why);
        drop(state);
        self.journal.close();
    }
}
