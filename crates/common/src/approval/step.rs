//! The transition function of approvals. Pure: no clock, no store, no I/O.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Approval, Decision, Evidence, Outcome, Stage, State, Vote};
use crate::Digest;
use crate::id::{NodeId, Subject};
use crate::principal::{Kind, Principal};
use crate::time::Timestamp;

/// Maximum length of a stored reason, in bytes. Approval records must stay small.
pub(super) const REASON_BYTES_MAX: usize = 256;

/// An event that may change an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An approver votes.
    Decide {
        /// The approver, as authenticated for this vote.
        by: Principal,
        /// Approval or denial.
        vote: Vote,
        /// Reason in the approver's words; truncated to 256 bytes.
        reason: Option<String>,
        /// Method that authenticated the approver.
        method: String,
        /// Issuers of the approver's token, the issuers of their tokens, and so on.
        issuers: BTreeSet<Subject>,
    },
    /// The deadline has passed.
    Expire,
    /// The requester withdraws the request.
    Withdraw,
    /// A later bundle blocks the command, or its effect has changed.
    Void {
        /// The blocking policy, or the change of effect.
        reason: String,
    },
    /// An approver or the kill switch revokes the approval before it is used.
    Revoke {
        /// Subject who revokes the approval.
        by: Subject,
    },
    /// A gateway uses the approval in order to run the command.
    Redeem {
        /// Digest of the command that the gateway is about to send.
        digest: Digest,
        /// Incarnation of the redeeming gateway.
        owner: NodeId,
        /// Approvers who are no longer eligible; their votes no longer count.
        ineligible: BTreeSet<Subject>,
        /// Evidence that the target will keep of the command.
        evidence: Evidence,
    },
    /// The owner reports the outcome of the command.
    Report {
        /// Fence of the owner's redeeming step.
        fence: u64,
        /// Result reported by the target.
        outcome: Outcome,
    },
    /// The owner is certain that no byte of the command was sent to the target.
    NotSent {
        /// Fence of the owner's redeeming step.
        fence: u64,
    },
    /// The owner is lost, and the outcome is unknown.
    OwnerLost {
        /// Fence of the owner's redeeming step.
        fence: u64,
    },
    /// The target, or a person, has determined whether the command ran.
    Resolve {
        /// `true` if the command ran.
        ran: bool,
        /// Text that says how this is known, and to whom.
        reason: String,
    },
}

/// Reason why an event does not apply to an approval. The approval is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The state does not accept the event. A terminal state accepts none.
    #[error("the approval is {state}: it takes no {event} any more")]
    WrongState {
        /// Name of the current state.
        state: &'static str,
        /// Name of the rejected event.
        event: &'static str,
    },
    /// The deadline has passed, although the approval is not marked as expired yet.
    #[error("the approval expired at {0}")]
    PastDeadline(Timestamp),
    /// The deadline has not passed yet.
    #[error("the approval does not expire before {0}")]
    NotYet(Timestamp),
    /// The requester, and everyone it acts for, must not decide (I4).
    #[error("`{0}` asked for this command, or it is asked for on their behalf, so they cannot decide on it")]
    OwnRequest(Subject),
    /// The voter's token was issued by the requester or by someone it acts for, so it proves nothing to the requester
    /// (I4).
    #[error(
        "the token comes from `{0}`, who asked for this command, or for whom it is asked; decide with a token that \
         somebody else has issued"
    )]
    OwnToken(Subject),
    /// Only a human can approve.
    #[error("`{0}` is not a person; only people can countersign")]
    NotHuman(Subject),
    /// The voter is in none of the groups of the current stage.
    #[error("`{subject}` is in none of the groups that decide now ({groups})")]
    NotEligible {
        /// Subject of the voter.
        subject: Subject,
        /// Groups of the current stage, for people.
        groups: String,
    },
    /// A person counts once per approval (I4).
    #[error("`{0}` has already decided on this request")]
    AlreadyDecided(Subject),
    /// The command to be sent is not the one that was approved (I2).
    #[error("what was sent is not what was approved")]
    DigestMismatch,
    /// The quorum is not reached without the approvers who lost their eligibility.
    #[error("an approver is no longer eligible, and without them the quorum is not reached")]
    QuorumLost,
    /// The report does not come from the owner of the redemption.
    #[error("the report's fence {got} is not the approval's {expected}")]
    WrongFence {
        /// Fence of the redemption.
        expected: u64,
        /// Fence in the report.
        got: u64,
    },
}

