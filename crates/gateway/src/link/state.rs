//! The gateway's current subscriptions and calls. They outlast every link: a new link is sent all of them again.
//! Protected by one short lock, which is not on the path of a command that needs no approval.

use std::collections::VecDeque;

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;

use super::attached::Attached;
use super::calls::Calls;
use super::follows::Follows;

/// Maximum number of frames per message, in addition to the records.
const FRAMES_MAX: usize = 512;

/// Maximum number of waiting frames: as many as a new link with 100,000 connections is sent, and as many more. The
/// link to a node that does not read that fast is closed.
const WAITING_MAX: usize = 1 << 19;

/// Everything that a new link must be sent.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) outbox: Outbox,
    pub(super) calls: Calls,
    pub(super) follows: Follows,
    pub(super) attached: Attached,
    pub(super) draining: bool,
}

/// Frames to be sent on the current link. Bounded; at the bound the link is closed, see [`Outbox::has_overflowed`].
/// Without a link nothing accumulates, because the next link is initialised from [`State`].
#[derive(Default)]
pub(super) struct Outbox {
    /// Number of the current link; zero if there is none.
    epoch: u64,
    frames: VecDeque<Frame>,
    finished: bool,
    /// Too many frames have waited: no more are accepted, and the link must be closed.
    overflowed: bool,
}

/// Omits the frames, which may contain a client's token.
impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let frames = self.frames.len();
        f.debug_struct("Outbox").field("epoch", &self.epoch).field("frames", &frames).finish_non_exhaustive()
    }
}

impl Outbox {
    /// Queues a frame if there is a link that accepts it. Returns `true` if there is.
    pub(super) fn push(&mut self, frame: Frame) -> bool {
        self.overflowed |= self.frames.len() >= WAITING_MAX;
        let taken = self.epoch != 0 && !self.overflowed;
        if taken {
            self.frames.push_back(frame);
        }
        taken
    }

    /// Returns `true` if the link must be closed. The next one is sent everything again.
    pub(super) const fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes the accumulated frames, in order.
    pub(super) fn take(&mut self) -> Vec<v1::GatewayFrame> {
        let count = self.frames.len().min(FRAMES_MAX);
        self.frames.drain(..count).map(|frame| v1::GatewayFrame { frame: Some(frame) }).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Number of waiting frames.
    pub(super) fn count(&self) -> usize {
        self.frames.len()
    }

    /// Marks that nothing follows on this link.
    pub(super) const fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }
}

impl State {
    /// Switches to a new link, and queues the complete state on it.
    pub(super) fn link_up(&mut self, epoch: u64) {
        self.outbox = Outbox { epoch, ..Outbox::default() };
        if self.draining {
            self.outbox.push(Frame::Draining(v1::Draining { draining: true }));
        }
        self.attached.tell_all(&mut self.outbox);
        self.follows.tell_all(&mut self.outbox);
        self.calls.tell_all(&mut self.outbox);
    }

    /// Marks that there is no link.
    pub(super) fn link_down(&mut self) {
        // The finished mark is kept.
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
        // Even if some frames were sent: others in between are missing.
        state.outbox.take();
        assert!(!state.outbox.push(frame()));
        state.link_up(2);
        assert!(state.outbox.push(frame()) && !state.outbox.has_overflowed());
    }
}
