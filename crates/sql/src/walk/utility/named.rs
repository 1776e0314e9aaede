//! Objects that statements name: COMMENT ON, DROP, GRANT ON, SECURITY LABEL ON and the like.

use pg_query::NodeEnum;
use pg_query::protobuf::{DropStmt, Node, ObjectType};

use crate::name::{Name, strings};
use crate::reading::{Dropped, Kind};
use crate::walk::Walk;

/// How an object is named.
enum Naming {
    /// A relation, by its own name.
    Relation,
    /// Something of a relation, whose name comes last.
    OfRelation,
    Other(Kind),
    /// By a name without a schema, or one that says nothing of relations.
    Plain,
}

fn naming(kind: i32) -> Naming {
    match ObjectType::try_from(kind) {
        Ok(
            ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectSequence
            | ObjectType::ObjectIndex,
        ) => Naming::Relation,
        Ok(
            ObjectType::ObjectColumn
            | ObjectType::ObjectRule
            | ObjectType::ObjectTrigger
            | ObjectType::ObjectPolicy
            | ObjectType::ObjectTabconstraint,
        ) => Naming::OfRelation,
        Ok(
            ObjectType::ObjectFunction
            | ObjectType::ObjectProcedure
            | ObjectType::ObjectRoutine
            | ObjectType::ObjectAggregate,
        ) => Naming::Other(Kind::Function),
        Ok(ObjectType::ObjectType | ObjectType::ObjectDomain) => Naming::Other(Kind::Type),
        _ => Naming::Plain,
    }
}

impl Walk {
    /// Notes an object of a kind that is written to.
    pub(super) fn named(&mut self, kind: i32, node: Option<&Node>) {
        let Some(name) = node.and_then(parts) else { return self.object_node(node) };
        match naming(kind) {
            Naming::Relation => self.alters(&name),
            Naming::OfRelation => match name.split_last() {
                Some((last, relation)) if !relation.is_empty() => {
                    self.alters(relation);
                    if let Some(relation) = Name::of_parts(relation) {
                        self.part().attached.push((relation, Box::from(*last)));
                    }
                }
                _ => self.unread(),
            },
            Naming::Other(kind) => {
                if let Some(name) = Name::of_parts(&name) {
                    self.part().altered.insert((kind, name));
                }
            }
            Naming::Plain => self.object_node(node),
        }
    }

    fn alters(&mut self, parts: &[&str]) {
        if let Some(name) = Name::of_parts(parts) {
            self.part().with_kin.insert(name.clone());
            self.part().writes.insert(name);
        }
    }

    /// The objects of DROP, from which CASCADE starts.
    pub(super) fn dropped(&mut self, drop: &DropStmt) {
        self.part().cascades = super::is_cascade(drop.behavior);
        for object in &drop.objects {
            self.named(drop.remove_type, Some(object));
            let Some(name) = parts(object) else { continue };
            let dropped = match (naming(drop.remove_type), Name::of_parts(&name)) {
                (Naming::Relation, Some(name)) => Dropped::Relation(name),
                (Naming::Other(kind), Some(name)) => Dropped::Other(kind, name),
                (Naming::Plain, Some(name)) if drop.remove_type == ObjectType::ObjectSchema as i32 => {
                    Dropped::Schema(name.name)
                }
                _ => continue,
            };
            self.part().dropped.push(dropped);
        }
    }
}

/// The parts of a name.
fn parts(node: &Node) -> Option<Vec<&str>> {
    let found = match node.node.as_ref()? {
        NodeEnum::String(name) => vec![name.sval.as_str()],
        NodeEnum::List(list) => strings(&list.items),
        NodeEnum::ObjectWithArgs(object) => strings(&object.objname),
        NodeEnum::TypeName(name) => strings(&name.names),
        _ => return None,
    };
    (!found.is_empty()).then_some(found)
}
