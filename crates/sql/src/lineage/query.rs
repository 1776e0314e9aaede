//! A statement as the lineage needs it: a compact tree of queries and expressions, with names as written.
//!
//! Built once per text (`build`), kept with its reading, and resolved against a catalogue later (`resolve`). No
//! literal is kept, so that texts which differ only in literals share one tree.

use crate::name::Name;

/// One statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The search path may have been changed by an earlier statement of the text.
    pub(crate) path_unsure: bool,
    /// Definitions may have been changed by an earlier statement of the text.
    pub(crate) definitions_unsure: bool,
    pub(crate) kind: StatementKind,
}

/// What a statement does, as far as values are concerned.
#[derive(Debug)]
pub(crate) enum StatementKind {
    /// SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE: its rows go to the client.
    Query(Query),
    /// EXPLAIN: the client sees the plan. With ANALYZE the statement runs.
    Explain { inner: Box<StatementKind>, runs: bool },
    /// CREATE TABLE … AS, CREATE MATERIALIZED VIEW, SELECT INTO.
    CreateFrom { relation: Name, columns: Vec<Box<str>>, from: Box<StatementKind>, is_view: bool },
    /// CREATE VIEW. One that is there already may be replaced.
    CreateView { relation: Name, query: Query },
    /// CREATE FUNCTION. One that is there already may be replaced.
    CreateFunction(Name),
    /// CREATE TABLE: the defaults of its columns.
    CreateTable { relation: Name, defaults: Vec<(Box<str>, Expression)> },
    /// ALTER SCHEMA … RENAME.
    RenameSchema { from: Box<str>, to: Box<str> },
    /// ALTER EXTENSION … SET SCHEMA.
    MoveExtension { extension: Box<str>, to: Box<str> },
    /// DROP TABLE.
    Drop(Vec<Name>),
    /// ALTER DOMAIN … ADD or VALIDATE CONSTRAINT: all values of the domain are looked at.
    CheckDomain(Name),
    /// CREATE SCHEMA with elements.
    Several(Vec<StatementKind>),
    /// COPY (query) TO.
    CopyQuery { query: Query, to_client: bool },
    /// COPY relation TO.
    CopyRelation { relation: Name, columns: Vec<Box<str>>, to_client: bool },
    /// COPY relation FROM.
    CopyIn { relation: Name, columns: Vec<Box<str>>, condition: Expression },
    /// EXECUTE.
    Execute(Box<str>),
    /// DECLARE CURSOR.
    Declare(Query),
    /// FETCH.
    Fetch,
    /// ALTER TABLE and its relatives.
    Alter { relation: Name, changes: Vec<Change> },
    /// CREATE TRIGGER: from now on, rows of this relation go to code that is not read.
    CreateTrigger(Name),
    /// CREATE RULE: from now on, writes to this relation run these statements, too.
    CreateRule { relation: Name, conditions: Vec<Expression>, actions: Vec<StatementKind> },
    /// CREATE POLICY, ALTER POLICY: rows are shown by these conditions.
    Filter { relation: Name, conditions: Vec<Expression> },
    /// Reads or writes whole rows of these relations and returns none: index builds, maintenance.
    Rows(Vec<Name>),
    /// TRUNCATE: triggers may run, no row is read.
    Truncate(Vec<Name>),
    /// No value of any row is looked at: SET, SHOW, LISTEN, BEGIN.
    Silent,
    /// Constraints and triggers that were put off may run: COMMIT; the code of other definitions: DDL.
    Deferred,
    /// DO, CALL and what is not known.
    Opaque,
}

