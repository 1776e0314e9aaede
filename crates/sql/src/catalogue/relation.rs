//! Relations, and what belongs to them: columns, rules, triggers, expressions, policies, foreign keys.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::object::{Definition, ObjectId, object};

/// The kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    Foreign,
    /// A sequence.
    Sequence,
    /// The row of a composite type.
    Composite,
}

impl RelationKind {
    /// The kind by `pg_class.relkind`.
    pub(super) fn of_relkind(relkind: &str) -> Option<Self> {
        Some(match relkind {
            "r" => Self::Table,
            "p" => Self::Partitioned,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "f" => Self::Foreign,
            "S" => Self::Sequence,
            "c" => Self::Composite,
            _ => return None,
        })
    }
}

/// A relation. Copies are cheap: the parts are shared.
#[derive(Debug, Clone)]
pub struct Relation {
    pub(crate) oid: u32,
    pub(crate) namespace: u32,
    pub(crate) schema: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) qualified: String,
    pub(crate) kind: RelationKind,
    /// Belongs to one session.
    pub(crate) temporary: bool,
    pub(crate) xmin: u32,
    pub(crate) extension: Option<Box<str>>,
    /// Reading it reaches outside: it, or a part of it, is a foreign table.
    pub(crate) foreign: bool,
    /// A materialized view: its definition says where its rows come from, reading it does not run it.
    pub(crate) stored: bool,
    /// What it shares its rows with by inheritance, if anything: the smallest oid of them.
    pub(crate) family: Option<u32>,
    pub(super) columns: Arc<FxHashMap<i16, Column>>,
    pub(super) names: Arc<FxHashSet<Box<str>>>,
    /// Added types that its columns have.
    pub(crate) types: Arc<Vec<u32>>,
    pub(crate) view: Option<Arc<Definition>>,
    /// Expressions that are evaluated whenever it is read.
    pub(crate) policies: Vec<Arc<Definition>>,
    pub(super) policy_oids: Vec<u32>,
    pub(crate) rules: Arc<Vec<Rule>>,
    pub(crate) triggers: Arc<Vec<Trigger>>,
    pub(crate) expressions: Arc<Vec<ColumnExpression>>,
    pub(crate) foreign_keys: Arc<Vec<ForeignKey>>,
    pub(crate) parents: Arc<Vec<u32>>,
    pub(super) requires: Arc<Vec<ObjectId>>,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Box<str>,
    /// The oid of its type.
    pub(crate) data_type: u32,
    /// The oid of the added type that it is of, or an array of; 0 for a built-in one.
    pub(super) added_type: u32,
    /// It cannot be NULL; `None` where that was not asked.
    pub(super) not_null: Option<bool>,
}

impl Relation {
    /// The oid in `pg_class`.
    #[must_use]
    pub const fn oid(&self) -> u32 {
        self.oid
    }

    /// The schema's name.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name without the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `schema.name`.
    #[must_use]
    pub fn qualified(&self) -> &str {
        &self.qualified
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> RelationKind {
        self.kind
    }

    /// Whether it is a temporary relation, which belongs to one session.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// The transaction that wrote its row in `pg_class`.
    #[must_use]
    pub const fn xmin(&self) -> u32 {
        self.xmin
    }

    /// The extension that it belongs to.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        self.extension.as_deref()
    }

    /// The definition of a view or materialized view.
    #[must_use]
    pub fn view(&self) -> Option<&Definition> {
        self.view.as_deref()
    }

    /// The expressions of its policies that are evaluated when it is read.
    pub fn policies(&self) -> impl Iterator<Item = &Definition> {
        self.policies.iter().map(AsRef::as_ref)
    }

    /// Its rewrite rules. A view's rule for SELECT is among them, without a definition of its own.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Its triggers, without those that the server makes for constraints.
    #[must_use]
    pub fn triggers(&self) -> &[Trigger] {
        &self.triggers
    }

    /// Its generated columns and the defaults of its columns.
    #[must_use]
    pub fn expressions(&self) -> &[ColumnExpression] {
        &self.expressions
    }

    /// Foreign keys by which it refers to others (or to itself).
    #[must_use]
    pub fn foreign_keys(&self) -> &[ForeignKey] {
        &self.foreign_keys
    }

    /// The relations that it inherits from or is a partition of.
    #[must_use]
    pub fn parents(&self) -> &[u32] {
        &self.parents
    }

    /// The family that it shares its rows with by inheritance or partitioning: the smallest oid of its members.
    #[must_use]
    pub const fn family(&self) -> Option<u32> {
        self.family
    }

    /// Whether reading it reads foreign data: it, or a member of its family, is a foreign table.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// The objects that its definition depends on (`pg_depend`), in order.
    #[must_use]
    pub fn requires(&self) -> &[ObjectId] {
        &self.requires
    }

    /// The numbers, names and type oids of its columns, in order.
    #[must_use]
    pub fn column_types(&self) -> Vec<(i16, &str, u32)> {
        let mut columns: Vec<_> =
            self.columns.iter().map(|(number, one)| (*number, one.name.as_ref(), one.data_type)).collect();
        columns.sort_unstable_by_key(|(number, ..)| *number);
        columns
    }

