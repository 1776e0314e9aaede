//! A snapshot of what a database defines: relations with what belongs to them, and every function, operator, type and
//! cast that somebody has added to the built-in ones.
//!
//! A snapshot never changes. The next one is derived from it and from the objects that have changed
//! ([`refresh`]); what is unchanged is shared. No I/O happens here: the owner of a connection runs the queries.

mod build;
mod definition_query;
mod export;
mod function;
mod kin;
mod object;
mod queries;
pub mod refresh;
mod relation;
mod row;
mod shards;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use self::definition_query::DefinitionQuery;
pub(crate) use self::function::{Cast, Operands, Operator, Type, TypeKind};
pub use self::function::{Function, FunctionDetails};
pub use self::object::{Definition, ObjectClass, ObjectId};
pub use self::relation::{
    ColumnExpression, ForeignKey, ReferentialAction, Relation, RelationKind, Rule, RuleEvent, Trigger,
};
pub use self::row::Rows;
use self::shards::Shards;
use self::table::{Dependants, Table};

/// Objects below this oid are built in.
pub(crate) const FIRST_ADDED_OID: u32 = 16384;

/// The rule that makes a relation a view.
const VIEW_RULE: &str = "_RETURN";

/// A snapshot of what a database defines. Copies are cheap.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    loaded: bool,
    relations: Table<Relation>,
    functions: Table<Function>,
    operators: Table<Operator>,
    types: Table<Type>,
    casts: Table<Cast>,
    dependants: Dependants,
    /// A hash over the versions of the rows of each object, as they were read.
    versions: Shards<ObjectId, i128>,
    /// Objects of which a definition could not be read.
    unread: Arc<BTreeSet<ObjectId>>,
}

/// Why rows could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not as many results as there are queries.
    #[error("expected {expected} results, got {got}")]
    Results {
        /// The number of queries.
        expected: usize,
        /// The number of results.
        got: usize,
    },
    /// A row is not as its query makes it.
    #[error("row {row} of query {query} is not as the query makes it")]
    Row {
        /// The index of the query.
        query: usize,
        /// The index of the row.
        row: usize,
    },
    /// A row of versions, or of identities, is not as its query makes it.
    #[error("row {row} of the versions is not as the query makes it")]
    Versions {
        /// The index of the row.
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

    /// The columns of a relation (`schema.name`) in order. Empty when it is not known.
    #[must_use]
    pub fn columns(&self, relation: &str) -> Vec<&str> {
        let Some(relation) = self.relation_by_name(relation) else { return Vec::new() };
        relation.column_types().into_iter().map(|(_, name, _)| name).collect()
    }

    /// A relation by `schema.name`, with both names exactly as in the system catalog.
    #[must_use]
    pub fn relation_by_name(&self, qualified: &str) -> Option<&Relation> {
        // Dots may stand in names too, so every split is tried.
        qualified.match_indices('.').find_map(|(at, _)| {
            self.relations_named(qualified.get(at + 1..)?).find(|one| one.qualified == qualified)
        })
    }

    /// A relation by its oid.
    #[must_use]
    pub fn relation_by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(oid).map(AsRef::as_ref)
    }

    /// The relations of a name, in any schema, in the order of their oids.
    pub fn relations_named(&self, name: &str) -> impl Iterator<Item = &Relation> {
        self.relations.named(name).iter().map(AsRef::as_ref)
    }

    /// All relations, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().map(AsRef::as_ref)
    }

    /// The relations that inherit from a relation directly, or are its partitions.
    pub fn children(&self, oid: u32) -> impl Iterator<Item = &Relation> {
        self.dependent_relations(oid).filter(move |one| one.parents.contains(&oid))
    }

    /// The foreign keys that refer to a relation, each with the relation that refers.
    pub fn referring(&self, oid: u32) -> impl Iterator<Item = (&Relation, &ForeignKey)> {
        self.dependent_relations(oid).chain(self.relation_by_oid(oid)).flat_map(move |relation| {
            let keys = relation.foreign_keys.iter().filter(move |key| key.referenced == oid);
            keys.map(move |key| (relation, key))
        })
    }

    /// The relations that depend on a relation (`pg_depend`).
    fn dependent_relations(&self, oid: u32) -> impl Iterator<Item = &Relation> {
        let dependants = self.dependants.of(ObjectId::relation(oid)).iter();
        dependants
            .filter(|one| one.class == ObjectClass::Relation)
            .filter_map(|one| self.relation_by_oid(one.oid))
    }

    /// The objects whose definitions depend on an object directly (`pg_depend`): what DROP … CASCADE reaches first. The
    /// server's own objects have none.
    #[must_use]
    pub fn dependants(&self, object: ObjectId) -> &[ObjectId] {
        self.dependants.of(object)
    }

    /// These objects and all that depend on them, directly or not; at most `max`.
    #[must_use]
    pub fn dependants_closure(
        &self,
        objects: impl IntoIterator<Item = ObjectId>,
        max: usize,
    ) -> BTreeSet<ObjectId> {
        let mut left: Vec<ObjectId> = objects.into_iter().collect();
        let mut closure = BTreeSet::new();
        while let Some(object) = left.pop() {
            if closure.len() < max && closure.insert(object) {
                left.extend(self.dependants.of(object));
            }
        }
        closure
    }

    /// An added function by its oid.
    #[must_use]
    pub fn function_by_oid(&self, oid: u32) -> Option<&Function> {
        self.functions.get(oid).map(AsRef::as_ref)
    }

    /// The added functions of a name, in any schema, in the order of their oids.
    #[must_use]
    pub fn functions_named(&self, name: &str) -> &[Arc<Function>] {
        self.functions.named(name)
    }

    /// All added functions, in no order.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().map(AsRef::as_ref)
    }

    /// The schema, name and oid of an added type.
    #[must_use]
    pub fn data_type(&self, oid: u32) -> Option<(&str, &str)> {
        self.type_by_oid(oid).map(|one| (one.schema.as_ref(), one.name.as_ref()))
    }

    /// Objects of which a definition could not be read; they are to be read again soon.
    #[must_use]
    pub fn unread(&self) -> &BTreeSet<ObjectId> {
        &self.unread
    }

    /// The objects that a name can mean, of any class.
    pub fn named(&self, name: &str) -> impl Iterator<Item = ObjectId> {
        let relations = self.relations.named(name).iter().map(|one| ObjectId::relation(one.oid));
        let functions = self.functions.named(name).iter().map(|one| ObjectId::function(one.oid));
        let types = self.types.named(name).iter().map(|one| ObjectId::data_type(one.oid));
        relations.chain(functions).chain(types)
    }

    /// The family of a relation (`schema.name`): what it shares its rows with by inheritance, if anything.
    pub(crate) fn family(&self, qualified: &str) -> Option<u32> {
        self.relation_by_name(qualified)?.family
    }

    pub(crate) fn operators_named(&self, name: &str) -> &[Arc<Operator>] {
        self.operators.named(name)
    }

    pub(crate) fn types_named(&self, name: &str) -> &[Arc<Type>] {
        self.types.named(name)
    }

    pub(crate) fn type_by_oid(&self, oid: u32) -> Option<&Type> {
        self.types.get(oid).map(AsRef::as_ref)
    }

    pub(crate) fn casts(&self) -> impl Iterator<Item = &Cast> {
        self.casts.iter().map(AsRef::as_ref)
    }
}