/// One change of ALTER TABLE that can move values.
#[derive(Debug)]
pub(crate) enum Change {
    /// RENAME COLUMN.
    RenameColumn { from: Box<str>, to: Box<str> },
    /// RENAME TO.
    Rename(Box<str>),
    /// SET SCHEMA.
    SetSchema(Box<str>),
    /// ALTER COLUMN … TYPE, with or without USING.
    Convert { column: Box<str>, using: Expression },
    /// ADD COLUMN, SET DEFAULT: what rows hold from now on, and the name of the type.
    Add { column: Box<str>, value: Expression, data_type: Option<Name> },
    /// ATTACH PARTITION: its rows are compared with bounds.
    Attach(Name),
    /// CLUSTER: the order of an index decides where rows are.
    Cluster,
    /// ALTER COLUMN … DROP EXPRESSION: computed values become stored ones.
    Materialize(Box<str>),
    /// DETACH PARTITION of the named relation.
    Detach(Name),
    /// NO INHERIT: the rows are no longer read through a parent.
    NoInherit,
    /// ADD CHECK and other expressions evaluated over existing rows.
    Check(Expression),
}

/// A query with what surrounds it.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) with: Vec<CommonTable>,
    pub(crate) recursive: bool,
    pub(crate) body: Body,
    pub(crate) order: Vec<Expression>,
    pub(crate) limit: Vec<Expression>,
    /// SELECT INTO.
    pub(crate) into: Option<Name>,
}

/// One element of WITH.
#[derive(Debug)]
pub(crate) struct CommonTable {
    pub(crate) name: Box<str>,
    pub(crate) columns: Vec<Box<str>>,
    /// Columns that SEARCH and CYCLE add.
    pub(crate) added_columns: Vec<Box<str>>,
    pub(crate) query: Query,
}

#[derive(Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expression>>),
    SetOperation { left: Box<Query>, right: Box<Query>, all: bool },
    Modify(Box<Modification>),
    Opaque,
}

#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) distinct: Distinct,
    pub(crate) targets: Vec<Target>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) condition: Option<Expression>,
    pub(crate) having: Option<Expression>,
    pub(crate) group: Vec<Expression>,
    pub(crate) windows: Vec<Expression>,
}

#[derive(Debug)]
pub(crate) enum Distinct {
    No,
    All,
    On(Vec<Expression>),
}

/// One entry of a target list.
#[derive(Debug)]
pub(crate) struct Target {
    /// `None` when the server's name for it is not known here.
    pub(crate) name: Option<Box<str>>,
    pub(crate) value: Expression,
}

#[derive(Debug, Default)]
pub(crate) struct TableAlias {
    pub(crate) name: Option<Box<str>>,
    pub(crate) columns: Vec<Box<str>>,
}

#[derive(Debug)]
pub(crate) enum FromItem {
    Relation {
        name: Name,
        alias: TableAlias,
    },
    Query {
        query: Box<Query>,
        alias: TableAlias,
        lateral: bool,
    },
    /// Functions, XMLTABLE, JSON_TABLE: rows computed from expressions.
    Computed {
        values: Vec<Expression>,
        name: Option<Box<str>>,
        alias: TableAlias,
    },
    Join(Box<Join>),
    /// TABLESAMPLE: a relation, with arguments.
    Sampled(Box<FromItem>, Vec<Expression>),
    Opaque,
}

#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) left: FromItem,
    pub(crate) right: FromItem,
    pub(crate) natural: bool,
    pub(crate) using: Vec<Box<str>>,
    pub(crate) using_alias: Option<Box<str>>,
    pub(crate) alias: TableAlias,
    pub(crate) condition: Option<Expression>,
}

#[derive(Debug)]
pub(crate) enum Expression {
    /// A literal, a parameter, `current_date`.
    Constant,
    /// DEFAULT, in the place of a column's value.
    Default,
    /// ORDER BY 1, GROUP BY 1: an output, counted from 1.
    Position(usize),
    /// `x`, `t.x`, `s.t.x`.
    Column(Box<[Box<str>]>),
    /// `*`, `t.*`, `s.t.*`: what stands before the star.
    Star(Box<[Box<str>]>),
    /// `(value).name`.
    Field(Box<Expression>, Box<str>),
    /// `(value).*`.
    FieldStar(Box<Expression>),
    /// Built-in syntax over these values.
    All(Box<[Expression]>),
    /// `ROW(…)`, or a list.
    Row(Box<[Expression]>),
    Call(Box<Call>),
    Operator(Box<Operator>),
    /// AND, OR.
    Logic(Box<[Expression]>),
    Not(Box<Expression>),
    /// A cast to a type.
    Cast {
        value: Box<Expression>,
        cannot_fail: bool,
    },
    /// CASE: what it compares, and what it returns.
    Case {
        conditions: Box<[Expression]>,
        results: Box<[Expression]>,
    },
    /// COALESCE.
    Coalesce(Box<[Expression]>),
    /// IS NULL, IS NOT NULL.
    NullTest(Box<Expression>),
    Sub(Box<SubQuery>),
    Opaque,
}

