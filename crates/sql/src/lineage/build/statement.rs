//! Whole statements.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, CopyStmt, CreateStmt,
    CreateTableAsStmt, ExplainStmt, IndexStmt, Node, ObjectType, RangeVar, RenameStmt, TransactionStmtKind,
};

use super::expression::{expression, optional};
use super::query::{created, query, query_node};
use crate::lineage::query::{Body, Change, Expression, StatementKind};
use crate::name::{Name, strings};
use crate::walk::is_on;

/// One statement of a text.
pub(crate) fn statement(node: &NodeEnum) -> StatementKind {
    match node {
        NodeEnum::SelectStmt(_)
        | NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_) => selected(node),
        NodeEnum::ExplainStmt(explain) => self::explain(explain),
        NodeEnum::CopyStmt(copy) => self::copy(copy),
        NodeEnum::CreateTableAsStmt(create) => create_as(create),
        NodeEnum::ViewStmt(view) => of(view.view.as_ref(), |relation| StatementKind::CreateView {
            relation,
            query: query(view.query.as_deref()),
        }),
        NodeEnum::ExecuteStmt(execute) => StatementKind::Execute(execute.name.as_str().into()),
        NodeEnum::DeclareCursorStmt(cursor) => StatementKind::Declare(query(cursor.query.as_deref())),
        NodeEnum::FetchStmt(fetch) if fetch.ismove => StatementKind::Deferred,
        NodeEnum::FetchStmt(_) => StatementKind::Fetch,
        NodeEnum::TransactionStmt(transaction) => match TransactionStmtKind::try_from(transaction.kind) {
            Ok(
                TransactionStmtKind::TransStmtBegin
                | TransactionStmtKind::TransStmtStart
                | TransactionStmtKind::TransStmtSavepoint
                | TransactionStmtKind::TransStmtRelease
                | TransactionStmtKind::TransStmtRollback
                | TransactionStmtKind::TransStmtRollbackTo,
            ) => StatementKind::Silent,
            _ => StatementKind::Deferred,
        },
        NodeEnum::VariableSetStmt(_)
        | NodeEnum::VariableShowStmt(_)
        | NodeEnum::DiscardStmt(_)
        | NodeEnum::PrepareStmt(_)
        | NodeEnum::DeallocateStmt(_)
        | NodeEnum::ClosePortalStmt(_)
        | NodeEnum::ListenStmt(_)
        | NodeEnum::UnlistenStmt(_)
        | NodeEnum::NotifyStmt(_)
        | NodeEnum::LockStmt(_)
        | NodeEnum::CheckPointStmt(_) => StatementKind::Silent,
        NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_) => StatementKind::Opaque,
        other => definition(other),
    }
}

/// A query whose rows go to the client, or into a new table.
fn selected(node: &NodeEnum) -> StatementKind {
    let query = query_node(node);
    match leftmost_into(&query.body, query.into.as_ref()) {
        Some(relation) => StatementKind::CreateFrom {
            relation,
            columns: Vec::new(),
            from: Box::new(StatementKind::Query(query)),
            is_view: false,
        },
        None => StatementKind::Query(query),
    }
}

/// INTO stands in the leftmost SELECT of a set operation.
fn leftmost_into(body: &Body, into: Option<&Name>) -> Option<Name> {
    match (into, body) {
        (Some(into), _) => Some(into.clone()),
        (None, Body::SetOperation { left, .. }) => leftmost_into(&left.body, left.into.as_ref()),
        (None, _) => None,
    }
}

fn explain(explain: &ExplainStmt) -> StatementKind {
    match explain.query.as_ref().and_then(|node| node.node.as_ref()) {
        Some(inner) => StatementKind::Explain { inner: Box::new(statement(inner)), runs: runs(explain) },
        None => StatementKind::Opaque,
    }
}

/// Whether EXPLAIN runs its statement: ANALYZE is there, and not plainly off.
fn runs(explain: &ExplainStmt) -> bool {
    explain.options.iter().any(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) => option.defname.eq_ignore_ascii_case("analyze") && is_on(option),
        _ => true,
    })
}

