//! A snapshot of what a database defines: relations with their columns, views and policies, and every function,
//! operator, type and cast that somebody has added to the built-in ones.
//!
//! Whoever owns a control connection runs [`SETUP`] once on it, then [`QUERIES`] in one transaction, and hands the
//! rows to [`Catalogue::from_rows`]; again whenever a command may have changed definitions
//! ([`Effects::changes_definitions`](crate::Effects), [`Flag::Unresolved`](countersign_common::facts::Flag)).

mod queries;

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};

pub use self::queries::{QUERIES, SETUP};
use crate::name::Name;
use crate::reader::read_anew;
use crate::reading::Reading;

/// The rows of one query: text results, `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// Takes in one row; `None` when it is not as its query makes it.
type Take = fn(&mut Catalogue, &Row<'_>) -> Option<()>;

/// What a database defines.
#[derive(Debug, Default)]
pub struct Catalogue {
    loaded: bool,
    relations: Vec<Relation>,
    by_oid: FxHashMap<u32, usize>,
    by_name: FxHashMap<Box<str>, Vec<usize>>,
    functions: FxHashMap<Box<str>, Vec<Function>>,
    operators: FxHashMap<Box<str>, Vec<Operator>>,
    types: FxHashMap<Box<str>, Vec<Type>>,
    types_by_oid: FxHashMap<u32, (Box<str>, usize)>,
    pub(crate) casts: Vec<Cast>,
}

/// A relation.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) schema: Box<str>,
    pub(crate) qualified: String,
    /// Reading it reaches outside: it, or a part of it, is a foreign table.
    pub(crate) foreign: bool,
    columns: FxHashMap<i16, Box<str>>,
    names: FxHashSet<Box<str>>,
    /// Added types that its columns have.
    pub(crate) types: Vec<u32>,
    pub(crate) view: Option<Definition>,
    /// A materialized view: its definition says where its rows come from, reading it does not run it.
    pub(crate) stored: bool,
    /// What it shares its rows with by inheritance, if anything.
    pub(crate) family: Option<u32>,
    /// Expressions that are evaluated whenever it is read.
    pub(crate) policies: Vec<Definition>,
}

impl Relation {
    pub(crate) fn has_column(&self, name: &str) -> bool {
        const SYSTEM: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
        self.names.contains(name) || SYSTEM.contains(&name)
    }

    /// Whether a column cannot be NULL; `None` when that is not known.
    pub(crate) fn is_not_null(&self, name: &str) -> Option<bool> {
        (!self.names.contains(name) && self.has_column(name)).then_some(true)
    }

    /// Where a column of this name stands, counted from 0. Views have no gaps.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let (number, _) = self.columns.iter().find(|(_, column)| column.as_ref() == name)?;
        usize::try_from(*number).ok()?.checked_sub(1)
    }

    pub(crate) fn column(&self, number: i16) -> Option<&str> {
        self.columns.get(&number).map(AsRef::as_ref)
    }
}

/// A query or expression that the server keeps, read when it is first needed.
#[derive(Debug)]
pub(crate) struct Definition {
    text: String,
    reading: OnceLock<Reading>,
}

impl Definition {
    fn new(text: String) -> Self {
        Self { text, reading: OnceLock::new() }
    }

    pub(crate) fn reading(&self) -> &Reading {
        self.reading.get_or_init(|| read_anew(&self.text))
    }
}

/// An added function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) schema: Box<str>,
    pub(crate) qualified: String,
    /// Part of an extension that has been reviewed.
    pub(crate) reviewed: bool,
}

/// What an added operator or cast may be called with: added types, `0` for built-in ones.
#[derive(Debug)]
pub(crate) struct Operands {
    pub(crate) types: [u32; 2],
    /// One of them is the row type of a relation.
    pub(crate) row: bool,
}

/// An added operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) schema: Box<str>,
    pub(crate) operands: Operands,
    pub(crate) function: Function,
}

/// An added cast with a function.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) operands: Operands,
    /// Runs only where the target type is named.
    pub(crate) explicit: bool,
    pub(crate) function: Function,
}

/// An added type.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) oid: u32,
    pub(crate) schema: Box<str>,
    pub(crate) qualified: String,
    pub(crate) kind: TypeKind,
}

/// What casting to a type runs.
#[derive(Debug)]
pub(crate) enum TypeKind {
    /// Built-in code only.
    Plain,
    /// The checks of a domain.
    Checked(Box<Definition>),
    /// Code of its own.
    Opaque,
}