#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) name: Name,
    /// Whether rows are equal when it is true: `=`, IS NOT DISTINCT FROM, IN with one element.
    pub(crate) equality: bool,
    pub(crate) operands: Vec<Expression>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: Name,
    pub(crate) arguments: Vec<Expression>,
    pub(crate) order: Vec<Expression>,
    pub(crate) filter: Option<Expression>,
    /// What PARTITION BY, ORDER BY and frame of its window say.
    pub(crate) window: Option<Vec<Expression>>,
    pub(crate) distinct: bool,
    /// Syntax for the grammar here that is a plain call for an older server.
    pub(crate) is_syntax: bool,
}

#[derive(Debug)]
pub(crate) struct SubQuery {
    pub(crate) kind: SubQueryKind,
    pub(crate) test: Option<Expression>,
    pub(crate) query: Query,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubQueryKind {
    Exists,
    /// IN, ANY, ALL, row comparison.
    Compare,
    /// Its value, or an array of them.
    Value,
}

/// INSERT, UPDATE, DELETE, MERGE.
#[derive(Debug)]
pub(crate) struct Modification {
    pub(crate) target: Name,
    pub(crate) alias: Option<Box<str>>,
    pub(crate) from: Vec<FromItem>,
    /// WHERE, ON, WHEN … AND.
    pub(crate) conditions: Vec<Expression>,
    pub(crate) inserts: Vec<Insertion>,
    pub(crate) updates: Vec<Assignment>,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Vec<Target>,
    /// RETURNING WITH (OLD AS …): further names for rows of the target.
    pub(crate) row_names: Vec<Box<str>>,
}

#[derive(Debug)]
pub(crate) struct Insertion {
    /// As listed; empty: all, in order.
    pub(crate) columns: Vec<Box<str>>,
    pub(crate) source: InsertSource,
}

#[derive(Debug)]
pub(crate) enum InsertSource {
    Defaults,
    Query(Query),
    /// The values of MERGE … INSERT, in the scope of the MERGE.
    Row(Vec<Expression>),
}

#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) column: Box<str>,
    pub(crate) value: Expression,
}

#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) arbiter: Vec<Expression>,
    pub(crate) updates: Vec<Assignment>,
    pub(crate) conditions: Vec<Expression>,
}

impl Statement {
    /// Roughly how many nodes it has, for the bound of the caches.
    pub(crate) fn nodes(&self) -> usize {
        self.kind.nodes()
    }
}

impl StatementKind {
    fn nodes(&self) -> usize {
        1 + match self {
            Self::Query(query) | Self::Declare(query) => query.nodes(),
            Self::CopyQuery { query, .. } | Self::CreateView { query, .. } => query.nodes(),
            Self::CreateTable { defaults, .. } => defaults.iter().map(|(_, one)| one.nodes()).sum(),
            Self::Several(several) => several.iter().map(Self::nodes).sum(),
            Self::Explain { inner, .. } | Self::CreateFrom { from: inner, .. } => inner.nodes(),
            Self::CreateRule { actions, .. } => actions.iter().map(Self::nodes).sum(),
            Self::Alter { changes, .. } => changes.len() * 4,
            Self::Filter { conditions, .. } => all(conditions),
            _ => 2,
        }
    }
}

