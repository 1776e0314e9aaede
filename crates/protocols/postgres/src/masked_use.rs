//! What a command does with masked columns besides showing them, as far as the rules have a say: the classes that it copies
//! or selects rows by, which policies judge, and the values that would leave by a side channel, which are always refused.
//!
//! Pure: the lineage comes from [`countersign_sql`], the rules from the bundle. Which of the classes a principal may not
//! see is decided by whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::Facts;
use countersign_common::facts::{Class, MaskedUses, Operation};
use countersign_common::refusal::{Refusal, State};
use countersign_common::verdict::{DataClass, Duties};
use countersign_masking::Rules;
use countersign_sql::lineage::{ColumnName, Flows, Place, Sources, ValueCopy};

/// What a command does with masked columns besides showing them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MaskedUse {
    uses: MaskedUses,
    /// Values that would leave by a side channel: through what, which class, and a column that it may come from.
    leaves: BTreeSet<Leaving>,
    /// For each class, how often a column of it is compared with a constant or a parameter for equality.
    lookups: BTreeMap<DataClass, u64>,
}

/// A value that would leave by a side channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Leaving {
    class: DataClass,
    through: &'static str,
    /// `None`: it may be any column.
    column: Option<ColumnName>,
}

impl MaskedUse {
    /// What these flows do with the columns that rules name.
    pub(crate) fn of(flows: &Flows, rules: &Rules) -> Self {
        let mut found = Self::default();
        for copy in &flows.copies {
            found.uses.copies.extend(unprotected(copy, rules));
        }
        for predicate in &flows.predicates {
            for class in classes(&predicate.sources, rules) {
                if predicate.equality_with_constant {
                    // INVARIANT: I7. Comparisons are counted for the command as a whole, whichever column each is of.
                    found.lookups.insert(class.clone(), flows.lookups.max(1));
                    found.uses.equalities.insert(class);
                } else {
                    found.uses.predicates.insert(class);
                }
            }
        }
        for channel in &flows.side_channels {
            let leaving = |(class, column)| Leaving { class, through: channel.kind.describe(), column };
            found.leaves.extend(named_classes(&channel.sources, rules).into_iter().map(leaving));
        }
        found
    }

    /// What a command does with masked columns of which nothing could be read.
    pub(crate) fn unknown(rules: &Rules) -> Self {
        Self::of(&Flows::unknown(), rules)
    }

    /// Adds what another text does that may run as well.
    pub(crate) fn add(&mut self, other: Self) {
        self.uses.copies.extend(other.uses.copies);
        self.uses.predicates.extend(other.uses.predicates);
        self.uses.equalities.extend(other.uses.equalities);
        self.leaves.extend(other.leaves);
        for (class, count) in other.lookups {
            let counted = self.lookups.entry(class).or_default();
            *counted = counted.saturating_add(count);
        }
    }

    /// Writes the classes into the facts, at the operations that can use them so. Flows are known for a command as a
    /// whole; the strictest verdict over its operations holds for all of it.
    pub(crate) fn note(&self, facts: &mut Facts) {
        if self.uses.is_empty() {
            return;
        }
        let writes =
            |operation: &Operation| !matches!(operation.action.class(), Class::Session | Class::Read);
        let reads = |operation: &Operation| operation.action.class() != Class::Session;
        for operation in at(&mut facts.operations, writes) {
            operation.masked.copies.extend(self.uses.copies.iter().cloned());
        }
        for operation in at(&mut facts.operations, reads) {
            operation.masked.predicates.extend(self.uses.predicates.iter().cloned());
            operation.masked.equalities.extend(self.uses.equalities.iter().cloned());
        }
    }