/// Applies `event` to `approval` at time `now`, and returns the changed approval.
///
/// The result differs from `approval` only in state, decisions, evidence and revision; the revision has grown by one
/// (I9). The caller writes it by compare-and-swap against the version that it read. The compare-and-swap makes an
/// approval usable only once (I1).
///
/// # Errors
/// A [`Rejection`] if the event does not apply; nothing has changed then.
///
/// # Source
/// `docs/decisions`, design "Approvals". Returning a redeemed approval to `Approved` was model-checked to break I1
/// and I3, so no event does it.
pub fn step(approval: &Approval, event: &Event, now: Timestamp) -> Result<Approval, Rejection> {
    let (state, decision) = match (&approval.state, event) {
        (State::Pending { stage }, Event::Decide { by, vote, reason, method, issuers }) => {
            let mut decision = decide(approval, *stage, by, *vote, reason.as_deref(), method, now)?;
            if let Some(own) = own_issuer(approval, issuers) {
                return Err(Rejection::OwnToken(own.clone()));
            }
            decision.issuers.clone_from(issuers);
            (after_vote(approval, *stage, *vote), Some(decision))
        }
        (State::Pending { .. } | State::Approved, Event::Expire) if now < approval.expires_at => {
            return Err(Rejection::NotYet(approval.expires_at));
        }
        (State::Pending { .. } | State::Approved, Event::Expire) => (State::Expired, None),
        (State::Pending { .. } | State::Approved, Event::Withdraw) => (State::Withdrawn, None),
        (State::Pending { .. } | State::Approved, Event::Void { reason }) => {
            (State::Voided { reason: cut(reason) }, None)
        }
        (State::Pending { .. } | State::Approved, Event::Revoke { by }) => {
            (State::Revoked { by: by.clone() }, None)
        }
        (State::Approved, Event::Redeem { digest, owner, ineligible, .. }) => {
            (redeem(approval, digest, *owner, ineligible, now)?, None)
        }
        (State::Redeemed { fence, .. }, Event::Report { fence: got, outcome }) => {
            same_fence(*fence, *got)?;
            (State::Done { outcome: outcome.clone() }, None)
        }
        (State::Redeemed { fence, .. }, Event::NotSent { fence: got }) => {
            same_fence(*fence, *got)?;
            (State::NotRun { reason: "the gateway did not send it".into() }, None)
        }
        (State::Redeemed { owner, fence }, Event::OwnerLost { fence: got }) => {
            same_fence(*fence, *got)?;
            (State::InDoubt { owner: *owner, fence: *fence }, None)
        }
        // A late report of the lost owner is the best evidence there is.
        (State::InDoubt { fence, .. }, Event::Report { fence: got, outcome }) => {
            same_fence(*fence, *got)?;
            (State::Done { outcome: outcome.clone() }, None)
        }
        // So is its report that nothing was sent: only the owner can know that, however late it reports.
        (State::InDoubt { fence, .. }, Event::NotSent { fence: got }) => {
            same_fence(*fence, *got)?;
            (State::NotRun { reason: "the gateway did not send it".into() }, None)
        }
        (State::InDoubt { .. }, Event::Resolve { ran: true, .. }) => {
            (State::Done { outcome: Outcome::Completed }, None)
        }
        (State::InDoubt { .. }, Event::Resolve { ran: false, reason }) => {
            (State::NotRun { reason: cut(reason) }, None)
        }
        // INVARIANT: I9. Every other event is rejected, including all events in terminal states.
        (state, event) => {
            return Err(Rejection::WrongState { state: state.as_str(), event: event.name() });
        }
    };
    let mut next = approval.clone();
    next.revision += 1;
    next.state = state;
    match event {
        Event::Redeem { evidence: Evidence::Presented(evidence), .. } => {
            next.evidence = Evidence::Presented(cut(evidence));
        }
        Event::Redeem { evidence, .. } => next.evidence = evidence.clone(),
        _ => {}
    }
    next.decisions.extend(decision);
    Ok(next)
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::Decide { .. } => "decision",
            Self::Expire => "expiry",
            Self::Withdraw => "withdrawal",
            Self::Void { .. } => "voiding",
            Self::Revoke { .. } => "revocation",
            Self::Redeem { .. } => "redemption",
            Self::Report { .. } | Self::NotSent { .. } => "report",
            Self::OwnerLost { .. } => "loss of its owner",
            Self::Resolve { .. } => "resolution",
        }
    }
}

