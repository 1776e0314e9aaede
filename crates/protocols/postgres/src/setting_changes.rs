//! Which settings of a session may have changed since something was prepared or bound. The server evaluates literals when
//! it analyses a statement, and parameters when it binds them: under the settings of that moment and not of the moment when
//! the statement runs. What was prepared before a change may also be analysed anew at any time in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_sql::{Reading, Transaction};

use crate::bound_settings;
use crate::session::settings::Settings;

/// Names whose last change is remembered; beyond that any setting may have changed.
const NAMES_MAX: usize = 256;

/// The settings under which the server took in something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Under {
    /// What was known of them; `None`: nothing.
    pub(crate) settings: Option<Arc<Settings>>,
    /// The number of the last change before it.
    moment: u64,
}

/// The changes of a session's settings, numbered.
#[derive(Debug, Default)]
pub(crate) struct SettingChanges {
    /// The number of the last change.
    moment: u64,
    /// When anything may have changed last.
    anything: u64,
    /// When each named setting may have changed last.
    named: BTreeMap<Box<str>, u64>,
    /// Since when there is another connection, on which all statements were prepared anew.
    renewed: u64,
    /// What was changed in the open transaction, whose end may take it back.
    in_transaction: Changed,
}

/// Settings that may be others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) names: BTreeSet<Box<str>>,
    pub(crate) anything: bool,
}

impl Changed {
    /// Anything may have changed.
    pub(crate) fn anything() -> Self {
        Self { names: BTreeSet::new(), anything: true }
    }

    /// One setting may have.
    pub(crate) fn one(name: &str) -> Self {
        Self { names: BTreeSet::from([name.to_ascii_lowercase().into()]), anything: false }
    }

    /// Returns whether nothing has changed.
    pub(crate) fn is_nothing(&self) -> bool {
        self.names.is_empty() && !self.anything
    }

    fn merge(&mut self, other: &Self) {
        self.anything |= other.anything;
        self.names.extend(other.names.iter().cloned());
        if self.names.len() > NAMES_MAX {
            *self = Self::anything();
        }
    }

    /// Settings that a text names or, by ending a transaction, takes back. `calls_code`: it may do more than is written.
    fn by(reading: &Reading, calls_code: bool, in_transaction: &Self) -> Self {
        let effects = reading.effects();
        let ends = effects.transactions.iter().any(|control| {
            !matches!(control, Transaction::Begin | Transaction::Savepoint | Transaction::Release)
        });
        // RESET ALL and DISCARD ALL have no name.
        let discards = effects.changes_settings && effects.deallocates.contains(&None);
        let unnamed = effects.sets_unnamed || effects.sets.contains("") || discards;
        let mut changed = Self { names: effects.sets.clone(), anything: calls_code || unnamed };
        if ends {
            changed.merge(in_transaction);
        }
        // It changes settings, and it is not said which. What EXECUTE runs is looked at by itself.
        let executes = reading.executes().next().is_some();
        changed.anything |= effects.changes_settings && effects.sets.is_empty() && !ends && !executes;
        changed
    }
}

impl SettingChanges {
    /// What is taken in next is taken in under these settings.
    pub(crate) fn under(&self, settings: Option<Arc<Settings>>) -> Under {
        Under { settings, moment: self.moment }
    }

    /// A text is let go; `None`: one that was not read.
    pub(crate) fn by(&mut self, reading: Option<&Reading>, calls_code: bool) {
        let changed = match reading {
            Some(reading) => Changed::by(reading, calls_code, &self.in_transaction),
            None => Changed::anything(),
        };
        self.note(&changed);
    }

    /// These may have changed.
    pub(crate) fn note(&mut self, changed: &Changed) {
        if changed.is_nothing() {
            return;
        }
        self.in_transaction.merge(changed);
        self.number(changed);
    }

    fn number(&mut self, changed: &Changed) {
        self.moment += 1;
        if changed.anything || self.named.len() + changed.names.len() > NAMES_MAX {
            self.named.clear();
            self.anything = self.moment;
            return;
        }
        for name in &changed.names {
            self.named.insert(name.clone(), self.moment);
        }
    }

    /// The transaction is over, one way or the other.
    pub(crate) fn transaction_over(&mut self, expects_more: bool) {
        let changed = self.in_transaction.clone();
        if !changed.is_nothing() {
            self.number(&changed);
        }
        // What was sent behind it may have changed more, which its own end may take back.
        if !expects_more {
            self.in_transaction = Changed::default();
        }
    }

    /// Another connection takes the place of this one; what the client had prepared is prepared anew on it.
    pub(crate) fn renew(&mut self) {
        self.moment += 1;
        self.renewed = self.moment;
        self.in_transaction = Changed::default();
    }

