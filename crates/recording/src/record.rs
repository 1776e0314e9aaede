//! The records of a connection and its commands. They are versioned as a whole by the `v` of the line
//! ([`crate::line`]). Fields are only ever added, with a default.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use countersign_common::approval::Vote;
use countersign_common::id::{
    ApprovalId, BundleVersion, CommandId, NodeId, PolicyId, RoleName, SessionId, Subject, TargetName,
};
use countersign_common::refusal::State;
use countersign_common::trace::TraceId;
use countersign_common::{Command, Digest, Facts, Principal, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One record of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record<'a> {
    /// The connection was accepted. Always the first record.
    Opened(Opened),
    /// A command was judged. Except for a plain read, this record is synced before a byte is sent to the target (I5).
    Begin(Begin<'a>),
    /// The command waits for approval.
    Hold(Held),
    /// An approver approved or denied the command.
    Decision(Decided),
    /// The approval was redeemed (I1); from here on the command may run.
    Redeemed(Redeemed),
    /// The command ended; exactly one for every begin.
    End(Ended),
    /// A transaction block of the client ended, with its effect on the commands in it.
    Transaction(TransactionEnded),
    /// The connection ended. Always the last record.
    Closed(Closed),
}

impl Record<'_> {
    /// Command of the record; `None` for the connection's own records.
    #[must_use]
    pub fn command(&self) -> Option<CommandId> {
        match self {
            Self::Opened(_) | Self::Transaction(_) | Self::Closed(_) => None,
            Self::Begin(one) => Some(one.id),
            Self::Hold(one) => Some(one.id),
            Self::Decision(one) => Some(one.id),
            Self::Redeemed(one) => Some(one.id),
            Self::End(one) => Some(one.id),
        }
    }
}

/// A connection when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Session that the connection belongs to.
    pub session: SessionId,
    /// Requester of the commands on this connection.
    pub principal: Principal,
    /// Target that the connection leads to.
    pub target: TargetName,
    /// Login role on the target.
    pub role: RoleName,
    /// Database on the target, by name.
    pub database: String,
    /// Address of the client, as seen by the listener.
    pub client: String,
    /// Incarnation of the gateway that accepted the connection.
    pub node: NodeId,
    /// Bundle in force when the connection was accepted.
    pub bundle: BundleVersion,
}

/// A command when it was judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begin<'a> {
    /// Identifier of the command; its later records carry it.
    pub id: CommandId,
    /// Exact bytes, form and parameters.
    pub command: Cow<'a, Command>,
    /// Facts derived from the command.
    pub facts: FactsJson,
    /// Verdict on the command, without its details.
    pub verdict: VerdictWord,
    /// Policies that determined the verdict.
    #[serde(default, skip_serializing_if = "<[PolicyId]>::is_empty")]
    pub policies: Cow<'a, [PolicyId]>,
    /// Version of the bundle that was used.
    pub bundle: BundleVersion,
    /// Digest that an approval would bind ([`countersign_common::command::digest`]). Always present if the verdict is
    /// `hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Trace of the command, if it is traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceId>,
}

/// Kind of a verdict, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// The command runs without approval.
    Allow,
    /// The command does not run.
    Block,
    /// The command runs if it is approved.
    Hold,
}

impl VerdictWord {
    /// Name of the verdict in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Hold => "hold",
        }
    }
}

impl From<&Verdict> for VerdictWord {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Allow(_) => Self::Allow,
            Verdict::Block(_) => Self::Block,
            Verdict::Hold(..) => Self::Hold,
        }
    }
}

/// Facts in their JSON form, rendered once: the facts of a repeated statement are serialised once and then only
/// copied.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FactsJson(Arc<RawValue>);

impl FactsJson {
    /// Renders the JSON form of the facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        // Cannot fail, because facts hold only strings, sets and enums. Every reader rejects `null`, so that a fault
        // here cannot be mistaken for facts.
        let raw = serde_json::value::to_raw_value(facts).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(raw.into())
    }

    /// JSON text of the facts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Parses the facts.
    ///
    /// # Errors
    /// Fails if a version with facts unknown to this one has written them.
    pub fn parse(&self) -> Result<Facts, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl fmt::Debug for FactsJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A command waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Identifier of the command, as in its begin record.
    pub id: CommandId,
    /// Approval that the command waits for. A command that is sent again joins its earlier approval.
    pub approval: ApprovalId,
    /// Open quorum, such as `0 of 2 (dba)`.
    pub need: String,
    /// Time at which the approval expires.
    pub expires_at: Timestamp,
}

/// An approver approved or denied the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Identifier of the command, as in its begin record.
    pub id: CommandId,
    /// Approval that was voted on.
    pub approval: ApprovalId,
    /// Subject of the approver.
    pub approver: Subject,
    /// Approval or denial.
    pub vote: Vote,
    /// Reason in the approver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Method that authenticated the approver.
    pub method: String,
    /// Time of the vote (the record may be later).
    pub at: Timestamp,
}

/// An approval was redeemed for a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    /// Identifier of the command, as in its begin record.
    pub id: CommandId,
    /// Approval that the command has used up.
    pub approval: ApprovalId,
    /// Revision of the redeeming step.
    pub fence: u64,
    /// Digest that was redeemed; equal to that of the begin record (I2).
    pub digest: Digest,
}

/// The answer to a command as it was sent to the client, built by [`crate::Capture`]. The numbers of rows and bytes
/// are in the record that contains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// SHA-256 of all bytes on the wire.
    pub digest: Digest,
    /// The first rows: one line each, fields separated by tabs, `\N` for NULL, as in COPY's text format; bytes that
    /// are not UTF-8 as `\xNN`.
    pub sample: String,
    /// `true` if the sample is incomplete.
    pub cut: bool,
}

/// End of a command, with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Identifier of the command, as in its begin record.
    pub id: CommandId,
    /// Outcome of the command, as the protocol saw it.
    pub outcome: Ending,
    /// Number of rows returned or changed.
    pub rows: u64,
    /// Number of bytes on the wire.
    pub bytes: u64,
    /// Digest and sample of the answer; `None` if nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// Outcome of a command, as the protocol saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The target ran the command and returned this tag.
    Completed(String),
    /// The target rejected or failed the command with this code.
    Failed(String),
    /// No byte of the command was sent to the target.
    Refused(State),
    /// The command was or may have been released, and its outcome is unknown.
    Lost,
}

impl Ending {
    /// Returns `true` if the target certainly ran the command, or started to.
    #[must_use]
    pub const fn has_run(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_))
    }
}

/// End of a transaction block of the client. A command that completed in it is permanent only if the block was
/// committed, and the command was not undone by an earlier ROLLBACK TO SAVEPOINT, which is a separate command in the
/// stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionEnded {
    /// The command that opened the block. All commands of the stream from there to this record ran in it.
    pub since: CommandId,
    /// Outcome of the transaction block.
    pub outcome: TransactionOutcome,
}

/// Outcome of a transaction block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionOutcome {
    /// The effects of the block are permanent.
    Committed,
    /// The block has no effect.
    RolledBack,
    /// Prepared: a COMMIT PREPARED or ROLLBACK PREPARED in any session decides.
    Prepared,
    /// The connection broke while the target ended the block; the outcome is unknown.
    Lost,
}

/// End of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Reason for the end, in words.
    pub reason: String,
    /// Number of records in the stream, including this one.
    pub count: u64,
}
