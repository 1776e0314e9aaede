//! Statements: what the client receives of them.

use super::Resolution;
use super::relation::{generated, scope_of};
use super::scope::Scope;
use super::value::{Column, Table, Value};
use crate::lineage::flows::{Flows, Place, Sources};
use crate::lineage::query::StatementKind;
use crate::name::Name;

impl<'a> Resolution<'a> {
    /// The rows that the client receives of a statement.
    // long: one arm for each kind of statement.
    pub(super) fn inner_statement(&mut self, kind: &'a StatementKind, outer: &Scope<'_>) -> Table {
        match kind {
            StatementKind::Query(query) => self.query(query, outer),
            StatementKind::Explain { inner, runs } => self.explain(inner, *runs, outer),
            StatementKind::CreateFrom { relation, columns, from, is_view } => {
                let table = self.inner_statement(from, outer).renamed(columns);
                // The lineage follows a view, stored or not, to what is behind it.
                if !is_view {
                    self.create_from(relation, &table);
                }
                self.named_anew(&relation.name);
                Table::default()
            }
            StatementKind::Declare(query) => {
                let sources = self.query(query, outer).sources();
                self.touch(&sources);
                Table::default()
            }
            StatementKind::CreateView { relation, query } => {
                let table = self.query(query, outer);
                self.touch(&table.sources());
                self.replace_view(relation, &table);
                Table::default()
            }
            StatementKind::Several(several) => {
                for one in several {
                    self.inner_statement(one, outer);
                }
                self.touch(&Sources::unknown());
                Table::default()
            }
            StatementKind::CreateFunction(_)
            | StatementKind::CreateTable { .. }
            | StatementKind::RenameSchema { .. }
            | StatementKind::MoveExtension { .. }
            | StatementKind::Drop(_)
            | StatementKind::CheckDomain(_) => {
                self.touch(&Sources::unknown());
                self.define(kind);
                Table::default()
            }
            StatementKind::CopyQuery { query, to_client } => {
                let table = self.query(query, outer);
                self.copied_out(table, *to_client)
            }
            StatementKind::CopyRelation { relation, columns, to_client } => {
                let table = self.copied_relation(relation, columns);
                self.copied_out(table, *to_client)
            }
            StatementKind::CopyIn { relation, columns, condition } => {
                self.written(relation);
                self.copied_in(relation, columns);
                let scope = self.scope_of_name(relation);
                self.condition(condition, &scope);
                Table::default()
            }
            StatementKind::Execute(name) => self.execute(name),
            StatementKind::Fetch => {
                self.touch(&Sources::unknown());
                Table::unknown()
            }
            StatementKind::Alter { relation, changes } => {
                self.alter(relation, changes);
                Table::default()
            }
            StatementKind::CreateTrigger(relation) => {
                let sources = self.relation_called(relation).sources();
                self.copies(Place::Unknown, &sources);
                self.touch(&Sources::unknown());
                Table::default()
            }
            StatementKind::CreateRule { relation, conditions, actions } => {
                self.create_rule(relation, conditions, actions);
                Table::default()
            }
            StatementKind::Filter { relation, conditions } => {
                let scope = self.scope_of_name(relation);
                for condition in conditions {
                    self.condition(condition, &scope);
                }
                Table::default()
            }
            StatementKind::Rows(names) => {
                for name in names {
                    self.written(name);
                }
                Table::default()
            }
            StatementKind::Truncate(names) => {
                for name in names {
                    let relations = self.relations_called(name);
                    self.run_triggers(&relations);
                }
                Table::default()
            }
            StatementKind::Silent => Table::default(),
            StatementKind::Deferred => {
                self.touch(&Sources::unknown());
                Table::default()
            }
            StatementKind::Opaque => {
                self.unread_code();
                Table::unknown()
            }
        }
    }

    /// The plan shows conditions and estimates, and values that the planner has computed.
    fn explain(&mut self, inner: &'a StatementKind, runs: bool, outer: &Scope<'_>) -> Table {
        let before = self.flows.clone();
        self.inner_statement(inner, outer);
        let mut shown = self.definition_predicates.clone();
        for predicate in &self.flows.predicates {
            shown.add(&predicate.sources);
        }
        shown.unknown |= self.runs_unread_code;
        shown.add(&self.function_results);
        if !runs {
            let touched = std::mem::take(&mut self.flows.touched);
            self.flows = Flows { touched, ..before };
        }
        self.touch(&shown);
        Table::closed(vec![Column { name: Some("QUERY PLAN".into()), value: Value::of(shown) }])
    }

