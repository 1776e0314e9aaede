//! Which commands do the same inside a transaction block as they do alone, so that a block of our own can be put
//! around them without anybody noticing. What is not known to is left as it is.

use countersign_common::facts::{Action, Flag};
use countersign_sql::CopySide;

use crate::exchange::Unit;

/// Whether a command does the same as the first of a block of our own. A plain read does, but has nothing that
/// could be in doubt.
pub(crate) fn opens(unit: &Unit) -> bool {
    let written = |unit: &Unit| !unit.described.facts.is_plain_read();
    runs_alike(unit, is_plain_work) && written(unit) && !(is_execute(unit) && copies_in(unit))
}

/// Whether a command does the same behind another one, in a block of our own that the client does not know of.
pub(crate) fn joins(unit: &Unit) -> bool {
    let session = |action| {
        matches!(action, Action::Set | Action::Show | Action::Listen | Action::Prepare | Action::Lock)
    };
    runs_alike(unit, |action| is_plain_work(action) || session(action)) && !copies_in(unit)
}

fn runs_alike(unit: &Unit, may: impl Fn(Action) -> bool) -> bool {
    // INVARIANT: I7. A text that was not read may end the transaction, or refuse to run in one.
    let Some(reading) = unit.reading.as_ref().filter(|reading| reading.failure().is_none()) else {
        return false;
    };
    let effects = reading.effects();
    let facts = &unit.described.facts;
    effects.transactions.is_empty()
        && effects.declares.is_empty()
        && !effects.may_commit
        && !facts.operations.iter().any(|op| {
            !may(op.action)
                || op.flags.contains(&Flag::OutsideTransaction)
                || op.flags.contains(&Flag::RiskySetting)
        })
}

/// What reads and writes rows, definitions and rights, all of it undone by a rollback.
const fn is_plain_work(action: Action) -> bool {
    matches!(
        action,
        Action::Select
            | Action::Explain
            | Action::CopyOut
            | Action::CopyIn
            | Action::Insert
            | Action::Update
            | Action::Delete
            | Action::Merge
            | Action::Truncate
            | Action::Notify
            | Action::Sequence
            | Action::Refresh
            | Action::Create
            | Action::Alter
            | Action::Drop
            | Action::Access
            | Action::Call
    )
}

fn is_execute(unit: &Unit) -> bool {
    unit.command.form == "execute"
}

fn copies_in(unit: &Unit) -> bool {
    let copy = unit.reading.as_ref().and_then(|reading| reading.copy());
    copy.is_some_and(|copy| copy.side == CopySide::In)
}
