//! Statements that define, alter, drop, grant and administer.
//!
//! Their action says enough; what is read besides is which object they touch and, where they evaluate expressions
//! at once (defaults, index expressions, USING), what those call.

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, Constraint, CreateStmt, DropStmt, GrantStmt,
    GrantTargetType, Node, RangeVar,
};

use super::redefinition::redefined;
use super::{is_cascade, is_on, options};
use crate::name::{Name, strings};
use crate::reading::Kind;
use crate::walk::Walk;

impl Walk {
    /// True when the statement was one of these.
    pub(super) fn definition_statement(&mut self, statement: &NodeEnum) -> bool {
        self.redefines(redefined(statement));
        let read = self.creates_something(statement)
            || self.alters_something(statement)
            || self.changes_access(statement)
            || self.administers_something(statement);
        self.definitions_unsure |= !keeps_meanings(statement);
        read
    }

    fn creates_something(&mut self, statement: &NodeEnum) -> bool {
        self.set(Action::Create);
        match statement {
            NodeEnum::CreateStmt(create) => self.create_table(create),
            NodeEnum::IndexStmt(index) => {
                self.writes(index.relation.as_ref());
                self.expressions(&index.index_params);
                self.expression(index.where_clause.as_deref());
                if index.concurrent {
                    self.outside_transaction();
                }
            }
            NodeEnum::ViewStmt(view) => {
                self.query_node(view.query.as_deref());
                self.set(Action::Create);
                self.creates(view.view.as_ref());
            }
            NodeEnum::CreateSchemaStmt(schema) => {
                self.object(schema.schemaname.as_str());
                for element in &schema.schema_elts {
                    let outer = self.begin(Action::Unknown);
                    match &element.node {
                        Some(inner) => self.utility(inner),
                        None => self.unread(),
                    }
                    let unnamed = std::mem::take(&mut self.part().creates);
                    self.part().creates.extend(unnamed.into_iter().map(|name| match name.schema {
                        Some(_) => name,
                        None => Name::qualified(&schema.schemaname, &name.name),
                    }));
                    self.current = outer;
                }
                self.set(Action::Create);
            }
            NodeEnum::CreateSeqStmt(sequence) => self.creates(sequence.sequence.as_ref()),
            NodeEnum::CreateFunctionStmt(function) => {
                self.creates_named(&function.funcname);
                self.function_body(function);
            }
            NodeEnum::CreateTrigStmt(trigger) => {
                self.on(trigger.relation.as_ref(), &trigger.trigname);
                self.rows(trigger.relation.as_ref().map(Name::of_relation).as_ref());
                self.expression(trigger.when_clause.as_deref());
                if let Some(function) = Name::of_nodes(&trigger.funcname) {
                    self.part().mentioned.insert(function);
                }
                self.flag(Flag::UnreadDefinition);
            }
            NodeEnum::RuleStmt(rule) => self.rule(rule),
            NodeEnum::CreateDomainStmt(domain) => self.creates_named(&domain.domainname),
            NodeEnum::CreateEnumStmt(create) => self.creates_named(&create.type_name),
            NodeEnum::CreateRangeStmt(create) => self.creates_named(&create.type_name),
            NodeEnum::CompositeTypeStmt(create) => self.creates(create.typevar.as_ref()),
            NodeEnum::DefineStmt(define) => self.object_named(&define.defnames),
            NodeEnum::CreateStatsStmt(statistics) => {
                self.creates_named(&statistics.defnames);
                for relation in &statistics.relations {
                    if let Some(NodeEnum::RangeVar(relation)) = &relation.node {
                        self.writes(Some(relation));
                    }
                }
            }
            NodeEnum::CreateConversionStmt(conversion) => self.object_named(&conversion.conversion_name),
            NodeEnum::CreateOpClassStmt(class) => self.object_named(&class.opclassname),
            NodeEnum::CreateOpFamilyStmt(family) => self.object_named(&family.opfamilyname),
            NodeEnum::CreateCastStmt(_) | NodeEnum::CreateTransformStmt(_) => {}
            _ => return false,
        }
        true
    }

