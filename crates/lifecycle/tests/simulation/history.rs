//! Events of a run, in the order in which they occurred.

use countersign_common::Timestamp;
use countersign_common::approval::Approval;
use countersign_common::id::{CommandId, SessionId, StreamId};
use countersign_common::refusal::Refusal;
use countersign_lifecycle::ports::Stop;
use countersign_recording::{Record, VerdictWord};

/// Number of one command on one connection. A repeated command gets a new number.
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
    /// The command was judged; `None` if no judge was available.
    Judged { number: Number, verdict: Option<VerdictWord> },
    /// The client was notified that its command waits for approval.
    Asked { number: Number },
    /// The client cancelled during the wait.
    Cancelled { number: Number },
    /// The context of the command changed during the wait.
    ContextChanged { number: Number },
    /// A revision of an approval was written.
    Written(Box<Approval>),
    /// Preparing the command failed.
    NotPrepared { number: Number },
    /// The definitions that the command rests on had changed by the time of the approval.
    Drifted { number: Number },
    /// The command is ready to be sent; the target keeps this evidence of it.
    Prepared { number: Number, evidence: Option<String> },
    /// The pipeline asked to redeem the approval.
    Redeeming { number: Number },
    /// A transaction on the target ended.
    TransactionOver { evidence: String, committed: bool },
    /// The pipeline received the redeemed approval.
    Redeemed { number: Number, approval: Box<Approval> },
    /// A port of the pipeline failed.
    Fault { number: Number },
    /// The journal appended a record.
    Appended { position: u64, stream: StreamId, record: Box<Record<'static>> },
    /// Records up to this position survive the death of the process.
    Accepted(u64),
    /// Records up to this position are synced.
    Synced(u64),
    /// The journal rejects all records from here on.
    JournalFailed,
    /// The connections of a session received a stop signal.
    Stopped { session: SessionId, stop: Stop },
    /// The pipeline released the command; `alone` if the bundle lease had expired by then.
    Released { number: Number, command: CommandId, alone: bool },
    /// The target received bytes of the command, after `setting` changes of the connection's settings.
    Upstream { number: Number, bytes: Vec<u8>, setting: u32 },
    /// The target ran the command.
    Ran { number: Number },
    /// The first bytes of the answer left for the client.
    Answered { number: Number },
    /// The client received a refusal.
    Refused { number: Number, refusal: Box<Refusal> },
    /// The client had disconnected before the refusal.
    Left { number: Number },
    /// The command ended and was reported, or was dropped.
    Ended { number: Number },
    /// The gateway died while it handled the command.
    Killed { number: Number },
}

/// One command that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) number: Number,
    pub(crate) session: SessionId,
    pub(crate) stream: StreamId,
    pub(crate) text: Vec<u8>,
    pub(crate) changes: bool,
    pub(crate) reads_synced: bool,
    /// Longest time the command may take if every component answers, in milliseconds.
    pub(crate) limit_ms: u64,
    /// Longest time the command may take after it had to stop, in milliseconds.
    pub(crate) slack_ms: u64,
}
