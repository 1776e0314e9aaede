//! Verdicts by what they depend on: the principal, the target, and of everything else only what the
//! policies read. So a hit is exact, and under policies that read little nearly everything hits.
//!
//! Bounded by size in bytes; what has been used least goes first.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use countersign_common::facts::{Granularity, Operation};
use countersign_common::id::RoleName;
use countersign_common::{Facts, Principal};

use crate::context::{Attribute, Attributes, epoch_hour};
use crate::question::Question;

/// The most that the keys of one cache take, in bytes, roughly: 16 MiB.
const BYTES_MAX: u64 = 16 << 20;

/// Values by question.
#[derive(Debug)]
pub(crate) struct Cache<V: Clone + Send + Sync + 'static>(moka::sync::Cache<Key, V>);

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    pub(crate) fn new() -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(BYTES_MAX)
            .weigher(|key: &Key, _: &V| key.bytes_estimate())
            .build();
        Self(cache)
    }

    pub(crate) fn get(&self, view: &View<'_>) -> Option<V> {
        self.0.get(view)
    }

    pub(crate) fn insert(&self, key: Key, value: V) {
        self.0.insert(key, value);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
}

/// A question as the cache sees it: what the policies that can meet it read, the rest left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    principal: &'a Principal,
    target: usize,
    operations: &'a [Operation],
    reads: Attributes,
    role: Option<&'a RoleName>,
    database: Option<&'a str>,
    stream: Option<bool>,
    in_transaction: Option<bool>,
    epoch_hour: Option<u64>,
}

impl<'a> View<'a> {
    /// The view of a question whose target has this number in the bundle. `None` when a policy reads the
    /// exact time: such a verdict holds for its moment only.
    pub(crate) fn new(
        question: &Question<'a>,
        target: usize,
        operations: &'a [Operation],
        reads: Attributes,
    ) -> Option<Self> {
        if reads.has(Attribute::Time) {
            return None;
        }
        let reads_hour = reads.has(Attribute::Hour) || reads.has(Attribute::Weekday);
        let stream = question.facts.granularity == Granularity::Stream;
        Some(Self {
            principal: question.principal,
            target,
            operations,
            reads,
            role: reads.has(Attribute::Role).then_some(question.role),
            database: reads.has(Attribute::Database).then_some(question.database),
            stream: reads.has(Attribute::Stream).then_some(stream),
            in_transaction: reads.has(Attribute::InTransaction).then_some(question.in_transaction),
            epoch_hour: reads_hour.then(|| epoch_hour(question.now)),
        })
    }

    /// The key that owns what this view shows.
    pub(crate) fn to_key(self, principal: Arc<Principal>, facts: Option<Arc<Facts>>) -> Key {
        Key {
            principal,
            target: self.target,
            facts,
            reads: self.reads,
            role: self.role.cloned(),
            database: self.database.map(Into::into),
            stream: self.stream,
            in_transaction: self.in_transaction,
            epoch_hour: self.epoch_hour,
        }
    }

    fn same_operations(&self, other: &Self) -> bool {
        std::ptr::eq(self.operations, other.operations)
            || (self.operations.len() == other.operations.len()
                && self.operations.iter().zip(other.operations).all(|(one, two)| same(one, two, self.reads)))
    }
}

/// Whether two operations are the same in what policies read of them.
pub(crate) fn same(one: &Operation, two: &Operation, reads: Attributes) -> bool {
    one.action == two.action
        && (!reads.has(Attribute::Reads) || one.reads == two.reads)
        && (!reads.has(Attribute::Writes) || one.writes == two.writes)
        && (!reads.has(Attribute::Functions) || one.functions == two.functions)
        && (!reads.has(Attribute::Flags) || one.flags == two.flags)
}

impl PartialEq for View<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target
            && self.reads == other.reads
            && self.role == other.role
            && self.database == other.database
            && self.stream == other.stream
            && self.in_transaction == other.in_transaction
            && self.epoch_hour == other.epoch_hour
            && (std::ptr::eq(self.principal, other.principal) || self.principal == other.principal)
            && self.same_operations(other)
    }
}

impl Hash for View<'_> {
    /// Groups are left out: they seldom tell principals of one subject apart, and equality looks at them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.principal.subject.hash(state);
        self.target.hash(state);
        (self.role, self.database, self.in_transaction, self.epoch_hour).hash(state);
        for operation in self.operations {
            operation.action.hash(state);
            if self.reads.has(Attribute::Reads) {
                operation.reads.hash(state);
            }
            if self.reads.has(Attribute::Writes) {
                operation.writes.hash(state);
            }
            if self.reads.has(Attribute::Functions) {
                operation.functions.hash(state);
            }
            if self.reads.has(Attribute::Flags) {
                operation.flags.hash(state);
            }
        }
    }
}

/// What a cached value is kept under.
#[derive(Debug)]
pub(crate) struct Key {
    principal: Arc<Principal>,
    target: usize,
    facts: Option<Arc<Facts>>,
    reads: Attributes,
    role: Option<RoleName>,
    database: Option<Box<str>>,
    stream: Option<bool>,
    in_transaction: Option<bool>,
    epoch_hour: Option<u64>,
}

impl Key {
    fn view(&self) -> View<'_> {
        View {
            principal: &self.principal,
            target: self.target,
            operations: self.facts.as_ref().map_or(&[], |facts| facts.operations.as_slice()),
            reads: self.reads,
            role: self.role.as_ref(),
            database: self.database.as_deref(),
            stream: self.stream,
            in_transaction: self.in_transaction,
            epoch_hour: self.epoch_hour,
        }
    }

    /// Roughly what an entry keeps alive, in bytes, shared parts counted in full.
    fn bytes_estimate(&self) -> u32 {
        let of_operation = |operation: &Operation| {
            let names = operation.reads.iter().chain(&operation.writes).chain(&operation.functions);
            160 + names.map(|name| name.len() + 40).sum::<usize>()
        };
        let operations: usize = self.facts.iter().flat_map(|facts| &facts.operations).map(of_operation).sum();
        let principal: usize =
            self.principal.chain().map(|subject| subject.as_str().len() + 24).sum::<usize>()
                + self.principal.groups.iter().map(|group| group.as_str().len() + 24).sum::<usize>();
        let fingerprint =
            self.facts.as_ref().and_then(|facts| facts.fingerprint.as_ref()).map_or(0, String::len);
        u32::try_from(512 + operations + principal + fingerprint).unwrap_or(u32::MAX)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
    }
}

impl moka::Equivalent<Key> for View<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.view()
    }
}
