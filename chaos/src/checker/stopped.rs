//! Those whose access was taken back, and what a later bundle forbids: nothing of it runs, once that was acknowledged.

use std::collections::BTreeSet;

use super::tale::{Attempt, Tale};
use super::{Rule, Violation, violation};
use crate::answer::Answer;
use crate::command::{Effect, Form};

/// How much later than its acknowledgement a stop may reach a gateway that is cut off: until the control plane's node
/// knows that it does not follow the store any more, and the gateway's bundle lease after that. Until then plain reads
/// go on; what has an effect asks the store.
const READS_END_MS: u64 = 30_000;

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        tale.effects().into_iter().filter_map(|effect| ran_afterwards(tale, effect)).collect();
    found.extend(tale.attempts.iter().filter_map(|attempt| served_afterwards(tale, attempt)));
    found.extend(tale.aftermath.store.iter().flat_map(|store| &store.barriers).filter_map(|barrier| {
        let used: BTreeSet<&String> = barrier.used_later.iter().collect();
        let broken: Vec<&String> = barrier.open.iter().filter(|id| used.contains(id)).collect();
        (!broken.is_empty()).then(|| {
            violation(Rule::RanAfterStop, format!("{}, and yet were used: {broken:?}", barrier.what))
        })
    }));
    found
}

/// How long after its subject was stopped something was sent, in milliseconds.
fn too_late(tale: &Tale<'_>, attempt: &Attempt<'_>) -> Option<u64> {
    attempt.sent_at.checked_sub(*tale.stopped.get(attempt.subject)?).filter(|late| *late > 0)
}

/// More rows than were sent in time.
// INVARIANT: I3.
fn ran_afterwards(tale: &Tale<'_>, effect: &Effect) -> Option<Violation> {
    let attempts = tale.attempts(effect);
    let may = |one: &&&Attempt<'_>| one.answer.is_none_or(|answer| !answer.says_not_run());
    let (late, in_time): (Vec<&&Attempt<'_>>, Vec<&&Attempt<'_>>) =
        attempts.iter().filter(may).partition(|one| too_late(tale, one).is_some());
    let rows = tale.rows(effect).len();
    (!late.is_empty() && rows > in_time.len()).then(|| {
        let sent: Vec<_> = late.iter().map(|one| (one.number, one.subject, too_late(tale, one))).collect();
        violation(Rule::RanAfterStop, format!("{effect} is there {rows} times; sent after a stop: {sent:?}"))
    })
}

/// A read that was answered long after its subject was stopped.
fn served_afterwards(tale: &Tale<'_>, attempt: &Attempt<'_>) -> Option<Violation> {
    let late = too_late(tale, attempt).filter(|late| *late > READS_END_MS)?;
    (attempt.form == Form::Read && matches!(attempt.answer, Some(Answer::Ran))).then(|| {
        let Attempt { number, subject, .. } = attempt;
        violation(Rule::RanAfterStop, format!("attempt {number} read as {subject}, {late} ms after its stop"))
    })
}
