//! What the gateway wants of the control plane at the moment. It outlives every single link: a new link is told all of
//! it anew. One short lock; none of it is on the road of a command that nobody has to approve.

use std::collections::VecDeque;

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;

use super::attached::Attached;
use super::calls::Calls;
use super::follows::Follows;

/// Frames of one message; the records come beside them.
const FRAMES_MAX: usize = 512;

/// Frames that may wait to be sent: as many as a new link is told of 100,000 connections, and as many more. A node that does
/// not read so much is left.
const WAITING_MAX: usize = 1 << 19;

/// Everything that a new link has to be told.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) outbox: Outbox,
    pub(super) calls: Calls,
    pub(super) follows: Follows,
    pub(super) attached: Attached,
    pub(super) draining: bool,
}

/// What is to be sent on the link in use. Bounded; at the bound the link is given up, see [`Outbox::has_overflowed`]. Without
/// one nothing gathers: the next link is told from [`State`].
#[derive(Default)]
pub(super) struct Outbox {
    /// The link in use; zero: none.
    epoch: u64,
    frames: VecDeque<Frame>,
    finished: bool,
    /// Too much has waited: nothing more is taken, and the link has to be given up.
    overflowed: bool,
}

/// A frame may carry a client's token: none is printed.
impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let frames = self.frames.len();
        f.debug_struct("Outbox").field("epoch", &self.epoch).field("frames", &frames).finish_non_exhaustive()
    }
}

impl Outbox {
    /// Sends a frame, if there is a link that takes it; says whether there is.
    pub(super) fn push(&mut self, frame: Frame) -> bool {
        self.overflowed |= self.frames.len() >= WAITING_MAX;
        let taken = self.epoch != 0 && !self.overflowed;
        if taken {
            self.frames.push_back(frame);
        }
        taken
    }

    /// Whether the link has to be given up; the next one is told everything anew.
    pub(super) const fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What has gathered, in order.
    pub(super) fn take(&mut self) -> Vec<v1::GatewayFrame> {
        let count = self.frames.len().min(FRAMES_MAX);
        self.frames.drain(..count).map(|frame| v1::GatewayFrame { frame: Some(frame) }).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many frames wait.
    pub(super) fn count(&self) -> usize {
        self.frames.len()
    }

    /// Nothing follows on this link.
    pub(super) const fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }
}

impl State {
    /// A link is in use from here on: it is told everything.
    pub(super) fn link_up(&mut self, epoch: u64) {
        self.outbox = Outbox { epoch, ..Outbox::default() };
        if self.draining {
            self.outbox.push(Frame::Draining(v1::Draining { draining: true }));
        }
        self.attached.tell_all(&mut self.outbox);
        self.follows.tell_all(&mut self.outbox);
        self.calls.tell_all(&mut self.outbox);
    }

    /// There is no link any more.
    pub(super) fn link_down(&mut self) {
        // What was finished stays so.
        self.outbox = Outbox { finished: self.outbox.finished, ..Outbox::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_on_which_too_much_waits_takes_no_more_and_the_next_one_begins_anew() {
        let mut state = State::default();
        state.link_up(1);
        let frame = || Frame::Goodbye(v1::Goodbye {});
        while state.outbox.push(frame()) {}
        assert_eq!(state.outbox.frames.len(), WAITING_MAX);
        assert!(state.outbox.has_overflowed());
        // Also when some of it has gone: something in between is missing.
        state.outbox.take();
        assert!(!state.outbox.push(frame()));
        state.link_up(2);
        assert!(state.outbox.push(frame()) && !state.outbox.has_overflowed());
    }
}
