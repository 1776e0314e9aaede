//! The store against what the control plane shows, and against itself.

use std::collections::BTreeMap;

use super::tale::Tale;
use super::{Rule, Violation, violation};
use crate::remains::Remains;
use crate::store::Stored;
use crate::story::Course;

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let Some(store) = &tale.aftermath.store else { return Vec::new() };
    let mut found = differences(tale, store);
    found.extend(store.approvals.iter().filter_map(|one| should_have_ended(tale, store, one)));
    found.extend(store.approvals.iter().filter_map(counted_twice));
    found.extend(store.courses.iter().filter_map(went_back));
    let ghosts = store.nodes.iter().filter(|(_, starts)| **starts > 1);
    found.extend(ghosts.map(|(name, starts)| wrong(format!("{name} counts as alive {starts} times"))));
    found
}

fn wrong(what: String) -> Violation {
    violation(Rule::StoreWrong, what)
}

/// What stands differently in the store than it was shown.
fn differences(tale: &Tale<'_>, store: &Remains) -> Vec<Violation> {
    let shown: BTreeMap<&str, &str> =
        tale.aftermath.approvals.iter().map(|one| (one.id.as_str(), one.state.word())).collect();
    let stored: BTreeMap<&str, &str> =
        store.approvals.iter().map(|one| (one.id.as_str(), one.state.as_str())).collect();
    let differs = |id: &&&str| shown.get(**id) != stored.get(**id);
    let ids: std::collections::BTreeSet<&str> = shown.keys().chain(stored.keys()).copied().collect();
    let word = |found: Option<&&str>| found.map_or("missing", |word| *word).to_owned();
    let different: Vec<&str> = ids.iter().filter(differs).copied().collect();
    let tell =
        |id: &str| format!("{id} is shown as {} and stored as {}", word(shown.get(id)), word(stored.get(id)));
    different.into_iter().map(|id| wrong(tell(id))).collect()
}

/// An approval that goes on although its time is over, its asker was stopped, or the target could be asked.
// INVARIANT: I10.
fn should_have_ended(tale: &Tale<'_>, store: &Remains, one: &Stored) -> Option<Violation> {
    let Stored { id, state, subject, .. } = one;
    let why = match state.as_str() {
        _ if one.is_open() && one.expires_at < store.read_at => {
            format!("its time was over {} ms before", (store.read_at - one.expires_at) / 1000)
        }
        _ if one.is_open() && tale.stopped.contains_key(subject.as_str()) => format!("{subject} was stopped"),
        "in_doubt" if one.evidence => "the target could be asked about it".into(),
        _ => return None,
    };
    Some(wrong(format!("{id} is {state} still: {why}")))
}

/// An approval that left an end, was put back, or got a no after it had been used up.
// INVARIANT: I9, and I1 and I3 by it.
fn went_back(course: &Course) -> Option<Violation> {
    let steps = course.states.windows(2).filter_map(|pair| match pair {
        [(_, from), (revision, to)] => Some((from, to, revision)),
        _ => None,
    });
    let mut wrong_ones = steps.filter(|(from, to, _)| !may_follow(from, to));
    let (from, to, revision) = wrong_ones.next()?;
    Some(wrong(format!("{} was {from} and then {to}, at revision {revision}", course.id)))
}

/// Whether an approval may stand like the second after it stood like the first.
fn may_follow(from: &str, to: &str) -> bool {
    const NO: [&str; 4] = ["expired", "withdrawn", "voided", "revoked"];
    match from {
        "pending" => to == "approved" || to == "denied" || NO.contains(&to),
        "approved" => to == "redeemed" || NO.contains(&to),
        "redeemed" => matches!(to, "done" | "not_run" | "in_doubt"),
        "in_doubt" => matches!(to, "done" | "not_run"),
        _ => false,
    }
}

/// Somebody's decision that counts more than once at a stage.
// INVARIANT: I4.
fn counted_twice(one: &Stored) -> Option<Violation> {
    let mut decisions = one.decisions.clone();
    decisions.sort();
    decisions.dedup();
    (decisions.len() < one.decisions.len())
        .then(|| wrong(format!("{} counts somebody twice: {:?}", one.id, one.decisions)))
}
