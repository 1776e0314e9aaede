//! Approvals: their states, terms and decisions.

use countersign_common::approval::{Approval, Decision, Evidence, Outcome, Stage, State, Terms, Vote};

use super::{
    BadField, digest, duration, duration_to_wire, enumerator, optional, parsed, required, timestamp,
    timestamp_to_wire,
};
use crate::v1;

impl From<&Approval> for v1::Approval {
    fn from(approval: &Approval) -> Self {
        Self {
            id: approval.id.to_string(),
            revision: approval.revision,
            digest: approval.digest.as_bytes().to_vec(),
            rendering_digest: approval.rendering.as_bytes().to_vec(),
            session_id: approval.session.to_string(),
            target: approval.target.to_string(),
            requester: Some((&approval.requester).into()),
            terms: Some((&approval.terms).into()),
            create_time: Some(timestamp_to_wire(approval.created_at)),
            expire_time: Some(timestamp_to_wire(approval.expires_at)),
            decisions: approval.decisions.iter().map(Into::into).collect(),
            status: Some((&approval.state).into()),
            evidence: evidence_to_wire(&approval.evidence),
        }
    }
}

impl TryFrom<v1::Approval> for Approval {
    type Error = BadField;
    fn try_from(wire: v1::Approval) -> Result<Self, BadField> {
        if wire.revision == 0 {
            return Err(BadField::Missing { field: "approval.revision" });
        }
        Ok(Self {
            id: parsed(&wire.id, "approval.id")?,
            revision: wire.revision,
            digest: digest(&wire.digest, "approval.digest")?,
            rendering: digest(&wire.rendering_digest, "approval.rendering_digest")?,
            session: parsed(&wire.session_id, "approval.session_id")?,
            target: parsed(&wire.target, "approval.target")?,
            requester: required(wire.requester, "approval.requester")?.try_into()?,
            terms: required(wire.terms, "approval.terms")?.try_into()?,
            created_at: timestamp(wire.create_time, "approval.create_time")?,
            expires_at: timestamp(wire.expire_time, "approval.expire_time")?,
            decisions: wire.decisions.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            state: required(wire.status, "approval.status")?.try_into()?,
            evidence: evidence(wire.evidence),
        })
    }
}

fn evidence_to_wire(evidence: &Evidence) -> Option<v1::Evidence> {
    match evidence {
        Evidence::None => None,
        Evidence::Presented(text) => Some(v1::Evidence { presented: text.clone() }),
    }
}

fn evidence(wire: Option<v1::Evidence>) -> Evidence {
    wire.map_or(Evidence::None, |wire| Evidence::Presented(wire.presented))
}

impl From<&State> for v1::ApprovalState {
    fn from(state: &State) -> Self {
        match state {
            State::Pending { .. } => Self::Pending,
            State::Approved => Self::Approved,
            State::Redeemed { .. } => Self::Redeemed,
            State::Done { .. } => Self::Done,
            State::InDoubt { .. } => Self::InDoubt,
            State::NotRun { .. } => Self::NotRun,
            State::Denied => Self::Denied,
            State::Expired => Self::Expired,
            State::Withdrawn => Self::Withdrawn,
            State::Voided { .. } => Self::Voided,
            State::Revoked { .. } => Self::Revoked,
        }
    }
}

impl From<&State> for v1::ApprovalStatus {
    fn from(state: &State) -> Self {
        let mut wire = Self { state: v1::ApprovalState::from(state).into(), ..Self::default() };
        match state {
            State::Pending { stage } => wire.stage = Some(index_to_wire(*stage)),
            State::Redeemed { owner, fence } | State::InDoubt { owner, fence } => {
                wire.owner = Some(owner.to_string());
                wire.fence = Some(*fence);
            }
            State::Done { outcome } => wire.outcome = Some(outcome.into()),
            State::NotRun { reason } | State::Voided { reason } => wire.reason = Some(reason.clone()),
            State::Revoked { by } => wire.by = Some(by.to_string()),
            State::Approved | State::Denied | State::Expired | State::Withdrawn => {}
        }
        wire
    }
}

