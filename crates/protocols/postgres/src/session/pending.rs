//! Frames that wait for the command they prepare, so that nothing of a batch is upstream while it is held.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::expect::Expect;
use crate::statements::{Name, Portal};

/// Frames that may wait; with more of them they go before their command.
const PENDING_FRAMES_MAX: usize = 256;

/// Bytes of frames that may wait, besides the last one.
const PENDING_BYTES_MAX: usize = 256 * 1024;

/// Frames that wait for the command they prepare, so that nothing of a batch is upstream while it is held.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(super) frames: Vec<Bytes>,
    pub(super) expects: Vec<Expect>,
    /// A Bind among them that may run something unknown when it is planned: it goes with its Execute.
    pub(super) risky: Option<(Name, Arc<Portal>)>,
    bytes: usize,
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
        self.bytes += frame.len();
        self.frames.push(frame);
        self.expects.push(expect);
    }

    /// All of it and `frame` as one.
    pub(super) fn joined(&self, frame: &[u8]) -> Bytes {
        let mut wire =
            BytesMut::with_capacity(frame.len() + self.frames.iter().map(Bytes::len).sum::<usize>());
        for one in &self.frames {
            wire.extend_from_slice(one);
        }
        wire.extend_from_slice(frame);
        wire.freeze()
    }
}
