//! Queries: WITH, SELECT, VALUES, set operations.

use super::Resolution;
use super::scope::{Found, Scope};
use super::value::{Column, Table, Value};
use crate::lineage::query::{Body, CommonTable, Distinct, Expression, Query, Select, Target};

/// A recursive query is resolved this often at most until its sources no longer grow.
const RECURSIONS_MAX: usize = 8;

impl<'a> Resolution<'a> {
    /// The columns of a query that stands inside of `outer`.
    pub(super) fn query(&mut self, query: &'a Query, outer: &Scope<'_>) -> Table {
        let seen = self.common.len();
        self.with(query, outer);
        let table = match &query.body {
            Body::Select(select) => self.select(select, &query.order, outer),
            Body::Values(rows) => {
                let table = self.rows(rows, outer);
                self.order_of_outputs(&query.order, &table, outer);
                table
            }
            Body::SetOperation { left, right, all } => {
                let table = self.set_operation(left, right, *all, outer);
                self.order_of_outputs(&query.order, &table, outer);
                table
            }
            Body::Modify(modification) => self.modification(modification, outer),
            Body::Opaque => {
                self.touch(&Table::unknown().sources());
                Table::unknown()
            }
        };
        let limit = self.values(&query.limit, outer).sources;
        self.predicate(&limit, false);
        self.common.truncate(seen);
        table
    }

    fn with(&mut self, query: &'a Query, outer: &Scope<'_>) {
        if query.recursive {
            // In a recursive WITH an element may read one that comes after it.
            self.common.extend(query.with.iter().map(|one| (one.name.clone(), Table::unknown())));
        }
        for one in &query.with {
            let table = match &one.query.body {
                Body::SetOperation { left, .. } if query.recursive => self.recursive(one, left, outer),
                _ => self.query(&one.query, outer).renamed(&one.columns),
            };
            let table = with_added(table, one);
            self.common.push((one.name.clone(), table));
        }
    }

    /// A query that may read itself: resolved until nothing more comes in.
    fn recursive(&mut self, one: &'a CommonTable, first: &'a Query, outer: &Scope<'_>) -> Table {
        let seen = self.common.len();
        let mut table = self.query(first, outer).renamed(&one.columns);
        for _ in 0..RECURSIONS_MAX {
            self.common.push((one.name.clone(), with_added(table.clone(), one)));
            let next = self.query(&one.query, outer).renamed(&one.columns);
            self.common.truncate(seen);
            if covers(&table, &next) {
                return table;
            }
            table = next;
        }
        Table::unknown()
    }

    fn rows(&mut self, rows: &'a [Vec<Expression>], outer: &Scope<'_>) -> Table {
        let mut columns: Vec<Column> = Vec::new();
        for row in rows {
            for (index, expression) in row.iter().enumerate() {
                let value = self.value(expression, outer);
                match columns.get_mut(index) {
                    Some(column) => column.value = Value::any_of([&column.value, &value]),
                    None => {
                        let name = Some(format!("column{}", index + 1).into());
                        columns.push(Column { name, value });
                    }
                }
            }
        }
        Table::closed(columns)
    }

    fn set_operation(&mut self, left: &'a Query, right: &'a Query, all: bool, outer: &Scope<'_>) -> Table {
        let left = self.query(left, outer);
        let right = self.query(right, outer);
        let is_known =
            left.open.is_none() && right.open.is_none() && left.columns.len() == right.columns.len();
        let table = if is_known {
            let both = left.columns.iter().zip(right.columns.iter());
            let column = |(left, right): (&Column, &Column)| Column {
                name: left.name.clone(),
                value: Value::any_of([&left.value, &right.value]),
            };
            Table::closed(both.map(column).collect())
        } else {
            let whole = Value::any_of([&left.whole(), &right.whole()]);
            Table { open: Some(whole), ..Table::default() }
        };
        if !all {
            self.predicate(&table.sources(), false);
        }
        table
    }

    fn select(&mut self, select: &'a Select, order: &'a [Expression], outer: &Scope<'_>) -> Table {
        let mut scope = self.from(&select.from, outer);
        for window in &select.windows {
            let sources = self.value(window, &scope).sources;
            self.predicate(&sources, false);
            scope.windows.add(&sources);
        }
        for condition in select.condition.iter().chain(&select.having) {
            self.condition(condition, &scope);
        }
        let table = self.targets(&select.targets, &scope);
        for group in &select.group {
            self.grouping(group, &table, &scope);
        }
        match &select.distinct {
            Distinct::No => {}
            Distinct::All => self.predicate(&table.sources(), false),
            Distinct::On(keys) => {
                for key in keys {
                    self.ordering(key, &table, &scope);
                }
            }
        }
        for key in order {
            self.ordering(key, &table, &scope);
        }
        table
    }