    fn alters_something(&mut self, statement: &NodeEnum) -> bool {
        self.set(Action::Alter);
        match statement {
            NodeEnum::DropStmt(drop) => self.drops(drop),
            NodeEnum::AlterTableStmt(alter) => self.alter_table(alter),
            NodeEnum::RenameStmt(rename) => match &rename.relation {
                Some(relation) => {
                    self.writes(Some(relation));
                    self.part().cascades |= is_cascade(rename.behavior);
                }
                None => self.named(rename.rename_type, rename.object.as_deref()),
            },
            NodeEnum::CommentStmt(comment) => self.named(comment.objtype, comment.object.as_deref()),
            NodeEnum::AlterObjectSchemaStmt(alter) => match &alter.relation {
                Some(relation) => self.writes(Some(relation)),
                None => self.named(alter.object_type, alter.object.as_deref()),
            },
            NodeEnum::AlterObjectDependsStmt(alter) => self.object_node(alter.object.as_deref()),
            NodeEnum::AlterSeqStmt(alter) => {
                self.writes(alter.sequence.as_ref());
                self.owned_by(&alter.options);
            }
            NodeEnum::AlterFunctionStmt(alter) => {
                if let Some(name) = alter.func.as_ref().and_then(|function| Name::of_nodes(&function.objname))
                {
                    self.part().altered.insert((Kind::Function, name));
                }
            }
            NodeEnum::AlterDomainStmt(alter) => self.alters_type(&alter.type_name),
            NodeEnum::AlterEnumStmt(alter) => self.alters_type(&alter.type_name),
            NodeEnum::AlterTypeStmt(alter) => self.alters_type(&alter.type_name),
            NodeEnum::AlterOperatorStmt(_)
            | NodeEnum::AlterOpFamilyStmt(_)
            | NodeEnum::AlterCollationStmt(_)
            | NodeEnum::AlterStatsStmt(_)
            | NodeEnum::AlterTsdictionaryStmt(_)
            | NodeEnum::AlterTsconfigurationStmt(_) => {}
            _ => return false,
        }
        true
    }

    fn changes_access(&mut self, statement: &NodeEnum) -> bool {
        self.set(Action::Access);
        match statement {
            NodeEnum::GrantStmt(grant) => self.grant(grant),
            NodeEnum::AlterOwnerStmt(alter) => match &alter.relation {
                Some(relation) => self.writes(Some(relation)),
                None => self.named(alter.object_type, alter.object.as_deref()),
            },
            NodeEnum::SecLabelStmt(label) => self.named(label.objtype, label.object.as_deref()),
            NodeEnum::CreateRoleStmt(role) => self.object(role.role.as_str()),
            NodeEnum::CreatePolicyStmt(policy) => self.on(policy.table.as_ref(), &policy.policy_name),
            NodeEnum::AlterPolicyStmt(policy) => self.on(policy.table.as_ref(), &policy.policy_name),
            NodeEnum::GrantRoleStmt(_)
            | NodeEnum::AlterDefaultPrivilegesStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::AlterRoleSetStmt(_)
            | NodeEnum::DropRoleStmt(_)
            | NodeEnum::DropOwnedStmt(_)
            | NodeEnum::ReassignOwnedStmt(_)
            | NodeEnum::CreateUserMappingStmt(_)
            | NodeEnum::AlterUserMappingStmt(_)
            | NodeEnum::DropUserMappingStmt(_) => {}
            _ => return false,
        }
        true
    }

