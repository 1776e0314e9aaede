//! What a change to a relation touches besides the relation itself: kin by inheritance and partitioning, the relations
//! behind views, what rules do, foreign keys that carry a change on, what CASCADE reaches, the bodies of functions in SQL.
//! Triggers run code in other languages: of them a flag tells.

use countersign_common::facts::{Action, Class, Flag};

use super::names::{Resolver, candidates, visible};
use super::relations;
use crate::catalogue::{
    Definition, FIRST_ADDED_OID, Function, ObjectClass, ObjectId, ReferentialAction, Relation, RelationKind,
    RuleEvent,
};
use crate::reading::{Dropped, Kind, Part};

/// Objects that CASCADE is followed to. Where there are more, not all are named.
const REACHED_MAX: usize = 10_000;

/// How a relation is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Change {
    Insert,
    Update,
    Delete,
    Truncate,
    /// Its definition, or not at all: it is locked, analysed, commented on.
    Definition,
}

/// How a part changes the relations that it writes to.
fn changes(part: &Part) -> &'static [Change] {
    match part.deferred.unwrap_or(part.action) {
        Action::Insert if part.upserts => &[Change::Insert, Change::Update],
        Action::Insert | Action::CopyIn => &[Change::Insert],
        Action::Update => &[Change::Update],
        Action::Delete => &[Change::Delete],
        Action::Merge => &[Change::Insert, Change::Update, Change::Delete],
        Action::Truncate => &[Change::Truncate],
        _ => &[Change::Definition],
    }
}

/// The server keeps definitions under a path of `pg_catalog` alone.
fn stored_path() -> [String; 1] {
    [String::from("pg_catalog")]
}

impl<'a> Resolver<'a> {
    /// The relations that a part writes to, with all that they carry on.
    pub(super) fn written(&mut self, part: &Part, path: Option<&[String]>) {
        let session = self.session;
        for name in &part.writes {
            let known = relations(session, name, path);
            if known.is_empty() || (path.is_none() && name.schema.is_none()) {
                self.found.flags.insert(Flag::Unresolved);
            }
            if known.is_empty() {
                self.found.writes.extend(candidates(name, path));
            }
            for relation in known {
                for change in changes(part) {
                    self.change(relation, *change, part.with_kin.contains(name), part.cascades);
                }
                if part.action == Action::Refresh
                    && let Some(query) = &relation.view
                {
                    self.follow(query);
                }
            }
        }
        self.reached(part, path);
    }

    fn change(&mut self, relation: &'a Relation, change: Change, kin: bool, cascades: bool) {
        if !self.changed.insert((relation.oid, change)) {
            return;
        }
        self.found.writes.insert(relation.qualified.clone());
        self.row_of(relation);
        self.types.extend(relation.types.iter());
        for policy in &relation.policies {
            self.follow(policy);
        }
        let ancestors = self.ancestors(relation);
        self.found.writes.extend(ancestors.iter().map(|one| one.qualified.clone()));
        // What is inserted into a parent that is no partitioned table stays there.
        if kin && (change != Change::Insert || relation.kind == RelationKind::Partitioned) {
            for child in self.children(relation) {
                self.change(child, change, true, cascades);
            }
        }
        self.rules(relation, change);
        self.triggers(relation, change);
        for referred in std::iter::once(relation).chain(ancestors) {
            self.referring(referred, change, cascades);
        }
        if relation.kind == RelationKind::View
            && let Some(query) = &relation.view
        {
            self.view(relation, query, change);
        }
    }

    /// A view that is written to is read and carried on to what it shows.
    fn view(&mut self, relation: &'a Relation, query: &'a Definition, change: Change) {
        self.follow(query);
        let instead =
            relation.triggers().iter().any(|one| one.enabled && one.is_instead() && fires(one, change));
        let Some(base) =
            query.reading().updatable.as_ref().filter(|_| !instead && change != Change::Definition)
        else {
            return;
        };
        for relation in relations(self.session, base, Some(&stored_path())) {
            self.change(relation, change, true, false);
        }
    }

