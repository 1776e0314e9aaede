//! The names that a statement gives, or may give, another meaning: those objects of a catalogue have to be read again,
//! with what depends on them. `None` when the statement may change others, too.

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableStmt, DropStmt, Node, ObjectType, RangeVar, RenameStmt};

use crate::name::{Name, strings};

type Names = Option<Vec<Box<str>>>;

/// The names that this statement redefines.
pub(super) fn redefined(statement: &NodeEnum) -> Names {
    match statement {
        NodeEnum::CreateStmt(create) => {
            let parents = create.inh_relations.iter().map(relation_name);
            let mut names: Vec<_> = parents.chain([relation(create.relation.as_ref())]).collect::<Names>()?;
            for element in create.table_elts.iter().chain(&create.constraints) {
                names.extend(element.node.as_ref().into_iter().flat_map(referenced));
            }
            Some(names)
        }
        NodeEnum::CreateForeignTableStmt(create) => {
            one(relation(create.base_stmt.as_ref().and_then(|base| base.relation.as_ref())))
        }
        NodeEnum::ViewStmt(view) => one(relation(view.view.as_ref())),
        NodeEnum::CreateSeqStmt(create) => one(relation(create.sequence.as_ref())),
        NodeEnum::AlterSeqStmt(alter) => one(relation(alter.sequence.as_ref())),
        NodeEnum::CreateTrigStmt(trigger) => one(relation(trigger.relation.as_ref())),
        NodeEnum::RuleStmt(rule) => one(relation(rule.relation.as_ref())),
        NodeEnum::CreatePolicyStmt(policy) => one(relation(policy.table.as_ref())),
        NodeEnum::AlterPolicyStmt(policy) => one(relation(policy.table.as_ref())),
        NodeEnum::AlterTableStmt(alter) => alter_table(alter),
        NodeEnum::CreateFunctionStmt(create) => one(last(&create.funcname)),
        NodeEnum::AlterFunctionStmt(alter) => one(last(&alter.func.as_ref()?.objname)),
        NodeEnum::CreateDomainStmt(create) => one(last(&create.domainname)),
        NodeEnum::CreateEnumStmt(create) => one(last(&create.type_name)),
        NodeEnum::CompositeTypeStmt(create) => one(relation(create.typevar.as_ref())),
        NodeEnum::AlterDomainStmt(alter) => one(last(&alter.type_name)),
        NodeEnum::AlterEnumStmt(alter) => one(last(&alter.type_name)),
        NodeEnum::RenameStmt(rename) => renamed(rename),
        NodeEnum::DropStmt(drop) => dropped(drop),
        NodeEnum::AlterObjectSchemaStmt(alter) => {
            is_named_kind(alter.object_type).then_some(())?;
            one(object(alter.relation.as_ref(), alter.object.as_deref()))
        }
        NodeEnum::AlterOwnerStmt(alter) => {
            is_named_kind(alter.object_type).then_some(())?;
            one(object(alter.relation.as_ref(), alter.object.as_deref()))
        }
        NodeEnum::GrantStmt(grant) => grant.objects.iter().map(granted).collect(),
        // What is rewritten keeps its definition; its row in `pg_class` may be another.
        NodeEnum::VacuumStmt(vacuum) => vacuum.rels.iter().map(vacuumed).collect(),
        NodeEnum::ReindexStmt(reindex) => Some(relation(reindex.relation.as_ref()).into_iter().collect()),
        NodeEnum::ClusterStmt(cluster) => Some(relation(cluster.relation.as_ref()).into_iter().collect()),
        // No part of a catalogue: indexes, statistics, comments, roles.
        NodeEnum::IndexStmt(_)
        | NodeEnum::CreateStatsStmt(_)
        | NodeEnum::CommentStmt(_)
        | NodeEnum::GrantRoleStmt(_)
        | NodeEnum::AlterDefaultPrivilegesStmt(_)
        | NodeEnum::CreateRoleStmt(_)
        | NodeEnum::AlterRoleStmt(_)
        | NodeEnum::AlterRoleSetStmt(_)
        | NodeEnum::CheckPointStmt(_) => Some(Vec::new()),
        _ => None,
    }
}

/// The name of the relation that CREATE TABLE AS and SELECT INTO make.
pub(in crate::walk) fn created(relation: Option<&RangeVar>) -> Names {
    one(self::relation(relation))
}

fn one(name: Option<Box<str>>) -> Names {
    Some(vec![name?])
}

fn relation(relation: Option<&RangeVar>) -> Option<Box<str>> {
    Some(relation?.relname.as_str().into())
}

