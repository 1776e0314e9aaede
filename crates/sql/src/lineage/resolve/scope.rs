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

    /// The value of an unqualified name.
    pub(super) fn bare(&self, name: &str) -> Found {
        let exact: Vec<&Value> = self
            .entries
            .iter()
            .flat_map(|entry| entry.table.columns.iter())
            .filter(|column| column.name.as_deref() == Some(name))
            .map(|column| &column.value)
            .collect();
        if !exact.is_empty() {
            return Found::Column(one_of(&exact));
        }
        // Columns without a known name may be meant, or else something further out.
        let unsure: Vec<&Value> = self.entries.iter().flat_map(|entry| entry.table.unsure()).collect();
        if !unsure.is_empty() {
            let further = self.further(name);
            return Found::Column(Value::any_of(unsure.into_iter().chain([&further])));
        }
        if let Some(entry) = self.entries.iter().find(|entry| &*entry.alias == name) {
            return Found::Row(entry.table.whole());
        }
        self.outer.map_or(Found::Nothing, |outer| outer.bare(name))
    }

    /// What an unqualified name means if it is no column of an incomplete entry here. Nothing adds nothing.
    fn further(&self, name: &str) -> Value {
        if let Some(entry) = self.entries.iter().find(|entry| &*entry.alias == name) {
            return entry.table.whole();
        }
        match self.outer.map(|outer| outer.bare(name)) {
            Some(Found::Column(value) | Found::Row(value)) => value,
            Some(Found::Nothing) | None => Value::constant(),
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
