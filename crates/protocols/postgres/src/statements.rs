//! The prepared statements and portals of one connection, as the *server* has them. What a name stands
//! for is believed only once the server has said so: a Parse that fails upstream leaves the older
//! statement of that name in place, and executing that one must be judged by its own text.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use countersign_common::Facts;
use countersign_common::command::Parameter;
use countersign_masking::{Column, Rules};
use countersign_sql::{Catalogue, Reading};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::codec::{Format, Formats};
use crate::session::settings::Settings;
use crate::setting_changes::Under;

/// The name of a statement or portal; empty for the unnamed one.
pub(crate) type Name = Box<[u8]>;

/// Statements and portals that a client may keep at once. Above it: refused, as a server that is out of
/// memory would.
pub(crate) const NAMES_MAX: usize = 50_000;

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its exact text.
    pub(crate) text: Bytes,
    /// Its text, read.
    pub(crate) reading: Arc<Reading>,
    /// Types of its parameters as far as the client gave them.
    pub(crate) types: Box<[u32]>,
    /// Made by SQL: its text is that of a PREPARE.
    pub(crate) by_sql: bool,
    /// The settings under which the server took it in: literals are evaluated then.
    pub(crate) under: Under,
}

/// A portal: a statement with its parameters.
#[derive(Debug)]
pub(crate) struct Portal {
    /// What it runs.
    pub(crate) statement: Arc<Prepared>,
    /// With which parameters.
    pub(crate) parameters: Vec<Parameter>,
    /// The settings under which it was bound: parameters are evaluated then.
    pub(crate) under: Under,
    /// What its names meant when it was bound: the server plans it then, and keeps that plan whatever the names come
    /// to mean. `None` for one that we never saw.
    pub(crate) bound: Option<Bound>,
    /// How the client wants the columns of its result.
    pub(crate) result_formats: ResultFormats,
    /// What is known of its columns.
    pub(crate) description: Description,
}

impl Portal {
    /// Whether it is an EXECUTE of SQL: then it runs what its name stands for when it runs, not when it was bound.
    pub(crate) fn executes(&self) -> bool {
        self.statement.reading.executes().next().is_some()
    }
}

/// What the names of a portal meant when it was bound.
#[derive(Debug)]
pub(crate) struct Bound {
    /// What it does, by that.
    pub(crate) facts: Arc<Facts>,
    /// Under what it was found out.
    pub(crate) under: Meaning,
}

/// What gives names their meaning.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    /// The session's settings; `None` when they were not known.
    pub(crate) settings: Option<Arc<Settings>>,
    /// What the database defines; nothing while the open transaction changes that.
    pub(crate) catalogue: Arc<Catalogue>,
}

impl Meaning {
    /// Whether a name means the same under both.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let paths = match (&self.settings, &other.settings) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one.schemas == two.schemas,
            (None, None) => true,
            _ => false,
        };
        paths && Arc::ptr_eq(&self.catalogue, &other.catalogue)
    }
}

/// What is known of a portal's columns. Where their values come from is asked with masking rules at hand, and holds
/// for those only.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// The rules at hand when a Describe was last sent.
    asked: Mutex<Option<Arc<Rules>>>,
    columns: Mutex<Option<Described>>,
}

/// The columns of a portal, and the rules that were at hand.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) columns: Arc<[Column]>,
    pub(crate) rules: Arc<Rules>,
}

impl Description {
    /// A Describe goes out now. Answers whether one went out with these rules at hand before.
    pub(crate) fn ask(&self, rules: &Arc<Rules>) -> bool {
        let before = self.asked.lock().replace(Arc::clone(rules));
        before.is_some_and(|before| Arc::ptr_eq(&before, rules))
    }

    /// The server has described the columns.
    pub(crate) fn set(&self, described: Described) {
        *self.columns.lock() = Some(described);
    }

    /// What was described last.
    pub(crate) fn get(&self) -> Option<Described> {
        self.columns.lock().clone()
    }
}

/// How the columns of a result are written, as Bind said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResultFormats {
    /// All the same.
    All(bool),
    /// Each its own; `true` is binary.
    Each(Box<[bool]>),
}

impl ResultFormats {
    /// As a Bind has them.
    pub(crate) fn of(formats: Formats<'_>) -> Self {
        if formats.len() <= 1 {
            Self::All(formats.of(0) == Format::Binary)
        } else {
            Self::Each(formats.iter().map(|format| format == Format::Binary).collect())
        }
    }
}

impl ResultFormats {
    /// Whether the column with this index is written in binary.
    pub(crate) fn is_binary(&self, index: usize) -> bool {
        match self {
            Self::All(binary) => *binary,
            Self::Each(each) => each.get(index).copied().unwrap_or(false),
        }
    }
}

impl Prepared {
    /// What SQL's own PREPARE made: its text is that of the PREPARE, with the types of the parameters.
    pub(crate) fn by_sql(reading: &Arc<Reading>, under: &Under) -> Self {
        let text = Bytes::copy_from_slice(reading.source().unwrap_or_default().as_bytes());
        Self { text, reading: Arc::clone(reading), types: Box::default(), by_sql: true, under: under.clone() }
    }
}