    fn administers_something(&mut self, statement: &NodeEnum) -> bool {
        self.set(Action::Administer);
        match statement {
            NodeEnum::VacuumStmt(vacuum) => {
                self.set(Action::Maintain);
                if vacuum.is_vacuumcmd {
                    self.outside_transaction();
                }
                for node in &vacuum.rels {
                    match &node.node {
                        Some(NodeEnum::VacuumRelation(one)) => self.writes(one.relation.as_ref()),
                        _ => self.unread(),
                    }
                }
            }
            NodeEnum::ReindexStmt(reindex) => {
                self.set(Action::Maintain);
                match &reindex.relation {
                    Some(relation) => self.writes(Some(relation)),
                    None => {
                        self.object(reindex.name.as_str());
                        self.outside_transaction();
                    }
                }
                let concurrently = options(&reindex.params)
                    .is_none_or(|all| all.iter().any(|one| one.defname == "concurrently" && is_on(one)));
                if concurrently {
                    self.outside_transaction();
                }
            }
            NodeEnum::ClusterStmt(cluster) => {
                self.set(Action::Maintain);
                match &cluster.relation {
                    Some(relation) => self.writes(Some(relation)),
                    None => self.outside_transaction(),
                }
            }
            NodeEnum::CheckPointStmt(_) => self.set(Action::Maintain),
            NodeEnum::LoadStmt(load) => self.object(load.filename.as_str()),
            NodeEnum::CreateExtensionStmt(extension) => self.object(extension.extname.as_str()),
            NodeEnum::AlterExtensionStmt(extension) => self.object(extension.extname.as_str()),
            NodeEnum::AlterExtensionContentsStmt(extension) => self.object(extension.extname.as_str()),
            NodeEnum::CreateForeignTableStmt(table) => {
                self.flag(Flag::Network);
                self.creates(table.base_stmt.as_ref().and_then(|base| base.relation.as_ref()));
            }
            NodeEnum::AlterSystemStmt(_)
            | NodeEnum::CreatedbStmt(_)
            | NodeEnum::DropdbStmt(_)
            | NodeEnum::CreateTableSpaceStmt(_)
            | NodeEnum::DropTableSpaceStmt(_)
            | NodeEnum::CreateSubscriptionStmt(_)
            | NodeEnum::AlterSubscriptionStmt(_)
            | NodeEnum::DropSubscriptionStmt(_) => self.outside_transaction(),
            NodeEnum::AlterTableSpaceOptionsStmt(_)
            | NodeEnum::AlterTableMoveAllStmt(_)
            | NodeEnum::AlterDatabaseStmt(_)
            | NodeEnum::AlterDatabaseRefreshCollStmt(_)
            | NodeEnum::AlterDatabaseSetStmt(_)
            | NodeEnum::CreatePlangStmt(_)
            | NodeEnum::CreateFdwStmt(_)
            | NodeEnum::AlterFdwStmt(_)
            | NodeEnum::CreateForeignServerStmt(_)
            | NodeEnum::AlterForeignServerStmt(_)
            | NodeEnum::ImportForeignSchemaStmt(_)
            | NodeEnum::CreateAmStmt(_)
            | NodeEnum::CreateEventTrigStmt(_)
            | NodeEnum::AlterEventTrigStmt(_)
            | NodeEnum::CreatePublicationStmt(_)
            | NodeEnum::AlterPublicationStmt(_) => {}
            _ => return false,
        }
        true
    }

    /// An object that belongs to a relation: the relation is what is altered.
    pub(super) fn on(&mut self, relation: Option<&RangeVar>, name: &str) {
        self.writes(relation);
        if let Some(relation) = relation {
            self.part().attached.push((Name::of_relation(relation), name.into()));
        }
    }

    /// Something that belongs to the first schema of the path, as relations do.
    fn creates_named(&mut self, parts: &[Node]) {
        if let Some(name) = Name::of_nodes(parts) {
            self.part().creates.insert(name);
        }
    }

    fn alters_type(&mut self, parts: &[Node]) {
        if let Some(name) = Name::of_nodes(parts) {
            self.part().altered.insert((Kind::Type, name));
        }
    }

    /// ALTER SEQUENCE … OWNED BY a column: its table is altered, too.
    fn owned_by(&mut self, given: &[Node]) {
        let Some(given) = options(given) else { return self.unread() };
        for option in given.into_iter().filter(|option| option.defname == "owned_by") {
            let Some(NodeEnum::List(list)) = option.arg.as_deref().and_then(|node| node.node.as_ref()) else {
                continue;
            };
            if let Some((_, relation)) = strings(&list.items).split_last()
                && let Some(name) = Name::of_parts(relation)
            {
                self.part().writes.insert(name);
            }
        }
    }

    fn grant(&mut self, grant: &GrantStmt) {
        if GrantTargetType::try_from(grant.targtype) == Ok(GrantTargetType::AclTargetAllInSchema) {
            // The names are those of schemas.
            for schema in &grant.objects {
                self.object_node(Some(schema));
                if let Some(NodeEnum::String(name)) = &schema.node {
                    self.part().whole_schemas.push(name.sval.as_str().into());
                }
            }
            return;
        }
        for object in &grant.objects {
            match &object.node {
                Some(NodeEnum::RangeVar(relation)) => self.writes(Some(relation)),
                _ => self.named(grant.objtype, Some(object)),
            }
        }
    }

