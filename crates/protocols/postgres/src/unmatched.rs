//! Masking rules that match nothing in the target's catalogue, because a column or a relation was renamed or dropped. Such a
//! rule masks nothing: that raises an alarm, and where the target says so, closes access to what it may have meant.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::facts::{Action, Operation};
use countersign_common::verdict::{ColumnRule, DataClass};
use countersign_common::{Facts, Target};
use countersign_masking::Rules;
use countersign_sql::Catalogue;

use crate::codec::startup::Protocol;
use crate::parameters::StartupParameters;
use crate::upstream::{Connector, Opening, UpstreamError};

/// Every column of every relation, as masking rules name them.
const COLUMNS: &str = "SELECT n.nspname || '.' || c.relname, a.attname FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p')";

/// The rules of a target that match nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unmatched {
    /// Relations that are not there, whatever their rules say of columns.
    relations: BTreeSet<String>,
    /// Columns that are not there, of relations that are.
    columns: BTreeSet<(String, String)>,
}

impl Unmatched {
    /// The rules for which the catalogue has no column.
    pub(crate) fn of(rules: &Rules, catalogue: &Catalogue) -> Self {
        let mut unmatched = Self::default();
        // Built-in rules for statistics and activity name relations that not every server has.
        for (relation, column) in rules.configured() {
            let columns = catalogue.columns(relation);
            if columns.is_empty() {
                unmatched.relations.insert(relation.to_owned());
            } else if !columns.contains(&column) {
                unmatched.columns.insert((relation.to_owned(), column.to_owned()));
            }
        }
        unmatched
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.relations.is_empty() && self.columns.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.relations.len() + self.columns.len()
    }

    /// What matches nothing, in a line.
    pub(crate) fn line(&self) -> String {
        let columns = self.columns.iter().map(|(relation, column)| format!("{relation}.{column}"));
        self.relations.iter().cloned().chain(columns).collect::<Vec<_>>().join(", ")
    }

    /// Why a command that does this is closed to those who may see only `unmask`; `None`: it is not.
    pub(crate) fn closes(
        &self,
        facts: &Facts,
        rules: &Rules,
        unmask: &BTreeSet<DataClass>,
    ) -> Option<String> {
        let hidden = |relation: &str| rules.touches(relation, unmask);
        // A relation that is gone may be any other by now, under a new name.
        if let Some(relation) = self.relations.iter().find(|relation| hidden(relation)) {
            let closed = facts.operations.iter().any(may_touch_data);
            return closed.then(|| {
                format!("the masking rules of `{relation}` match nothing: there is no such relation")
            });
        }
        let (relation, column) = self.columns.iter().find(|(relation, _)| {
            hidden(relation) && facts.operations.iter().any(|operation| may_touch(operation, relation))
        })?;
        Some(format!("the masking rule of `{relation}.{column}` matches nothing: there is no such column"))
    }
}

/// Whether an operation names a relation, or may touch one that it does not name.
fn may_touch_data(operation: &Operation) -> bool {
    !operation.reads.is_empty() || !operation.writes.is_empty() || runs_unread(operation)
}

fn may_touch(operation: &Operation, relation: &str) -> bool {
    operation.reads.contains(relation) || operation.writes.contains(relation) || runs_unread(operation)
}

/// Fail closed: what the facts of these name is not all that they may touch.
fn runs_unread(operation: &Operation) -> bool {
    !operation.flags.is_empty()
        || matches!(
            operation.action,
            Action::Cursor
                | Action::Call
                | Action::FunctionCall
                | Action::Administer
                | Action::Outside
                | Action::Unknown
        )
}

/// Asks a target which of these rules match nothing there, as `relation.column`, over a connection of its own with the
/// target's default role and database.
///
/// # Errors
/// When the target cannot be asked.
pub async fn ask(target: &Target, rules: &[ColumnRule]) -> Result<Vec<String>, UpstreamError> {
    let Some(role) = target.roles.get(&target.default_role) else { return Ok(Vec::new()) };
    let database = target.default_database.as_deref().unwrap_or(&role.user);
    let mut parameters = StartupParameters::default();
    parameters.push("application_name", "countersign policy check");
    let opening = Opening { role, database, parameters: &parameters, protocol: Protocol::V3_0 };
    let rows = Connector::new(target)?.connect(&opening).await?.simple_query(COLUMNS).await?;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        if let [Some(relation), Some(column)] = row.as_slice() {
            found.entry(relation.clone()).or_default().insert(column.clone());
        }
    }
    let matches =
        |rule: &&ColumnRule| found.get(&rule.relation).is_some_and(|columns| columns.contains(&rule.column));
    let unmatched = rules.iter().filter(|rule| !matches(rule));
    Ok(unmatched.map(|rule| format!("{}.{}", rule.relation, rule.column)).collect())
}

#[cfg(test)]
mod tests {
    use countersign_common::verdict::MaskAction;

    use super::*;

    fn rules() -> Rules {
        let rule = |relation: &str, column: &str| ColumnRule {
            relation: relation.into(),
            column: column.into(),
            class: DataClass("email".into()),
            action: MaskAction::Redact,
        };
        Rules::new([rule("public.customers", "email"), rule("public.gone", "email")])
    }

    fn select(relation: &str) -> Facts {
        let mut operation = Operation::new(Action::Select);
        operation.reads.insert(relation.into());
        Facts { operations: vec![operation], ..Facts::nothing() }
    }

    fn nobody() -> BTreeSet<DataClass> {
        BTreeSet::new()
    }

    #[test]
    fn a_column_that_is_gone_closes_its_relation_and_no_other() {
        let unmatched = Unmatched {
            columns: [("public.customers".to_owned(), "email".to_owned())].into(),
            ..Unmatched::default()
        };
        let why = unmatched.closes(&select("public.customers"), &rules(), &nobody()).unwrap();
        assert!(why.contains("public.customers.email"), "{why}");
        assert_eq!(unmatched.closes(&select("public.orders"), &rules(), &nobody()), None);
        let unknown = Facts { operations: vec![Operation::new(Action::Unknown)], ..Facts::nothing() };
        assert!(unmatched.closes(&unknown, &rules(), &nobody()).is_some(), "nobody knows what it reads");
        let everything = BTreeSet::from([DataClass("email".into())]);
        assert_eq!(unmatched.closes(&select("public.customers"), &rules(), &everything), None);
    }

    #[test]
    fn a_relation_that_is_gone_closes_the_target_but_not_what_reads_nothing() {
        let unmatched = Unmatched { relations: ["public.gone".to_owned()].into(), ..Unmatched::default() };
        assert!(unmatched.closes(&select("public.anything"), &rules(), &nobody()).is_some());
        let set = Facts { operations: vec![Operation::new(Action::Set)], ..Facts::nothing() };
        assert_eq!(unmatched.closes(&set, &rules(), &nobody()), None);
    }

    #[test]
    fn a_catalogue_without_the_columns_matches_none_of_the_rules() {
        let unmatched = Unmatched::of(&rules(), &Catalogue::empty());
        assert_eq!(unmatched.line(), "public.customers, public.gone");
        assert_eq!(unmatched.len(), 2);
    }
}
