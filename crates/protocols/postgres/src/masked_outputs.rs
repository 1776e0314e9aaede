//! The masked columns that the answer to a command can show: in rows, COPY data, errors and notices.
//!
//! Made once for a text under one set of rules and definitions, and kept with its facts. Which of the columns are
//! hidden from a principal is decided when the answer comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::verdict::DataClass;
use countersign_masking::{Rules, Source};
use countersign_sql::lineage::{ColumnOrigin, Flows, Sources};

use crate::statements::Meaning;

/// The masked columns that the answer to a command can show.
#[derive(Debug, Clone, Default)]
pub(crate) struct MaskedOutputs {
    /// The rules that the columns were looked for by.
    pub(crate) rules: Arc<Rules>,
    /// Sources of all result columns.
    all: Sources,
    /// Sources of each result column.
    columns: Option<Vec<Sources>>,
    /// A column of a relation in the result may hold what the command has stored there.
    returns_written: bool,
    /// Everything that errors and notices can quote.
    touched: Sources,
    /// What gave names their meaning. The answer is read by it, whatever the command itself may change.
    meaning: Option<Meaning>,
}

impl MaskedOutputs {
    /// The outputs of a command with these flows.
    pub(crate) fn of(flows: Flows, rules: &Arc<Rules>) -> Self {
        let Flows { outputs, columns, returns_written, touched, .. } = flows;
        Self { rules: Arc::clone(rules), all: outputs, columns, returns_written, touched, meaning: None }
    }

    /// The same, found by what names meant at some moment.
    pub(crate) fn under(self, meaning: Meaning) -> Self {
        Self { meaning: Some(meaning), ..self }
    }

    /// What gave names their meaning when these outputs were found.
    pub(crate) const fn meaning(&self) -> Option<&Meaning> {
        self.meaning.as_ref()
    }

    /// Whether something in the answer may have to be masked for a principal who may see `unmask`.
    // INVARIANT: I6. Everything that can be quoted is more than everything that can be shown.
    pub(crate) fn may_show_masked(&self, unmask: &BTreeSet<DataClass>) -> bool {
        hides(&self.rules, &self.touched, unmask)
    }

    /// The sources of each result column, where their number is known.
    pub(crate) fn columns(&self) -> Option<&[Sources]> {
        self.columns.as_deref()
    }

    /// Whether no result column has to be masked.
    pub(crate) fn is_clear(&self, unmask: &BTreeSet<DataClass>) -> bool {
        !hides(&self.rules, &self.all, unmask)
    }

    /// Where the values of one of `of` result columns come from. The server's own word for it, if it names a column, goes
    /// before what was read of the text.
    pub(crate) fn source(&self, index: usize, of: usize, named: Option<ColumnOrigin>) -> Source {
        let exact = self.columns.as_ref().filter(|columns| columns.len() == of);
        let exact = exact.and_then(|columns| columns.get(index));
        let Some(origin) = named else {
            return self.computed(exact.unwrap_or(&self.all), &BTreeSet::new(), BTreeSet::new());
        };
        let mut sources = origin.sources;
        match exact {
            Some(exact) => sources.add(exact),
            None if self.returns_written => sources.add(&self.all),
            None => {}
        }
        self.computed(&sources, &origin.same, origin.same.clone())
    }

    /// A value with these sources. That of `same` is a column as it is, under any of its names.
    fn computed(
        &self,
        sources: &Sources,
        same: &BTreeSet<(String, String)>,
        names: BTreeSet<(String, String)>,
    ) -> Source {
        let stored = names.into_iter().map(|(relation, column)| Source::Column { relation, column });
        let mut all: Vec<Source> = stored.collect();
        let may_carry: Vec<_> = sources.columns.difference(same).cloned().collect();
        if !may_carry.is_empty() {
            all.push(Source::Expression { may_carry });
        }
        if is_unresolved(&self.rules, sources) {
            all.push(Source::Unresolved);
        }
        Source::AnyOf(all)
    }
}

/// Whether a value may be of a column that no rule can be looked up for.
// INVARIANT: I7. What a foreign table holds is known only where rules name its columns.
fn is_unresolved(rules: &Rules, sources: &Sources) -> bool {
    sources.unknown || sources.foreign.iter().any(|table| !rules.name(table))
}

