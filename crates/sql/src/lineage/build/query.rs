//! SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE and WITH.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, CommonTableExpr, DeleteStmt, InsertStmt, MergeStmt, MergeWhenClause, Node, OnConflictClause,
    RangeVar, ReturningClause, SelectStmt, SetOperation, UpdateStmt, WithClause, a_const,
};

use super::expression::{expression, expressions, optional};
use super::from;
use crate::lineage::query::{
    Assignment, Body, CommonTable, Conflict, Distinct, Expression, InsertSource, Insertion, Modification,
    Query, Select, Target,
};
use crate::name::{Name, strings};

/// A query in any place where one can stand.
pub(super) fn query(node: Option<&Node>) -> Query {
    match node.and_then(|node| node.node.as_ref()) {
        Some(node) => query_node(node),
        None => with_body(None, Body::Opaque),
    }
}

pub(super) fn query_node(node: &NodeEnum) -> Query {
    match node {
        NodeEnum::SelectStmt(select) => self::select(select),
        NodeEnum::InsertStmt(statement) => modify(statement.with_clause.as_ref(), insert(statement)),
        NodeEnum::UpdateStmt(statement) => modify(statement.with_clause.as_ref(), update(statement)),
        NodeEnum::DeleteStmt(statement) => modify(statement.with_clause.as_ref(), delete(statement)),
        NodeEnum::MergeStmt(statement) => modify(statement.with_clause.as_ref(), merge(statement)),
        _ => with_body(None, Body::Opaque),
    }
}

fn modify(with: Option<&WithClause>, modification: Option<Modification>) -> Query {
    with_body(with, modification.map_or(Body::Opaque, |one| Body::Modify(Box::new(one))))
}

fn with_body(with: Option<&WithClause>, body: Body) -> Query {
    let mut query = Query {
        with: Vec::new(),
        recursive: with.is_some_and(|with| with.recursive),
        body,
        order: Vec::new(),
        limit: Vec::new(),
        into: None,
    };
    for node in with.iter().flat_map(|with| &with.ctes) {
        match &node.node {
            Some(NodeEnum::CommonTableExpr(cte)) => query.with.push(common_table(cte)),
            _ => query.body = Body::Opaque,
        }
    }
    query
}

fn common_table(cte: &CommonTableExpr) -> CommonTable {
    let mut added = Vec::new();
    if let Some(search) = &cte.search_clause {
        added.push(search.search_seq_column.as_str().into());
    }
    if let Some(cycle) = &cte.cycle_clause {
        added.push(cycle.cycle_mark_column.as_str().into());
        added.push(cycle.cycle_path_column.as_str().into());
    }
    CommonTable {
        name: cte.ctename.as_str().into(),
        columns: strings(&cte.aliascolnames).into_iter().map(Box::from).collect(),
        added_columns: added,
        query: query(cte.ctequery.as_deref()),
    }
}

fn select(select: &SelectStmt) -> Query {
    let body = match SetOperation::try_from(select.op) {
        Ok(SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept) => {
            let side = |side: &Option<Box<SelectStmt>>| {
                Box::new(side.as_deref().map_or_else(|| with_body(None, Body::Opaque), self::select))
            };
            let is_union = matches!(SetOperation::try_from(select.op), Ok(SetOperation::SetopUnion));
            Body::SetOperation {
                left: side(&select.larg),
                right: side(&select.rarg),
                all: select.all && is_union,
            }
        }
        _ if !select.values_lists.is_empty() => Body::Values(
            select
                .values_lists
                .iter()
                .map(|row| match &row.node {
                    Some(NodeEnum::List(list)) => expressions(&list.items),
                    _ => vec![Expression::Opaque],
                })
                .collect(),
        ),
        _ => Body::Select(Box::new(plain(select))),
    };
    let mut query = with_body(select.with_clause.as_ref(), body);
    query.order = clauses(&select.sort_clause);
    query.limit =
        select.limit_offset.iter().chain(&select.limit_count).map(|node| expression(Some(node))).collect();
    query.into = select.into_clause.as_ref().and_then(|into| into.rel.as_ref()).map(created);
    query
}

