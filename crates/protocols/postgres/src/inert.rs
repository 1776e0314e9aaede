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
/// A client's Query, Execute or FunctionCall cannot be made into one, nor a Bind without that proof:
/// [`InertFrames::of_client`] looks.
#[derive(Debug)]
pub(crate) struct InertFrames(Bytes);

impl InertFrames {
    /// A frame of the client: Parse, Describe, Close, Sync, Flush, or a Bind with the proof that its statement calls
    /// nothing unknown. `None`: it is of another kind, or the proof is missing.
    pub(crate) fn of_client(frame: Bytes, vouched: Option<CallsNothingUnknown>) -> Option<Self> {
        let inert = match frame.first() {
            Some(b'P' | b'D' | b'C' | b'S' | b'H') => true,
            // INVARIANT: I7. Planning a statement evaluates functions of it.
            Some(b'B') => vouched.is_some(),
            _ => false,
        };
        inert.then_some(Self(frame))
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
        let vouched = CallsNothingUnknown::of(&countersign_common::Facts::nothing());
        assert!(vouched.is_some());
        for tag in [b'Q', b'E', b'F', b'd', b'c', b'f', b'X', b'p'] {
            let frame = Bytes::from(vec![tag, 0, 0, 0, 4]);
            assert!(InertFrames::of_client(frame, vouched).is_none(), "{}", char::from(tag));
        }
        assert!(InertFrames::of_client(Bytes::new(), vouched).is_none());
        assert!(InertFrames::of_client(Bytes::from_static(b"S\0\0\0\x04"), None).is_some());
        let bind = Bytes::from_static(b"B\0\0\0\x04");
        assert!(InertFrames::of_client(bind.clone(), None).is_none());
        assert!(InertFrames::of_client(bind, vouched).is_some());
    }

    #[test]
    fn i7_unknown_nobody_vouches_for_what_may_call_anything() {
        use countersign_common::Facts;
        use countersign_common::facts::Flag;
        assert!(CallsNothingUnknown::of(&Facts::unknown(Flag::UnlistedFunction)).is_none());
    }
}
