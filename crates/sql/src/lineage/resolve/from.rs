//! Entries of FROM.

use super::Resolution;
use super::scope::{Entry, Scope};
use super::value::{Column, Table, Value};
use crate::lineage::query::{Expression, FromItem, Join, Query, TableAlias};
use crate::name::Name;

/// The entries that an item of FROM makes visible, and its columns in the order of `*`.
pub(super) struct Item {
    entries: Vec<Entry>,
    star: Table,
}

impl<'a> Resolution<'a> {
    /// The scope that a FROM list makes, inside of another.
    pub(super) fn from<'s>(&mut self, items: &'a [FromItem], outer: &'s Scope<'s>) -> Scope<'s> {
        let mut scope = Scope::inside(outer);
        for item in items {
            let item = self.range_item(item, &scope);
            scope.entries.extend(item.entries);
            scope.star.append(&item.star);
        }
        scope
    }

    /// One item, which sees those before it where it is LATERAL.
    fn range_item(&mut self, item: &'a FromItem, before: &Scope<'_>) -> Item {
        match item {
            FromItem::Relation { name, alias } => self.range_relation(name, alias),
            FromItem::Query { query, alias, lateral } => self.range_query(query, alias, *lateral, before),
            FromItem::Computed { values, name, alias } => {
                self.range_computed(values, name.as_deref(), alias, before)
            }
            FromItem::Join(join) => self.range_join(join, before),
            FromItem::Sampled(item, arguments) => {
                let sources = self.values(arguments, before).sources;
                self.predicate(&sources, false);
                self.range_item(item, before)
            }
            FromItem::Opaque => {
                let entry = Entry { alias: "".into(), schema: None, table: Table::unknown() };
                Item { star: entry.table.clone(), entries: vec![entry] }
            }
        }
    }

    fn range_relation(&mut self, name: &Name, alias: &TableAlias) -> Item {
        let common =
            self.common.iter().rev().find(|(known, _)| name.schema.is_none() && **known == *name.name);
        let (table, schema) = match common {
            Some((_, table)) => (table.clone(), None),
            None => {
                let schema = match self.relations_called(name).as_slice() {
                    [only] if !self.is_unsure(name) => Some(Box::from(only.schema())),
                    _ => name.schema.clone(),
                };
                (self.relation_called(name), schema)
            }
        };
        let schema = schema.filter(|_| alias.name.is_none());
        let called = alias.name.clone().unwrap_or_else(|| name.name.clone());
        named(called, schema, table.renamed(&alias.columns))
    }

    fn range_query(
        &mut self,
        query: &'a Query,
        alias: &TableAlias,
        lateral: bool,
        before: &Scope<'_>,
    ) -> Item {
        let nowhere = Scope::default();
        let outer = if lateral { before } else { before.outer.unwrap_or(&nowhere) };
        let table = self.query(query, outer).renamed(&alias.columns);
        // Without an alias its columns can be called without a qualifier only.
        named(alias.name.clone().unwrap_or_default(), None, table)
    }

    fn range_computed(
        &mut self,
        values: &'a [Expression],
        name: Option<&str>,
        alias: &TableAlias,
        before: &Scope<'_>,
    ) -> Item {
        let value = self.values(values, before);
        // How many rows come depends on the arguments.
        self.predicate(&value.sources, false);
        let table =
            Table { open: Some(Value::of(value.sources)), ..Table::default() }.renamed(&alias.columns);
        let called = alias.name.as_deref().or(name).unwrap_or_default();
        named(called.into(), None, table)
    }

    fn range_join(&mut self, join: &'a Join, before: &Scope<'_>) -> Item {
        let left = self.range_item(&join.left, before);
        let mut lateral = before.clone();
        lateral.entries.extend(left.entries.iter().cloned());
        let right = self.range_item(&join.right, &lateral);
        let mut both = Scope {
            entries: left.entries.iter().chain(&right.entries).cloned().collect(),
            outer: before.outer,
            ..Scope::default()
        };
        if let Some(condition) = &join.condition {
            self.condition(condition, &both);
        }
        let (star, merged) = self.joined(join, &left.star, &right.star);
        if let Some(alias) = &join.using_alias {
            both.entries.push(Entry { alias: alias.clone(), schema: None, table: Table::closed(merged) });
        }
        match &join.alias.name {
            Some(alias) => named(alias.clone(), None, star.renamed(&join.alias.columns)),
            None => Item { entries: both.entries, star },
        }
    }

    /// The columns of a join in the order of `*`, and those that USING has merged.
    fn joined(&mut self, join: &Join, left: &Table, right: &Table) -> (Table, Vec<Column>) {
        let mut star = Table::default();
        if join.natural && !(left.is_surely_complete() && right.is_surely_complete()) {
            // Which columns they share is not known.
            star.append(left);
            star.append(right);
            let whole = star.whole();
            self.predicate(&whole.sources, false);
            let open = Some(Value::any_of([&whole]));
            return (Table { columns: star.columns, open }, Vec::new());
        }
        let using: Vec<Box<str>> = if join.natural {
            let shared = |column: &&Column| {
                right.columns.iter().any(|other| other.name.is_some() && other.name == column.name)
            };
            left.columns.iter().filter(shared).filter_map(|column| column.name.clone()).collect()
        } else {
            join.using.clone()
        };
        let mut merged = Vec::new();
        for name in &using {
            let value = Value::any_of(left.named(name).into_iter().chain(right.named(name)));
            self.predicate(&value.sources, false);
            merged.push(Column { name: Some(name.clone()), value });
        }
        let rest = |table: &Table| Table {
            columns: table
                .columns
                .iter()
                .filter(|column| !column.name.as_ref().is_some_and(|name| using.contains(name)))
                .cloned()
                .collect(),
            open: table.open.clone(),
        };
        star.append(&Table::closed(merged.clone()));
        star.append(&rest(left));
        star.append(&rest(right));
        (star, merged)
    }
}

fn named(alias: Box<str>, schema: Option<Box<str>>, table: Table) -> Item {
    let star = table.clone();
    Item { entries: vec![Entry { alias, schema, table }], star }
}