/// Elements of ORDER BY, GROUP BY and DISTINCT ON, which can be positions.
fn clauses(nodes: &[Node]) -> Vec<Expression> {
    nodes.iter().filter(|node| node.node.is_some()).map(clause).collect()
}

fn clause(node: &Node) -> Expression {
    match (&node.node, position(node)) {
        (_, Some(position)) => Expression::Position(position),
        (Some(NodeEnum::GroupingSet(set)), None) => Expression::Row(set.content.iter().map(clause).collect()),
        _ => expression(Some(node)),
    }
}

/// The position that an element of ORDER BY, GROUP BY or DISTINCT ON names. What it means depends on a literal.
pub(crate) fn position(node: &Node) -> Option<usize> {
    match node.node.as_ref()? {
        NodeEnum::SortBy(sort) => position(sort.node.as_deref()?),
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            a_const::Val::Ival(number) => usize::try_from(number.ival).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an element of ORDER BY, GROUP BY or DISTINCT ON names positions.
pub(crate) fn has_position(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::GroupingSet(set)) => set.content.iter().any(has_position),
        _ => position(node).is_some(),
    }
}

/// The name of a relation that comes into being.
pub(super) fn created(relation: &RangeVar) -> Name {
    let mut name = Name::of_relation(relation);
    if relation.relpersistence == "t" && name.schema.is_none() {
        name.schema = Some("pg_temp".into());
    }
    name
}

fn plain(select: &SelectStmt) -> Select {
    let distinct = match select.distinct_clause.as_slice() {
        [] => Distinct::No,
        // Plain DISTINCT is a list with one empty node.
        all if all.iter().all(|node| node.node.is_none()) => Distinct::All,
        on => Distinct::On(clauses(on)),
    };
    Select {
        distinct,
        targets: targets(&select.target_list),
        from: from::items(&select.from_clause),
        condition: optional(select.where_clause.as_deref()),
        having: optional(select.having_clause.as_deref()),
        group: clauses(&select.group_clause),
        windows: expressions(&select.window_clause),
    }
}

pub(super) fn targets(nodes: &[Node]) -> Vec<Target> {
    nodes
        .iter()
        .map(|node| match &node.node {
            Some(NodeEnum::ResTarget(target)) => {
                let value = expression(target.val.as_deref());
                let name = match target.name.as_str() {
                    "" => target.val.as_deref().and_then(default_name),
                    name => Some(name.into()),
                };
                Target { name, value }
            }
            _ => Target { name: None, value: Expression::Opaque },
        })
        .collect()
}

/// The name that the server gives to an output without AS, where that is plain.
fn default_name(node: &Node) -> Option<Box<str>> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => match column.fields.last()?.node.as_ref()? {
            NodeEnum::String(name) => Some(name.sval.as_str().into()),
            _ => None,
        },
        NodeEnum::FuncCall(call) => strings(&call.funcname).last().map(|name| Box::from(*name)),
        NodeEnum::CollateClause(collate) => default_name(collate.arg.as_deref()?),
        NodeEnum::TypeCast(cast) => match cast.arg.as_ref()?.node.as_ref()? {
            NodeEnum::AConst(_) | NodeEnum::ParamRef(_) => {
                strings(&cast.type_name.as_ref()?.names).last().map(|name| Box::from(*name))
            }
            _ => default_name(cast.arg.as_deref()?),
        },
        NodeEnum::AIndirection(indirection) => match indirection.indirection.last()?.node.as_ref()? {
            NodeEnum::String(name) => Some(name.sval.as_str().into()),
            _ => None,
        },
        NodeEnum::CoalesceExpr(_) => Some("coalesce".into()),
        NodeEnum::AConst(_) | NodeEnum::ParamRef(_) => Some("?column?".into()),
        _ => None,
    }
}

fn blank(relation: &RangeVar) -> Modification {
    Modification {
        target: Name::of_relation(relation),
        alias: from::name_of(relation),
        from: Vec::new(),
        conditions: Vec::new(),
        inserts: Vec::new(),
        updates: Vec::new(),
        conflict: None,
        returning: Vec::new(),
        row_names: Vec::new(),
    }
}

