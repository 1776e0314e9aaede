//! The masking rules of one target, ready to be looked up.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};

/// The masking rules of one target.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    relations: BTreeMap<String, BTreeMap<String, Vec<(DataClass, MaskAction)>>>,
    classes: BTreeSet<DataClass>,
    pass_unresolved: bool,
}

impl Rules {
    /// These rules. Relations are `schema.name`, names exactly as in the catalogue.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = ColumnRule>) -> Self {
        let mut all = Self::default();
        for rule in rules {
            all.classes.insert(rule.class.clone());
            let columns = all.relations.entry(rule.relation).or_default();
            columns.entry(rule.column).or_default().push((rule.class, rule.action));
        }
        all
    }

    /// Lets columns pass of which nobody knows where they come from. Without this they are redacted as
    /// long as there is a rule whose class the principal may not see (I7).
    #[must_use]
    pub const fn passing_unresolved(mut self) -> Self {
        self.pass_unresolved = true;
        self
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Every column under a rule, to ask the lineage of an expression about.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.relations.iter().flat_map(|(relation, columns)| {
            columns.keys().map(move |column| (relation.as_str(), column.as_str()))
        })
    }

    /// Whether a relation has a column that a principal who may see `unmask` may not see.
    #[must_use]
    pub fn touches(&self, relation: &str, unmask: &BTreeSet<DataClass>) -> bool {
        let hidden = |rules: &Vec<(DataClass, MaskAction)>| rules.iter().any(|(c, _)| !unmask.contains(c));
        self.relations.get(relation).is_some_and(|columns| columns.values().any(hidden))
    }

    /// What becomes of a column; the strictest of the rules whose class may not be seen.
    pub(crate) fn action(
        &self,
        relation: &str,
        column: &str,
        unmask: &BTreeSet<DataClass>,
    ) -> Option<MaskAction> {
        let rules = self.relations.get(relation)?.get(column)?;
        let hidden = rules.iter().filter(|(class, _)| !unmask.contains(class));
        hidden.map(|(_, action)| *action).max_by_key(|action| strictness(*action))
    }

    /// What becomes of a value of which nobody knows where it comes from.
    pub(crate) fn unresolved(&self, unmask: &BTreeSet<DataClass>) -> Option<MaskAction> {
        let hides = self.classes.iter().any(|class| !unmask.contains(class));
        (hides && !self.pass_unresolved).then_some(MaskAction::Redact)
    }
}

/// How little an action leaves to be seen: more is stricter. Of two partials the one that keeps less.
fn strictness(action: MaskAction) -> (u8, usize) {
    match action {
        MaskAction::Partial { keep } => (0, usize::MAX - keep),
        MaskAction::Hash => (1, 0),
        MaskAction::Redact => (2, 0),
        MaskAction::Null => (3, 0),
    }
}