    pub(crate) fn has_column(&self, name: &str) -> bool {
        const SYSTEM: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
        self.names.contains(name) || SYSTEM.contains(&name)
    }

    /// Whether a column cannot be NULL; `None` when that is not known.
    pub(crate) fn is_not_null(&self, name: &str) -> Option<bool> {
        match self.columns.values().find(|column| column.name.as_ref() == name) {
            Some(column) => column.not_null,
            None => self.has_column(name).then_some(true),
        }
    }

    /// The oid of a column's type.
    pub(crate) fn data_type(&self, name: &str) -> Option<u32> {
        self.columns.values().find(|column| column.name.as_ref() == name).map(|column| column.data_type)
    }

    /// Where a column of this name stands, counted from 0. Views have no gaps.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let (number, _) = self.columns.iter().find(|(_, column)| column.name.as_ref() == name)?;
        usize::try_from(*number).ok()?.checked_sub(1)
    }

    pub(crate) fn column(&self, number: i16) -> Option<&str> {
        self.columns.get(&number).map(|column| column.name.as_ref())
    }
}

/// A rewrite rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The oid in `pg_rewrite`.
    pub oid: u32,
    /// The name.
    pub name: Box<str>,
    /// The statements that it rewrites.
    pub event: RuleEvent,
    /// Whether it takes the place of the statement.
    pub instead: bool,
    /// Whether it fires in ordinary sessions (not disabled, and not only on replicas).
    pub enabled: bool,
    /// The transaction that wrote its row.
    pub xmin: u32,
    /// The whole `CREATE RULE` statement; `None` for the rule of a view, whose query is [`Relation::view`].
    pub definition: Option<Arc<Definition>>,
}

/// The statements that a rule rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleEvent {
    /// SELECT.
    Select,
    /// UPDATE.
    Update,
    /// INSERT.
    Insert,
    /// DELETE.
    Delete,
}

impl RuleEvent {
    pub(super) fn of_ev_type(ev_type: &str) -> Option<Self> {
        Some(match ev_type {
            "1" => Self::Select,
            "2" => Self::Update,
            "3" => Self::Insert,
            "4" => Self::Delete,
            _ => return None,
        })
    }
}

/// A trigger.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The oid in `pg_trigger`.
    pub oid: u32,
    /// The name.
    pub name: Box<str>,
    /// `pg_trigger.tgtype`: see [`Self::fires_on_insert`] and the like.
    pub events: i16,
    /// The function that it runs.
    pub function: u32,
    /// Whether it fires in ordinary sessions (not disabled, and not only on replicas).
    pub enabled: bool,
    /// Whether it has a WHEN condition.
    pub conditional: bool,
    /// The transaction that wrote its row.
    pub xmin: u32,
}

impl Trigger {
    /// Whether it fires for INSERT.
    #[must_use]
    pub const fn fires_on_insert(&self) -> bool {
        self.events & 4 != 0
    }

    /// Whether it fires for DELETE.
    #[must_use]
    pub const fn fires_on_delete(&self) -> bool {
        self.events & 8 != 0
    }

    /// Whether it fires for UPDATE.
    #[must_use]
    pub const fn fires_on_update(&self) -> bool {
        self.events & 16 != 0
    }

    /// Whether it fires for TRUNCATE.
    #[must_use]
    pub const fn fires_on_truncate(&self) -> bool {
        self.events & 32 != 0
    }

    /// Whether it takes the place of the statement (INSTEAD OF, on a view).
    #[must_use]
    pub const fn is_instead(&self) -> bool {
        self.events & 64 != 0
    }
}

/// The expression of a generated column, or the default of a column.
#[derive(Debug, Clone)]
pub struct ColumnExpression {
    /// The number of the column.
    pub column: i16,
    /// Whether the column is generated from others; else the expression is a default.
    pub generated: bool,
    /// The oid in `pg_attrdef`.
    pub oid: u32,
    /// `SELECT` and the expression.
    pub definition: Arc<Definition>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The oid in `pg_constraint`.
    pub oid: u32,
    /// The name.
    pub name: Box<str>,
    /// The relation that it refers to.
    pub referenced: u32,
    /// The effect of deleting a referenced row.
    pub on_delete: ReferentialAction,
    /// The effect of updating a referenced row.
    pub on_update: ReferentialAction,
    /// The numbers of the referring columns.
    pub columns: Vec<i16>,
    /// The numbers of the columns referred to.
    pub referenced_columns: Vec<i16>,
}

/// The effect of a change to a referenced row on the rows that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReferentialAction {
    /// The change fails (NO ACTION, RESTRICT).
    Refuse,
    /// The referring rows are changed or deleted, too.
    Cascade,
    /// The referring columns become NULL.
    SetNull,
    /// The referring columns become their defaults.
    SetDefault,
}

impl ReferentialAction {
    pub(super) fn of_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "a" | "r" => Self::Refuse,
            "c" => Self::Cascade,
            "n" => Self::SetNull,
            "d" => Self::SetDefault,
            _ => return None,
        })
    }
}

object!(Relation, Relation, |one| &one.name);