fn insert(insert: &InsertStmt) -> Option<Modification> {
    let mut all = blank(insert.relation.as_ref()?);
    let source = match insert.select_stmt.as_deref() {
        None => InsertSource::Defaults,
        Some(node) => InsertSource::Query(query(Some(node))),
    };
    all.inserts.push(Insertion { columns: column_names(&insert.cols), source });
    all.conflict = insert.on_conflict_clause.as_deref().map(conflict);
    returning(&mut all, insert.returning_clause.as_ref());
    Some(all)
}

fn conflict(conflict: &OnConflictClause) -> Conflict {
    let mut conditions: Vec<_> = optional(conflict.where_clause.as_deref()).into_iter().collect();
    let mut arbiter = Vec::new();
    if let Some(infer) = &conflict.infer {
        arbiter = expressions(&infer.index_elems);
        conditions.extend(optional(infer.where_clause.as_deref()));
    }
    Conflict { arbiter, updates: assignments(&conflict.target_list), conditions }
}

fn update(update: &UpdateStmt) -> Option<Modification> {
    let mut all = blank(update.relation.as_ref()?);
    all.from = from::items(&update.from_clause);
    all.updates = assignments(&update.target_list);
    all.conditions.extend(optional(update.where_clause.as_deref()));
    returning(&mut all, update.returning_clause.as_ref());
    Some(all)
}

fn delete(delete: &DeleteStmt) -> Option<Modification> {
    let mut all = blank(delete.relation.as_ref()?);
    all.from = from::items(&delete.using_clause);
    all.conditions.extend(optional(delete.where_clause.as_deref()));
    returning(&mut all, delete.returning_clause.as_ref());
    Some(all)
}

fn merge(merge: &MergeStmt) -> Option<Modification> {
    let mut all = blank(merge.relation.as_ref()?);
    all.from.push(from::item(merge.source_relation.as_deref()));
    all.conditions.extend(optional(merge.join_condition.as_deref()));
    for clause in &merge.merge_when_clauses {
        match &clause.node {
            Some(NodeEnum::MergeWhenClause(when)) => merge_when(&mut all, when),
            _ => return None,
        }
    }
    returning(&mut all, merge.returning_clause.as_ref());
    Some(all)
}

fn merge_when(all: &mut Modification, when: &MergeWhenClause) {
    all.conditions.extend(optional(when.condition.as_deref()));
    // INSERT lists its columns as targets without values; UPDATE assigns.
    if matches!(CmdType::try_from(when.command_type), Ok(CmdType::CmdInsert)) && when.values.is_empty() {
        all.inserts.push(Insertion { columns: Vec::new(), source: InsertSource::Defaults });
    } else if when.values.is_empty() {
        all.updates.extend(assignments(&when.target_list));
    } else {
        let columns = column_names(&when.target_list);
        all.inserts.push(Insertion { columns, source: InsertSource::Row(expressions(&when.values)) });
    }
}

fn column_names(nodes: &[Node]) -> Vec<Box<str>> {
    nodes
        .iter()
        .map(|node| match &node.node {
            Some(NodeEnum::ResTarget(target)) => target.name.as_str().into(),
            _ => Box::default(),
        })
        .collect()
}

fn assignments(nodes: &[Node]) -> Vec<Assignment> {
    nodes
        .iter()
        .map(|node| match &node.node {
            Some(NodeEnum::ResTarget(target)) => {
                Assignment { column: target.name.as_str().into(), value: expression(target.val.as_deref()) }
            }
            _ => Assignment { column: Box::default(), value: Expression::Opaque },
        })
        .collect()
}

fn returning(all: &mut Modification, returning: Option<&ReturningClause>) {
    let Some(returning) = returning else { return };
    for option in &returning.options {
        if let Some(NodeEnum::ReturningOption(option)) = &option.node {
            all.row_names.push(option.value.as_str().into());
        }
    }
    all.returning = targets(&returning.exprs);
}
