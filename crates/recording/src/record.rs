//! The records: what is written down about a connection and its commands. Versioned as a whole by the
//! `v` of the line ([`crate::line`]); a field is only ever added, with a default.

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
    /// The connection was accepted. Always the first.
    Opened(Opened),
    /// A command was judged; for anything but a plain read this is synced before a byte of it goes
    /// upstream (I5).
    Begin(Begin<'a>),
    /// It began to wait for people.
    Hold(Held),
    /// A person said yes or no.
    Decision(Decided),
    /// The approval was used up (I1); from here on the command may run.
    Redeemed(Redeemed),
    /// It ended; exactly one for every begin.
    End(Ended),
    /// A transaction block of the client ended: whether what ran in it lasts.
    Transaction(TransactionEnded),
    /// The connection ended. Always the last.
    Closed(Closed),
}

impl Record<'_> {
    /// The command it is about; `None` for the connection's own records.
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

/// A connection, as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The session it belongs to.
    pub session: SessionId,
    /// Who asks.
    pub principal: Principal,
    /// Where it leads.
    pub target: TargetName,
    /// The role used there.
    pub role: RoleName,
    /// The database.
    pub database: String,
    /// The client's address, as the listener saw it.
    pub client: String,
    /// The gateway.
    pub node: NodeId,
    /// The bundle in force when it was accepted.
    pub bundle: BundleVersion,
}

/// A command, as it was judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begin<'a> {
    /// Its id; later records of the command carry it.
    pub id: CommandId,
    /// Exact bytes, form and parameters.
    pub command: Cow<'a, Command>,
    /// What it does.
    pub facts: FactsJson,
    /// What was decided.
    pub verdict: VerdictWord,
    /// The policies that decided.
    #[serde(default, skip_serializing_if = "<[PolicyId]>::is_empty")]
    pub policies: Cow<'a, [PolicyId]>,
    /// The bundle that decided.
    pub bundle: BundleVersion,
    /// What an approval of it would be bound to ([`countersign_common::command::digest`]). Never missing
    /// where the verdict is `hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The trace that it is part of, where it is traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceId>,
}

/// The verdict's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// It runs by itself.
    Allow,
    /// It does not run.
    Block,
    /// It runs when people agree.
    Hold,
}

impl VerdictWord {
    /// The word.
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

/// Facts in their JSON form, rendered once: a statement that comes a thousand times has its facts
/// serialised once and then only copied.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FactsJson(Arc<RawValue>);

impl FactsJson {
    /// Renders these facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        // Facts hold strings, sets and enums only, which always serialise; `null` would be refused by
        // every reader, so that a fault here cannot pass for facts.
        let raw = serde_json::value::to_raw_value(facts).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(raw.into())
    }

    /// As JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The facts.
    ///
    /// # Errors
    /// When they were written by a version that knows facts which this one does not.
    pub fn parse(&self) -> Result<Facts, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl fmt::Debug for FactsJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A command waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The command.
    pub id: CommandId,
    /// The approval it waits for; a command that comes back joins the one it had.
    pub approval: ApprovalId,
    /// Who has to agree, such as `0 of 2 (dba)`.
    pub need: String,
    /// When the approval ends by itself.
    pub expires_at: Timestamp,
}

/// A person said yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The command.
    pub id: CommandId,
    /// The approval.
    pub approval: ApprovalId,
    /// Who.
    pub approver: Subject,
    /// Yes or no.
    pub vote: Vote,
    /// Why, in the approver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How they proved to be themselves.
    pub method: String,
    /// When they said so (the record may come later).
    pub at: Timestamp,
}

/// An approval was used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    /// The command.
    pub id: CommandId,
    /// The approval.
    pub approval: ApprovalId,
    /// The revision of the redeeming step.
    pub fence: u64,
    /// The digest that was redeemed; equal to that of the begin record (I2).
    pub digest: Digest,
}

/// What a command answered, as released to the client; [`crate::Capture`] makes it. How many rows and bytes it
/// was stands in the record that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// SHA-256 over all bytes on the wire.
    pub digest: Digest,
    /// The beginning of the rows: a line each, fields between tabs, `\N` for NULL, as in COPY's text
    /// format; bytes that are not UTF-8 as `\xNN`.
    pub sample: String,
    /// Whether the sample is less than all.
    pub cut: bool,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The command.
    pub id: CommandId,
    /// How.
    pub outcome: Ending,
    /// Rows answered or changed.
    pub rows: u64,
    /// Bytes answered.
    pub bytes: u64,
    /// What it answered; `None` when nothing was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The target ran it and said so with this tag.
    Completed(String),
    /// The target refused or failed it with this code.
    Failed(String),
    /// Not a byte of it went upstream.
    Refused(State),
    /// It was let go, or may have been, and nobody knows.
    Lost,
}

impl Ending {
    /// Whether the target certainly ran the command, or began to.
    #[must_use]
    pub const fn has_run(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_))
    }
}

/// How a transaction block of the client ended. A command that completed in one lasts only if the block was committed,
/// and was not undone before by a ROLLBACK TO SAVEPOINT, which is a command of its own in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionEnded {
    /// The command that opened it: what the stream has from there up to here ran in it.
    pub since: CommandId,
    /// How.
    pub outcome: TransactionOutcome,
}

/// How a transaction block ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionOutcome {
    /// What ran in it lasts.
    Committed,
    /// Nothing that ran in it lasts.
    RolledBack,
    /// It was prepared: a COMMIT PREPARED or ROLLBACK PREPARED decides, in whatever session.
    Prepared,
    /// The connection broke while the target was asked to end it: nobody knows.
    Lost,
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Why.
    pub reason: String,
    /// How many records the stream has, this one included.
    pub count: u64,
}