/// What the names of prepared statements stood for that a text executes, when it was let go. Its answer comes later:
/// by then the client may have given them to others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Executed(Option<Arc<FxHashMap<Box<str>, Arc<Reading>>>>);

impl Executed {
    /// Of this text, and of what it executes. Nothing of a name that stands for nothing certain.
    pub(crate) fn of(reading: &Reading, names: &Names<Prepared>) -> Self {
        let mut open: Vec<Box<str>> = reading.executes().map(Into::into).collect();
        if open.is_empty() {
            return Self(None);
        }
        let mut known: FxHashMap<Box<str>, Arc<Reading>> = FxHashMap::default();
        while let Some(name) = open.pop() {
            if let (false, Known::As(prepared)) = (known.contains_key(&name), names.get(name.as_bytes())) {
                open.extend(prepared.reading.executes().map(Into::into));
                known.insert(name, Arc::clone(&prepared.reading));
            }
        }
        Self(Some(Arc::new(known)))
    }

    /// The texts that are executed.
    pub(crate) fn readings(&self) -> impl Iterator<Item = Arc<Reading>> {
        self.0.iter().flat_map(|known| known.values().cloned())
    }
}

/// A table of names of which some changes are on their way to the server and not yet confirmed.
#[derive(Debug)]
pub(crate) struct Names<T> {
    confirmed: FxHashMap<Name, Arc<T>>,
    /// Changes made since the last Sync that we forwarded; `None`: closed. If one of them fails, the server
    /// skips everything up to that Sync, so within this batch they may be relied on.
    batch: FxHashMap<Name, Option<Arc<T>>>,
    /// Names of the batch that are not among the confirmed ones, counted.
    only_in_batch: usize,
    /// Names changed in earlier batches that the server has not answered to their end. Such a change may
    /// fail, and what follows its Sync would still run.
    unsettled: VecDeque<Vec<Name>>,
    /// Grows whenever [`Names::get`] may answer otherwise of a named one; what was derived from names before must be
    /// derived again.
    version: u64,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Known<T> {
    /// This.
    As(Arc<T>),
    /// Nothing that we saw.
    Unseen,
    /// It depends on an answer that has not come yet: wait for the server first.
    Unsettled,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        let (confirmed, batch) = (FxHashMap::default(), FxHashMap::default());
        Self { confirmed, batch, only_in_batch: 0, unsettled: VecDeque::new(), version: 0 }
    }
}

impl<T> Names<T> {
    /// What `name` will stand for when the server comes to what is sent next.
    // INVARIANT: I2. The text that is judged is the text that the server has under this name.
    pub(crate) fn get(&self, name: &[u8]) -> Known<T> {
        match self.batch.get(name) {
            Some(Some(defined)) => return Known::As(Arc::clone(defined)),
            Some(None) => return Known::Unseen,
            None => {}
        }
        if self.unsettled.iter().flatten().any(|one| **one == *name) {
            return Known::Unsettled;
        }
        self.confirmed.get(name).map_or(Known::Unseen, |defined| Known::As(Arc::clone(defined)))
    }

    /// A change is on its way.
    pub(crate) fn sent(&mut self, name: &[u8], change: Option<Arc<T>>) {
        self.version += u64::from(!name.is_empty());
        if self.batch.insert(name.into(), change).is_none() && !self.confirmed.contains_key(name) {
            self.only_in_batch += 1;
        }
    }

    /// A Sync (or what acts as one) is on its way: what was sent before it is not certain for what comes after it.
    /// One [`Names::answered`] follows.
    pub(crate) fn synced(&mut self) {
        let names: Vec<Name> = self.batch.drain().map(|(name, _)| name).collect();
        self.only_in_batch = 0;
        self.changes(&names);
        self.unsettled.push_back(names);
    }

    /// The server has answered up to a Sync: the oldest batch is settled.
    pub(crate) fn answered(&mut self) {
        let settled = self.unsettled.pop_front();
        self.changes(&settled.unwrap_or_default());
    }

    /// The Sync that ended the batch with this index, counted from the oldest, is never answered: the server skipped
    /// it behind an error, or ignored it during COPY. What was sent before it is settled all the same.
    pub(crate) fn never_answered(&mut self, index: usize) {
        let settled = self.unsettled.remove(index);
        self.changes(&settled.unwrap_or_default());
    }

    /// The changes of this batch were never sent.
    pub(crate) fn forget_batch(&mut self) {
        let names: Vec<Name> = self.batch.drain().map(|(name, _)| name).collect();
        self.only_in_batch = 0;
        self.changes(&names);
    }

    /// These stand for something else from here on, or may.
    // INVARIANT: I2. A change that is taken back is one, too: what EXECUTE runs is what the name stands for *now*.
    fn changes(&mut self, names: &[Name]) {
        self.version += u64::from(names.iter().any(|name| !name.is_empty()));
    }

