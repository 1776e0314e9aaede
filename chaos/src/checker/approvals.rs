//! Approvals against those who asked and those who decided: none is lost, none goes on for ever, and the votes
//! are those that were given.

use std::collections::BTreeSet;

use super::tale::{Tale, Vote};
use super::{Rule, Violation, violation};
use crate::answer::Answer;
use crate::collect::{Approval, State};
use crate::history::VoteOutcome;

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let mut found = lost(tale);
    found.extend(tale.aftermath.approvals.iter().filter_map(endless));
    found.extend(tale.aftermath.approvals.iter().flat_map(|approval| invented(tale, approval)));
    found.extend(tale.votes.iter().filter_map(|vote| falsified(tale, vote)));
    found.extend(tale.taken_back.iter().filter_map(|ticket| not_taken_back(tale, ticket)));
    found
}

/// Tickets that somebody was told and that are not there.
fn lost(tale: &Tale<'_>) -> Vec<Violation> {
    let told = tale.attempts.iter().filter_map(|attempt| match attempt.answer {
        Some(Answer::Refused(refusal)) => refusal.ticket.as_deref(),
        _ => None,
    });
    let voted = tale.votes.iter().map(|vote| vote.ticket);
    let tickets: BTreeSet<&str> = told.chain(voted).collect();
    let gone = tickets.into_iter().filter(|ticket| tale.approval(ticket).is_none());
    gone.map(|ticket| violation(Rule::ApprovalLost, format!("{ticket} is gone"))).collect()
}

// INVARIANT: I10.
fn endless(approval: &Approval) -> Option<Violation> {
    let Approval { id, state, .. } = approval;
    state.goes_on().then(|| violation(Rule::ApprovalLost, format!("{id} is {state:?} still")))
}

/// Decisions that nobody made.
fn invented(tale: &Tale<'_>, approval: &Approval) -> Vec<Violation> {
    let given =
        |name: &str, yes: bool| tale.votes_on(&approval.id).any(|vote| vote.who == name && vote.yes == yes);
    let false_ones = approval.decisions.iter().filter(|(name, yes)| !given(name, *yes));
    false_ones
        .map(|(name, yes)| {
            let what = format!("{} has a vote of {name} ({yes}) that was never given", approval.id);
            violation(Rule::VoteFalsified, what)
        })
        .collect()
}

/// A vote that was counted and is gone, or was rejected and counts.
fn falsified(tale: &Tale<'_>, vote: &Vote<'_>) -> Option<Violation> {
    let approval = tale.approval(vote.ticket)?;
    let kept = approval.decisions.iter().any(|(name, yes)| name == vote.who && *yes == vote.yes);
    let Vote { who, ticket, .. } = vote;
    match vote.outcome? {
        VoteOutcome::Counted if !kept => {
            Some(violation(Rule::VoteFalsified, format!("the vote of {who} on {ticket} is gone")))
        }
        VoteOutcome::Counted if !vote.yes && approval.state != State::Denied => {
            Some(violation(Rule::NoMeansNo, format!("{ticket} was denied and is {:?}", approval.state)))
        }
        VoteOutcome::Rejected(_) if kept && only_rejected(tale, vote) => {
            Some(violation(Rule::VoteFalsified, format!("the rejected vote of {who} on {ticket} counts")))
        }
        _ => None,
    }
}

/// Whether all that this person sent on this approval was rejected.
fn only_rejected(tale: &Tale<'_>, vote: &Vote<'_>) -> bool {
    let mut same = tale.votes_on(vote.ticket).filter(|other| other.who == vote.who);
    same.all(|other| matches!(other.outcome, Some(VoteOutcome::Rejected(_))))
}

// INVARIANT: I3, I9.
fn not_taken_back(tale: &Tale<'_>, ticket: &str) -> Option<Violation> {
    let state = tale.approval(ticket)?.state;
    (state != State::Revoked)
        .then(|| violation(Rule::NoMeansNo, format!("{ticket} was taken back and is {state:?}")))
}
