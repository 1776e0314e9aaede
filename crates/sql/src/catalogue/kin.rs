//! Families: relations that share their rows by inheritance or partitioning. Parents are read through their children,
//! so a family reads foreign data if any member does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Catalogue;
use super::relation::{Relation, RelationKind};

impl Catalogue {
    /// Settles the families of these relations and of everything that they are, or were, tied to.
    pub(super) fn settle_families(&mut self, before: &Self, changed: &[u32]) {
        let mut seeds = BTreeSet::new();
        for oid in changed {
            let (old, new) = (before.relation_by_oid(*oid), self.relation_by_oid(*oid));
            if same_ties(old, new) {
                self.keep_family(*oid, old);
                continue;
            }
            seeds.insert(*oid);
            seeds.extend(before.members(*oid));
        }
        let mut settled = BTreeSet::new();
        for seed in seeds {
            if settled.contains(&seed) {
                continue;
            }
            let members = self.members(seed);
            self.set_family(&members);
            settled.extend(members);
        }
    }

    /// All relations that a relation is tied to, with itself.
    fn members(&self, oid: u32) -> BTreeSet<u32> {
        let mut members = BTreeSet::new();
        let mut left = vec![oid];
        while let Some(oid) = left.pop() {
            let Some(relation) = self.relation_by_oid(oid) else { continue };
            if members.insert(oid) {
                left.extend(relation.parents.iter());
                left.extend(self.children(oid).map(|child| child.oid));
            }
        }
        members
    }

    fn set_family(&mut self, members: &BTreeSet<u32>) {
        let family = members.first().copied().filter(|_| members.len() > 1);
        let is_foreign = |oid: &u32| self.relation_by_oid(*oid).is_some_and(is_foreign);
        let foreign = members.iter().any(is_foreign);
        for oid in members {
            self.tie(*oid, family, foreign);
        }
    }

    fn keep_family(&mut self, oid: u32, old: Option<&Relation>) {
        if let Some(old) = old {
            self.tie(oid, old.family, old.foreign);
        }
    }

    fn tie(&mut self, oid: u32, family: Option<u32>, foreign: bool) {
        let Some(relation) = self.relations.get(oid) else { return };
        if (relation.family, relation.foreign) != (family, foreign) {
            let tied = Relation { family, foreign, ..Relation::clone(relation) };
            self.relations.put(Arc::new(tied));
        }
    }
}

fn is_foreign(relation: &Relation) -> bool {
    relation.kind == RelationKind::Foreign
}

/// Whether a relation is tied to its parents as it was. New children are tied by their own change.
fn same_ties(old: Option<&Relation>, new: Option<&Relation>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.parents == new.parents && is_foreign(old) == is_foreign(new),
        (None, None) => true,
        _ => false,
    }
}