/// Returns the decision if `by` is allowed to make it.
fn decide(
    approval: &Approval,
    stage_index: usize,
    by: &Principal,
    vote: Vote,
    reason: Option<&str>,
    method: &str,
    now: Timestamp,
) -> Result<Decision, Rejection> {
    if now >= approval.expires_at {
        return Err(Rejection::PastDeadline(approval.expires_at));
    }
    // INVARIANT: I4. The chains of requester and voter must be disjoint: a person who acts through a delegate is
    // still that person, and so is one whose name is spelt to look the same.
    if let Some(own) = by.chain().find(|subject| asks(approval, subject)) {
        return Err(Rejection::OwnRequest(own.clone()));
    }
    if by.kind != Kind::Human {
        return Err(Rejection::NotHuman(by.subject.clone()));
    }
    let stage = approval.terms.stages.get(stage_index);
    if !stage.is_some_and(|stage| stage.groups.iter().any(|group| by.groups.contains(group))) {
        return Err(Rejection::NotEligible { subject: by.subject.clone(), groups: groups_of(stage) });
    }
    // INVARIANT: I4. A quorum of two is two people, not two spellings of one name.
    if approval.decisions.iter().any(|decision| decision.approver.passes_for(&by.subject)) {
        return Err(Rejection::AlreadyDecided(by.subject.clone()));
    }
    Ok(Decision {
        approver: by.subject.clone(),
        stage: stage_index,
        vote,
        reason: reason.map(cut),
        method: method.to_owned(),
        at: now,
        issuers: BTreeSet::new(),
    })
}

/// Returns `true` if the requester's chain contains a subject that passes for `subject`.
fn asks(approval: &Approval, subject: &Subject) -> bool {
    approval.requester.chain().any(|one| one.passes_for(subject))
}

/// Returns the first issuer that passes for a member of the requester's chain.
fn own_issuer<'a>(approval: &Approval, issuers: &'a BTreeSet<Subject>) -> Option<&'a Subject> {
    issuers.iter().find(|issuer| asks(approval, issuer))
}

/// Returns the state after one more vote in this stage. One denial ends the request.
fn after_vote(approval: &Approval, stage: usize, vote: Vote) -> State {
    if vote == Vote::Deny {
        return State::Denied;
    }
    let yes = 1 + approving(approval, stage).count();
    if !reaches_quorum(approval.terms.stages.get(stage), yes) {
        State::Pending { stage }
    } else if stage + 1 < approval.terms.stages.len() {
        State::Pending { stage: stage + 1 }
    } else {
        State::Approved
    }
}

fn redeem(
    approval: &Approval,
    digest: &Digest,
    owner: NodeId,
    ineligible: &BTreeSet<Subject>,
    now: Timestamp,
) -> Result<State, Rejection> {
    if now >= approval.expires_at {
        return Err(Rejection::PastDeadline(approval.expires_at));
    }
    // INVARIANT: I2. The digest about to be sent is the one that was shown and approved.
    if *digest != approval.digest {
        return Err(Rejection::DigestMismatch);
    }
    for (index, stage) in approval.terms.stages.iter().enumerate() {
        // INVARIANT: I4. Checked again, because an earlier version may have counted the vote without this check.
        let counts =
            |d: &&Decision| !ineligible.contains(&d.approver) && own_issuer(approval, &d.issuers).is_none();
        let yes = approving(approval, index).filter(counts).count();
        if !reaches_quorum(Some(stage), yes) {
            return Err(Rejection::QuorumLost);
        }
    }
    Ok(State::Redeemed { owner, fence: approval.revision + 1 })
}

fn approving(approval: &Approval, stage: usize) -> impl Iterator<Item = &Decision> {
    approval.decisions.iter().filter(move |d| d.stage == stage && d.vote == Vote::Approve)
}

/// Fails closed: a missing stage and a quorum of zero are never reached.
fn reaches_quorum(stage: Option<&Stage>, yes: usize) -> bool {
    stage.is_some_and(|stage| stage.quorum > 0 && yes >= stage.quorum as usize)
}

fn same_fence(expected: u64, got: u64) -> Result<(), Rejection> {
    if expected == got { Ok(()) } else { Err(Rejection::WrongFence { expected, got }) }
}

fn groups_of(stage: Option<&Stage>) -> String {
    let groups: Vec<_> = stage.iter().flat_map(|s| &s.groups).map(crate::id::GroupName::as_str).collect();
    groups.join(", ")
}

/// Truncates a text to [`REASON_BYTES_MAX`] bytes at a character boundary.
fn cut(text: &str) -> String {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
