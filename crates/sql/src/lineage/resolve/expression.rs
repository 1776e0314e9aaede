//! Values of expressions.

use super::Resolution;
use super::relation::is_system_column;
use super::scope::{Found, Scope};
use super::value::{Column, Table, Value};
use crate::lineage::query::{Expression, Operator, SubQuery, SubQueryKind};
use crate::name::Name;

impl<'a> Resolution<'a> {
    /// The value of an expression.
    pub(super) fn value(&mut self, expression: &'a Expression, scope: &Scope<'_>) -> Value {
        match expression {
            Expression::Constant | Expression::Default | Expression::Position(_) => Value::constant(),
            Expression::Column(names) => self.column(names, scope),
            Expression::Star(qualifier) => self.row_of(qualifier, scope),
            Expression::Field(inner, name) => {
                let value = self.value(inner, scope);
                self.field(&value, name)
            }
            Expression::FieldStar(inner) => self.value(inner, scope),
            Expression::All(all) => self.values(all, scope),
            Expression::Row(all) => self.row(all, scope),
            Expression::Call(call) => self.call(call, scope),
            Expression::Operator(operator) => self.operator(operator, scope),
            Expression::Logic(all) => {
                let values: Vec<Value> = all.iter().map(|one| self.value(one, scope)).collect();
                // What stands behind may be computed, and fail, or not.
                self.judge_evaluation(&values);
                Value::computed(&values)
            }
            Expression::Coalesce(all) => {
                let values: Vec<Value> = all.iter().map(|one| self.value(one, scope)).collect();
                self.judge_alternatives(&values);
                Value::computed(&values)
            }
            Expression::Not(inner) => Value::computed([&self.value(inner, scope)]),
            Expression::Cast { value, cannot_fail } => {
                let mut value = self.value(value, scope);
                if !cannot_fail {
                    // Whether it fails says something of the value.
                    self.predicate(&value.sources, false);
                    value.plain &= value.sources.is_empty();
                }
                value
            }
            Expression::Case { conditions, results } => {
                for condition in conditions {
                    self.condition(condition, scope);
                }
                let mut value = self.values(conditions, scope);
                value.sources.add(&self.values(results, scope).sources);
                value
            }
            Expression::NullTest(inner) => {
                let value = self.value(inner, scope);
                // INVARIANT: I6. Of a stored column this says what a masked value shows too: NULL stays NULL.
                if value.plain { Value::constant() } else { Value::computed([&value]) }
            }
            Expression::Sub(sub) => self.sub_query(sub, scope),
            Expression::Opaque => {
                self.touch(&Value::unknown().sources);
                Value::unknown()
            }
        }
    }

    /// One value computed from all of these.
    pub(super) fn values(&mut self, expressions: &'a [Expression], scope: &Scope<'_>) -> Value {
        let mut all = Value::default();
        for expression in expressions {
            all.sources.add(&self.value(expression, scope).sources);
        }
        all
    }

    /// Notes what a condition looks at: each comparison for itself.
    pub(super) fn condition(&mut self, condition: &'a Expression, scope: &Scope<'_>) {
        match condition {
            Expression::Logic(all) => {
                for one in all {
                    self.condition(one, scope);
                }
            }
            Expression::Operator(operator) if operator.equality => self.equality(operator, scope),
            other => {
                let sources = self.value(other, scope).sources;
                self.predicate(&sources, false);
            }
        }
    }

    /// `column = constant`, or any other equality.
    fn equality(&mut self, operator: &'a Operator, scope: &Scope<'_>) {
        let value = self.operator(operator, scope);
        let is_lookup = match operator.operands.as_slice() {
            [column, constant] | [constant, column] if is_constant(constant) && is_column(column) => {
                self.value(column, scope).plain
            }
            _ => false,
        };
        self.predicate(&value.sources, is_lookup);
    }

    fn operator(&mut self, operator: &'a Operator, scope: &Scope<'_>) -> Value {
        let values: Vec<Value> = operator.operands.iter().map(|operand| self.value(operand, scope)).collect();
        self.judge_operator(&operator.name.name, &values);
        Value::computed(&values)
    }

