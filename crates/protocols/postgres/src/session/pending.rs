//! Frames that wait for the command they prepare, so that nothing of a batch is upstream while it is held.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::expect::Expect;
use crate::inert::CallsNothingUnknown;
use crate::statements::{Name, Portal};

/// Frames that may wait; with more of them they go before their command.
const PENDING_FRAMES_MAX: usize = 256;

/// Bytes of frames that may wait, besides the last one.
const PENDING_BYTES_MAX: usize = 256 * 1024;

/// Frames that wait for the command they prepare, so that nothing of a batch is upstream while it is held.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(super) frames: Vec<Waiting>,
    pub(super) expects: Vec<Expect>,
    /// A Bind among them that may run something unknown when it is planned: it goes with its Execute.
    pub(super) risky: Option<(Name, Arc<Portal>)>,
    bytes: usize,
}

/// One frame that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) frame: Bytes,
    /// For a Bind: that its statement calls nothing unknown.
    pub(super) vouched: Option<CallsNothingUnknown>,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether it is more than what one command needs.
    pub(super) fn is_large(&self) -> bool {
        self.bytes > PENDING_BYTES_MAX || self.frames.len() > PENDING_FRAMES_MAX
    }

    pub(super) fn push(&mut self, frame: Bytes, expect: Expect) {
        self.push_bind(frame, None, expect);
    }

    /// The same for a Bind, with the proof for its statement if there is one.
    pub(super) fn push_bind(&mut self, frame: Bytes, vouched: Option<CallsNothingUnknown>, expect: Expect) {
        self.bytes += frame.len();
        self.frames.push(Waiting { frame, vouched });
        self.expects.push(expect);
    }

    /// Drops the Bind that may run something unknown, and what came behind it.
    pub(super) fn drop_risky(&mut self) {
        let is_risky = |one: &Waiting| one.vouched.is_none() && one.frame.first() == Some(&b'B');
        if self.risky.take().is_some()
            && let Some(first) = self.frames.iter().position(is_risky)
        {
            self.frames.truncate(first);
            self.expects.truncate(first);
        }
    }

    /// All of it and `frame` as one.
    pub(super) fn joined(&self, frame: &[u8]) -> Bytes {
        let mut wire = BytesMut::with_capacity(
            frame.len() + self.frames.iter().map(|one| one.frame.len()).sum::<usize>(),
        );
        for one in &self.frames {
            wire.extend_from_slice(&one.frame);
        }
        wire.extend_from_slice(frame);
        wire.freeze()
    }
}
