//! The masking rules of one target, prepared for look-ups.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};

/// Columns of the server's own relations that may hold values of any table: samples of the data, and the texts of
/// other sessions' commands with their literals. If a target has rules, these columns are treated as columns of every
/// class that the rules name.
///
/// # Source
/// PostgreSQL documentation, "System Catalogs" and "System Views", versions 13 to 18. `pg_stat_statements` belongs to
/// an extension that is usually installed in one of the two schemas.
const BUILT_IN: &[(&str, &[&str])] = &[
    (
        "pg_catalog.pg_stats",
        &["most_common_vals", "histogram_bounds", "most_common_elems", "range_bounds_histogram"],
    ),
    ("pg_catalog.pg_statistic", &["stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"]),
    ("pg_catalog.pg_stats_ext", &["most_common_vals"]),
    (
        "pg_catalog.pg_stats_ext_exprs",
        &["most_common_vals", "histogram_bounds", "most_common_elems", "range_bounds_histogram"],
    ),
    ("pg_catalog.pg_statistic_ext_data", &["stxdmcv", "stxdexpr"]),
    ("pg_catalog.pg_stat_activity", &["query"]),
    ("pg_catalog.pg_prepared_statements", &["statement"]),
    ("pg_catalog.pg_cursors", &["statement"]),
    ("pg_catalog.pg_largeobject", &["data"]),
    ("public.pg_stat_statements", &["query"]),
    ("extensions.pg_stat_statements", &["query"]),
];

/// The masking rules of one target.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    relations: BTreeMap<String, BTreeMap<String, Vec<(DataClass, MaskAction)>>>,
    classes: BTreeSet<DataClass>,
    /// The columns that rules of the bundle name; without the built-in ones.
    configured: BTreeSet<(String, String)>,
    pass_unresolved: bool,
}

impl Rules {
    /// Creates the rules, and adds the built-in ones if there are any rules. Relations are `schema.name`, with names
    /// exactly as in the catalogue.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = ColumnRule>) -> Self {
        let mut all = Self::default();
        for rule in rules {
            all.classes.insert(rule.class.clone());
            all.configured.insert((rule.relation.clone(), rule.column.clone()));
            let columns = all.relations.entry(rule.relation).or_default();
            columns.entry(rule.column).or_default().push((rule.class, rule.action));
        }
        all.add_built_in();
        all
    }

    /// Adds the columns in [`BUILT_IN`] for every class.
    // INVARIANT: I6 - samples and texts may hold values of every class.
    fn add_built_in(&mut self) {
        for (relation, columns) in BUILT_IN {
            for column in *columns {
                for class in &self.classes {
                    let columns = self.relations.entry((*relation).to_owned()).or_default();
                    let rules = columns.entry((*column).to_owned()).or_default();
                    rules.push((class.clone(), MaskAction::Redact));
                }
            }
        }
    }

    /// Lets columns of unknown source pass unmasked. Without this they are redacted if there is a rule for a class
    /// that the principal may not see (I7).
    #[must_use]
    pub const fn passing_unresolved(mut self) -> Self {
        self.pass_unresolved = true;
        self
    }

    /// Returns `true` if there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The classes that the rules name.
    #[must_use]
    pub const fn classes(&self) -> &BTreeSet<DataClass> {
        &self.classes
    }

    /// Returns `true` if the rules name a class that is not in `unmask`.
    #[must_use]
    pub fn hides(&self, unmask: &BTreeSet<DataClass>) -> bool {
        !self.classes.is_subset(unmask)
    }

    /// Returns `true` if a column is masked for a principal who may see `unmask`.
    #[must_use]
    pub fn hides_column(&self, relation: &str, column: &str, unmask: &BTreeSet<DataClass>) -> bool {
        self.action(relation, column, unmask).is_some()
    }

    /// Returns `true` if a value of unknown source is masked.
    #[must_use]
    pub fn hides_unresolved(&self, unmask: &BTreeSet<DataClass>) -> bool {
        self.unresolved(unmask).is_some()
    }

    /// The columns that rules of the bundle name, as `schema.name` and column; without the built-in rules.
    pub fn configured(&self) -> impl Iterator<Item = (&str, &str)> {
        self.configured.iter().map(|(relation, column)| (relation.as_str(), column.as_str()))
    }

    /// The columns that rules of the bundle name and for which `exists` returns `false`: they are not in the
    /// catalogue. Such a rule masks nothing, for example after a column or table was renamed.
    pub fn unmatched<'r>(
        &'r self,
        exists: impl Fn(&str, &str) -> bool + 'r,
    ) -> impl Iterator<Item = (&'r str, &'r str)> {
        self.configured().filter(move |(relation, column)| !exists(relation, column))
    }

    /// Returns `true` if a rule names a column of this relation.
    #[must_use]
    pub fn name(&self, relation: &str) -> bool {
        self.relations.contains_key(relation)
    }

    /// The classes of a column in the rules.
    pub fn classes_of(&self, relation: &str, column: &str) -> impl Iterator<Item = &DataClass> {
        self.of(relation, column).iter().map(|(class, _)| class)
    }

    /// Returns `true` if a copy of a column's values is at least as strictly masked as the column, with respect to a
    /// class: one of the columns in `read_back` has a rule of the same class with an action that is at least as
    /// strict.
    pub fn protects<'c>(
        &self,
        class: &DataClass,
        source: (&str, &str),
        mut read_back: impl Iterator<Item = (&'c str, &'c str)>,
    ) -> bool {
        let strictest = |(relation, column): (&str, &str)| {
            let of_class = self.of(relation, column).iter().filter(|(one, _)| one == class);
            of_class.map(|(_, action)| strictness(*action)).max()
        };
        let needed = strictest(source);
        read_back.any(|copy| strictest(copy).is_some_and(|found| Some(found) >= needed))
    }

    fn of(&self, relation: &str, column: &str) -> &[(DataClass, MaskAction)] {
        let rules = self.relations.get(relation).and_then(|columns| columns.get(column));
        rules.map(Vec::as_slice).unwrap_or_default()
    }

    /// Every column that has a rule, the built-in ones included, for the lineage of an expression.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.relations.iter().flat_map(|(relation, columns)| {
            columns.keys().map(move |column| (relation.as_str(), column.as_str()))
        })
    }

    /// Returns `true` if a relation has a column that a principal who may see `unmask` may not see.
    #[must_use]
    pub fn touches(&self, relation: &str, unmask: &BTreeSet<DataClass>) -> bool {
        let hidden = |rules: &Vec<(DataClass, MaskAction)>| rules.iter().any(|(c, _)| !unmask.contains(c));
        self.relations.get(relation).is_some_and(|columns| columns.values().any(hidden))
    }

    /// Returns the strictest action for a column among the rules for classes that are not in `unmask`.
    pub(crate) fn action(
        &self,
        relation: &str,
        column: &str,
        unmask: &BTreeSet<DataClass>,
    ) -> Option<MaskAction> {
        let rules = self.of(relation, column);
        let hidden = rules.iter().filter(|(class, _)| !unmask.contains(class));
        hidden.map(|(_, action)| *action).max_by_key(|action| strictness(*action))
    }

    /// Returns the action for a value of unknown source.
    pub(crate) fn unresolved(&self, unmask: &BTreeSet<DataClass>) -> Option<MaskAction> {
        let hides = self.classes.iter().any(|class| !unmask.contains(class));
        (hides && !self.pass_unresolved).then_some(MaskAction::Redact)
    }
}

