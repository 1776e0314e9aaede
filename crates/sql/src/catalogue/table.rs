//! Objects of one class, found by oid and by name.

use std::sync::Arc;

use super::object::{Object, ObjectId};
use super::shards::Shards;

/// All objects of a class. Copies are cheap.
#[derive(Debug)]
pub(super) struct Table<T> {
    by_oid: Shards<u32, Arc<T>>,
    /// Those of one name in the order of their oids.
    by_name: Shards<Box<str>, Vec<Arc<T>>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { by_oid: Shards::default(), by_name: Shards::default() }
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { by_oid: self.by_oid.clone(), by_name: self.by_name.clone() }
    }
}

impl<T: Object> Table<T> {
    pub(super) fn get(&self, oid: u32) -> Option<&Arc<T>> {
        self.by_oid.get(&oid)
    }

    pub(super) fn named(&self, name: &str) -> &[Arc<T>] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.by_oid.iter().map(|(_, one)| one)
    }

    /// Puts an object in place of the one with its oid.
    pub(super) fn put(&mut self, object: Arc<T>) {
        self.remove(object.oid());
        if let Some(named) = self.by_name.entry(object.name().into()) {
            let at = named.partition_point(|one| one.oid() < object.oid());
            named.insert(at, Arc::clone(&object));
        }
        self.by_oid.insert(object.oid(), object);
    }

    pub(super) fn remove(&mut self, oid: u32) -> Option<Arc<T>> {
        let gone = self.by_oid.remove(&oid)?;
        let named = self.by_name.entry(gone.name().into())?;
        named.retain(|one| one.oid() != oid);
        if named.is_empty() {
            self.by_name.remove(gone.name());
        }
        Some(gone)
    }
}

/// For each object those that depend on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Dependants {
    of: Shards<ObjectId, Vec<ObjectId>>,
}

impl Dependants {
    pub(super) fn of(&self, object: ObjectId) -> &[ObjectId] {
        self.of.get(&object).map(Vec::as_slice).unwrap_or_default()
    }

    /// Notes that an object requires these.
    pub(super) fn add(&mut self, object: ObjectId, requires: &[ObjectId]) {
        for required in requires {
            if let Some(dependants) = self.of.entry(*required)
                && let Err(at) = dependants.binary_search(&object)
            {
                dependants.insert(at, object);
            }
        }
    }

    /// Takes back [`Self::add`].
    pub(super) fn remove(&mut self, object: ObjectId, requires: &[ObjectId]) {
        for required in requires {
            let Some(dependants) = self.of.entry(*required) else { continue };
            dependants.retain(|one| *one != object);
            if dependants.is_empty() {
                self.of.remove(required);
            }
        }
    }
}
