//! What names of columns mean: the entries of FROM, innermost query first.

use super::value::{Table, Value};
use crate::lineage::flows::Sources;

/// One entry of FROM, under the name by which its columns are called.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) alias: Box<str>,
    /// The schema, when it is a relation without an alias.
    pub(super) schema: Option<Box<str>>,
    pub(super) table: Table,
}

/// The entries that a query sees, and those of the queries around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'s> {
    pub(super) entries: Vec<Entry>,
    /// All columns in the order of `*`.
    pub(super) star: Table,
    /// Sources of the windows that the query names.
    pub(super) windows: Sources,
    pub(super) outer: Option<&'s Scope<'s>>,
}

/// What a name was found to be.
pub(super) enum Found {
    /// A column.
    Column(Value),
    /// A row of the named entry, and no column of that name.
    Row(Value),
    /// Nothing: it may be anything.
    Nothing,
}

impl<'s> Scope<'s> {
    pub(super) fn inside(outer: &'s Self) -> Self {
        Self { outer: Some(outer), ..Self::default() }
    }

    /// The value of an unqualified name. A column of any query around goes before the row of an entry, even of one
    /// further inside.
    pub(super) fn bare(&self, name: &str) -> Found {
        match (self.column_called(name), self.row_called(name)) {
            (Some(column), _) => Found::Column(column),
            (None, Some(row)) => Found::Row(row),
            (None, None) => Found::Nothing,
        }
    }

    /// The column of this name in the innermost query that has one, or may have one.
    fn column_called(&self, name: &str) -> Option<Value> {
        let exact: Vec<&Value> = self
            .entries
            .iter()
            .flat_map(|entry| entry.table.columns.iter())
            .filter(|column| column.name.as_deref() == Some(name))
            .map(|column| &column.value)
            .collect();
        if !exact.is_empty() {
            return Some(one_of(&exact));
        }
        let further = self.outer.and_then(|outer| outer.column_called(name));
        let unsure: Vec<&Value> = self.entries.iter().flat_map(|entry| entry.table.unsure()).collect();
        if unsure.is_empty() {
            return further;
        }
        // Columns without a known name may be meant, or else something further out, or a row.
        let row = self.row_called(name);
        Some(Value::any_of(unsure.into_iter().chain(&further).chain(&row)))
    }

    /// The row of the innermost entry of this name.
    fn row_called(&self, name: &str) -> Option<Value> {
        let here = self.entries.iter().find(|entry| &*entry.alias == name);
        match here {
            Some(entry) => Some(entry.table.whole()),
            None => self.outer.and_then(|outer| outer.row_called(name)),
        }
    }

    /// The entries that a qualifier means: those of the innermost query that has one of that name.
    pub(super) fn entries_called(&self, schema: Option<&str>, alias: &str) -> Vec<&Entry> {
        let here: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| &*entry.alias == alias)
            .filter(|entry| schema.is_none() || entry.schema.as_deref() == schema)
            .collect();
        match self.outer {
            Some(outer) if here.is_empty() => outer.entries_called(schema, alias),
            _ => here,
        }
    }
}

/// The value of a name that several entries have: only what USING has merged can be meant then.
fn one_of(values: &[&Value]) -> Value {
    match values {
        [only] => (*only).clone(),
        several => Value::any_of(several.iter().copied()),
    }
}
