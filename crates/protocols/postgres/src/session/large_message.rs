//! A large message of the client while it is read: its memory is reserved first, taken at once, and given back when the
//! message has gone up or the client lets it lie.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_lifecycle::INPUT_BYTES_MAX;
use tokio::time::Instant;

use super::Session;
use super::flow::Broken;
use super::limits;
use super::refuse::Form;
use crate::codec::Header;
use crate::message_budget::Reservation;

/// The time that a message waits for room before it is refused: commands that wait for people may keep theirs for long.
const ROOM_WITHIN: Duration = Duration::from_secs(30);

/// The time that a large message may rest in the middle: memory that is reserved for it is missing elsewhere.
const RESTS_MAX: Duration = Duration::from_secs(60);

/// A large message that is being read.
#[derive(Debug)]
pub(super) struct LargeMessage {
    header: Header,
    reservation: Reservation,
    /// Bytes of it that had come when it was last looked at.
    came: usize,
    /// The moment at which it is looked at again.
    look_at: Instant,
}

/// Resolves when it is time to look whether a large message still comes in.
///
/// # Cancel safety
/// Safe.
pub(super) async fn stalls(large: Option<&LargeMessage>) {
    match large {
        Some(large) => tokio::time::sleep_until(large.look_at).await,
        None => std::future::pending().await,
    }
}

/// The form of the command that a message belongs to.
const fn form(header: Header) -> Form {
    if matches!(header.tag, b'Q' | b'F') { Form::Query } else { Form::Extended }
}

impl Session {
    /// Returns whether a message of this size needs a reservation: it does not fit the buffer that every connection may fill.
    pub(super) const fn is_large(header: Header) -> bool {
        header.frame_bytes() > INPUT_BYTES_MAX
    }

    /// Reserves memory for a large message before more of it is read. Answers whether there is more to do now.
    ///
    /// # Errors
    /// [`Broken`] when the connection has to end.
    pub(super) async fn make_room(&mut self, header: Header) -> Result<bool, Broken> {
        if self.large.is_some() {
            return Ok(false);
        }
        let messages = Arc::clone(&self.messages);
        let bytes = header.frame_bytes();
        let reserving =
            Box::pin(async move { tokio::time::timeout(ROOM_WITHIN, messages.reserve(bytes)).await });
        // While it waits, the client's socket is not read.
        let Ok(reservation) = Box::pin(self.beside_answers(reserving)).await? else {
            self.refuse_unread(header, &limits::no_room(bytes)).await?;
            return Ok(true);
        };
        let input = self.flow.client.input();
        let came = input.len();
        // All of it at once: a buffer that grows is copied each time, and both copies are memory.
        input.reserve(bytes.saturating_sub(came));
        let look_at = Instant::now() + RESTS_MAX;
        self.large = Some(Box::new(LargeMessage { header, reservation, came, look_at }));
        Ok(false)
    }

    /// Refuses a message of which not all has come; the rest of it is dropped as it comes.
    pub(super) async fn refuse_unread(
        &mut self,
        header: Header,
        refusal: &countersign_common::refusal::Refusal,
    ) -> Result<(), Broken> {
        // What runs by itself does not stand behind frames that still wait.
        if !self.is_skipping() && form(header) == Form::Query {
            self.flush_pending().await?;
        }
        self.drop_unread(header);
        if !self.is_skipping() {
            self.refuse(refusal, form(header));
        }
        Ok(())
    }

    /// Drops a message, what has come of it and what still comes.
    pub(super) fn drop_unread(&mut self, header: Header) {
        self.discard = header.frame_bytes();
        self.flow.wanted = 0;
        self.large = None;
    }

    /// A large message is looked at: one that has not grown since is given up.
    pub(super) async fn large_message_stalls(&mut self) -> Result<(), Broken> {
        let came = self.flow.client.input().len();
        let Some(large) = &mut self.large else { return Ok(()) };
        if came > large.came {
            large.came = came;
            large.look_at = Instant::now() + RESTS_MAX;
            return Ok(());
        }
        let header = large.header;
        self.refuse_unread(header, &limits::too_slow(RESTS_MAX)).await?;
        self.skip_discarded();
        *self.flow.client.input() = BytesMut::new();
        Ok(())
    }

    /// Takes a large message that has come whole. Nothing of its memory stays with the buffer.
    pub(super) fn take_large(&mut self, large: LargeMessage) -> Bytes {
        let input = self.flow.client.input();
        let message = input.split_to(large.header.frame_bytes().min(input.len())).freeze();
        *input = BytesMut::from(input.as_ref());
        large.reservation.keep_with(message)
    }
}