    pub(super) fn object_node(&mut self, node: Option<&Node>) {
        match node.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::String(name)) => self.object(name.sval.as_str()),
            Some(NodeEnum::List(list)) => self.object(strings(&list.items).join(".")),
            Some(NodeEnum::ObjectWithArgs(object)) => self.object_named(&object.objname),
            Some(NodeEnum::TypeName(name)) => self.object_named(&name.names),
            // Casts, operator classes, large objects: the action says enough.
            _ => {}
        }
    }

    fn drops(&mut self, drop: &DropStmt) {
        self.set(Action::Drop);
        if drop.concurrent {
            self.outside_transaction();
        }
        self.dropped(drop);
    }

    fn create_table(&mut self, create: &CreateStmt) {
        self.creates(create.relation.as_ref());
        for element in create.table_elts.iter().chain(&create.constraints) {
            match &element.node {
                Some(NodeEnum::ColumnDef(column)) => self.column_definition(column),
                Some(NodeEnum::Constraint(constraint)) => self.constraint(constraint),
                Some(NodeEnum::TableLikeClause(_)) => {}
                _ => self.unread(),
            }
        }
    }

    fn column_definition(&mut self, column: &ColumnDef) {
        self.expression(column.raw_default.as_deref());
        for constraint in &column.constraints {
            match &constraint.node {
                Some(NodeEnum::Constraint(constraint)) => self.constraint(constraint),
                _ => self.unread(),
            }
        }
    }

    fn constraint(&mut self, constraint: &Constraint) {
        self.expression(constraint.raw_expr.as_deref());
        self.expression(constraint.where_clause.as_deref());
    }

    fn alter_table(&mut self, alter: &AlterTableStmt) {
        self.writes(alter.relation.as_ref());
        for command in &alter.cmds {
            match &command.node {
                Some(NodeEnum::AlterTableCmd(command)) => self.alter_table_command(command),
                _ => self.unread(),
            }
        }
    }

    fn alter_table_command(&mut self, command: &AlterTableCmd) {
        self.part().cascades |= is_cascade(command.behavior);
        if matches!(
            AlterTableType::try_from(command.subtype),
            Ok(AlterTableType::AtChangeOwner
                | AlterTableType::AtEnableRowSecurity
                | AlterTableType::AtDisableRowSecurity
                | AlterTableType::AtForceRowSecurity
                | AlterTableType::AtNoForceRowSecurity)
        ) {
            self.part().more.insert(Action::Access);
        }
        match command.def.as_deref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::PartitionCmd(partition)) if partition.concurrent => self.outside_transaction(),
            Some(NodeEnum::ColumnDef(column)) => self.column_definition(column),
            Some(NodeEnum::Constraint(constraint)) => self.constraint(constraint),
            // Names, options, other relations: nothing in them is evaluated.
            Some(
                NodeEnum::RangeVar(_)
                | NodeEnum::PartitionCmd(_)
                | NodeEnum::List(_)
                | NodeEnum::String(_)
                | NodeEnum::Integer(_)
                | NodeEnum::ReplicaIdentityStmt(_)
                | NodeEnum::TypeName(_)
                | NodeEnum::RoleSpec(_)
                | NodeEnum::DefElem(_)
                | NodeEnum::AtalterConstraint(_),
            )
            | None => {}
            // SET DEFAULT and the like.
            Some(_) => self.expression(command.def.as_deref()),
        }
    }
}

/// Statements after which the names that the catalogue has still mean what it says.
const fn keeps_meanings(statement: &NodeEnum) -> bool {
    matches!(
        statement,
        NodeEnum::CreateStmt(_)
            | NodeEnum::AlterTableStmt(_)
            | NodeEnum::IndexStmt(_)
            | NodeEnum::CreateSeqStmt(_)
            | NodeEnum::AlterSeqStmt(_)
            | NodeEnum::CreateTrigStmt(_)
            | NodeEnum::CreateEnumStmt(_)
            | NodeEnum::AlterEnumStmt(_)
            | NodeEnum::CreateStatsStmt(_)
            | NodeEnum::CommentStmt(_)
            | NodeEnum::DropStmt(_)
            | NodeEnum::GrantStmt(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::ClusterStmt(_)
            | NodeEnum::CheckPointStmt(_)
    )
}