    /// The server has made the change.
    pub(crate) fn confirm(&mut self, name: &[u8], change: Option<Arc<T>>) {
        self.version += u64::from(!name.is_empty());
        let was_confirmed = match change {
            Some(defined) => self.confirmed.insert(name.into(), defined).is_some(),
            None => self.confirmed.remove(name).is_some(),
        };
        if self.batch.contains_key(name) {
            match (was_confirmed, self.confirmed.contains_key(name)) {
                (false, true) => self.only_in_batch = self.only_in_batch.saturating_sub(1),
                (true, false) => self.only_in_batch += 1,
                _ => {}
            }
        }
    }

    /// What the server has confirmed, by name.
    pub(crate) fn confirmed(&self) -> impl Iterator<Item = (&Name, &Arc<T>)> {
        self.confirmed.iter()
    }

    /// Whether there is room for another name.
    pub(crate) fn has_room(&self) -> bool {
        self.confirmed.len() + self.only_in_batch < NAMES_MAX
    }

    /// All names that the server had confirmed are gone (DEALLOCATE ALL, the end of a transaction for portals).
    pub(crate) fn forget_confirmed(&mut self) {
        // Every transaction ends so: without a named one nothing that was derived from names has changed.
        self.version += u64::from(self.confirmed.keys().any(|name| !name.is_empty()));
        self.confirmed.clear();
        self.only_in_batch = self.batch.len();
    }

    /// Grows with every change of a named one.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &Names<&'static str>, name: &[u8]) -> Option<&'static str> {
        match names.get(name) {
            Known::As(text) => Some(*text),
            Known::Unseen => None,
            Known::Unsettled => Some("?"),
        }
    }

    #[test]
    fn i2_same_a_name_redefined_in_vain_still_stands_for_its_first_text() {
        let mut names = Names::default();
        names.sent(b"s", Some(Arc::new("DELETE")));
        names.synced();
        names.confirm(b"s", Some(Arc::new("DELETE")));
        names.answered();
        // A second Parse of the same name fails upstream: it is never confirmed.
        names.sent(b"s", Some(Arc::new("SELECT")));
        assert_eq!(known(&names, b"s"), Some("SELECT"), "within the batch nothing else can run");
        names.synced();
        assert_eq!(known(&names, b"s"), Some("?"), "after the Sync it depends on the answer");
        names.answered();
        assert_eq!(known(&names, b"s"), Some("DELETE"));
    }

    #[test]
    fn a_closed_name_stands_for_nothing() {
        let mut names = Names::default();
        names.confirm(b"s", Some(Arc::new("SELECT")));
        names.sent(b"s", None);
        assert_eq!(known(&names, b"s"), None);
        names.synced();
        names.confirm(b"s", None);
        names.answered();
        assert_eq!(known(&names, b"s"), None);
    }

    #[test]
    fn i2_same_the_version_grows_whenever_a_name_comes_to_stand_for_something_else() {
        let mut names = Names::default();
        names.confirm(b"s", Some(Arc::new("DELETE")));
        type Step = fn(&mut Names<&'static str>);
        let send: Step = |names| names.sent(b"s", Some(Arc::new("SELECT")));
        let steps: [Step; 8] =
            [send, Names::forget_batch, send, Names::synced, Names::answered, send, Names::synced, |names| {
                names.never_answered(0)
            }];
        for step in steps {
            let before = (known(&names, b"s"), names.version());
            step(&mut names);
            assert_ne!(known(&names, b"s"), before.0);
            assert_ne!(names.version(), before.1);
        }
    }

    #[test]
    fn a_name_is_counted_once_whether_it_is_confirmed_or_not() {
        let mut names = Names::default();
        let name = |number: usize| number.to_string().into_bytes();
        for number in 0..NAMES_MAX - 1 {
            names.sent(&name(number), Some(Arc::new("SELECT")));
            // The server answers while its batch goes on.
            if number % 2 == 0 {
                names.confirm(&name(number), Some(Arc::new("SELECT")));
            }
        }
        assert!(names.has_room());
        names.sent(b"last", Some(Arc::new("SELECT")));
        assert!(!names.has_room());
        for number in 0..NAMES_MAX - 1 {
            names.confirm(&name(number), Some(Arc::new("SELECT")));
        }
        names.confirm(b"last", Some(Arc::new("SELECT")));
        assert!(!names.has_room());
        names.synced();
        names.answered();
        assert!(!names.has_room());
        names.confirm(b"last", None);
        assert!(names.has_room());
        names.sent(b"another", Some(Arc::new("SELECT")));
        assert!(!names.has_room());
        names.forget_confirmed();
        assert!(names.has_room());
    }

    #[test]
    fn the_unnamed_one_leaves_the_version_alone() {
        let mut names = Names::default();
        names.sent(b"", Some(Arc::new("SELECT")));
        names.synced();
        names.confirm(b"", Some(Arc::new("SELECT")));
        names.answered();
        names.forget_confirmed();
        assert_eq!(names.version(), 0);
    }

    #[test]
    fn a_batch_that_was_never_sent_changes_nothing() {
        let mut names = Names::default();
        names.confirm(b"s", Some(Arc::new("DELETE")));
        names.sent(b"s", Some(Arc::new("SELECT")));
        names.forget_batch();
        assert_eq!(known(&names, b"s"), Some("DELETE"));
    }
}