    fn children(&self, relation: &Relation) -> Vec<&'a Relation> {
        let session = self.session;
        session.catalogue.children(relation.oid).collect()
    }

    fn ancestors(&self, relation: &Relation) -> Vec<&'a Relation> {
        let session = self.session;
        let mut found: Vec<&Relation> = Vec::new();
        let mut left: Vec<u32> = relation.parents().to_vec();
        while let Some(oid) = left.pop() {
            if let Some(parent) = session.catalogue.relation_by_oid(oid)
                && found.iter().all(|one| one.oid != oid)
            {
                left.extend(parent.parents());
                found.push(parent);
            }
        }
        found
    }

    /// Kin that share the rows of a relation that is read.
    pub(super) fn kin_read(&mut self, relation: &'a Relation, with_children: bool) {
        let ancestors = self.ancestors(relation);
        self.found.reads.extend(ancestors.iter().map(|one| one.qualified.clone()));
        let mut left = if with_children { self.children(relation) } else { Vec::new() };
        while let Some(child) = left.pop() {
            if self.found.reads.insert(child.qualified.clone()) {
                self.row_of(child);
                left.extend(self.children(child));
            }
        }
    }

    fn rules(&mut self, relation: &'a Relation, change: Change) {
        let event = match change {
            Change::Insert => RuleEvent::Insert,
            Change::Update => RuleEvent::Update,
            Change::Delete => RuleEvent::Delete,
            Change::Truncate | Change::Definition => return,
        };
        for rule in relation.rules().iter().filter(|rule| rule.enabled && rule.event == event) {
            if let Some(definition) = &rule.definition {
                self.rule(definition);
            }
        }
    }

    fn rule(&mut self, definition: &'a Definition) {
        if !self.followed.insert(std::ptr::from_ref(definition)) {
            return;
        }
        let reading = definition.reading();
        if let Some(why) = reading.failure() {
            self.found.acts.insert(Action::Unknown);
            self.found.flags.insert(why);
            return;
        }
        for part in &reading.parts {
            self.found.flags.extend(&part.flags);
            self.found.acts.extend(&part.more);
            self.found.acts.extend(part.deferred.filter(|action| action.class() == Class::Write));
            self.names(part, Some(&stored_path()));
            if part.deferred.is_some() {
                self.written(part, Some(&stored_path()));
            }
        }
    }

    // Trigger functions cannot be written in SQL, so none can be read.
    fn triggers(&mut self, relation: &Relation, change: Change) {
        let session = self.session;
        let unread = |oid: u32| {
            let reviewed = session.catalogue.function_by_oid(oid).is_some_and(|function| function.reviewed);
            oid >= FIRST_ADDED_OID && !reviewed
        };
        if relation.triggers().iter().any(|one| one.enabled && fires(one, change) && unread(one.function)) {
            self.found.flags.insert(Flag::UnreadDefinition);
        }
    }

    /// Foreign keys carry a change on to the rows that refer.
    fn referring(&mut self, relation: &'a Relation, change: Change, cascades: bool) {
        let session = self.session;
        let referring: Vec<_> = session.catalogue.referring(relation.oid).collect();
        for (referring, key) in referring {
            let carried = match change {
                Change::Delete => carried(key.on_delete, Change::Delete),
                Change::Update => carried(key.on_update, Change::Update),
                Change::Truncate => cascades.then_some(Change::Truncate),
                Change::Insert | Change::Definition => None,
            };
            if let Some(carried) = carried {
                self.change(referring, carried, true, cascades);
            }
        }
    }

    /// The body of a function in SQL, under the path that it will have.
    pub(super) fn body(&mut self, function: &Function) {
        let session = self.session;
        let Some(details) = session.catalogue.function_by_oid(function.oid()).and_then(Function::details)
        else {
            return;
        };
        let Some(body) = details.body.as_deref() else { return };
        if !self.followed.insert(std::ptr::from_ref(body)) {
            return;
        }
        let own_path = details.settings.as_deref().is_some_and(|settings| settings.contains("search_path"));
        let stored = stored_path();
        let path = match (details.atomic, own_path) {
            (true, _) => Some(stored.as_slice()),
            (false, true) => None,
            (false, false) => session.schemas,
        };
        for part in &body.reading().parts {
            self.names(part, path);
            self.written(part, path);
        }
    }

    /// What DROP takes with it, and CASCADE reaches.
    fn reached(&mut self, part: &Part, path: Option<&[String]>) {
        let session = self.session;
        let catalogue = session.catalogue;
        let mut objects: Vec<ObjectId> =
            part.dropped.iter().flat_map(|one| self.dropped(one, path)).collect();
        for owned in objects.iter().flat_map(|object| catalogue.dependants(*object)) {
            // Its sequences go with a table.
            let sequence =
                catalogue.relation_by_oid(owned.oid).filter(|one| one.kind == RelationKind::Sequence);
            if let Some(sequence) = sequence.filter(|_| owned.class == ObjectClass::Relation) {
                self.found.writes.insert(sequence.qualified.clone());
            }
        }
        for schema in &part.whole_schemas {
            let inside = catalogue.relations().filter(|one| one.schema == *schema);
            self.found.writes.extend(inside.map(|one| one.qualified.clone()));
        }
        let is_schema = part.dropped.iter().any(|one| matches!(one, Dropped::Schema(_)));
        if !part.cascades || part.action == Action::Truncate {
            return;
        }
        if !is_schema {
            let written = part.writes.iter().flat_map(|name| relations(session, name, path));
            objects.extend(written.map(|relation| ObjectId::relation(relation.oid)));
        }
        let reached = catalogue.dependants_closure(objects, REACHED_MAX);
        if reached.len() >= REACHED_MAX {
            self.found.flags.insert(Flag::Unresolved);
        }
        self.found.writes.extend(reached.into_iter().filter_map(|object| named(session.catalogue, object)));
    }

    fn dropped(&self, dropped: &Dropped, path: Option<&[String]>) -> Vec<ObjectId> {
        let session = self.session;
        let catalogue = session.catalogue;
        match dropped {
            Dropped::Relation(name) => relations(session, name, path)
                .into_iter()
                .map(|relation| ObjectId::relation(relation.oid))
                .collect(),
            Dropped::Other(Kind::Function, name) => catalogue
                .functions_named(&name.name)
                .iter()
                .filter(|one| visible(&one.schema, name, path))
                .map(|one| ObjectId::function(one.oid()))
                .collect(),
            Dropped::Other(Kind::Type, name) => catalogue
                .types_named(&name.name)
                .iter()
                .filter(|one| visible(&one.schema, name, path))
                .map(|one| ObjectId::data_type(one.oid))
                .collect(),
            Dropped::Schema(schema) => {
                let relations = catalogue.relations().filter(|one| one.schema == *schema);
                let functions = catalogue.functions().filter(|one| one.schema == *schema);
                let relations = relations.map(|one| ObjectId::relation(one.oid));
                relations.chain(functions.map(|one| ObjectId::function(one.oid()))).collect()
            }
        }
    }
}