    /// The settings that may have changed since a statement was prepared, and that count for what its text means. The
    /// search path does not: the server analyses the text anew when it is another.
    pub(crate) fn since_prepared(&self, under: &Under) -> Changed {
        let mut changed = self.since(under);
        changed.names.remove("search_path");
        changed
    }

    /// The settings that may have changed since a portal was bound, and that count for what it does.
    pub(crate) fn since(&self, under: &Under) -> Changed {
        let since = under.moment.max(self.renewed);
        let changed = self.named.iter().filter(|(name, at)| **at > since && counts(name));
        Changed { names: changed.map(|(name, _)| name.clone()).collect(), anything: self.anything > since }
    }

    /// What is known of the settings under which something was taken in.
    pub(crate) fn settings<'u>(&self, under: &'u Under) -> Option<&'u Settings> {
        under.settings.as_deref().filter(|_| under.moment >= self.renewed)
    }

    /// The settings that were others when it was prepared or bound, for people; `None`: what counts is as it was then.
    pub(crate) fn told(&self, under: &Under, changed: &Changed, now: Option<&Settings>) -> Option<String> {
        if changed.is_nothing() {
            return None;
        }
        let mut told: Vec<String> = Vec::new();
        let then = self.settings(under);
        if let (Some(then), Some(now)) = (then, now) {
            let others = then.meaning.iter().filter(|(name, value)| now.meaning.get(*name) != Some(*value));
            told.extend(others.map(|(name, value)| format!("{name} = {value}")));
        }
        if changed.anything {
            told.push("other settings that are not known".into());
        } else {
            let names = changed.names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
            told.push(format!("before a change of {names}"));
        }
        Some(told.join(", "))
    }
}

/// Whether a change of the setting counts for what ran before it in its transaction: it does not say what it was then.
pub(crate) fn counts_for_what_ran(name: &str) -> bool {
    name.contains('.') || counts(name)
}

/// Whether a change of the setting counts for what was taken in before it. Custom settings are read only by code, when that
/// runs; the modes of transactions only when a statement runs.
fn counts(name: &str) -> bool {
    let is_mode = name.starts_with("transaction")
        || name.starts_with("default_transaction_")
        || name == "session characteristics";
    !name.contains('.') && !is_mode && bound_settings::is_bound(name, false)
}

#[cfg(test)]
mod tests {
    use countersign_sql::{Lexing, Reader};

    use super::*;

    fn after(changes: &mut SettingChanges, texts: &[&str]) {
        for text in texts {
            let reading = Reader::new().read(text.as_bytes(), Lexing::STANDARD);
            changes.by(Some(&reading), false);
        }
    }

    #[test]
    fn i2_same_what_may_have_changed_since_something_was_prepared_is_named() {
        for (texts, names, anything) in [
            (&["SET DateStyle = 'ISO'"] as &[&str], &["datestyle"] as &[&str], false),
            (&["BEGIN", "SET LOCAL timezone = 'UTC'", "COMMIT"], &["timezone"], false),
            (&["SET work_mem = '1MB'; SET app.tenant = '7'; SET search_path = a"], &[], false),
            (&["RESET ALL"], &[], true),
            (&["DISCARD ALL"], &[], true),
            (&["SELECT set_config('transform_null_equals', 'on', false)"], &["transform_null_equals"], false),
            (&["BEGIN", "SELECT 1", "ROLLBACK"], &[], false),
            (&["SELECT some_code()"], &[], true),
        ] {
            let mut changes = SettingChanges::default();
            let under = changes.under(None);
            after(&mut changes, texts);
            let expected = Changed { names: names.iter().map(|name| Box::from(*name)).collect(), anything };
            let found = changes.since_prepared(&under);
            assert_eq!(found.anything, anything, "{texts:?}");
            assert!(anything || found == expected, "{texts:?}: {found:?}");
            assert_eq!(changes.since(&changes.under(None)), Changed::default(), "{texts:?}");
        }
    }

    #[test]
    fn i2_same_the_end_of_a_transaction_takes_back_what_it_has_changed() {
        let mut changes = SettingChanges::default();
        after(&mut changes, &["BEGIN", "SET DateStyle = 'ISO'"]);
        let under = changes.under(None);
        changes.transaction_over(false);
        assert_eq!(changes.since(&under), Changed::one("datestyle"));
        let under = changes.under(None);
        changes.transaction_over(false);
        assert_eq!(changes.since(&under), Changed::default());
    }

    #[test]
    fn i2_same_more_names_than_are_remembered_are_anything() {
        let mut changes = SettingChanges::default();
        let under = changes.under(None);
        for number in 0..=NAMES_MAX {
            changes.note(&Changed::one(&format!("setting_{number}")));
        }
        assert!(changes.since(&under).anything);
    }
}
