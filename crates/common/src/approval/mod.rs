//! The durable record of one held command. It changes only through [`step`], the one pure function used by the
//! control plane, the simulation and the model checker.
//!
//! ```text
//! Pending ─ quorum of each stage in turn ─► Approved ─ redeem ─► Redeemed ─ outcome ─► Done
//!    │ deny · expire · withdraw · void          │ revoke · expire   │ owner lost
//!    ▼                                          ▼                   ▼
//! Denied · Expired · Withdrawn · Voided     Revoked · Expired     InDoubt ─ resolve · late report ─► Done | NotRun
//! ```
//!
//! The redeeming step carries evidence that can be queried on the target later, if the target keeps any. If the owner
//! is lost, any node can ask the target whether the command ran.

mod limits;
mod step;
mod terms;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use limits::RequestLimits;
pub use step::{Event, Rejection, step};
pub use terms::{Chain, Stage, Terms};

use crate::Digest;
use crate::id::{ApprovalId, NodeId, SessionId, Subject, TargetName};
use crate::principal::Principal;
use crate::time::Timestamp;

/// Prefix of the reason of an approval that was voided because the effect of its command has changed, and not because
/// of policy.
pub const DRIFTED: &str = "the statement would not do what people were asked about";

/// The durable record of one held command. The command's text is stored beside it, under its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Identifier; the ticket that clients see.
    pub id: ApprovalId,
    /// Grows by one with every step (I9). The revision of the redeeming step is the fence.
    pub revision: u64,
    /// Digest of the approved command; see [`crate::command::digest`] (I2).
    pub digest: Digest,
    /// Digest of the text that approvers are shown.
    pub rendering: Digest,
    /// Session of the requesting client.
    pub session: SessionId,
    /// Target that the command is for.
    pub target: TargetName,
    /// Requester of the command, with its delegation chain.
    pub requester: Principal,
    /// Required approvals and the time limit; fixed when the hold began.
    pub terms: Terms,
    /// Time at which the hold began.
    pub created_at: Timestamp,
    /// Time at which a pending request or an unused approval expires.
    pub expires_at: Timestamp,
    /// Decisions in order. Append-only.
    pub decisions: Vec<Decision>,
    /// Current state of the approval.
    pub state: State,
    /// Evidence that the target keeps of the command.
    #[serde(default, skip_serializing_if = "Evidence::is_none")]
    pub evidence: Evidence,
}

/// Evidence kept by a target of whether a command ran. Any node can query it later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The target keeps none: only the owner or a person can tell.
    #[default]
    None,
    /// Evidence that the target can be queried about, in the words of its protocol: `xid:749`.
    Presented(String),
}

impl Evidence {
    /// Returns `true` if there is no evidence.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// One vote of one person. A person votes at most once per approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Subject of the approver.
    pub approver: Subject,
    /// Index of the stage that the vote counts in.
    pub stage: usize,
    /// Approval or denial.
    pub vote: Vote,
    /// Reason in the approver's words.
    pub reason: Option<String>,
    /// Method that authenticated the approver: `token`, `oidc`, `webauthn`.
    pub method: String,
    /// Time of the vote.
    pub at: Timestamp,
    /// Issuers of the approver's token, the issuers of their tokens, and so on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub issuers: BTreeSet<Subject>,
}

/// Vote of an approver on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vote {
    /// Counts towards the quorum of the stage.
    Approve,
    /// Ends the request; one denial is enough.
    Deny,
}

/// State of an approval in its life cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// Waiting for the votes of the current stage.
    Pending {
        /// Index of the stage whose quorum is open.
        stage: usize,
    },
    /// All stages reached their quorum; the approval may be redeemed once.
    Approved,
    /// The approval was used: its owner may forward the command (I1).
    Redeemed {
        /// Gateway incarnation that redeemed the approval.
        owner: NodeId,
        /// Revision of the redeeming step; reports of the outcome carry it.
        fence: u64,
    },
    /// The command ran, and its outcome is known.
    Done {
        /// Result reported by the target.
        outcome: Outcome,
    },
    /// The owner was lost between redeem and outcome; the command may or may not have run.
    InDoubt {
        /// Gateway incarnation that was lost.
        owner: NodeId,
        /// Fence of the owner's redeeming step.
        fence: u64,
    },
    /// Redeemed, but the command certainly did not run.
    NotRun {
        /// Text that says how this is known.
        reason: String,
    },
    /// An approver voted against the command.
    Denied,
    /// The deadline passed before a decision, or before the approval was used.
    Expired,
    /// The requester withdrew the request.
    Withdrawn,
    /// A later bundle blocks the command, or its effect has changed ([`DRIFTED`]).
    Voided {
        /// The blocking policy, or the change of effect.
        reason: String,
    },
    /// An approver or the kill switch revoked the approval before it was used.
    Revoked {
        /// Subject who revoked the approval.
        by: Subject,
    },
}

impl State {
    /// Name of the state in records, on the wire and in the CLI.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Approved => "approved",
            Self::Redeemed { .. } => "redeemed",
            Self::Done { .. } => "done",
            Self::InDoubt { .. } => "in_doubt",
            Self::NotRun { .. } => "not_run",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Voided { .. } => "voided",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// Returns `true` if no event can change the state any more (I9).
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Pending { .. } | Self::Approved | Self::Redeemed { .. } | Self::InDoubt { .. } => false,
            Self::Done { .. }
            | Self::NotRun { .. }
            | Self::Denied
            | Self::Expired
            | Self::Withdrawn
            | Self::Voided { .. }
            | Self::Revoked { .. } => true,
        }
    }

    /// Returns `true` if the command can still run under this approval. The same command then joins it instead of
    /// requesting another.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Pending { .. } | Self::Approved)
    }
}

/// Result of a released command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The target ran the command and confirmed it.
    Completed,
    /// The target rejected or failed the command: it has no effect.
    Failed {
        /// Error code of the target.
        code: String,
    },
}

impl Approval {
    /// Describes the open quorum for people: `1 of 2 (dba)`, or the name of the state if none is open.
    #[must_use]
    pub fn need(&self) -> String {
        let State::Pending { stage: index } = self.state else {
            return self.state.as_str().into();
        };
        let Some(stage) = self.terms.stages.get(index) else {
            return "nobody".into();
        };
        let votes = self.decisions.iter().filter(|d| d.stage == index).count();
        let groups: Vec<_> = stage.groups.iter().map(crate::id::GroupName::as_str).collect();
        format!("{votes} of {} ({})", stage.quorum, groups.join(", "))
    }
}