    /// The refusal when a value that a principal with these duties may not see would leave by a side channel.
    // INVARIANT: I6. No policy and no approval lifts it: what has left there cannot be masked any more.
    pub(crate) fn refusal(&self, duties: &Duties) -> Option<Refusal> {
        let leaving = self.leaves.iter().find(|leaving| duties.hides(&leaving.class))?;
        let (through, class) = (leaving.through, &leaving.class.0);
        let reason = match &leaving.column {
            Some((relation, column)) => format!(
                "a value of `{relation}.{column}` (class `{class}`) would leave through {through}; it is masked for you"
            ),
            None => format!(
                "a value that may be of class `{class}` would leave through {through}; that class is masked for you"
            ),
        };
        Some(Refusal::new(State::Blocked, reason))
    }

    /// The lookups of this command that count for a principal with these duties.
    pub(crate) fn counted<'u>(&'u self, duties: &'u Duties) -> impl Iterator<Item = (&'u DataClass, u64)> {
        self.lookups.iter().filter(|(class, _)| duties.hides(class)).map(|(class, count)| (class, *count))
    }

    /// Whether it does nothing that `other`, which was judged, does not do. A later reading under other rules must not go
    /// by an earlier verdict.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.uses.copies.is_subset(&other.uses.copies)
            && self.uses.predicates.is_subset(&other.uses.predicates)
            && self.uses.equalities.is_subset(&other.uses.equalities)
    }
}

/// The operations that `fits`, or all of them where none does.
fn at(
    operations: &mut [Operation],
    fits: impl Fn(&Operation) -> bool,
) -> impl Iterator<Item = &mut Operation> {
    let any = operations.iter().any(&fits);
    operations.iter_mut().filter(move |operation| !any || fits(operation))
}

/// The classes whose values a copy would leave less masked than they are.
fn unprotected(copy: &ValueCopy, rules: &Rules) -> BTreeSet<DataClass> {
    let sources = named_classes(&copy.sources, rules);
    let Place::Column { read_back, relation, column } = &copy.into else {
        return sources.into_iter().map(|(class, _)| class).collect();
    };
    let protected = |class: &DataClass, source: &Option<ColumnName>| {
        let itself = std::iter::once((relation.as_str(), column.as_str()));
        let places = read_back.iter().map(|(relation, column)| (relation.as_str(), column.as_str()));
        match source {
            Some((from, name)) => rules.protects(class, (from, name), itself.chain(places)),
            // Of a value that may be of any column no rule is known to be as strict.
            None => false,
        }
    };
    let unprotected = sources.into_iter().filter(|(class, source)| !protected(class, source));
    unprotected.map(|(class, _)| class).collect()
}

fn classes(sources: &Sources, rules: &Rules) -> BTreeSet<DataClass> {
    named_classes(sources, rules).into_iter().map(|(class, _)| class).collect()
}

/// The classes that a value may be of, each with the columns that it may come from; `None`: any column.
fn named_classes(sources: &Sources, rules: &Rules) -> BTreeSet<(DataClass, Option<ColumnName>)> {
    let mut found = BTreeSet::new();
    for name in &sources.columns {
        let of = |class: &DataClass| (class.clone(), Some(name.clone()));
        found.extend(rules.classes_of(&name.0, &name.1).map(of));
    }
    // INVARIANT: I7. What a foreign table holds is known only where rules name its columns.
    if sources.unknown || sources.foreign.iter().any(|table| !rules.name(table)) {
        found.extend(rules.classes().iter().map(|class| (class.clone(), None)));
    }
    found
}

#[cfg(test)]
mod tests {
    use countersign_common::facts::Action;
    use countersign_common::verdict::{ColumnRule, MaskAction};
    use countersign_sql::lineage::{Predicate, SideChannel, SideChannelKind};

    use super::*;

    fn rules() -> Rules {
        let rule = |column: &str, class: &str| ColumnRule {
            relation: "public.customers".into(),
            column: column.into(),
            class: DataClass(class.into()),
            action: MaskAction::Redact,
        };
        Rules::new([rule("email", "email"), rule("phone", "phone")])
    }

    fn column(name: &str) -> Sources {
        let columns = BTreeSet::from([("public.customers".to_owned(), name.to_owned())]);
        Sources { columns, ..Sources::none() }
    }

