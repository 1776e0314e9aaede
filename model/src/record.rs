//! The approval in the store: the product's own record, made small enough to be hashed often.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{Approval, Event, Evidence, Stage, State, Terms, step};
use countersign_common::id::{ApprovalId, ChainName, GroupName, InvalidId, SessionId, Subject, TargetName};
use countersign_common::principal::{Kind, Principal};
use countersign_common::{Digest, Timestamp};

/// When it was asked; the deadline is one unit later.
const ASKED_AT: Timestamp = Timestamp::from_micros(1);
const TIMEOUT: Duration = Duration::from_micros(1);

/// What was approved, and what was not.
const COMMAND: &[u8] = b"UPDATE";
const OTHER: &[u8] = b"DROP";

/// An approval, as it stands in the store or in the hands of a node that is about to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record(Arc<Approval>);

impl Record {
    /// A command has just been put on hold: one stage, one person of `dba` has to agree.
    pub(crate) fn held() -> Result<Self, InvalidId> {
        let dba = BTreeSet::from([GroupName::new("dba")?]);
        Ok(Self(Arc::new(Approval {
            id: ApprovalId::from_u128(1),
            revision: 1,
            digest: digest_of(Bytes::Approved),
            rendering: Digest::of(b"shown"),
            session: SessionId::from_u128(2),
            target: TargetName::new("shop")?,
            requester: Principal {
                subject: Subject::new("agent")?,
                kind: Kind::Agent,
                groups: BTreeSet::new(),
                on_behalf_of: vec![Subject::new("carol")?],
            },
            terms: Terms {
                chains: vec![ChainName::new("prod-dba")?],
                stages: vec![Stage { groups: dba, quorum: 1 }],
                timeout: TIMEOUT,
                policies: Vec::new(),
                reason: String::new(),
            },
            created_at: ASKED_AT,
            expires_at: ASKED_AT.after(TIMEOUT),
            decisions: Vec::new(),
            state: State::Pending { stage: 0 },
            evidence: Evidence::None,
        })))
    }

    /// What the product's own function makes of it; `None`: it does not take the event.
    pub(crate) fn step(&self, event: &Event, late: bool) -> Option<Self> {
        let now = if late { ASKED_AT.after(TIMEOUT) } else { ASKED_AT };
        step(&self.0, event, now).ok().map(|next| Self(Arc::new(next)))
    }

    /// What no event of the product does: back to approved. For the broken variants.
    pub(crate) fn taken_back(&self) -> Self {
        let mut next = (*self.0).clone();
        next.revision += 1;
        next.state = State::Approved;
        Self(Arc::new(next))
    }

    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    pub(crate) fn revision(&self) -> u64 {
        self.0.revision
    }

    /// Whether the target can be asked.
    pub(crate) fn has_evidence(&self) -> bool {
        matches!(self.0.evidence, Evidence::Presented(_))
    }

    /// Whether somebody in the requester's chain is among those who decided.
    pub(crate) fn decided_by_requester(&self) -> bool {
        self.0.decisions.iter().any(|decision| self.0.requester.involves(&decision.approver))
    }

    /// Whether it ended without the command: nothing of it may ever have an effect.
    pub(crate) fn says_no(&self) -> bool {
        match self.state() {
            State::NotRun { .. }
            | State::Denied
            | State::Expired
            | State::Withdrawn
            | State::Voided { .. }
            | State::Revoked { .. } => true,
            State::Pending { .. }
            | State::Approved
            | State::Redeemed { .. }
            | State::Done { .. }
            | State::InDoubt { .. } => false,
        }
    }
}

impl Hash for Record {
    /// Everything that [`step`] changes: revision, decisions, state, evidence.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.revision.hash(hasher);
        for decision in &self.0.decisions {
            decision.approver.hash(hasher);
            decision.vote.hash(hasher);
        }
        // The state's own words, so that no field of it can be forgotten. Writing to a hasher does not fail.
        let _ = write!(Words(hasher), "{:?}{:?}", self.0.state, self.0.evidence);
    }
}

/// A hasher that takes text.
struct Words<'a, H>(&'a mut H);

impl<H: Hasher> std::fmt::Write for Words<'_, H> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// What a gateway is about to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// Those that people agreed to.
    Approved,
    /// Others.
    Other,
}

/// The digest of what a gateway is about to send (I2).
pub(crate) fn digest_of(bytes: Bytes) -> Digest {
    // SHA-256 of constants, asked for millions of times.
    static DIGESTS: std::sync::OnceLock<[Digest; 2]> = std::sync::OnceLock::new();
    let [approved, other] = DIGESTS.get_or_init(|| [Digest::of(COMMAND), Digest::of(OTHER)]);
    match bytes {
        Bytes::Approved => *approved,
        Bytes::Other => *other,
    }
}
