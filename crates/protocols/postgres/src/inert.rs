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
/// Query, Execute and FunctionCall are not among them and cannot be made into one.
#[derive(Debug)]
pub(crate) struct InertFrames(Bytes);

impl InertFrames {
    /// A frame that waited for its command: Parse, Describe, Close, or a Bind that
    /// [calls nothing unknown](CallsNothingUnknown). Nothing else is ever put to wait.
    pub(crate) fn waited(frame: Bytes) -> Self {
        Self(frame)
    }

    /// Frames of our own making: Describe, Sync, Flush, Terminate, the query for the session's settings, and the
    /// Parse of what is no SQL, which makes the server fail a transaction.
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