fn copy(copy: &CopyStmt) -> StatementKind {
    let to_client = !copy.is_program && copy.filename.is_empty();
    let columns = strings(&copy.attlist).into_iter().map(Box::from).collect();
    match (&copy.query, &copy.relation) {
        (Some(inner), _) => StatementKind::CopyQuery { query: query(Some(inner)), to_client },
        (None, Some(relation)) if copy.is_from => StatementKind::CopyIn {
            relation: Name::of_relation(relation),
            columns,
            condition: expression(copy.where_clause.as_deref()),
        },
        (None, Some(relation)) => {
            StatementKind::CopyRelation { relation: Name::of_relation(relation), columns, to_client }
        }
        (None, None) => StatementKind::Opaque,
    }
}

fn create_as(create: &CreateTableAsStmt) -> StatementKind {
    let into = create.into.as_ref().and_then(|into| Some((into, into.rel.as_ref()?)));
    let (Some((into, relation)), Some(node)) =
        (into, create.query.as_ref().and_then(|node| node.node.as_ref()))
    else {
        return StatementKind::Opaque;
    };
    StatementKind::CreateFrom {
        relation: created(relation),
        columns: strings(&into.col_names).into_iter().map(Box::from).collect(),
        from: Box::new(statement(node)),
        is_view: matches!(ObjectType::try_from(create.objtype), Ok(ObjectType::ObjectMatview)),
    }
}

/// Definitions, access, maintenance.
// long: one arm for each kind of statement.
fn definition(node: &NodeEnum) -> StatementKind {
    match node {
        NodeEnum::CreateStmt(create) => create_table(create),
        NodeEnum::CreateForeignTableStmt(create) => {
            create.base_stmt.as_ref().map_or(StatementKind::Deferred, create_table)
        }
        NodeEnum::CreateSchemaStmt(schema) => {
            let element = |node: &Node| node.node.as_ref().map_or(StatementKind::Opaque, statement);
            StatementKind::Several(schema.schema_elts.iter().map(element).collect())
        }
        NodeEnum::CreateFunctionStmt(function) => {
            Name::of_nodes(&function.funcname).map_or(StatementKind::Opaque, StatementKind::CreateFunction)
        }
        NodeEnum::AlterObjectSchemaStmt(alter)
            if matches!(ObjectType::try_from(alter.object_type), Ok(ObjectType::ObjectExtension)) =>
        {
            match alter.object.as_deref().and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::String(name)) => StatementKind::MoveExtension {
                    extension: name.sval.as_str().into(),
                    to: alter.newschema.as_str().into(),
                },
                _ => StatementKind::Opaque,
            }
        }
        NodeEnum::AlterDomainStmt(alter) if matches!(alter.subtype.as_str(), "C" | "V") => {
            Name::of_nodes(&alter.type_name).map_or(StatementKind::Opaque, StatementKind::CheckDomain)
        }
        NodeEnum::CreateStatsStmt(statistics) => {
            let checks = statistics.exprs.iter().map(|node| match &node.node {
                Some(NodeEnum::StatsElem(element)) => element.expr.as_deref(),
                _ => Some(node),
            });
            let changes = checks.flatten().map(|node| Change::Check(expression(Some(node)))).collect();
            match relations(&statistics.relations).as_slice() {
                [relation] => StatementKind::Alter { relation: relation.clone(), changes },
                _ => StatementKind::Opaque,
            }
        }
        NodeEnum::DropStmt(drop) => match ObjectType::try_from(drop.remove_type) {
            Ok(ObjectType::ObjectTable | ObjectType::ObjectForeignTable) => {
                StatementKind::Drop(drop.objects.iter().filter_map(listed_name).collect())
            }
            _ => StatementKind::Deferred,
        },
        NodeEnum::AlterTableStmt(alter) => alter_table(alter),
        NodeEnum::RenameStmt(rename) => self::rename(rename),
        NodeEnum::AlterObjectSchemaStmt(alter) => match &alter.relation {
            Some(relation) => StatementKind::Alter {
                relation: Name::of_relation(relation),
                changes: vec![Change::SetSchema(alter.newschema.as_str().into())],
            },
            None => StatementKind::Deferred,
        },
        NodeEnum::CreateTrigStmt(trigger) => of(trigger.relation.as_ref(), StatementKind::CreateTrigger),
        NodeEnum::RuleStmt(rule) => of(rule.relation.as_ref(), |relation| StatementKind::CreateRule {
            relation,
            conditions: optional(rule.where_clause.as_deref()).into_iter().collect(),
            actions: rule.actions.iter().map(action).collect(),
        }),
        NodeEnum::CreatePolicyStmt(policy) => of(policy.table.as_ref(), |relation| {
            let conditions = [policy.qual.as_deref(), policy.with_check.as_deref()];
            StatementKind::Filter {
                relation,
                conditions: conditions.into_iter().filter_map(optional).collect(),
            }
        }),
        NodeEnum::AlterPolicyStmt(policy) => of(policy.table.as_ref(), |relation| {
            let conditions = [policy.qual.as_deref(), policy.with_check.as_deref()];
            StatementKind::Filter {
                relation,
                conditions: conditions.into_iter().filter_map(optional).collect(),
            }
        }),
        NodeEnum::IndexStmt(index) => {
            of(index.relation.as_ref(), |relation| StatementKind::Alter { relation, changes: indexed(index) })
        }
        NodeEnum::TruncateStmt(truncate) => StatementKind::Truncate(relations(&truncate.relations)),
        NodeEnum::ReindexStmt(reindex) => {
            of(reindex.relation.as_ref(), |name| StatementKind::Rows(vec![name]))
        }
        NodeEnum::ClusterStmt(cluster) => of(cluster.relation.as_ref(), |relation| StatementKind::Alter {
            relation,
            changes: vec![Change::Cluster],
        }),
        NodeEnum::RefreshMatViewStmt(refresh) => {
            of(refresh.relation.as_ref(), |name| StatementKind::Rows(vec![name]))
        }
        NodeEnum::VacuumStmt(vacuum) if !vacuum.rels.is_empty() => {
            let names: Vec<_> = vacuum
                .rels
                .iter()
                .filter_map(|node| match &node.node {
                    Some(NodeEnum::VacuumRelation(one)) => one.relation.as_ref().map(Name::of_relation),
                    _ => None,
                })
                .collect();
            StatementKind::Rows(names)
        }
        _ => StatementKind::Deferred,
    }
}