/// Rank of an action: the less it shows, the higher. Of two partial actions, the one that keeps less is stricter.
pub(crate) fn strictness(action: MaskAction) -> (u8, usize) {
    match action {
        MaskAction::Partial { keep } => (0, usize::MAX - keep),
        MaskAction::Hash => (1, 0),
        MaskAction::Redact => (2, 0),
        MaskAction::Null => (3, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(column: &str, class: &str, action: MaskAction) -> ColumnRule {
        let (relation, class) = ("public.customers".into(), DataClass(class.into()));
        ColumnRule { relation, column: column.into(), class, action }
    }

    fn classes(names: &[&str]) -> BTreeSet<DataClass> {
        names.iter().map(|name| DataClass((*name).into())).collect()
    }

    #[test]
    fn i6_masked_samples_and_texts_hold_every_class_that_rules_name() {
        let rules =
            Rules::new([rule("email", "email", MaskAction::Hash), rule("phone", "phone", MaskAction::Null)]);
        for (relation, columns) in BUILT_IN {
            for column in *columns {
                assert_eq!(rules.action(relation, column, &classes(&["email"])), Some(MaskAction::Redact));
                assert_eq!(rules.action(relation, column, &classes(&["email", "phone"])), None);
            }
        }
        assert!(rules.hides(&classes(&["phone"])) && !rules.hides(&classes(&["email", "phone", "card"])));
        assert_eq!(Rules::new([]).columns().count(), 0, "without rules nothing is built in");
    }

    #[test]
    fn rules_say_which_of_them_match_nothing() {
        let rules =
            Rules::new([rule("email", "email", MaskAction::Hash), rule("phone", "phone", MaskAction::Null)]);
        let unmatched: Vec<_> = rules.unmatched(|_, column| column == "email").collect();
        assert_eq!(unmatched, [("public.customers", "phone")]);
    }

    #[test]
    fn a_copy_is_protected_by_a_rule_of_its_class_that_is_as_strict() {
        let rules = Rules::new([
            rule("email", "email", MaskAction::Redact),
            rule("mail2", "email", MaskAction::Null),
            rule("mail3", "email", MaskAction::Partial { keep: 4 }),
            rule("phone", "phone", MaskAction::Null),
        ]);
        let email = DataClass("email".into());
        let into = |columns: &[&'static str]| {
            let columns = columns.iter().map(|column| ("public.customers", *column));
            rules.protects(&email, ("public.customers", "email"), columns)
        };
        assert!(into(&["email"]) && into(&["mail2"]) && into(&["name", "mail2"]));
        assert!(!into(&["mail3"]) && !into(&["phone"]) && !into(&["name"]) && !into(&[]));
    }
}
