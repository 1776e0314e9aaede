//! The columns of relations, and the stored columns behind them.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::Resolution;
use super::scope::{Entry, Scope};
use super::value::{Column, Table, Value};
use crate::catalogue::{Catalogue, Definition, Relation};
use crate::lineage::column_sources::ColumnOrigin;
use crate::lineage::flows::{ColumnName, Sources};
use crate::lineage::query::{Body, Expression, FromItem, Query, Select, StatementKind};
use crate::lineage::watched::Watched;
use crate::name::Name;
use crate::resolve::relations;

/// Columns of system relations that hold values of other relations, or texts of statements that do.
const SAMPLES: [(&str, &[&str]); 8] = [
    ("pg_catalog.pg_statistic", &["stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"]),
    ("pg_catalog.pg_statistic_ext_data", &["stxdmcv", "stxdexpr"]),
    (
        "pg_catalog.pg_stats",
        &[
            "most_common_vals",
            "histogram_bounds",
            "most_common_elems",
            "range_length_histogram",
            "range_bounds_histogram",
        ],
    ),
    ("pg_catalog.pg_stats_ext", &["most_common_vals"]),
    ("pg_catalog.pg_stats_ext_exprs", &["most_common_vals", "histogram_bounds", "most_common_elems"]),
    ("pg_catalog.pg_largeobject", &["data"]),
    ("pg_catalog.pg_stat_activity", &["query"]),
    ("pg_catalog.pg_attribute", &["attmissingval"]),
];

/// System columns, which no rule can name.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// The generated columns of a relation, with their expressions.
pub(super) fn generated(relation: &Relation) -> impl Iterator<Item = (&str, &Definition)> {
    let expressions = relation.expressions().iter().filter(|one| one.generated);
    expressions.filter_map(|one| Some((relation.column(one.column)?, one.definition.as_ref())))
}

/// The query of a view that shows one relation, and that relation.
fn shown(relation: &Relation) -> Option<(&Select, &Name)> {
    let [statement] = relation.view.as_deref()?.reading().lineage.as_slice() else { return None };
    let StatementKind::Query(Query { body: Body::Select(select), .. }) = &statement.kind else {
        return None;
    };
    let [FromItem::Relation { name, .. }] = select.from.as_slice() else { return None };
    Some((select, name))
}

/// The relation that a write to a view goes on to.
pub(super) fn base_of(relation: &Relation) -> Option<&Name> {
    shown(relation).filter(|_| !relation.stored).map(|(_, name)| name)
}

pub(super) fn is_system_column(name: &str) -> bool {
    SYSTEM_COLUMNS.contains(&name)
}

/// Watched relations by the family that they share their rows with.
pub(super) struct Families<'a>(FxHashMap<u32, Vec<&'a str>>);

impl<'a> Families<'a> {
    pub(super) fn new(catalogue: &Catalogue, watched: &'a Watched) -> Self {
        let mut families: FxHashMap<u32, Vec<&'a str>> = FxHashMap::default();
        for relation in watched.relations() {
            if let Some(family) = catalogue.family(relation) {
                families.entry(family).or_default().push(relation);
            }
        }
        Self(families)
    }

    fn members(&self, family: Option<u32>) -> &[&'a str] {
        family.and_then(|family| self.0.get(&family)).map(Vec::as_slice).unwrap_or_default()
    }
}

