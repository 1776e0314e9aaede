//! Caches verdicts. The key has the principal, the target, and those parts of the question that the policies read. So
//! a hit is always correct, and nearly every question hits if the policies read little.
//!
//! The cache is limited by its size in bytes; the least used entries are dropped first.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use countersign_common::facts::{Granularity, Operation};
use countersign_common::id::RoleName;
use countersign_common::{Facts, Principal};
use parking_lot::Mutex;

use crate::context::{Attribute, Attributes, epoch_hour};
use crate::question::Question;

/// Maximum size of the keys of one cache, in bytes, estimated: 16 MiB.
const BYTES_MAX: u64 = 16 << 20;

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

/// Number of slots for recent values.
const RECENT_MAX: usize = 256;

/// The most recent values, by the memory address of their shared facts: a look-up needs neither a hash over names nor
/// accounting. As in [`Cache`], the two questions are compared to decide if they are equal.
#[derive(Debug)]
pub(crate) struct Recent<V>(Box<[Slot<V>]>);

/// The last value for a question with an address that maps to this slot.
type Slot<V> = Mutex<Option<(Key, V)>>;

impl<V: Clone> Recent<V> {
    pub(crate) fn new() -> Self {
        Self((0..RECENT_MAX).map(|_| Mutex::new(None)).collect())
    }

    pub(crate) fn get(&self, view: &View<'_>) -> Option<V> {
        let slot = self.slot(view.operations)?.lock();
        slot.as_ref().filter(|(key, _)| *view == key.view()).map(|(_, value)| value.clone())
    }

    /// Stores a value and drops the previous value of the same slot.
    pub(crate) fn put(&self, key: Key, value: V) {
        if let Some(slot) = self.slot(key.view().operations) {
            *slot.lock() = Some((key, value));
        }
    }

    fn slot(&self, operations: &[Operation]) -> Option<&Slot<V>> {
        let address = operations.as_ptr() as usize;
        self.0.get((address >> 5) % RECENT_MAX)
    }
}

/// The parts of a question that the policies for it read; all other parts are left out.
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
    /// Creates the view of a question; `target` is the number of the target in the bundle. Returns `None` if a policy
    /// reads the exact time: such a verdict is valid for that time only.
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

    /// Creates a key that owns the parts of this view.
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

/// Returns `true` if two operations are equal in all attributes that policies read.
pub(crate) fn same(one: &Operation, two: &Operation, reads: Attributes) -> bool {
    one.action == two.action
        && (!reads.has(Attribute::Reads) || one.reads == two.reads)
        && (!reads.has(Attribute::Writes) || one.writes == two.writes)
        && (!reads.has(Attribute::Functions) || one.functions == two.functions)
        && (!reads.has_masked_uses() || (one.flags == two.flags && one.masked == two.masked))
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
    /// Does not hash groups: principals with one subject rarely differ in them, and equality compares them.
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
            if self.reads.has_masked_uses() {
                operation.masked.hash(state);
            }
        }
    }
}

/// Key of a cached value.
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

    /// Estimates the memory that an entry keeps alive, in bytes; shared parts are counted in full.
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

#[cfg(test)]
mod tests {
    use countersign_common::facts::{Action, Flag};
    use countersign_common::principal::Kind;
    use countersign_common::verdict::DataClass;

    use super::*;
    use crate::tests::{NOW, agent, bundle, principal, target};

    /// Equality must be correct without the hash, which only makes it rare that two different views are compared.
    #[test]
    fn each_part_that_policies_read_tells_two_questions_apart() {
        let bundle = bundle("");
        let (target, role, agent) = (target(&bundle, "shop"), RoleName::new("app").unwrap(), agent());
        let facts = Facts { operations: vec![Operation::new(Action::Select)], ..Facts::nothing() };
        let with = |change: fn(&mut Operation)| {
            let mut facts = facts.clone();
            change(&mut facts.operations[0]);
            facts
        };
        let operations = [
            with(|o| o.action = Action::Show),
            with(|o| o.reads = ["t".to_owned()].into()),
            with(|o| o.writes = ["t".to_owned()].into()),
            with(|o| o.functions = ["t".to_owned()].into()),
            with(|o| o.flags = [Flag::Locking].into()),
            with(|o| o.masked.copies = [DataClass("email".into())].into()),
            with(|o| o.masked.predicates = [DataClass("email".into())].into()),
            with(|o| o.masked.equalities = [DataClass("email".into())].into()),
            Facts { granularity: Granularity::Stream, ..facts.clone() },
            Facts {
                operations: [facts.operations.clone(), facts.operations.clone()].concat(),
                ..facts.clone()
            },
            Facts { operations: Vec::new(), ..facts.clone() },
        ];
        let owner = RoleName::new("owner").unwrap();
        let human = principal(Kind::Human, "agent-7", &["agents"]);
        let base = Question {
            principal: &agent,
            target: &target,
            role: &role,
            database: "shop",
            facts: &facts,
            in_transaction: false,
            now: NOW,
        };
        let mut others = vec![
            Question { principal: &human, ..base },
            Question { role: &owner, ..base },
            Question { database: "lab", ..base },
            Question { in_transaction: true, ..base },
            Question { now: NOW.after(std::time::Duration::from_secs(3600)), ..base },
        ];
        others.extend(operations.iter().map(|facts| Question { facts, ..base }));

        let reads = Attributes::EVERY.without(Attribute::Time);
        let view = |question: &Question<'_>, reads| {
            let question = *question;
            View::new(&question, 0, &question.facts.operations, reads).map(|view| {
                view.to_key(Arc::new(question.principal.clone()), Some(Arc::new(question.facts.clone())))
            })
        };
        assert!(view(&base, reads) == view(&base, reads));
        for other in &others {
            assert!(view(&base, reads) != view(other, reads), "{other:?}");
        }
        // If nothing else is read, only the principal, the actions and their number are compared.
        let same = others
            .iter()
            .filter(|other| view(&base, Attributes::default()) == view(other, Attributes::default()));
        assert_eq!(same.count(), others.len() - 4);
        assert!(view(&base, Attributes::EVERY).is_none());
    }
}
