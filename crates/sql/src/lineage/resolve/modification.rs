//! INSERT, UPDATE, DELETE, MERGE: what is stored where, and what RETURNING shows of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Resolution;
use super::scope::{Entry, Scope};
use super::value::{Column, Table, Value};
use super::written::{add_stored, with_everywhere};
use crate::catalogue::Relation;
use crate::lineage::flows::{Place, Sources};
use crate::lineage::query::{
    Assignment, Body, Conflict, Expression, InsertSource, Insertion, Modification, Query,
};

/// Values by the column that they are stored in; under the empty name what may be stored in any.
pub(super) type Stored = BTreeMap<Box<str>, Sources>;

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
            let target = (relations.as_slice(), &table);
            let inserted = self.insertion(insertion, target, &scope, outer, &mut stored);
            if let Some(conflict) = &one.conflict {
                self.conflict(conflict, insertion, (&relations, &inserted), &scope, &mut stored);
            }
        }
        self.assignments(&one.updates, &relations, &scope, &mut stored);
        self.store(&relations, &stored);
        self.cascade(&self.rewritten(&relations), &stored, 0);
        self.catalogs_written(&one.target, &relations, &stored);
        let mut written = self.with_stored(&relations, &table, &stored);
        if self.triggers_write(one, &relations) {
            self.flows.returns_written = true;
            written = with_everywhere(&written, &Sources::unknown());
        }
        let mut by_rules = self.run_rules(one, &relations, &written, &table);
        if relations.is_empty() || self.is_unsure(&one.target) {
            // INVARIANT: I6. A relation that is not known may have rules.
            by_rules = Sources::unknown();
        }
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
        if by_rules.is_empty() {
            return table;
        }
        if one.returning.is_empty() {
            // Rows that rules return reach the client all the same; how many columns they have differs.
            return Table { open: Some(Value::of(by_rules.clone())), ..Table::default() };
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
        (relations, target): (&[&'a Relation], &Table),
        scope: &Scope<'_>,
        outer: &Scope<'_>,
        stored: &mut Stored,
    ) -> Table {
        let mut defaults = Stored::new();
        let given = given_columns(insertion, target);
        for relation in relations {
            self.store_defaults(relation, &given, &mut defaults);
        }
        for (column, sources) in &defaults {
            add_stored(stored, column, sources);
        }
        let mut inserted = self.inserted(insertion, target, scope, outer, stored);
        let mut columns = inserted.columns.to_vec();
        for column in &mut columns {
            let default = column.name.as_ref().and_then(|name| defaults.get(name));
            if let Some(default) = default {
                column.value.sources.add(default);
                column.value.plain = false;
            }
        }
        inserted.columns = columns.into();
        inserted
    }

    fn inserted(
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
        let names = names_of(insertion, target);
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
        (relations, inserted): (&[&'a Relation], &Table),
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
        self.assignments(&conflict.updates, relations, &scope, stored);
    }

    fn assignments(
        &mut self,
        assignments: &'a [Assignment],
        relations: &[&'a Relation],
        scope: &Scope<'_>,
        stored: &mut Stored,
    ) {
        for assignment in assignments {
            let mut sources = self.value(&assignment.value, scope).sources;
            if has_default(&assignment.value) {
                for relation in self.rewritten(relations) {
                    sources.add(&self.default_of(relation, &assignment.column));
                }
            }
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
}

fn target_entry(one: &Modification, relations: &[&Relation], table: &Table) -> Entry {
    let schema = match relations {
        [only] if one.alias.is_none() => Some(only.schema().into()),
        _ => one.target.schema.clone(),
    };
    let alias = one.alias.clone().unwrap_or_else(|| one.target.name.clone());
    Entry { alias, schema: schema.filter(|_| one.alias.is_none()), table: table.clone() }
}

/// The target's columns without values of rows.
fn blank(table: &Table) -> Table {
    let columns = table.columns.iter();
    let columns = columns.map(|column| Column { name: column.name.clone(), value: Value::constant() });
    Table { columns: columns.collect(), open: table.open.as_ref().map(|_| Value::constant()) }
}

fn names_of(insertion: &Insertion, target: &Table) -> Vec<Box<str>> {
    if insertion.columns.is_empty() {
        target.columns.iter().filter_map(|column| column.name.clone()).collect()
    } else {
        insertion.columns.clone()
    }
}

/// The columns that every inserted row has a value for.
fn given_columns(insertion: &Insertion, target: &Table) -> BTreeSet<Box<str>> {
    let names = names_of(insertion, target);
    let mut given = names.len();
    let mut defaults = BTreeSet::new();
    let mut row = |values: &[Expression]| {
        given = given.min(values.len());
        let places = values.iter().enumerate().filter(|(_, value)| has_default(value));
        defaults.extend(places.map(|(index, _)| index));
    };
    match &insertion.source {
        InsertSource::Defaults => row(&[]),
        InsertSource::Row(values) => row(values),
        InsertSource::Query(Query { body: Body::Values(rows), .. }) => {
            rows.iter().for_each(|values| row(values))
        }
        // Fewer columns than the target has: those behind get their defaults.
        InsertSource::Query(_) if insertion.columns.is_empty() => row(&[]),
        InsertSource::Query(_) => {}
    }
    let named = names.into_iter().take(given).enumerate();
    named.filter(|(index, _)| !defaults.contains(index)).map(|(_, name)| name).collect()
}

/// Whether DEFAULT stands in the place of a value, or of one of several.
fn has_default(value: &Expression) -> bool {
    match value {
        Expression::Default => true,
        Expression::Row(all) => all.iter().any(has_default),
        _ => false,
    }
}