impl StatementKind {
    /// Whether it changes rows.
    pub(crate) fn modifies(&self) -> bool {
        match self {
            Self::Query(query) | Self::Declare(query) | Self::CopyQuery { query, .. } => query.modifies(),
            Self::Explain { inner, .. } => inner.modifies(),
            Self::Silent | Self::CreateView { .. } | Self::CopyRelation { .. } => false,
            _ => true,
        }
    }
}

impl Query {
    fn modifies(&self) -> bool {
        let here = match &self.body {
            Body::Modify(_) | Body::Opaque => true,
            Body::SetOperation { left, right, .. } => left.modifies() || right.modifies(),
            Body::Select(_) | Body::Values(_) => self.into.is_some(),
        };
        here || self.with.iter().any(|one| one.query.modifies())
    }

    fn nodes(&self) -> usize {
        let with: usize = self.with.iter().map(|one| 2 + one.query.nodes()).sum();
        let body = match &self.body {
            Body::Select(select) => select.nodes(),
            Body::Values(rows) => rows.iter().map(|row| all(row)).sum(),
            Body::SetOperation { left, right, .. } => left.nodes() + right.nodes(),
            Body::Modify(modification) => modification.nodes(),
            Body::Opaque => 0,
        };
        2 + with + body + all(&self.order) + all(&self.limit)
    }
}

impl Select {
    fn nodes(&self) -> usize {
        let targets: usize = self.targets.iter().map(|target| 1 + target.value.nodes()).sum();
        let from: usize = self.from.iter().map(FromItem::nodes).sum();
        let conditions: usize = self.condition.iter().chain(&self.having).map(Expression::nodes).sum();
        4 + targets + from + conditions + all(&self.group) + all(&self.windows)
    }
}

impl Modification {
    fn nodes(&self) -> usize {
        let updates: usize = self.updates.iter().map(|one| 1 + one.value.nodes()).sum();
        let inserts: usize = self
            .inserts
            .iter()
            .map(|one| match &one.source {
                InsertSource::Query(query) => query.nodes(),
                InsertSource::Row(row) => all(row),
                InsertSource::Defaults => 1,
            })
            .sum();
        let returning: usize = self.returning.iter().map(|target| 1 + target.value.nodes()).sum();
        let from: usize = self.from.iter().map(FromItem::nodes).sum();
        8 + updates + inserts + returning + from + all(&self.conditions)
    }
}

impl FromItem {
    fn nodes(&self) -> usize {
        2 + match self {
            Self::Query { query, .. } => query.nodes(),
            Self::Computed { values, .. } => all(values),
            Self::Join(join) => {
                join.left.nodes() + join.right.nodes() + join.condition.as_ref().map_or(0, Expression::nodes)
            }
            Self::Sampled(item, arguments) => item.nodes() + all(arguments),
            Self::Relation { .. } | Self::Opaque => 0,
        }
    }
}

impl Expression {
    fn nodes(&self) -> usize {
        1 + match self {
            Self::Constant
            | Self::Default
            | Self::Position(_)
            | Self::Column(_)
            | Self::Star(_)
            | Self::Opaque => 0,
            Self::Field(inner, _) | Self::FieldStar(inner) | Self::Not(inner) | Self::NullTest(inner) => {
                inner.nodes()
            }
            Self::Cast { value, .. } => value.nodes(),
            Self::All(inner) | Self::Row(inner) | Self::Logic(inner) | Self::Coalesce(inner) => all(inner),
            Self::Call(call) => {
                let window = call.window.as_ref().map_or(0, |window| all(window));
                all(&call.arguments) + all(&call.order) + window
            }
            Self::Operator(operator) => all(&operator.operands),
            Self::Case { conditions, results } => all(conditions) + all(results),
            Self::Sub(sub) => sub.query.nodes() + sub.test.as_ref().map_or(0, Self::nodes),
        }
    }
}

fn all(expressions: &[Expression]) -> usize {
    expressions.iter().map(Expression::nodes).sum()
}
