//! The approval in the store: the product's own record, with a hash that is cheap to compute.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{Approval, Event, Evidence, Stage, State, Terms, step};
use countersign_common::id::{ApprovalId, ChainName, GroupName, InvalidId, SessionId, Subject, TargetName};
use countersign_common::principal::{Kind, Principal};
use countersign_common::{Digest, Timestamp};

/// Time of the request; the deadline is one unit later.
const ASKED_AT: Timestamp = Timestamp::from_micros(1);
const TIMEOUT: Duration = Duration::from_micros(1);

/// The approved bytes, and others.
const COMMAND: &[u8] = b"UPDATE";
const OTHER: &[u8] = b"DROP";

/// An approval in the store, or in a node that is about to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record(Arc<Approval>);

impl Record {
    /// Creates a request that was just put on hold: one stage, and one approver of `dba` is required.
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

    /// Applies the product's own function; `None` if it rejects the event.
    pub(crate) fn step(&self, event: &Event, late: bool) -> Option<Self> {
        let now = if late { ASKED_AT.after(TIMEOUT) } else { ASKED_AT };
        step(&self.0, event, now).ok().map(|next| Self(Arc::new(next)))
    }

    /// Returns the approval to `Approved`, which no event of the product does. For the broken variants.
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

    /// Returns `true` if the target can be queried.
    pub(crate) fn has_evidence(&self) -> bool {
        matches!(self.0.evidence, Evidence::Presented(_))
    }

    /// Returns `true` if a member of the requester's chain is among the deciders.
    pub(crate) fn decided_by_requester(&self) -> bool {
        self.0.decisions.iter().any(|decision| self.0.requester.involves(&decision.approver))
    }

    /// Returns `true` if the approval ended without the command, which must then never have an effect.
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
    /// Hashes everything that [`step`] changes: revision, decisions, state, evidence.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.revision.hash(hasher);
        for decision in &self.0.decisions {
            decision.approver.hash(hasher);
            decision.vote.hash(hasher);
        }
        // Hashes the `Debug` text of the state, so that no field can be forgotten. Writing to a hasher cannot fail.
        let _ = write!(Words(hasher), "{:?}{:?}", self.0.state, self.0.evidence);
    }
}

/// Adapter that writes text into a hasher.
struct Words<'a, H>(&'a mut H);

impl<H: Hasher> std::fmt::Write for Words<'_, H> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Bytes that a gateway is about to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// The bytes that were approved.
    Approved,
    /// Bytes that were not approved.
    Other,
}

/// Digest of the bytes that a gateway is about to send (I2).
pub(crate) fn digest_of(bytes: Bytes) -> Digest {
    // Cached, because the digests of two constants are needed millions of times.
    static DIGESTS: std::sync::OnceLock<[Digest; 2]> = std::sync::OnceLock::new();
    let [approved, other] = DIGESTS.get_or_init(|| [Digest::of(COMMAND), Digest::of(OTHER)]);
    match bytes {
        Bytes::Approved => *approved,
        Bytes::Other => *other,
    }
}
