//! INSERT, UPDATE, DELETE, MERGE: what is stored where, and what RETURNING shows of it.

use std::collections::BTreeMap;

use super::Resolution;
use super::scope::{Entry, Scope};
use super::value::{Column, Table, Value};
use crate::catalogue::{Relation, RuleEvent};
use crate::lineage::flows::{Place, Sources};
use crate::lineage::query::{
    Assignment, Body, Conflict, InsertSource, Insertion, Modification, StatementKind,
};
use crate::reading::Reading;

/// Values by the column that they are stored in; under the empty name what may be stored in any.
type Stored = BTreeMap<Box<str>, Sources>;

impl<'a> Resolution<'a> {
    /// The rows that RETURNING shows.
    pub(super) fn modification(&mut self, one: &'a Modification, outer: &Scope<'_>) -> Table {
        let relations = self.relations_called(&one.target);
        let table = self.relation_called(&one.target);
        // Errors quote whole rows that are written.
        self.touch(&table.sources());
        let mut scope = self.from(&one.from, outer);
        scope.entries.push(target_entry(one, &relations, &table));
        scope.star.append(&table);
        for condition in &one.conditions {
            self.condition(condition, &scope);
        }
        let mut stored = Stored::new();
        for insertion in &one.inserts {
            let inserted = self.insertion(insertion, &table, &scope, outer, &mut stored);
            if let Some(conflict) = &one.conflict {
                self.conflict(conflict, insertion, &inserted, &scope, &mut stored);
            }
        }
        self.assignments(&one.updates, &scope, &mut stored);
        self.store(&relations, &stored);
        let written = with_stored(&table, &stored);
        let by_rules = self.run_rules(one, &relations, &written, &table);
        self.run_triggers(&relations);
        self.returning(one, &relations, &written, &by_rules, scope)
    }

