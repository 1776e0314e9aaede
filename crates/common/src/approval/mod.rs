//! The durable record of one held command. It changes only through [`step`], the one pure function
//! that the control plane, the simulation and the model checker all call.
//!
//! ```text
//! Pending ─ quorum of each stage in turn ─► Approved ─ redeem ─► Redeemed ─ outcome ─► Done
//!    │ deny · expire · withdraw · void          │ revoke · expire   │ owner lost
//!    ▼                                          ▼                   ▼
//! Denied · Expired · Withdrawn · Voided     Revoked · Expired     InDoubt ─ resolve · late word of its owner ─► Done | NotRun
//! ```
//!
//! The redeeming step carries the evidence by which the target will remember the command, where there is such evidence.
//! After a lost owner any node can then ask the target whether the command ran.

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

/// The beginning of the reason of an approval that was voided because what the command would do has changed, and not
/// because of policy.
pub const DRIFTED: &str = "the statement would not do what people were asked about";

/// The durable record of one held command. Its text stands beside it, under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Its id; the ticket that clients see.
    pub id: ApprovalId,
    /// Grows by one with every step (I9). The revision of the redeeming step is the fence.
    pub revision: u64,
    /// What is approved: see [`crate::command::digest`] (I2).
    pub digest: Digest,
    /// Digest of the text as it is shown to approvers.
    pub rendering: Digest,
    /// The session that asked.
    pub session: SessionId,
    /// Where it would run.
    pub target: TargetName,
    /// Who asked.
    pub requester: Principal,
    /// Who has to agree, and by when; pinned when the hold began.
    pub terms: Terms,
    /// When the hold began.
    pub created_at: Timestamp,
    /// When a pending request, or an approval that nobody used, ends by itself.
    pub expires_at: Timestamp,
    /// What people said, in order; never changed, only added to.
    pub decisions: Vec<Decision>,
    /// Where it stands.
    pub state: State,
    /// Evidence by which the target remembers whether the command ran.
    #[serde(default, skip_serializing_if = "Evidence::is_none")]
    pub evidence: Evidence,
}

/// Evidence by which a target remembers whether a command ran, so that any node can ask it later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// There is none: only the owner can tell, or a person.
    #[default]
    None,
    /// The target can be asked about this, in its protocol's words: `xid:749`.
    Presented(String),
}

impl Evidence {
    /// Whether there is none, nor will be.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// What one person said, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Who.
    pub approver: Subject,
    /// Index of the stage it counts in.
    pub stage: usize,
    /// Yes or no.
    pub vote: Vote,
    /// Why, in the approver's words.
    pub reason: Option<String>,
    /// How the approver proved to be themselves: `token`, `oidc`, `webauthn`.
    pub method: String,
    /// When.
    pub at: Timestamp,
    /// Who issued the token that the approver voted with, and who issued those issuers' tokens, and so on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub issuers: BTreeSet<Subject>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vote {
    /// Yes.
    Approve,
    /// No; one is enough.
    Deny,
}

/// Where an approval stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// People are being asked; those of this stage are next.
    Pending {
        /// Index of the stage whose quorum is open.
        stage: usize,
    },
    /// Everyone agreed; it may be redeemed once.
    Approved,
    /// It was used up: the owner may forward the command (I1).
    Redeemed {
        /// The gateway that redeemed it.
        owner: NodeId,
        /// The revision of the redeeming step; reports of the outcome carry it.
        fence: u64,
    },
    /// The command ran.
    Done {
        /// How it ended.
        outcome: Outcome,
    },
    /// The owner was lost between redeem and outcome: it may or may not have run.
    InDoubt {
        /// The gateway that was lost.
        owner: NodeId,
        /// The fence of its redeeming step.
        fence: u64,
    },
    /// Redeemed, but it is certain that it did not run.
    NotRun {
        /// How that is known.
        reason: String,
    },
    /// A person said no.
    Denied,
    /// Nobody decided, or nobody came back, in time.
    Expired,
    /// The requester took it back.
    Withdrawn,
    /// A later bundle blocks the command, or what it would do has changed ([`DRIFTED`]).
    Voided {
        /// Which policy, or why.
        reason: String,
    },
    /// An approver or the stop button took the approval back before it was used.
    Revoked {
        /// Who.
        by: Subject,
    },
}

impl State {
    /// The word for it in records, the wire and the CLI.
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

    /// Whether nothing can follow (I9).
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

    /// Whether the command can still come to run, so that the same command joins this approval instead
    /// of asking again.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Pending { .. } | Self::Approved)
    }
}

/// How a command that was let go ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The target ran it and said so.
    Completed,
    /// The target refused or failed it: it has no effect.
    Failed {
        /// The target's error code.
        code: String,
    },
}

impl Approval {
    /// Who has to agree now, for people: `1 of 2 (dba)`, or `approved`.
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
