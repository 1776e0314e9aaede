//! Frames that run nothing on the server, and so need no verdict.

use bytes::Bytes;
use countersign_lifecycle::Inert;

/// One or more frames, each of a kind that runs nothing by itself:
///
/// - Parse, Describe, Close, Flush: read and answer, execute nothing (Parse analyses a statement; what it
///   calls is first evaluated when it is planned, at Bind);
/// - Sync: ends what was already cleared;
/// - Bind of a statement all of whose functions are known ([`CallsNothingUnknown`]);
/// - Terminate.
///
/// A client's Query, Execute or FunctionCall cannot be made into one: [`InertFrames::of_client`] looks.
#[derive(Debug)]
pub(crate) struct InertFrames(Bytes);

impl InertFrames {
    /// A frame of the client: Parse, Describe, Close, Sync, Flush, or a Bind that
    /// [calls nothing unknown](CallsNothingUnknown). `None`: it is of another kind.
    pub(crate) fn of_client(frame: Bytes) -> Option<Self> {
        matches!(frame.first(), Some(b'P' | b'B' | b'D' | b'C' | b'S' | b'H')).then_some(Self(frame))
    }

    /// Frames of our own making, never the client's: Describe, Sync, Terminate, the question for the session's
    /// settings, and the Parse of what is no SQL, which makes the server fail a transaction.
    pub(crate) fn ours(frame: Bytes) -> Self {
        Self(frame)
    }
}

impl Inert for InertFrames {
    fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// That a statement's functions are all known; made from its facts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallsNothingUnknown(());

impl CallsNothingUnknown {
    /// When the facts say so.
    pub(crate) fn of(facts: &countersign_common::Facts) -> Option<Self> {
        use countersign_common::facts::Class;
        facts.operations.iter().all(|op| op.action.class() != Class::Unknown).then_some(Self(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_runs_something_is_not_inert() {
        for tag in [b'Q', b'E', b'F', b'd', b'c', b'f', b'X', b'p'] {
            assert!(
                InertFrames::of_client(Bytes::from(vec![tag, 0, 0, 0, 4])).is_none(),
                "{}",
                char::from(tag)
            );
        }
        assert!(InertFrames::of_client(Bytes::new()).is_none());
        assert!(InertFrames::of_client(Bytes::from_static(b"S\0\0\0\x04")).is_some());
    }
}