fn relation_name(node: &Node) -> Option<Box<str>> {
    match &node.node {
        Some(NodeEnum::RangeVar(range)) => relation(Some(range)),
        _ => None,
    }
}

fn vacuumed(node: &Node) -> Option<Box<str>> {
    match &node.node {
        Some(NodeEnum::VacuumRelation(vacuumed)) => relation(vacuumed.relation.as_ref()),
        _ => None,
    }
}

/// The last part of a qualified name.
fn last(parts: &[Node]) -> Option<Box<str>> {
    Some(Name::of_nodes(parts)?.name)
}

/// The object of ALTER … RENAME, OWNER TO or SET SCHEMA.
fn object(of_relation: Option<&RangeVar>, object: Option<&Node>) -> Option<Box<str>> {
    if of_relation.is_some() {
        return relation(of_relation);
    }
    match object.and_then(|node| node.node.as_ref())? {
        NodeEnum::List(list) => last(&list.items),
        NodeEnum::ObjectWithArgs(function) => last(&function.objname),
        NodeEnum::TypeName(name) => last(&name.names),
        _ => None,
    }
}

/// Kinds of objects whose names stand for relations, functions or types, and nothing else.
fn is_named_kind(kind: i32) -> bool {
    matches!(
        ObjectType::try_from(kind),
        Ok(ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectSequence
            | ObjectType::ObjectIndex
            | ObjectType::ObjectColumn
            | ObjectType::ObjectTabconstraint
            | ObjectType::ObjectAttribute
            | ObjectType::ObjectFunction
            | ObjectType::ObjectProcedure
            | ObjectType::ObjectRoutine
            | ObjectType::ObjectAggregate
            | ObjectType::ObjectType
            | ObjectType::ObjectDomain
            | ObjectType::ObjectDomconstraint)
    )
}

/// Both names: the old one finds what is known, the new one what is there now.
fn renamed(rename: &RenameStmt) -> Names {
    match ObjectType::try_from(rename.rename_type) {
        Ok(ObjectType::ObjectTrigger | ObjectType::ObjectRule | ObjectType::ObjectPolicy) => {
            return one(relation(rename.relation.as_ref()));
        }
        Ok(ObjectType::ObjectRole) => return Some(Vec::new()),
        _ => is_named_kind(rename.rename_type).then_some(())?,
    }
    let old = object(rename.relation.as_ref(), rename.object.as_deref())?;
    Some(vec![old, rename.newname.as_str().into()])
}

fn dropped(drop: &DropStmt) -> Names {
    let on_relation = matches!(
        ObjectType::try_from(drop.remove_type),
        Ok(ObjectType::ObjectTrigger | ObjectType::ObjectRule | ObjectType::ObjectPolicy)
    );
    if !on_relation && !is_named_kind(drop.remove_type) {
        return None;
    }
    let name = |node: &Node| match &node.node {
        // The name of a trigger, rule or policy stands behind that of its relation.
        Some(NodeEnum::List(list)) if on_relation => {
            let parts = strings(&list.items);
            let (_, relation) = parts.split_last()?;
            Some(Box::from(*relation.last()?))
        }
        _ => object(None, Some(node)),
    };
    drop.objects.iter().map(name).collect()
}

/// GRANT on a relation or function changes its row; on others it changes nothing that a catalogue holds.
fn granted(node: &Node) -> Option<Box<str>> {
    match &node.node {
        Some(NodeEnum::RangeVar(range)) => relation(Some(range)),
        Some(NodeEnum::ObjectWithArgs(function)) => last(&function.objname),
        _ => None,
    }
}

/// The relations that foreign keys of a column or constraint refer to: they get triggers, and a new row.
fn referenced(node: &NodeEnum) -> Vec<Box<str>> {
    match node {
        NodeEnum::Constraint(constraint) => relation(constraint.pktable.as_ref()).into_iter().collect(),
        NodeEnum::ColumnDef(column) => {
            let constraints = column.constraints.iter().filter_map(|node| node.node.as_ref());
            constraints.flat_map(referenced).collect()
        }
        _ => Vec::new(),
    }
}

fn alter_table(alter: &AlterTableStmt) -> Names {
    let mut names = vec![relation(alter.relation.as_ref())?];
    for command in &alter.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { return None };
        match command.def.as_deref().and_then(|node| node.node.as_ref()) {
            // INHERIT, NO INHERIT, ATTACH and DETACH PARTITION.
            Some(NodeEnum::RangeVar(other)) => names.push(relation(Some(other))?),
            Some(NodeEnum::PartitionCmd(partition)) => names.extend(relation(partition.name.as_ref())),
            Some(other) => names.extend(referenced(other)),
            None => {}
        }
    }
    Some(names)
}