    fn row(&mut self, expressions: &'a [Expression], scope: &Scope<'_>) -> Value {
        let mut table = Table::default();
        let mut columns = Vec::new();
        for (index, expression) in expressions.iter().enumerate() {
            let value = self.value(expression, scope);
            // `ROW(t.*)` has the fields of `t`.
            if matches!(expression, Expression::Star(_) | Expression::FieldStar(_)) {
                table.open = Some(Value::computed([&value]));
            }
            columns.push(Column { name: Some(format!("f{}", index + 1).into()), value });
        }
        table.columns = columns.into();
        table.whole()
    }

    /// `x`, `t.x`, `s.t.x`: a column, a whole row, or a function in attribute notation.
    fn column(&mut self, names: &[Box<str>], scope: &Scope<'_>) -> Value {
        let value = match names {
            [name] => match scope.bare(name) {
                Found::Column(value) | Found::Row(value) => value,
                Found::Nothing if is_system_column(name) => Value::constant(),
                Found::Nothing => Value::unknown(),
            },
            [alias, name] => self.qualified(None, alias, name, scope),
            [.., schema, alias, name] => self.qualified(Some(schema), alias, name, scope),
            [] => Value::unknown(),
        };
        if !self.in_definition {
            self.touch(&value.sources);
        }
        value
    }

    fn qualified(&mut self, schema: Option<&str>, alias: &str, name: &str, scope: &Scope<'_>) -> Value {
        let tables: Vec<Table> =
            scope.entries_called(schema, alias).iter().map(|entry| entry.table.clone()).collect();
        let values: Vec<Value> = tables.iter().map(|table| self.column_of(table, name)).collect();
        match values.as_slice() {
            [] => Value::unknown(),
            [only] => only.clone(),
            several => Value::any_of(several),
        }
    }

    /// A column of a table, or a function of its row.
    fn column_of(&mut self, table: &Table, name: &str) -> Value {
        let named = table.named(name);
        match named.as_slice() {
            [only] if table.is_surely_complete() => (*only).clone(),
            [] if is_system_column(name) => Value::constant(),
            [] => self.call_of_row(&Name::bare(name), &table.whole(), false),
            several => {
                let exact = table.columns.iter().any(|column| column.name.as_deref() == Some(name));
                let column = Value::any_of(several.iter().copied());
                if exact || is_system_column(name) {
                    return column;
                }
                let called = self.call_of_row(&Name::bare(name), &table.whole(), true);
                Value::any_of([&column, &called])
            }
        }
    }

    /// `(value).name`.
    fn field(&mut self, value: &Value, name: &str) -> Value {
        if let Some(row) = &value.row {
            let table = Table { columns: row.clone(), open: None };
            return self.column_of(&table, name);
        }
        self.call_of_row(&Name::bare(name), value, true)
    }

    /// `t.*` as one value.
    fn row_of(&mut self, qualifier: &[Box<str>], scope: &Scope<'_>) -> Value {
        let value = match qualifier {
            [] => scope.star.whole(),
            [.., alias] => {
                let schema = qualifier.len().checked_sub(2).and_then(|at| qualifier.get(at));
                let entries = scope.entries_called(schema.map(AsRef::as_ref), alias);
                match entries.as_slice() {
                    [only] => only.table.whole(),
                    _ => Value::unknown(),
                }
            }
        };
        self.touch(&value.sources);
        value
    }

    fn sub_query(&mut self, sub: &'a SubQuery, scope: &Scope<'_>) -> Value {
        let test = sub.test.as_ref().map(|test| self.value(test, scope)).unwrap_or_default();
        let rows = self.query(&sub.query, scope);
        match sub.kind {
            // Which rows there are is judged as the predicates that choose them.
            SubQueryKind::Exists => Value::constant(),
            SubQueryKind::Value => Value::of(rows.sources()),
            SubQueryKind::Compare => {
                // Rows are computed until the comparison is decided.
                let both = [test, rows.whole()];
                self.judge_evaluation(&both);
                Value::computed(&both)
            }
        }
    }
}

/// A literal or a parameter, perhaps with a type.
fn is_constant(expression: &Expression) -> bool {
    match expression {
        Expression::Constant => true,
        Expression::Cast { value, .. } => is_constant(value),
        _ => false,
    }
}

/// The name of a column, perhaps as text.
fn is_column(expression: &Expression) -> bool {
    match expression {
        Expression::Column(_) => true,
        Expression::Cast { value, cannot_fail } => *cannot_fail && is_column(value),
        _ => false,
    }
}