    fn order_of_outputs(&mut self, order: &'a [Expression], table: &Table, outer: &Scope<'_>) {
        for key in order {
            self.ordering(key, table, outer);
        }
    }

    /// An element of ORDER BY or DISTINCT ON: the name of an output goes before that of a column.
    fn ordering(&mut self, key: &'a Expression, outputs: &Table, scope: &Scope<'_>) {
        let value = match key {
            Expression::Position(position) => at(outputs, *position),
            Expression::Column(names) => match names.as_ref() {
                [name] if !outputs.named(name).is_empty() => {
                    let output = Value::any_of(outputs.named(name));
                    match outputs.columns.iter().any(|column| column.name.as_ref() == Some(name)) {
                        true => output,
                        // Perhaps an output, perhaps a column.
                        false => Value::any_of([&output, &self.value(key, scope)]),
                    }
                }
                _ => self.value(key, scope),
            },
            _ => self.value(key, scope),
        };
        self.predicate(&value.sources, false);
    }

    /// An element of GROUP BY: the name of a column goes before that of an output.
    fn grouping(&mut self, key: &'a Expression, outputs: &Table, scope: &Scope<'_>) {
        let value = match key {
            Expression::Position(position) => at(outputs, *position),
            Expression::Row(keys) => {
                for key in keys {
                    self.grouping(key, outputs, scope);
                }
                return;
            }
            Expression::Column(names) => match names.as_ref() {
                [name] => match scope.bare(name) {
                    Found::Column(value) => Value::any_of([&value]),
                    Found::Row(value) if outputs.named(name).is_empty() => value,
                    Found::Row(_) | Found::Nothing => {
                        let output = Value::any_of(outputs.named(name));
                        if outputs.named(name).is_empty() { Value::unknown() } else { output }
                    }
                },
                _ => self.value(key, scope),
            },
            _ => self.value(key, scope),
        };
        self.predicate(&value.sources, false);
    }

    /// The outputs of a SELECT or RETURNING list.
    pub(super) fn targets(&mut self, targets: &'a [Target], scope: &Scope<'_>) -> Table {
        let mut table = Table::default();
        let mut columns = Vec::new();
        for target in targets {
            let expanded = match &target.value {
                Expression::Star(qualifier) => Some(self.star(qualifier, scope)),
                Expression::FieldStar(value) => {
                    let value = self.value(value, scope);
                    Some(match &value.row {
                        Some(row) => Table { columns: row.clone(), open: None },
                        None => Table { open: Some(value), ..Table::default() },
                    })
                }
                _ => None,
            };
            match expanded {
                Some(more) => {
                    table.append(&Table::closed(std::mem::take(&mut columns)));
                    table.append(&more);
                }
                None => {
                    let value = self.value(&target.value, scope);
                    // The server leaves out columns that nobody reads, but not surely what computes.
                    if !matches!(target.value, Expression::Column(_)) {
                        self.touch(&value.sources);
                    }
                    columns.push(Column { name: target.name.clone(), value });
                }
            }
        }
        table.append(&Table::closed(columns));
        table
    }

    fn star(&mut self, qualifier: &[Box<str>], scope: &Scope<'_>) -> Table {
        let (schema, alias) = match qualifier {
            [] => {
                let star = scope.star.clone();
                if !self.in_definition {
                    self.touch(&star.sources());
                }
                return star;
            }
            [alias] => (None, alias),
            [.., schema, alias] => (Some(schema.as_ref()), alias),
        };
        let tables: Vec<Table> =
            scope.entries_called(schema, alias).iter().map(|entry| entry.table.clone()).collect();
        match tables.as_slice() {
            [only] => {
                if !self.in_definition {
                    self.touch(&only.sources());
                }
                only.clone()
            }
            _ => Table::unknown(),
        }
    }
}

/// The output at a position counted from 1.
fn at(outputs: &Table, position: usize) -> Value {
    let column = position.checked_sub(1).and_then(|index| outputs.columns.get(index));
    match (&outputs.open, column) {
        (None, Some(column)) => column.value.clone(),
        _ => outputs.whole(),
    }
}

/// A WITH query with the columns that SEARCH and CYCLE add to it: they hold rows of it.
fn with_added(mut table: Table, one: &CommonTable) -> Table {
    let whole = Value::of(table.sources());
    let added = one.added_columns.iter();
    let columns = added.map(|name| Column { name: Some(name.clone()), value: whole.clone() }).collect();
    table.append(&Table::closed(columns));
    table
}

fn covers(known: &Table, next: &Table) -> bool {
    if known.open.is_some() || next.open.is_some() {
        return known.sources().covers(&next.sources()) && known.open.is_some();
    }
    known.columns.len() == next.columns.len()
        && known.columns.iter().zip(next.columns.iter()).all(|(known, next)| {
            known.value.sources.covers(&next.value.sources) && known.value.plain == next.value.plain
        })
}
