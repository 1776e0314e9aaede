//! The transition function of approvals. Pure: no clock, no store, no I/O.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Approval, Decision, Evidence, Outcome, Stage, State, Vote};
use crate::Digest;
use crate::id::{NodeId, Subject};
use crate::principal::{Kind, Principal};
use crate::time::Timestamp;

/// The longest reason that is kept, in bytes; approval records stay small.
pub(super) const REASON_BYTES_MAX: usize = 256;

/// Something that happens to an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A person says yes or no.
    Decide {
        /// The person, as verified now.
        by: Principal,
        /// Yes or no.
        vote: Vote,
        /// Why; cut to 256 bytes.
        reason: Option<String>,
        /// How they proved to be themselves.
        method: String,
        /// Who issued the token that they vote with, and who issued those issuers' tokens, and so on.
        issuers: BTreeSet<Subject>,
    },
    /// Its deadline has passed.
    Expire,
    /// The requester takes it back.
    Withdraw,
    /// A later bundle blocks the command.
    Void {
        /// Which policy, or why.
        reason: String,
    },
    /// It is taken back before it was used: by an approver, or by the stop button.
    Revoke {
        /// Who.
        by: Subject,
    },
    /// A gateway uses it up in order to run the command.
    Redeem {
        /// The digest of what the gateway is about to send.
        digest: Digest,
        /// The gateway.
        owner: NodeId,
        /// Approvers who no longer are eligible; their votes no longer count.
        ineligible: BTreeSet<Subject>,
        /// Evidence by which the target will remember the command.
        evidence: Evidence,
    },
    /// The owner reports how the command ended.
    Report {
        /// The fence of the owner's redeeming step.
        fence: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// The owner is certain that not a byte of the command went upstream.
    NotSent {
        /// The fence of the owner's redeeming step.
        fence: u64,
    },
    /// The owner is lost; nobody knows.
    OwnerLost {
        /// The fence of the owner's redeeming step.
        fence: u64,
    },
    /// The target testified, or a person found out, whether it ran.
    Resolve {
        /// Whether it ran.
        ran: bool,
        /// How that is known, and by whom.
        reason: String,
    },
}

/// Why an approval does not take an event. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing leaves a terminal state, and not every event fits every other state.
    #[error("the approval is {state}: it takes no {event} any more")]
    WrongState {
        /// Where it stands.
        state: &'static str,
        /// What was tried.
        event: &'static str,
    },
    /// Its deadline has passed, though nobody has marked it expired yet.
    #[error("the approval expired at {0}")]
    PastDeadline(Timestamp),
    /// Its deadline has not come.
    #[error("the approval does not expire before {0}")]
    NotYet(Timestamp),
    /// The requester, or anyone it acts for, cannot decide (I4).
    #[error("`{0}` asked for this command, or it is asked for on their behalf, so they cannot decide on it")]
    OwnRequest(Subject),
    /// A token that the requester, or anyone it acts for, has issued proves nothing to the requester (I4).
    #[error(
        "the token comes from `{0}`, who asked for this command, or for whom it is asked; decide with a token that \
         somebody else has issued"
    )]
    OwnToken(Subject),
    /// Only people countersign.
    #[error("`{0}` is not a person; only people can countersign")]
    NotHuman(Subject),
    /// They are in none of the groups of the current stage.
    #[error("`{subject}` is in none of the groups that decide now ({groups})")]
    NotEligible {
        /// Who tried.
        subject: Subject,
        /// The groups of the current stage.
        groups: String,
    },
    /// A person counts once per approval (I4).
    #[error("`{0}` has already decided on this request")]
    AlreadyDecided(Subject),
    /// What would be sent is not what was approved (I2).
    #[error("what was sent is not what was approved")]
    DigestMismatch,
    /// Without those who lost their eligibility the quorum is not reached.
    #[error("an approver is no longer eligible, and without them the quorum is not reached")]
    QuorumLost,
    /// The report does not come from the one who redeemed it.
    #[error("the report's fence {got} is not the approval's {expected}")]
    WrongFence {
        /// The approval's.
        expected: u64,
        /// The report's.
        got: u64,
    },
}

/// What becomes of `approval` when `event` happens at `now`.
///
/// The result differs from `approval` in state, decisions, evidence and revision only; the revision has grown by
/// one (I9). The caller writes it by compare-and-swap on what it read; that is what makes an approval
/// usable once (I1).
///
/// # Errors
/// A [`Rejection`]; then nothing has happened.
///
/// # Source
/// `docs/decisions`, design "Approvals". Putting a redeemed approval back to `Approved` was model-checked to break
/// I1 and I3, so no event does.
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
        // A late report of the lost owner itself is the best testimony there is.
        (State::InDoubt { fence, .. }, Event::Report { fence: got, outcome }) => {
            same_fence(*fence, *got)?;
            (State::Done { outcome: outcome.clone() }, None)
        }
        // So is its word that not a byte went: it alone can know that, however late it says so.
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
        // INVARIANT: I9. Everything else, all events in terminal states among them, changes nothing.
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

/// The decision, when `by` may make it.
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
    // INVARIANT: I4. Neither chain may share anybody with the other: a person who acts through a
    // delegate is still that person, and so is one whose name is spelt to look the same.
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

/// Whether the command is asked for by, or on behalf of, somebody who passes for this one.
fn asks(approval: &Approval, subject: &Subject) -> bool {
    approval.requester.chain().any(|one| one.passes_for(subject))
}

/// The requester, or whom it acts for, if one of them is among the issuers.
fn own_issuer<'a>(approval: &Approval, issuers: &'a BTreeSet<Subject>) -> Option<&'a Subject> {
    issuers.iter().find(|issuer| asks(approval, issuer))
}

/// Where the approval stands after one more vote in this stage. One no is enough.
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
    // INVARIANT: I2. What is about to be sent is what was shown and agreed to.
    if *digest != approval.digest {
        return Err(Rejection::DigestMismatch);
    }
    for (index, stage) in approval.terms.stages.iter().enumerate() {
        // INVARIANT: I4. Looked at again: a vote may have been counted by a version that did not look.
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

/// A missing stage and a quorum of nobody are never reached: fail closed.
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

/// At most [`REASON_BYTES_MAX`] bytes of a text, cut between characters.
fn cut(text: &str) -> String {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
