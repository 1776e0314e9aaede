//! A map whose copies are cheap: entries are spread over shards that copies share until one of them is changed.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

/// A copy costs this many reference counts; a change copies one shard.
const SHARDS: usize = 256;

/// A map from `K` to `V`.
#[derive(Debug, Clone)]
pub(super) struct Shards<K, V> {
    /// Empty as long as the map is.
    shards: Vec<Arc<FxHashMap<K, V>>>,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self { shards: Vec::new() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards.get(shard(key))?.get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.shards.is_empty() {
            self.shards = vec![Arc::default(); SHARDS];
        }
        if let Some(shard) = self.shards.get_mut(shard(&key)) {
            Arc::make_mut(shard).insert(key, value);
        }
    }

    /// The value of a key, made first if there is none.
    pub(super) fn entry(&mut self, key: K) -> Option<&mut V>
    where
        V: Default,
    {
        if self.shards.is_empty() {
            self.shards = vec![Arc::default(); SHARDS];
        }
        let shard = self.shards.get_mut(shard(&key))?;
        Some(Arc::make_mut(shard).entry(key).or_default())
    }

    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let shard = self.shards.get_mut(shard(key))?;
        shard.get(key)?;
        Arc::make_mut(shard).remove(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

/// The upper bits decide: the lower ones place an entry within its shard.
fn shard<Q: Hash + ?Sized>(key: &Q) -> usize {
    let hash = FxBuildHasher.hash_one(key);
    usize::try_from((hash >> 24) % SHARDS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_copy_leaves_the_original_alone() {
        let mut first = Shards::default();
        for key in 0..1000_u32 {
            first.insert(key, key);
        }
        let mut second = first.clone();
        second.insert(7, 70);
        second.remove(&8);
        assert_eq!((first.get(&7), first.get(&8)), (Some(&7), Some(&8)));
        assert_eq!((second.get(&7), second.get(&8)), (Some(&70), None));
        assert_eq!((first.iter().count(), second.iter().count()), (1000, 999));
        let shared = first.shards.iter().zip(&second.shards).filter(|(one, two)| Arc::ptr_eq(one, two));
        assert!(shared.count() >= SHARDS - 2);
    }
}
