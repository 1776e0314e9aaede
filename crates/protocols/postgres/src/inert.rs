//! Frames that run nothing on the server, and so need no verdict.

use bytes::Bytes;
use countersign_lifecycle::Inert;

use crate::codec::Frontend;

/// One or more frames, each of a kind that runs nothing by itself:
///
/// - Parse, Describe, Close, Flush: read and answer, execute nothing (Parse analyses a statement; what it
///   calls is first evaluated when it is planned, at Bind);
/// - Sync: ends what was already cleared;
/// - Bind of a statement all of whose functions are known (the caller says so with [`InertFrames::bind`]);
/// - CopyData, CopyDone, CopyFail: the flow of a COPY that was cleared when it was opened;
/// - Terminate.
///
/// Query, Execute and FunctionCall are not among them and cannot be made into one.
#[derive(Debug)]
pub(crate) struct InertFrames(Bytes);

impl InertFrames {
    /// The frame, when its message is of an inert kind.
    pub(crate) fn of(message: &Frontend<'_>, frame: Bytes) -> Option<Self> {
        match message {
            Frontend::Parse(_)
            | Frontend::Describe(_)
            | Frontend::Close(_)
            | Frontend::Sync
            | Frontend::Flush
            | Frontend::CopyData(_)
            | Frontend::CopyDone
            | Frontend::CopyFail(_)
            | Frontend::Terminate => Some(Self(frame)),
            Frontend::Query(_)
            | Frontend::Bind(_)
            | Frontend::Execute(_)
            | Frontend::FunctionCall(_)
            | Frontend::Password(_) => None,
        }
    }

    /// A Bind of a statement that calls nothing unknown: planning it evaluates at most functions that are
    /// known to have no effect.
    pub(crate) fn bind(frame: Bytes, _why: CallsNothingUnknown) -> Self {
        Self(frame)
    }

    /// Frames of our own making: Describe, Sync, Terminate, the query for the session's settings, and the
    /// Execute of a portal that does not exist, which makes the server fail a transaction.
    pub(crate) fn ours(frame: Bytes) -> Self {
        Self(frame)
    }

    /// A piece of a CopyData frame too large to wait for.
    pub(crate) fn copy_piece(piece: Bytes) -> Self {
        Self(piece)
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
