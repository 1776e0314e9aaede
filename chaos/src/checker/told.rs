//! What clients were told against what is so.

use super::tale::{Attempt, Tale};
use super::{Rule, Violation, violation};
use crate::answer::Answer;
use crate::command::{Effect, Form};

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> = tale.attempts.iter().filter_map(false_in_itself).collect();
    found.extend(tale.effects().into_iter().filter_map(|effect| false_by_the_rows(tale, effect)));
    found
}

/// What cannot be true whatever happened.
fn false_in_itself(attempt: &Attempt<'_>) -> Option<Violation> {
    let Attempt { number, who, form, .. } = attempt;
    let wrong = match (attempt.answer, form) {
        (None, _) => "its agent's story breaks off".into(),
        (Some(Answer::Ran), Form::Forbidden) => "it is forbidden, and ran".into(),
        (Some(Answer::Refused(refusal)), _) => {
            let unknown = refusal.state == "in_doubt";
            let truthful = refusal.executed == if unknown { None } else { Some(false) };
            if truthful {
                return None;
            }
            format!("refused as {} with executed: {:?}", refusal.state, refusal.executed)
        }
        _ => return None,
    };
    Some(violation(Rule::Untruthful, format!("attempt {number} of {who}: {wrong}")))
}

/// More rows than attempts that may have run, or fewer than were said to have.
fn false_by_the_rows(tale: &Tale<'_>, effect: &Effect) -> Option<Violation> {
    let rows = tale.rows(effect).len();
    let attempts = tale.attempts(effect);
    let may = attempts.iter().filter(|one| one.answer.is_none_or(|answer| !answer.says_not_run())).count();
    let ran = attempts.iter().filter(|one| matches!(one.answer, Some(Answer::Ran))).count();
    let told: Vec<_> = attempts.iter().map(|one| (one.number, one.answer)).collect();
    if rows > may {
        Some(violation(Rule::Untruthful, format!("{effect} is there {rows} times, but told: {told:?}")))
    } else if rows < ran {
        Some(violation(Rule::EffectLost, format!("{effect} is there {rows} times, but told: {told:?}")))
    } else {
        None
    }
}