/// One statement of a rule.
fn action(node: &Node) -> StatementKind {
    match &node.node {
        Some(NodeEnum::NotifyStmt(_)) => StatementKind::Silent,
        Some(node) => statement(node),
        None => StatementKind::Opaque,
    }
}

fn of(relation: Option<&RangeVar>, kind: impl FnOnce(Name) -> StatementKind) -> StatementKind {
    relation.map_or(StatementKind::Deferred, |relation| kind(Name::of_relation(relation)))
}

fn relations(nodes: &[Node]) -> Vec<Name> {
    nodes
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::RangeVar(relation)) => Some(Name::of_relation(relation)),
            _ => None,
        })
        .collect()
}

/// Renaming anything that may be a relation: the server takes tables in most of the forms.
fn rename(rename: &RenameStmt) -> StatementKind {
    let (from, to) = (rename.subname.as_str().into(), rename.newname.as_str().into());
    let kind = ObjectType::try_from(rename.rename_type);
    if matches!(kind, Ok(ObjectType::ObjectSchema)) {
        return StatementKind::RenameSchema { from, to };
    }
    let Some(relation) = &rename.relation else { return StatementKind::Deferred };
    let change = match kind {
        Ok(ObjectType::ObjectColumn | ObjectType::ObjectAttribute) => Change::RenameColumn { from, to },
        Ok(
            ObjectType::ObjectTabconstraint
            | ObjectType::ObjectTrigger
            | ObjectType::ObjectRule
            | ObjectType::ObjectPolicy,
        ) => return StatementKind::Deferred,
        _ => Change::Rename(to),
    };
    StatementKind::Alter { relation: Name::of_relation(relation), changes: vec![change] }
}

fn alter_table(alter: &AlterTableStmt) -> StatementKind {
    of(alter.relation.as_ref(), |relation| {
        let mut changes = Vec::new();
        for command in &alter.cmds {
            if let Some(NodeEnum::AlterTableCmd(command)) = &command.node {
                changes.extend(alter_table_command(command));
                let added = command.def.as_deref().and_then(|node| node.node.as_ref());
                if let Some(NodeEnum::ColumnDef(column)) = added {
                    changes.extend(constraints(column, ConstrType::ConstrCheck).map(Change::Check));
                }
            }
        }
        StatementKind::Alter { relation, changes }
    })
}