/// Whether some of these sources are hidden from a principal who may see `unmask`.
fn hides(rules: &Rules, sources: &Sources, unmask: &BTreeSet<DataClass>) -> bool {
    let hidden = |(relation, column): &(String, String)| rules.hides_column(relation, column, unmask);
    sources.columns.iter().any(hidden) || is_unresolved(rules, sources) && rules.hides_unresolved(unmask)
}

#[cfg(test)]
mod tests {
    use countersign_common::Secret;
    use countersign_common::verdict::{ColumnRule, MaskAction};
    use countersign_masking::{Column, HashKey, Plan};

    use super::*;

    fn column(relation: &str, name: &str) -> Sources {
        let columns = BTreeSet::from([(format!("public.{relation}"), name.to_owned())]);
        Sources { columns, ..Sources::none() }
    }

    fn outputs(columns: Option<Vec<Sources>>, returns_written: bool) -> MaskedOutputs {
        let rule = |relation: &str, action| ColumnRule {
            relation: format!("public.{relation}"),
            column: "email".into(),
            class: DataClass(relation.into()),
            action,
        };
        let rules =
            Rules::new([rule("customers", MaskAction::Partial { keep: 4 }), rule("staff", MaskAction::Null)]);
        let mut all = Sources::none();
        columns.iter().flatten().for_each(|sources| all.add(sources));
        let flows =
            Flows { outputs: all.clone(), columns, returns_written, touched: all, ..Flows::default() };
        MaskedOutputs::of(flows, &Arc::new(rules))
    }

    fn masks(outputs: &MaskedOutputs, source: Source, sees: &[&str]) -> bool {
        let unmask = sees.iter().map(|class| DataClass((*class).into())).collect();
        let column = Column { source, text_like: true, binary: false };
        !Plan::for_columns(&[column], &outputs.rules, &unmask, &HashKey::new(&Secret::new(vec![0; 32])))
            .is_clear()
    }

    #[test]
    fn i6_masked_column_of_a_relative_is_masked_as_itself() {
        let outputs = outputs(Some(vec![Sources::none()]), false);
        let both =
            column("customers", "email").columns.union(&column("staff", "email").columns).cloned().collect();
        let origin =
            ColumnOrigin { sources: Sources { columns: both, ..Sources::none() }, ..ColumnOrigin::default() };
        let origin = ColumnOrigin { same: origin.sources.columns.clone(), ..origin };
        for (sees, masked) in [
            (&[] as &[&str], true),
            (&["customers"][..], true),
            (&["staff"][..], true),
            (&["customers", "staff"][..], false),
        ] {
            assert_eq!(masks(&outputs, outputs.source(0, 1, Some(origin.clone())), sees), masked, "{sees:?}");
        }
    }

    #[test]
    fn i6_written_values_are_looked_for_behind_a_named_column() {
        let plain = Some(ColumnOrigin::default());
        let known = outputs(Some(vec![Sources::none(), column("customers", "email")]), true);
        assert!(!masks(&known, known.source(0, 2, plain.clone()), &[]));
        assert!(masks(&known, known.source(1, 2, plain.clone()), &[]));
        // Where the numbers do not fit any column may hold it.
        assert!(masks(&known, known.source(0, 3, plain.clone()), &[]));
        assert!(masks(&known, known.source(0, 3, None), &[]));
        let read = outputs(Some(vec![column("customers", "email")]), false);
        assert!(!masks(&read, read.source(0, 3, plain), &[]));
    }

    #[test]
    fn i6_unknown_and_foreign_values_are_masked_where_anything_is_hidden() {
        for sources in [
            Sources::unknown(),
            Sources { foreign: BTreeSet::from(["public.far".to_owned()]), ..Sources::none() },
        ] {
            let outputs = outputs(Some(vec![sources]), false);
            assert!(masks(&outputs, outputs.source(0, 1, None), &["customers"]));
            assert!(!masks(&outputs, outputs.source(0, 1, None), &["customers", "staff"]));
            let unmask = BTreeSet::from([DataClass("customers".into())]);
            assert!(outputs.may_show_masked(&unmask) && !outputs.is_clear(&unmask));
        }
    }
}