const fn fires(trigger: &crate::catalogue::Trigger, change: Change) -> bool {
    match change {
        Change::Insert => trigger.fires_on_insert(),
        Change::Update => trigger.fires_on_update(),
        Change::Delete => trigger.fires_on_delete(),
        Change::Truncate => trigger.fires_on_truncate(),
        Change::Definition => false,
    }
}

const fn carried(action: ReferentialAction, cascade: Change) -> Option<Change> {
    match action {
        ReferentialAction::Refuse => None,
        ReferentialAction::Cascade => Some(cascade),
        ReferentialAction::SetNull | ReferentialAction::SetDefault => Some(Change::Update),
    }
}

fn named(catalogue: &crate::Catalogue, object: ObjectId) -> Option<String> {
    match object.class {
        ObjectClass::Relation => Some(catalogue.relation_by_oid(object.oid)?.qualified.clone()),
        ObjectClass::Function => Some(catalogue.function_by_oid(object.oid)?.qualified().to_owned()),
        ObjectClass::Type => {
            let (schema, name) = catalogue.data_type(object.oid)?;
            // The array types that the server makes with the rows of a relation say nothing more.
            let of_rows = |name: &str| catalogue.relations_named(name).next().is_some();
            if name.strip_prefix('_').is_some_and(of_rows) {
                return None;
            }
            Some(format!("{schema}.{name}"))
        }
        ObjectClass::Namespace | ObjectClass::Operator | ObjectClass::Cast => None,
    }
}