/// What an index tells: how many rows meet its condition, whether its expressions fail, whether values repeat.
fn indexed(index: &IndexStmt) -> Vec<Change> {
    let mut changes: Vec<_> =
        optional(index.where_clause.as_deref()).map(Change::Check).into_iter().collect();
    for node in &index.index_params {
        let is_plain = matches!(&node.node, Some(NodeEnum::IndexElem(element)) if element.expr.is_none());
        if index.unique || !is_plain {
            changes.push(Change::Check(expression(Some(node))));
        }
    }
    changes
}

fn create_table(create: &CreateStmt) -> StatementKind {
    let Some(relation) = &create.relation else { return StatementKind::Deferred };
    let columns = create.table_elts.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::ColumnDef(column)) => Some((column.colname.as_str().into(), held(column))),
        _ => None,
    });
    StatementKind::CreateTable { relation: created(relation), defaults: columns.collect() }
}

/// What a new column holds: its default, or what it is generated from.
fn held(column: &ColumnDef) -> Expression {
    let own = optional(column.raw_default.as_deref());
    let kinds = [ConstrType::ConstrDefault, ConstrType::ConstrGenerated];
    let more = kinds.into_iter().flat_map(|kind| constraints(column, kind));
    Expression::All(own.into_iter().chain(more).collect())
}

/// The expressions of a column's constraints of a kind.
fn constraints(column: &ColumnDef, kind: ConstrType) -> impl Iterator<Item = Expression> {
    let of_kind = move |node: &Node| match &node.node {
        Some(NodeEnum::Constraint(one)) if ConstrType::try_from(one.contype) == Ok(kind) => {
            optional(one.raw_expr.as_deref())
        }
        _ => None,
    };
    column.constraints.iter().filter_map(of_kind).collect::<Vec<_>>().into_iter()
}

/// A name in the list of DROP.
fn listed_name(node: &Node) -> Option<Name> {
    match &node.node {
        Some(NodeEnum::List(list)) => Name::of_nodes(&list.items),
        _ => None,
    }
}

fn alter_table_command(command: &AlterTableCmd) -> Option<Change> {
    let def = command.def.as_deref().and_then(|node| node.node.as_ref());
    match (AlterTableType::try_from(command.subtype).ok()?, def) {
        (AlterTableType::AtAlterColumnType, Some(NodeEnum::ColumnDef(column))) => {
            let name: Box<str> = command.name.as_str().into();
            let using = optional(column.raw_default.as_deref()).unwrap_or_else(|| Expression::Cast {
                value: Box::new(Expression::Column(Box::new([name.clone()]))),
                cannot_fail: false,
            });
            Some(Change::Convert { column: name, using })
        }
        (AlterTableType::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => Some(Change::Add {
            column: column.colname.as_str().into(),
            value: held(column),
            data_type: column.type_name.as_ref().and_then(|name| Name::of_nodes(&name.names)),
        }),
        (AlterTableType::AtAttachPartition, Some(NodeEnum::PartitionCmd(partition))) => {
            Some(Change::Attach(Name::of_relation(partition.name.as_ref()?)))
        }
        (AlterTableType::AtColumnDefault, Some(_)) => Some(Change::Add {
            column: command.name.as_str().into(),
            value: expression(command.def.as_deref()),
            data_type: None,
        }),
        (AlterTableType::AtDropExpression, _) => Some(Change::Materialize(command.name.as_str().into())),
        (AlterTableType::AtDetachPartition, Some(NodeEnum::PartitionCmd(partition))) => {
            Some(Change::Detach(Name::of_relation(partition.name.as_ref()?)))
        }
        (AlterTableType::AtDropInherit, _) => Some(Change::NoInherit),
        (_, Some(NodeEnum::Constraint(constraint))) => {
            constraint.raw_expr.as_deref().map(|check| Change::Check(expression(Some(check))))
        }
        _ => None,
    }
}
