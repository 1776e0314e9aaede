//! Whether an output may carry the values of a column. Conservative: true when in doubt.
// INVARIANT: I6. Whoever masks asks here for every output that is not plainly a column of a table.

use std::collections::BTreeSet;

use crate::catalogue::{Catalogue, Relation};
use crate::name::Name;
use crate::reading::{Output, Outputs, Part, Reading};
use crate::resolve::{self, Session};

/// Views on views are followed this far; beyond that the answer is yes.
const DEPTH_MAX: usize = 16;

/// System relations that hold samples of everybody's values.
const SAMPLES: [&str; 6] = [
    "pg_catalog.pg_statistic",
    "pg_catalog.pg_statistic_ext_data",
    "pg_catalog.pg_stats",
    "pg_catalog.pg_stats_ext",
    "pg_catalog.pg_stats_ext_exprs",
    "pg_catalog.pg_largeobject",
];

/// A column whose values are looked for.
#[derive(Clone, Copy)]
struct Sought<'a> {
    /// `schema.name`
    relation: &'a str,
    column: &'a str,
}

impl Reading {
    /// Whether values of `relation.column` (`schema.name` and a column of it) may be in an output of this text:
    /// in the output at an index, counted from 0, or in any.
    #[must_use]
    pub fn may_carry(
        &self,
        session: &Session<'_>,
        output: Option<usize>,
        relation: &str,
        column: &str,
    ) -> bool {
        self.carries(session, output, Sought { relation, column }, 0)
    }

    fn carries(
        &self,
        session: &Session<'_>,
        output: Option<usize>,
        sought: Sought<'_>,
        depth: usize,
    ) -> bool {
        if self.failure.is_some() || depth > DEPTH_MAX {
            return true;
        }
        let unsure = |part: &Part| part.opaque_output && part.executes.is_none();
        if self.parts.iter().any(unsure) || resolve::runs_added_code(self, session) {
            return true;
        }
        let executed_carries = |part: &Part| {
            part.executes.as_deref().is_some_and(|name| {
                self.executed_readings(name, part, session).is_none_or(|readings| {
                    readings.iter().any(|one| one.carries(session, None, sought, depth + 1))
                })
            })
        };
        if self.parts.iter().any(executed_carries) {
            return true;
        }
        let column = output.zip(self.outputs.as_ref()).and_then(|(index, outputs)| {
            Some((outputs, outputs.columns.get(index).filter(|output| !output.opaque)?))
        });
        match column {
            Some((outputs, output)) => output_carries(outputs, output, session, sought, depth),
            None => self.parts.iter().any(|part| self.part_carries(part, session, sought, depth)),
        }
    }

    fn part_carries(&self, part: &Part, session: &Session<'_>, sought: Sought<'_>, depth: usize) -> bool {
        let mentioned = self.mentions.everything || self.mentions.columns.contains(sought.column);
        let session = &resolve::at(part, session);
        part.reads.iter().chain(&part.writes).any(|name| {
            let known = resolve::relations(session, name, session.schemas);
            // A sequence that is written need not be known; a relation that is read must be.
            (known.is_empty() && part.reads.contains(name))
                || known.iter().any(|relation| {
                    is_kin(session.catalogue, relation, sought) && mentioned
                        || SAMPLES.contains(&relation.qualified.as_str())
                        || view_carries(session.catalogue, relation, None, sought, depth)
                })
        })
    }
}

impl Catalogue {
    /// Whether the column that `RowDescription` names by a table's oid and an attribute's number shows values of
    /// `relation.column`: it is that column, the same column of a parent or child, or a view over it.
    #[must_use]
    pub fn carries(&self, table_oid: u32, attribute: i16, relation: &str, column: &str) -> bool {
        let Some(found) = self.relation_by_oid(table_oid) else { return true };
        let Some(name) = found.column(attribute) else { return attribute > 0 };
        column_carries(self, found, name, Sought { relation, column }, 0)
    }
}

fn output_carries(
    outputs: &Outputs,
    output: &Output,
    session: &Session<'_>,
    sought: Sought<'_>,
    depth: usize,
) -> bool {
    let of_relation = |name: &Name| {
        let known = resolve::relations(session, name, session.schemas);
        known.is_empty()
            || known.iter().any(|relation| {
                output
                    .columns
                    .iter()
                    .any(|column| column_carries(session.catalogue, relation, column, sought, depth))
            })
    };
    outputs.relations.iter().any(of_relation)
}

/// Whether `relation.name` shows the column that is sought.
fn column_carries(
    catalogue: &Catalogue,
    relation: &Relation,
    name: &str,
    sought: Sought<'_>,
    depth: usize,
) -> bool {
    if is_kin(catalogue, relation, sought) && name == sought.column
        || SAMPLES.contains(&relation.qualified.as_str())
    {
        return true;
    }
    relation.position(name).is_some_and(|index| view_carries(catalogue, relation, Some(index), sought, depth))
}

/// Whether the definition of a view shows the column that is sought. Definitions are kept under `pg_catalog`.
fn view_carries(
    catalogue: &Catalogue,
    relation: &Relation,
    output: Option<usize>,
    sought: Sought<'_>,
    depth: usize,
) -> bool {
    let Some(view) = &relation.view else { return false };
    let path = [String::from("pg_catalog")];
    let session =
        Session { catalogue, schemas: Some(&path), safe_functions: &BTreeSet::new(), prepared: &|_| None };
    view.reading().carries(&session, output, sought, depth + 1)
}

/// The relation itself, or one that shares its rows by inheritance or partitioning.
fn is_kin(catalogue: &Catalogue, relation: &Relation, sought: Sought<'_>) -> bool {
    relation.qualified == sought.relation
        || relation.family.is_some() && catalogue.family(sought.relation) == relation.family
}