    fn place(relation: &str, name: &str) -> Place {
        Place::Column { relation: relation.into(), column: name.into(), read_back: BTreeSet::new() }
    }

    fn class(name: &str) -> DataClass {
        DataClass(name.into())
    }

    fn sees(names: &[&str]) -> Duties {
        let unmask = names.iter().map(|name| class(name)).collect::<BTreeSet<_>>();
        Duties { unmask: unmask.into(), ..Duties::default() }
    }

    #[test]
    fn a_copy_into_a_column_of_the_same_class_is_none() {
        let copies = |sources: Sources, into: Place| {
            let flows = Flows { copies: BTreeSet::from([ValueCopy { into, sources }]), ..Flows::default() };
            MaskedUse::of(&flows, &rules()).uses.copies
        };
        assert!(copies(column("email"), place("public.customers", "email")).is_empty());
        assert_eq!(copies(column("email"), place("public.customers", "phone")), [class("email")].into());
        assert_eq!(copies(column("email"), place("public.customers", "name")), [class("email")].into());
        assert_eq!(copies(column("email"), Place::Outside), [class("email")].into());
        assert!(copies(column("name"), Place::Outside).is_empty());
        let any = copies(Sources::unknown(), place("public.customers", "email"));
        assert_eq!(any, [class("email"), class("phone")].into());
        let foreign = Sources { foreign: BTreeSet::from(["public.remote".to_owned()]), ..Sources::none() };
        assert_eq!(copies(foreign, place("public.t", "a")), [class("email"), class("phone")].into());
    }

    #[test]
    fn i6_masked_a_side_channel_is_refused_to_whom_the_class_is_hidden() {
        let channel = SideChannel { kind: SideChannelKind::Notification, sources: column("email") };
        let flows = Flows { side_channels: BTreeSet::from([channel]), ..Flows::default() };
        let found = MaskedUse::of(&flows, &rules());
        let refusal = found.refusal(&sees(&["phone"])).unwrap();
        assert_eq!(refusal.state, State::Blocked);
        insta::assert_snapshot!(refusal.reason, @"a value of `public.customers.email` (class `email`) would leave through a notification; it is masked for you");
        assert!(found.refusal(&sees(&["email"])).is_none());
    }

    #[test]
    fn an_equality_with_a_constant_counts_and_is_no_predicate() {
        let predicate =
            |name: &str, equality_with_constant| Predicate { sources: column(name), equality_with_constant };
        let predicates = BTreeSet::from([predicate("email", true), predicate("phone", false)]);
        let found = MaskedUse::of(&Flows { predicates, lookups: 3, ..Flows::default() }, &rules());
        assert_eq!(found.uses.equalities, [class("email")].into());
        assert_eq!(found.uses.predicates, [class("phone")].into());
        let (nothing, email) = (sees(&[]), sees(&["email"]));
        let counted: Vec<_> = found.counted(&nothing).map(|(class, count)| (&*class.0, count)).collect();
        assert_eq!(counted, [("email", 3)]);
        assert_eq!(found.counted(&email).count(), 0);
    }

    #[test]
    fn classes_are_noted_at_the_operations_that_use_them() {
        let mut found = MaskedUse::default();
        found.uses.copies.insert(class("email"));
        found.uses.predicates.insert(class("phone"));
        let operations = [Action::Transaction, Action::Select, Action::Update].map(Operation::new).to_vec();
        let mut facts = Facts { operations, ..Facts::nothing() };
        found.note(&mut facts);
        let noted: Vec<_> =
            facts.operations.iter().map(|o| (o.masked.copies.len(), o.masked.predicates.len())).collect();
        assert_eq!(noted, [(0, 0), (0, 1), (1, 1)]);
        let mut only = Facts { operations: vec![Operation::new(Action::Set)], ..Facts::nothing() };
        found.note(&mut only);
        assert_eq!(only.operations[0].masked, found.uses, "where no operation fits, all have it");
    }
}
