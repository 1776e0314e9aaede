//! Whether the meaning of a text rests on names that are being redefined.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use crate::catalogue::{Catalogue, ObjectClass, ObjectId};
use crate::reading::{Reading, Redefined};

/// With more objects than these behind a text it counts as resting on any name.
const BEHIND_MAX: usize = 10_000;

impl Reading {
    /// Whether something that this text names, or what that is made of by a catalogue, has a name that is redefined.
    // INVARIANT: I7. More names than really matter are looked at, never fewer.
    #[must_use]
    pub fn rests_on(&self, redefined: &Redefined, catalogue: &Catalogue) -> bool {
        if redefined.is_empty() {
            return false;
        }
        if redefined.anything || self.failure().is_some() {
            return true;
        }
        let writes = self.parts.iter().any(|part| !part.writes.is_empty());
        let names = &redefined.names;
        let mut follow = Follow { catalogue, names, writes, seen: FxHashSet::default(), left: Vec::new() };
        follow.meets(self) || follow.all()
    }
}

struct Follow<'a> {
    catalogue: &'a Catalogue,
    names: &'a BTreeSet<Box<str>>,
    /// The text changes rows, which triggers and foreign keys go on with.
    writes: bool,
    seen: FxHashSet<ObjectId>,
    left: Vec<ObjectId>,
}

impl Follow<'_> {
    /// Whether a text names one of them itself; what else it names is followed later.
    fn meets(&mut self, reading: &Reading) -> bool {
        // A function of a row can be written as its column.
        let columns = reading.mentions.columns.iter().map(AsRef::as_ref);
        if reading.mentioned_objects().chain(columns).any(|name| self.names.contains(name)) {
            return true;
        }
        for name in reading.mentioned_objects() {
            let catalogue = self.catalogue;
            self.follow(catalogue.named(name));
        }
        false
    }

    fn follow(&mut self, objects: impl IntoIterator<Item = ObjectId>) {
        for object in objects {
            if self.seen.insert(object) {
                self.left.push(object);
            }
        }
    }

    fn all(&mut self) -> bool {
        while let Some(object) = self.left.pop() {
            if self.seen.len() > BEHIND_MAX || self.object(object) {
                return true;
            }
        }
        false
    }

    /// Whether an object has one of the names, or its text does.
    fn object(&mut self, object: ObjectId) -> bool {
        let catalogue = self.catalogue;
        match object.class {
            ObjectClass::Relation => {
                let Some(relation) = catalogue.relation_by_oid(object.oid) else { return false };
                if self.names.contains(relation.name()) {
                    return true;
                }
                // A foreign key is no part of what is read.
                let is_plain =
                    !self.writes && relation.rules().is_empty() && relation.policies().next().is_none();
                let refers = |one: &ObjectId| {
                    let keys = relation.foreign_keys().iter();
                    one.class == ObjectClass::Relation
                        && keys.map(|key| key.referenced).any(|oid| oid == one.oid)
                };
                self.follow(relation.requires().iter().copied().filter(|one| !(is_plain && refers(one))));
                self.follow(relation.parents().iter().map(|oid| ObjectId::relation(*oid)));
                self.follow(catalogue.children(object.oid).map(|one| ObjectId::relation(one.oid())));
                if self.writes {
                    let referring = catalogue.referring(object.oid);
                    self.follow(referring.map(|(one, _)| ObjectId::relation(one.oid())));
                }
                false
            }
            ObjectClass::Function => {
                let Some(function) = catalogue.function_by_oid(object.oid) else { return false };
                if self.names.contains(function.name()) {
                    return true;
                }
                self.follow(function.requires().iter().copied());
                let body = function.details().and_then(|details| details.body.as_deref());
                body.is_some_and(|body| self.meets(body.reading()))
            }
            ObjectClass::Type => {
                let Some(one) = catalogue.type_by_oid(object.oid) else { return false };
                if self.names.contains(catalogue.data_type(object.oid).map_or("", |(_, name)| name)) {
                    return true;
                }
                self.follow(one.requires.iter().copied());
                false
            }
            _ => false,
        }
    }
}
