//! What happened in a run, in the one order in which it happened.

use countersign_common::Timestamp;
use countersign_common::approval::Approval;
use countersign_common::id::{CommandId, SessionId, StreamId};
use countersign_common::refusal::Refusal;
use countersign_lifecycle::ports::Stop;
use countersign_recording::{Record, VerdictWord};

/// One command that one connection was sent; a command that comes again has another number.
pub(crate) type Number = u32;

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) event: Event,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A client sent a command.
    Sent(Sent),
    /// It was judged; `None`: nobody could.
    Judged { number: Number, verdict: Option<VerdictWord> },
    /// The client was told that people are asked.
    Asked { number: Number },
    /// The client asked to cancel while it waited.
    Cancelled { number: Number },
    /// What gives the command its meaning changed while it waited.
    ContextChanged { number: Number },
    /// An approval was written: created, or one step further.
    Written(Box<Approval>),
    /// What the command needs in order to go could not be had.
    NotPrepared { number: Number },
    /// What it rests on had changed when people had agreed.
    Drifted { number: Number },
    /// It can go; by this the target would remember it.
    Prepared { number: Number, evidence: Option<String> },
    /// The road asks to use the approval up.
    Redeeming { number: Number },
    /// A transaction at the target is over.
    TransactionOver { evidence: String, committed: bool },
    /// The road was told that its command may go.
    Redeemed { number: Number, approval: Box<Approval> },
    /// Something that the road needs failed it.
    Fault { number: Number },
    /// The journal took a record.
    Appended { position: u64, stream: StreamId, record: Box<Record<'static>> },
    /// The journal vouches up to here that the process may die.
    Accepted(u64),
    /// The journal vouches up to here.
    Synced(u64),
    /// The journal takes nothing any more.
    JournalFailed,
    /// The connections of a session heard that they have to stop.
    Stopped { session: SessionId, stop: Stop },
    /// The road let the command go; whether the bundle's lease had run out by then.
    Released { number: Number, command: CommandId, alone: bool },
    /// The target received bytes of it, after the connection's settings had changed so often.
    Upstream { number: Number, bytes: Vec<u8>, setting: u32 },
    /// The target ran it.
    Ran { number: Number },
    /// The first bytes of its answer went to the client.
    Answered { number: Number },
    /// The client was told that it was not run.
    Refused { number: Number, refusal: Box<Refusal> },
    /// There was nobody left to tell.
    Left { number: Number },
    /// It ended and was reported, or was dropped.
    Ended { number: Number },
    /// The gateway died in the middle of it.
    Killed { number: Number },
}

/// A command on its way.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) number: Number,
    pub(crate) session: SessionId,
    pub(crate) stream: StreamId,
    pub(crate) text: Vec<u8>,
    pub(crate) changes: bool,
    pub(crate) reads_synced: bool,
    /// How long it may take at most when everybody answers, milliseconds.
    pub(crate) limit_ms: u64,
    /// How long it may take at most after it had to stop.
    pub(crate) slack_ms: u64,
}
