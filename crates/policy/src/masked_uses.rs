//! Prepares the operations of a command for the judgement of one principal: keeps those classes of data that the
//! principal may not see, and sets the flags for them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use countersign_common::Facts;
use countersign_common::facts::{Flag, MaskedUses, Operation};
use countersign_common::verdict::DataClass;

/// Returns `true` if the operations of a command depend on the classes that a principal may see.
pub(crate) fn any(facts: &Facts) -> bool {
    facts.operations.iter().any(uses_masked)
}

fn uses_masked(operation: &Operation) -> bool {
    !operation.masked.is_empty()
        || operation.flags.contains(&Flag::CopiesMasked)
        || operation.flags.contains(&Flag::MaskedPredicate)
}

/// Returns the facts as judged for a principal who may not see these classes.
pub(crate) fn judged<'f>(facts: &'f Facts, hidden: &BTreeSet<DataClass>) -> Cow<'f, Facts> {
    if !any(facts) {
        return Cow::Borrowed(facts);
    }
    let operations = facts.operations.iter().map(|operation| judged_operation(operation, hidden)).collect();
    Cow::Owned(Facts { operations, ..facts.clone() })
}

fn judged_operation(operation: &Operation, hidden: &BTreeSet<DataClass>) -> Operation {
    let mut judged = operation.clone();
    let of = |classes: &BTreeSet<DataClass>| classes.intersection(hidden).cloned().collect::<BTreeSet<_>>();
    judged.masked = MaskedUses {
        copies: of(&operation.masked.copies),
        predicates: of(&operation.masked.predicates),
        equalities: of(&operation.masked.equalities),
    };
    let flagged = [
        (Flag::CopiesMasked, &operation.masked.copies, &mut judged.masked.copies),
        (Flag::MaskedPredicate, &operation.masked.predicates, &mut judged.masked.predicates),
    ];
    for (flag, named, classes) in flagged {
        // INVARIANT: I7. A flag without classes may mean any of them.
        if named.is_empty() && judged.flags.contains(&flag) {
            classes.clone_from(hidden);
        }
    }
    judged.flag_masked(|_| true);
    judged
}

#[cfg(test)]
mod tests {
    use countersign_common::facts::Action;

    use super::*;

    fn classes(names: &[&str]) -> BTreeSet<DataClass> {
        names.iter().map(|name| DataClass((*name).into())).collect()
    }

    fn facts(operation: Operation) -> Facts {
        Facts { operations: vec![operation], ..Facts::nothing() }
    }

    #[test]
    fn only_hidden_classes_remain_and_set_their_flag() {
        let masked = MaskedUses {
            copies: classes(&["email", "phone"]),
            predicates: classes(&["phone"]),
            equalities: classes(&["email"]),
        };
        let facts = facts(Operation { masked, ..Operation::new(Action::Update) });
        let seen_by = |hidden: &[&str]| judged(&facts, &classes(hidden)).operations[0].clone();
        let without_email = seen_by(&["email"]);
        assert_eq!(without_email.flags, BTreeSet::from([Flag::CopiesMasked]));
        assert_eq!(without_email.masked.copies, classes(&["email"]));
        assert_eq!(without_email.masked.equalities, classes(&["email"]));
        let without_phone = seen_by(&["phone"]);
        assert_eq!(without_phone.flags, BTreeSet::from([Flag::CopiesMasked, Flag::MaskedPredicate]));
        assert!(without_phone.masked.equalities.is_empty());
        let sees_all = seen_by(&[]);
        assert!(sees_all.flags.is_empty() && sees_all.masked.is_empty());
    }

    #[test]
    fn i7_unknown_is_not_safe_a_flag_without_classes_means_every_hidden_one() {
        let flags = BTreeSet::from([Flag::CopiesMasked]);
        let facts = facts(Operation { flags, ..Operation::new(Action::Insert) });
        let judged = judged(&facts, &classes(&["email", "phone"]));
        assert_eq!(judged.operations[0].masked.copies, classes(&["email", "phone"]));
    }
}