/// Why the rows of a snapshot could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not as many results as there are queries.
    #[error("expected {expected} results, got {got}")]
    Results {
        /// The number of [`QUERIES`].
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A row is not as its query makes it.
    #[error("row {row} of query {query} is not as the query makes it")]
    Row {
        /// Index into [`QUERIES`].
        query: usize,
        /// Index of the row.
        row: usize,
    },
}

impl Catalogue {
    /// Nothing known yet: every name that could be anybody's stays unresolved, so nothing is a plain read that
    /// names something.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Takes in the results of [`QUERIES`], in their order.
    ///
    /// # Errors
    /// When they are not such results; a part of a catalogue is not accepted.
    pub fn from_rows(results: &[Rows]) -> Result<Self, CatalogueError> {
        let [relations, columns, functions, operators, types, casts, policies, inherits] = results else {
            return Err(CatalogueError::Results { expected: QUERIES.len(), got: results.len() });
        };
        let mut catalogue = Self { loaded: true, ..Self::default() };
        let takes: [(&Rows, Take); 7] = [
            (relations, Self::take_relation),
            (columns, Self::take_column),
            (functions, Self::take_function),
            (operators, Self::take_operator),
            (types, Self::take_type),
            (casts, Self::take_cast),
            (policies, Self::take_policy),
        ];
        for (query, (rows, take)) in takes.into_iter().enumerate() {
            for (row, cells) in rows.iter().enumerate() {
                take(&mut catalogue, &Row(cells)).ok_or(CatalogueError::Row { query, row })?;
            }
        }
        catalogue.mark_kin(inherits)?;
        Ok(catalogue)
    }

    /// Whether it holds a snapshot.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// The relation (`schema.name`) and the column that `RowDescription` means by a table's oid and an attribute's
    /// number.
    #[must_use]
    pub fn column(&self, table_oid: u32, attribute: i16) -> Option<(&str, &str)> {
        let relation = self.relation_by_oid(table_oid)?;
        Some((&relation.qualified, relation.column(attribute)?))
    }

    /// The columns of a relation (`schema.name`) in order, as COPY sends them. Empty when it is not known.
    #[must_use]
    pub fn columns(&self, relation: &str) -> Vec<&str> {
        let Some(relation) = self.by_qualified(relation) else { return Vec::new() };
        let mut columns: Vec<_> = relation.columns.iter().collect();
        columns.sort_unstable_by_key(|(number, _)| **number);
        columns.into_iter().map(|(_, name)| name.as_ref()).collect()
    }

    fn by_qualified(&self, qualified: &str) -> Option<&Relation> {
        // Dots may stand in names too, so every split is tried.
        qualified.match_indices('.').find_map(|(at, _)| {
            self.relations_named(qualified.get(at + 1..)?).find(|one| one.qualified == qualified)
        })
    }

    /// What a relation (`schema.name`) shares its rows with, if anything.
    pub(crate) fn family(&self, qualified: &str) -> Option<u32> {
        self.by_qualified(qualified)?.family
    }