    fn returning(
        &mut self,
        one: &'a Modification,
        relations: &[&'a Relation],
        written: &Table,
        by_rules: &Sources,
        mut scope: Scope<'_>,
    ) -> Table {
        scope.entries.pop();
        scope.entries.push(target_entry(one, relations, written));
        scope.star = written.clone();
        for entry in scope.entries.iter().take(scope.entries.len().saturating_sub(1)) {
            scope.star.append(&entry.table);
        }
        if !one.from.is_empty() {
            // In which order `*` shows the columns of both is not followed.
            scope.star = Table { open: Some(scope.star.whole()), ..Table::default() };
        }
        let row_names = one.row_names.iter().map(AsRef::as_ref).chain(["old", "new"]);
        for name in row_names {
            if scope.entries.iter().all(|entry| &*entry.alias != name) {
                let entry = Entry { alias: name.into(), schema: None, table: written.clone() };
                scope.entries.push(entry);
            }
        }
        let table = self.targets(&one.returning, &scope);
        if by_rules.is_empty() || one.returning.is_empty() {
            return table;
        }
        let mut columns = table.columns.to_vec();
        for column in &mut columns {
            column.value.sources.add(by_rules);
        }
        Table { columns: columns.into(), open: table.open }
    }

    /// Notes what an INSERT stores. Returns the row that `excluded` stands for.
    fn insertion(
        &mut self,
        insertion: &'a Insertion,
        target: &Table,
        scope: &Scope<'_>,
        outer: &Scope<'_>,
        stored: &mut Stored,
    ) -> Table {
        let source = match &insertion.source {
            InsertSource::Defaults => return blank(target),
            InsertSource::Query(query) => self.query(query, outer),
            InsertSource::Row(values) => {
                let columns =
                    values.iter().map(|value| Column { name: None, value: self.value(value, scope) });
                Table::closed(columns.collect())
            }
        };
        let names: Vec<Box<str>> = if insertion.columns.is_empty() {
            target.columns.iter().filter_map(|column| column.name.clone()).collect()
        } else {
            insertion.columns.clone()
        };
        let mut inserted = blank(target).columns.to_vec();
        for (index, name) in names.iter().enumerate() {
            let sources = match (&source.open, source.columns.get(index)) {
                (None, Some(column)) => column.value.sources.clone(),
                (None, None) => continue,
                (Some(_), _) => source.sources(),
            };
            stored.entry(name.clone()).or_default().add(&sources);
            if let Some(column) = inserted.iter_mut().find(|column| column.name.as_ref() == Some(name)) {
                column.value = Value::of(sources);
            }
        }
        if target.open.is_some() || source.columns.len() > names.len() {
            stored.entry(Box::default()).or_default().add(&source.sources());
        }
        Table { columns: inserted.into(), open: target.open.as_ref().map(|_| source.whole()) }
    }

    fn conflict(
        &mut self,
        conflict: &'a Conflict,
        insertion: &'a Insertion,
        inserted: &Table,
        scope: &Scope<'_>,
        stored: &mut Stored,
    ) {
        let mut scope = scope.clone();
        let constants = match &insertion.source {
            InsertSource::Query(query) => matches!(query.body, Body::Values(_)),
            InsertSource::Row(_) => false,
            InsertSource::Defaults => true,
        };
        for key in &conflict.arbiter {
            // Whether the row was there already is told by the number of rows that come back.
            let sources = self.value(key, &scope).sources;
            self.predicate(&sources, constants);
        }
        scope.entries.push(Entry { alias: "excluded".into(), schema: None, table: inserted.clone() });
        for condition in &conflict.conditions {
            self.condition(condition, &scope);
        }
        self.assignments(&conflict.updates, &scope, stored);
    }

    fn assignments(&mut self, assignments: &'a [Assignment], scope: &Scope<'_>, stored: &mut Stored) {
        for assignment in assignments {
            let sources = self.value(&assignment.value, scope).sources;
            stored.entry(assignment.column.clone()).or_default().add(&sources);
        }
    }

    /// Notes where values are stored.
    pub(super) fn store(&mut self, relations: &[&'a Relation], stored: &Stored) {
        for (column, sources) in stored.iter().filter(|(_, sources)| !sources.is_empty()) {
            self.flows.returns_written = true;
            if relations.is_empty() {
                self.copies(Place::Unknown, sources);
            }
            for relation in relations {
                let place = self.stored_at(relation, column).filter(|_| !column.is_empty());
                let place = place.map_or(Place::Unknown, |(relation, place)| Place::Column {
                    relation,
                    column: place.column,
                    read_back: place.read_back,
                });
                self.copies(place, sources);
            }
        }
    }

    /// Rules of the target run other statements, with the rows that are written. Returns what they return.
    fn run_rules(
        &mut self,
        one: &Modification,
        relations: &[&'a Relation],
        written: &Table,
        old: &Table,
    ) -> Sources {
        let mut returned = Sources::none();
        let rules = relations.iter().flat_map(|relation| relation.rules());
        for rule in rules.filter(|rule| rule.enabled && fires(one, rule.event)) {
            let Some(definition) = &rule.definition else { continue };
            let table = self.rule(definition.reading(), written, old);
            returned.add(&table.sources());
        }
        returned
    }

    fn rule(&mut self, reading: &'a Reading, written: &Table, old: &Table) -> Table {
        let entry =
            |alias: &str, table: &Table| Entry { alias: alias.into(), schema: None, table: table.clone() };
        let scope = Scope { entries: vec![entry("new", written), entry("old", old)], ..Scope::default() };
        let [statement] = reading.lineage.as_slice() else {
            self.unread_code();
            return Table::unknown();
        };
        let StatementKind::CreateRule { conditions, actions, .. } = &statement.kind else {
            self.unread_code();
            return Table::unknown();
        };
        let path = self.path.replace(vec![super::DEFINITION_PATH.to_owned()]);
        let in_definition = std::mem::replace(&mut self.in_definition, true);
        let common = std::mem::take(&mut self.common);
        self.depth += 1;
        let mut table = Table::default();
        if self.depth < super::DEPTH_MAX {
            for condition in conditions {
                self.condition(condition, &scope);
            }
            for action in actions {
                table = self.inner_statement(action, &scope);
            }
        } else {
            self.unread_code();
            table = Table::unknown();
        }
        self.depth -= 1;
        self.common = common;
        self.in_definition = in_definition;
        self.path = path;
        table
    }

    /// Code of triggers is not read: what it says in errors and notices may be anything.
    pub(super) fn run_triggers(&mut self, relations: &[&'a Relation]) {
        if relations.iter().any(|relation| relation.triggers().iter().any(|trigger| trigger.enabled)) {
            self.touch(&Sources::unknown());
        }
    }
}

fn fires(one: &Modification, event: RuleEvent) -> bool {
    match event {
        RuleEvent::Select => false,
        RuleEvent::Insert => !one.inserts.is_empty(),
        RuleEvent::Update => {
            !one.updates.is_empty()
                || one.conflict.as_ref().is_some_and(|conflict| !conflict.updates.is_empty())
        }
        // MERGE may delete, and does not run on relations with rules.
        RuleEvent::Delete => one.inserts.is_empty() && one.updates.is_empty(),
    }
}

fn target_entry(one: &Modification, relations: &[&Relation], table: &Table) -> Entry {
    let schema = match relations {
        [only] if one.alias.is_none() => Some(only.schema().into()),
        _ => one.target.schema.clone(),
    };
    let alias = one.alias.clone().unwrap_or_else(|| one.target.name.clone());
    Entry { alias, schema: schema.filter(|_| one.alias.is_none()), table: table.clone() }
}

/// The target's columns with what they hold after the write as well.
fn with_stored(table: &Table, stored: &Stored) -> Table {
    let anywhere = stored.get("").cloned().unwrap_or_default();
    let mut columns = table.columns.to_vec();
    for column in &mut columns {
        let own = column.name.as_ref().and_then(|name| stored.get(name));
        for sources in own.into_iter().chain([&anywhere]).filter(|sources| !sources.is_empty()) {
            column.value.sources.add(sources);
            column.value.plain = false;
        }
    }
    let mut open = table.open.clone();
    if let Some(open) = &mut open {
        stored.values().for_each(|sources| open.sources.add(sources));
    }
    Table { columns: columns.into(), open }
}

/// The target's columns without values of rows.
fn blank(table: &Table) -> Table {
    let columns = table.columns.iter();
    let columns = columns.map(|column| Column { name: column.name.clone(), value: Value::constant() });
    Table { columns: columns.collect(), open: table.open.as_ref().map(|_| Value::constant()) }
}