impl<'a> Resolution<'a> {
    /// The relations that a name can mean here.
    pub(super) fn relations_called(&self, name: &Name) -> Vec<&'a Relation> {
        relations(self.session, name, self.path.as_deref())
    }

    /// Whether a name may mean more than what the catalogue has for it.
    pub(super) fn is_unsure(&self, name: &Name) -> bool {
        name.schema.is_none() && self.path.is_none()
    }

    /// The columns of a relation that a name means.
    pub(super) fn relation_called(&mut self, name: &Name) -> Table {
        let found = self.relations_called(name);
        if found.is_empty() || self.is_unsure(name) {
            self.touch(&Sources::unknown());
            // Behind it may be a view with functions that the planner computes.
            self.function_results.unknown = true;
            return Table::unknown();
        }
        if let [only] = found.as_slice() {
            return self.relation(only);
        }
        let tables: Vec<Value> = found.iter().map(|relation| self.relation(relation).whole()).collect();
        Table { columns: Rc::default(), open: Some(Value::any_of(&tables)) }
    }

    /// The columns of a relation, in order.
    pub(super) fn relation(&mut self, relation: &'a Relation) -> Table {
        if let Some(known) = self.relations.get(&std::ptr::from_ref(relation)) {
            return known.clone();
        }
        let table = self.resolve_relation(relation);
        self.relations.insert(std::ptr::from_ref(relation), table.clone());
        table
    }

    fn resolve_relation(&mut self, relation: &'a Relation) -> Table {
        let mut columns = self.stored_columns(relation);
        if let Some(view) = &relation.view {
            let behind = self.definition(view, &Scope::default());
            for (index, column) in columns.iter_mut().enumerate() {
                let value = match (&behind.open, behind.columns.get(index)) {
                    (None, Some(behind)) => behind.value.clone(),
                    _ => behind.whole(),
                };
                let own = std::mem::replace(&mut column.value, value);
                column.value.sources.add(&own.sources);
                // A rule of its own covers the column as it is.
                column.value.row = None;
            }
        }
        self.generated_columns(relation, &mut columns);
        self.policies(relation, &columns);
        Table::closed(columns)
    }

    /// What a column of a relation holds, by their numbers.
    pub(in crate::lineage) fn origin(&mut self, table_oid: u32, attribute: i16) -> Option<ColumnOrigin> {
        let relation: &'a Relation = self.session.catalogue.relation_by_oid(table_oid)?;
        let name = relation.column(attribute)?;
        let table = self.relation(relation);
        let column = table.columns.iter().find(|column| column.name.as_deref() == Some(name))?;
        let same = self.same_column(relation, name).columns;
        Some(ColumnOrigin { same, sources: column.value.sources.clone() })
    }

    /// The columns that COPY of a relation sends.
    pub(in crate::lineage) fn copied_columns(
        &mut self,
        name: &Name,
        columns: &[Box<str>],
    ) -> Option<Vec<ColumnOrigin>> {
        let found = self.relations_called(name);
        let [relation] = found.as_slice() else { return None };
        if self.is_unsure(name) {
            return None;
        }
        let table = self.relation(relation);
        let generated: Vec<&str> = generated(relation).map(|(name, _)| name).collect();
        let all = table.columns.iter().filter_map(|column| column.name.as_deref());
        let names: Vec<&str> = match columns {
            [] => all.filter(|name| !generated.contains(name)).collect(),
            listed => listed.iter().map(AsRef::as_ref).collect(),
        };
        let origin = |name: &str| ColumnOrigin {
            same: self.same_column(relation, name).columns,
            sources: Value::any_of(table.named(name)).sources,
        };
        Some(names.into_iter().map(origin).collect())
    }

    /// The stored column behind a column of a view that shows one relation.
    pub(super) fn column_behind(
        &self,
        relation: &'a Relation,
        column: &str,
    ) -> Option<(&'a Relation, String)> {
        if relation.triggers().iter().any(|trigger| trigger.enabled && trigger.is_instead()) {
            return None;
        }
        let (select, name) = shown(relation)?;
        let target = select.targets.get(relation.position(column)?)?;
        let Expression::Column(names) = &target.value else { return None };
        Some((self.relation_behind(name)?, names.last()?.to_string()))
    }

    /// The relation that a name in a definition means.
    pub(super) fn relation_behind(&self, name: &Name) -> Option<&'a Relation> {
        let path = [super::DEFINITION_PATH.to_owned()];
        match relations(self.session, name, Some(&path)).as_slice() {
            [base] => Some(base),
            _ => None,
        }
    }

    /// The columns with what rules say of them by their own name, or by that of the same column of a relative.
    fn stored_columns(&self, relation: &Relation) -> Vec<Column> {
        let samples =
            SAMPLES.iter().find(|(name, _)| *name == relation.qualified()).map(|(_, columns)| *columns);
        let kin = self.families.members(relation.family);
        let is_quiet = samples.is_none() && kin.is_empty() && !relation.foreign;
        let own = self.watched.columns(&relation.qualified);
        let column = |name: &str| {
            let mut value = Value::constant();
            if !is_quiet || own.is_some() {
                value.sources = self.same_column(relation, name);
                if relation.foreign {
                    value.sources.foreign.insert(relation.qualified.clone());
                }
                value.sources.unknown |= samples.is_some_and(|samples| samples.contains(&name));
            }
            Column { name: Some(name.into()), value }
        };
        relation.column_types().into_iter().map(|(_, name, _)| column(name)).collect()
    }

    /// The watched names of a column: its own, and that of the same column of relatives.
    fn same_column(&self, relation: &Relation, column: &str) -> Sources {
        let mut sources = Sources::none();
        let kin = self.families.members(relation.family).iter().copied();
        for name in kin.chain([relation.qualified.as_str()]) {
            if self.watched.columns(name).is_some_and(|columns| columns.contains(column)) {
                sources.columns.insert((name.to_owned(), column.to_owned()));
            }
        }
        sources
    }

    /// A generated column has what its expression has.
    fn generated_columns(&mut self, relation: &'a Relation, columns: &mut [Column]) {
        for (name, definition) in generated(relation) {
            let scope = scope_of(relation, columns);
            let made = self.definition(definition, &scope).sources();
            if let Some(column) = columns.iter_mut().find(|column| column.name.as_deref() == Some(name)) {
                // INVARIANT: I6. Whether it is NULL says something of the columns that it is made of.
                column.value.plain &= made.is_empty();
                column.value.sources.add(&made);
            }
        }
    }

    /// Policies are evaluated whenever the relation is read, for roles that they apply to.
    fn policies(&mut self, relation: &'a Relation, columns: &[Column]) {
        for policy in relation.policies() {
            let scope = scope_of(relation, columns);
            let sources = self.definition(policy, &scope).sources();
            let in_definition = std::mem::replace(&mut self.in_definition, true);
            self.predicate(&sources, false);
            self.in_definition = in_definition;
        }
    }

    /// The place that a write to a column of a relation reaches, and the sources of a later read of it.
    pub(super) fn stored_at(
        &mut self,
        relation: &'a Relation,
        column: &str,
    ) -> Option<(String, ColumnPlace)> {
        let read_back = self.relation(relation);
        let sources = read_back.named(column).first().map(|value| value.sources.columns.clone());
        let is_view = relation.view.is_some() && !relation.stored;
        if !is_view {
            let place = ColumnPlace { column: column.to_owned(), read_back: sources.unwrap_or_default() };
            return Some((relation.qualified.clone(), place));
        }
        let (base, column) = self.column_behind(relation, column)?;
        self.stored_at(base, &column)
    }
}

/// A column that is written, within its relation.
pub(super) struct ColumnPlace {
    pub(super) column: String,
    pub(super) read_back: std::collections::BTreeSet<ColumnName>,
}

/// The scope in which expressions of a relation's own definition are meant.
pub(super) fn scope_of(relation: &Relation, columns: &[Column]) -> Scope<'static> {
    let table = Table::closed(columns.to_vec());
    let entry =
        Entry { alias: relation.name().into(), schema: Some(relation.schema.clone()), table: table.clone() };
    Scope { entries: vec![entry], star: table, ..Scope::default() }
}