    pub(crate) fn relation_by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(*self.by_oid.get(&oid)?)
    }

    pub(crate) fn relations_named(&self, name: &str) -> impl Iterator<Item = &Relation> {
        let found = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        found.iter().filter_map(|index| self.relations.get(*index))
    }

    pub(crate) fn functions_named(&self, name: &str) -> &[Function] {
        self.functions.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn operators_named(&self, name: &str) -> &[Operator] {
        self.operators.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn types_named(&self, name: &str) -> &[Type] {
        self.types.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn type_by_oid(&self, oid: u32) -> Option<&Type> {
        let (name, index) = self.types_by_oid.get(&oid)?;
        self.types.get(name)?.get(*index)
    }

    fn take_relation(&mut self, row: &Row<'_>) -> Option<()> {
        let (schema, name) = (row.text(1)?, row.text(2)?);
        let index = self.relations.len();
        self.by_oid.insert(row.number(0)?, index);
        self.by_name.entry(name.into()).or_default().push(index);
        self.relations.push(Relation {
            schema: schema.into(),
            qualified: Name::qualified(schema, name).to_string(),
            foreign: row.text(3)? == "f",
            stored: row.text(3)? == "m",
            family: None,
            columns: FxHashMap::default(),
            names: FxHashSet::default(),
            types: Vec::new(),
            view: row.text(4).map(|text| Definition::new(text.to_owned())),
            policies: Vec::new(),
        });
        Some(())
    }

    fn take_column(&mut self, row: &Row<'_>) -> Option<()> {
        // A relation that came into being between the two queries is not known this time.
        let Some(index) = self.by_oid.get(&row.number(0)?) else { return Some(()) };
        let relation = self.relations.get_mut(*index)?;
        relation.columns.insert(row.number(1)?, row.text(2)?.into());
        relation.names.insert(row.text(2)?.into());
        let added: u32 = row.number(3)?;
        if added != 0 && !relation.types.contains(&added) {
            relation.types.push(added);
        }
        Some(())
    }

    fn take_function(&mut self, row: &Row<'_>) -> Option<()> {
        let function = row.function(0)?;
        self.functions.entry(row.text(1)?.into()).or_default().push(function);
        Some(())
    }

    fn take_operator(&mut self, row: &Row<'_>) -> Option<()> {
        let operator =
            Operator { schema: row.text(0)?.into(), operands: row.operands(2)?, function: row.function(5)? };
        self.operators.entry(row.text(1)?.into()).or_default().push(operator);
        Some(())
    }

    fn take_type(&mut self, row: &Row<'_>) -> Option<()> {
        let (schema, name) = (row.text(1)?, row.text(2)?);
        let kind = match (row.text(3)?, row.text(4)) {
            ("plain", None) => TypeKind::Plain,
            ("plain", Some(check)) => TypeKind::Checked(Box::new(Definition::new(format!("SELECT {check}")))),
            _ => TypeKind::Opaque,
        };
        let qualified = Name::qualified(schema, name).to_string();
        let (oid, named) = (row.number(0)?, self.types.entry(name.into()).or_default());
        self.types_by_oid.insert(oid, (name.into(), named.len()));
        named.push(Type { oid, schema: schema.into(), qualified, kind });
        Some(())
    }

    fn take_cast(&mut self, row: &Row<'_>) -> Option<()> {
        let explicit = row.text(6) == Some("e");
        self.casts.push(Cast { operands: row.operands(0)?, explicit, function: row.function(3)? });
        Some(())
    }

    fn take_policy(&mut self, row: &Row<'_>) -> Option<()> {
        let Some(index) = self.by_oid.get(&row.number(0)?) else { return Some(()) };
        let relation = self.relations.get_mut(*index)?;
        relation.policies.push(Definition::new(format!("SELECT {}", row.text(1)?)));
        Some(())
    }

    /// Parents are read through their children: relations so tied form a family, foreign if any of it is.
    fn mark_kin(&mut self, inherits: &Rows) -> Result<(), CatalogueError> {
        let mut kin: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (row, cells) in inherits.iter().enumerate() {
            let pair = Row(cells).number::<u32>(0).zip(Row(cells).number::<u32>(1));
            let (child, parent) = pair.ok_or(CatalogueError::Row { query: 7, row })?;
            kin.entry(child).or_default().push(parent);
            kin.entry(parent).or_default().push(child);
        }
        let mut seen = FxHashSet::default();
        for first in kin.keys() {
            let mut family = Vec::new();
            let mut left = vec![*first];
            while let Some(oid) = left.pop() {
                if seen.insert(oid) {
                    family.push(oid);
                    left.extend(kin.get(&oid).into_iter().flatten());
                }
            }
            let indexes: Vec<usize> = family.iter().filter_map(|oid| self.by_oid.get(oid).copied()).collect();
            let foreign = indexes.iter().any(|at| self.relations.get(*at).is_some_and(|one| one.foreign));
            for index in indexes {
                if let Some(relation) = self.relations.get_mut(index) {
                    relation.family = Some(*first);
                    relation.foreign |= foreign;
                }
            }
        }
        Ok(())
    }
}

/// One row of a result, read by position.
struct Row<'a>(&'a [Option<String>]);

impl Row<'_> {
    fn text(&self, at: usize) -> Option<&str> {
        self.0.get(at)?.as_deref()
    }

    fn number<N: std::str::FromStr>(&self, at: usize) -> Option<N> {
        self.text(at)?.parse().ok()
    }

    /// Schema, name, reviewed.
    fn function(&self, at: usize) -> Option<Function> {
        let schema = self.text(at)?;
        Some(Function {
            schema: schema.into(),
            qualified: Name::qualified(schema, self.text(at + 1)?).to_string(),
            reviewed: self.text(at + 2)? == "t",
        })
    }

    /// Two type oids, and whether one is a row type.
    fn operands(&self, at: usize) -> Option<Operands> {
        let types = [self.number(at)?, self.number(at + 1)?];
        Some(Operands { types, row: self.text(at + 2)? == "t" })
    }
}