    fn create_from(&mut self, relation: &Name, table: &Table) {
        let Some(relation) = self.created(relation).filter(|_| table.open.is_none()) else {
            return self.copies(Place::Unknown, &table.sources());
        };
        for column in table.columns.iter() {
            let name = column.name.as_deref().unwrap_or("?column?").to_owned();
            let place =
                Place::Column { relation: relation.clone(), column: name, read_back: Default::default() };
            self.copies(place, &column.value.sources);
        }
    }

    /// The qualified name of a relation that comes into being.
    pub(super) fn created(&self, name: &Name) -> Option<String> {
        if name.schema.is_some() {
            return Some(name.to_string());
        }
        let path = self.path.as_ref()?;
        let first =
            path.iter().find(|schema| schema.as_str() != "pg_catalog" && !schema.starts_with("pg_temp"))?;
        Some(Name::qualified(first, &name.name).to_string())
    }

    fn copied_out(&mut self, table: Table, to_client: bool) -> Table {
        self.touch(&table.sources());
        if to_client {
            return table;
        }
        self.copies(Place::Outside, &table.sources());
        Table::default()
    }

    /// The columns that COPY sends: those listed, or all that are not generated.
    fn copied_relation(&mut self, name: &Name, columns: &[Box<str>]) -> Table {
        let table = self.relation_called(name);
        let found = self.relations_called(name);
        let [relation] = found.as_slice() else { return table };
        if table.open.is_some() {
            return table;
        }
        let listed: Vec<Column> = if columns.is_empty() {
            let generated: Vec<&str> = generated(relation).map(|(name, _)| name).collect();
            let is_stored =
                |column: &&Column| !column.name.as_deref().is_some_and(|name| generated.contains(&name));
            table.columns.iter().filter(is_stored).cloned().collect()
        } else {
            columns
                .iter()
                .map(|name| Column { name: Some(name.clone()), value: Value::any_of(table.named(name)) })
                .collect()
        };
        Table::closed(listed)
    }

    /// Whole rows of a relation are written, or read for maintenance.
    fn written(&mut self, name: &Name) {
        let sources = self.relation_called(name).sources();
        self.touch(&sources);
        let relations = self.relations_called(name);
        self.run_triggers(&relations);
    }

    pub(super) fn scope_of_name(&mut self, name: &Name) -> Scope<'static> {
        let table = self.relation_called(name);
        match self.relations_called(name).as_slice() {
            [relation] if table.open.is_none() => scope_of(relation, &table.columns),
            _ => {
                let entry =
                    super::scope::Entry { alias: name.name.clone(), schema: None, table: table.clone() };
                Scope { entries: vec![entry], star: table, ..Scope::default() }
            }
        }
    }

    /// What a prepared statement does that the session has under this name.
    fn execute(&mut self, name: &str) -> Table {
        let Some(flows) = self.executed(name) else {
            self.unread_code();
            return Table::unknown();
        };
        let table = match &flows.columns {
            Some(columns) => {
                let column = |sources: &Sources| Column { name: None, value: Value::of(sources.clone()) };
                Table::closed(columns.iter().map(column).collect())
            }
            None => Table { open: Some(Value::of(flows.outputs.clone())), ..Table::default() },
        };
        // Which of its columns tell only of the rows' number is not known here any more.
        self.runs_unread_code |= flows.touched.unknown;
        self.flows.copies.extend(flows.copies);
        self.flows.predicates.extend(flows.predicates);
        self.flows.side_channels.extend(flows.side_channels);
        self.flows.returns_written |= flows.returns_written;
        self.flows.touched.add(&flows.touched);
        table
    }

    fn create_rule(
        &mut self,
        relation: &Name,
        conditions: &'a [crate::lineage::query::Expression],
        actions: &'a [StatementKind],
    ) {
        let table = self.relation_called(relation);
        let entry =
            |alias: &str| super::scope::Entry { alias: alias.into(), schema: None, table: table.clone() };
        let scope = Scope { entries: vec![entry("new"), entry("old")], ..Scope::default() };
        for condition in conditions {
            self.condition(condition, &scope);
        }
        for action in actions {
            self.inner_statement(action, &scope);
        }
        self.touch(&Sources::unknown());
    }

    /// Columns that COPY does not list get their defaults.
    fn copied_in(&mut self, name: &Name, columns: &[Box<str>]) {
        let found = self.relations_called(name);
        let mut stored = std::collections::BTreeMap::new();
        for relation in found.iter().filter(|_| !columns.is_empty()) {
            self.store_defaults(relation, &columns.iter().cloned().collect(), &mut stored);
        }
        self.store(&found, &stored);
        self.catalogs_written(name, &found, &stored);
    }
}
