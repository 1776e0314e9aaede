//! Rows against approvals: every row has its countersign, and each countersign at most one row.

use super::tale::Tale;
use super::{Rule, Violation, violation};
use crate::collect::{Approval, Row, State};
use crate::command::Effect;

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    tale.effects().into_iter().flat_map(|effect| of(tale, effect)).collect()
}

fn of(tale: &Tale<'_>, effect: &Effect) -> Vec<Violation> {
    let (rows, approvals) = (tale.rows(effect), tale.approvals(effect));
    let mut found = Vec::new();
    found.extend(count(effect, &rows, &approvals));
    found.extend(missing(tale, effect, &rows, &approvals));
    found.extend(approvals.iter().filter_map(|approval| contradicted(approval, &rows)));
    found.extend(approvals.iter().filter_map(|approval| without_a_yes(tale, approval)));
    found
}

/// Whether the command may have had its effect by this approval.
const fn may_have_run(approval: &Approval) -> bool {
    matches!(approval.state, State::Done | State::InDoubt | State::Redeemed)
}

// INVARIANT: I1, I3.
fn count(effect: &Effect, rows: &[&Row], approvals: &[&Approval]) -> Option<Violation> {
    let may = approvals.iter().filter(|approval| may_have_run(approval)).count();
    if rows.len() <= may {
        return None;
    }
    let states: Vec<_> = approvals.iter().map(|approval| (&approval.id, approval.state)).collect();
    let what = format!("{effect} is there {} times; its approvals: {states:?}", rows.len());
    let rule = match (approvals.is_empty(), may) {
        (true, _) => Rule::Unapproved,
        (false, 0) => Rule::NoMeansNo,
        (false, _) => Rule::Doubled,
    };
    Some(violation(rule, what))
}

/// What is said to have run, and is not there. In a transaction of its own the client may undo it.
fn missing(tale: &Tale<'_>, effect: &Effect, rows: &[&Row], approvals: &[&Approval]) -> Option<Violation> {
    let done = approvals.iter().filter(|approval| approval.state == State::Done).count();
    (rows.len() < done && !tale.in_transaction(effect))
        .then(|| violation(Rule::EffectLost, format!("{effect} is there {} times of {done}", rows.len())))
}

/// The transaction that an approval names as its evidence, against its row.
fn contradicted(approval: &Approval, rows: &[&Row]) -> Option<Violation> {
    let xid = approval.xid.as_ref()?;
    let there = rows.iter().any(|row| row.xid == *xid);
    let Approval { id, state, .. } = approval;
    match state {
        State::Done if !there => {
            Some(violation(Rule::EffectLost, format!("{id} is done, but transaction {xid} left no row")))
        }
        State::InDoubt | State::Redeemed | State::Done => None,
        _ if there => {
            Some(violation(Rule::NoMeansNo, format!("{id} is {state:?}, but transaction {xid} left a row")))
        }
        _ => None,
    }
}

/// An approval that was used, without anybody's yes that was really given.
fn without_a_yes(tale: &Tale<'_>, approval: &Approval) -> Option<Violation> {
    let used = may_have_run(approval) || matches!(approval.state, State::Failed | State::NotRun);
    let given = |name: &str| tale.votes_on(&approval.id).any(|vote| vote.who == name && vote.yes);
    let agreed = approval.decisions.iter().any(|(name, yes)| *yes && given(name));
    (used && !agreed).then(|| {
        let Approval { id, state, decisions, .. } = approval;
        violation(Rule::Unapproved, format!("{id} is {state:?} on {decisions:?}, which nobody gave"))
    })
}