impl TryFrom<v1::ApprovalStatus> for State {
    type Error = BadField;
    fn try_from(wire: v1::ApprovalStatus) -> Result<Self, BadField> {
        use v1::ApprovalState as Wire;

        let reason = || required(wire.reason.clone(), "approval.status.reason");
        let owner = || parsed(wire.owner.as_deref().unwrap_or_default(), "approval.status.owner");
        let fence = || required(wire.fence, "approval.status.fence");
        Ok(match enumerator(wire.state, "approval.status.state")? {
            Wire::Pending => Self::Pending { stage: index(required(wire.stage, "approval.status.stage")?) },
            Wire::Approved => Self::Approved,
            Wire::Redeemed => Self::Redeemed { owner: owner()?, fence: fence()? },
            Wire::Done => Self::Done { outcome: required(wire.outcome, "approval.status.outcome")?.into() },
            Wire::InDoubt => Self::InDoubt { owner: owner()?, fence: fence()? },
            Wire::NotRun => Self::NotRun { reason: reason()? },
            Wire::Denied => Self::Denied,
            Wire::Expired => Self::Expired,
            Wire::Withdrawn => Self::Withdrawn,
            Wire::Voided => Self::Voided { reason: reason()? },
            Wire::Revoked => {
                Self::Revoked { by: parsed(wire.by.as_deref().unwrap_or_default(), "approval.status.by")? }
            }
            Wire::Unspecified => return Err(BadField::Missing { field: "approval.status.state" }),
        })
    }
}

impl From<&Outcome> for v1::CommandOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self { error_code: None },
            Outcome::Failed { code } => Self { error_code: Some(code.clone()) },
        }
    }
}

impl From<v1::CommandOutcome> for Outcome {
    fn from(wire: v1::CommandOutcome) -> Self {
        wire.error_code.map_or(Self::Completed, |code| Self::Failed { code })
    }
}

impl From<&Terms> for v1::Terms {
    fn from(terms: &Terms) -> Self {
        let stages = terms.stages.iter().map(|stage| v1::Stage {
            groups: stage.groups.iter().map(ToString::to_string).collect(),
            quorum: stage.quorum,
        });
        Self {
            chains: terms.chains.iter().map(ToString::to_string).collect(),
            stages: stages.collect(),
            timeout: Some(duration_to_wire(terms.timeout)),
            policies: terms.policies.iter().map(ToString::to_string).collect(),
            reason: terms.reason.clone(),
        }
    }
}

impl TryFrom<v1::Terms> for Terms {
    type Error = BadField;
    fn try_from(wire: v1::Terms) -> Result<Self, BadField> {
        let chains = wire.chains.iter().map(|text| parsed(text, "terms.chains"));
        let policies = wire.policies.iter().map(|text| parsed(text, "terms.policies"));
        Ok(Self {
            chains: chains.collect::<Result<_, _>>()?,
            stages: wire.stages.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            timeout: duration(wire.timeout, "terms.timeout")?,
            policies: policies.collect::<Result<_, _>>()?,
            reason: wire.reason,
        })
    }
}

impl TryFrom<v1::Stage> for Stage {
    type Error = BadField;
    fn try_from(wire: v1::Stage) -> Result<Self, BadField> {
        if wire.quorum == 0 {
            return Err(BadField::Missing { field: "stage.quorum" });
        }
        let groups = wire.groups.iter().map(|text| parsed(text, "stage.groups"));
        Ok(Self { groups: groups.collect::<Result<_, _>>()?, quorum: wire.quorum })
    }
}

impl From<&Decision> for v1::Decision {
    fn from(decision: &Decision) -> Self {
        Self {
            approver: decision.approver.to_string(),
            stage: index_to_wire(decision.stage),
            vote: v1::Vote::from(decision.vote).into(),
            reason: decision.reason.clone(),
            method: decision.method.clone(),
            decide_time: Some(timestamp_to_wire(decision.at)),
            issuers: decision.issuers.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::Decision> for Decision {
    type Error = BadField;
    fn try_from(wire: v1::Decision) -> Result<Self, BadField> {
        Ok(Self {
            approver: parsed(&wire.approver, "decision.approver")?,
            stage: index(wire.stage),
            vote: enumerator::<v1::Vote>(wire.vote, "decision.vote")?.try_into()?,
            reason: optional(wire.reason.as_deref(), "decision.reason")?,
            method: parsed(&wire.method, "decision.method")?,
            at: timestamp(wire.decide_time, "decision.decide_time")?,
            issuers: wire
                .issuers
                .iter()
                .map(|issuer| parsed(issuer, "decision.issuers"))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<Vote> for v1::Vote {
    fn from(vote: Vote) -> Self {
        match vote {
            Vote::Approve => Self::Approve,
            Vote::Deny => Self::Deny,
        }
    }
}

impl TryFrom<v1::Vote> for Vote {
    type Error = BadField;
    fn try_from(wire: v1::Vote) -> Result<Self, BadField> {
        match wire {
            v1::Vote::Approve => Ok(Self::Approve),
            v1::Vote::Deny => Ok(Self::Deny),
            v1::Vote::Unspecified => Err(BadField::Missing { field: "vote" }),
        }
    }
}

/// Indices of stages are small; one that does not fit names no stage.
fn index_to_wire(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn index(wire: u32) -> usize {
    usize::try_from(wire).unwrap_or(usize::MAX)
}
