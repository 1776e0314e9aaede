//! The state that a session's connection to its target has for itself, as far as it matters to approvals: which connection
//! it is, how much has run on it, and what may have been set there that no view of the server shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::Facts;
use countersign_common::facts::{Action, Flag};
use countersign_common::id::AttemptId;
use countersign_sql::{Private, Reading};

use crate::parameters::StartupParameters;
use crate::settings_at_login;

/// Names of custom settings that are followed; with more of them the connection has unknown ones.
const NAMES_MAX: usize = 256;

/// The state that a connection has for itself.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// Changes with every connection to the target.
    id: AttemptId,
    /// How many commands have run on it that may have changed its state.
    ran: u64,
    /// Code ran on it that nobody has read: it may have set anything.
    code_ran: bool,
    /// The seed of random numbers was set.
    seeded: bool,
    /// Custom settings (`a.b`) that the client named; no view of the server shows them.
    custom: BTreeSet<Box<str>>,
}

impl ConnectionState {
    /// A connection that begins with these settings of the client's.
    pub(crate) fn new(startup: &StartupParameters) -> Self {
        let mut state = Self {
            id: AttemptId::generate(),
            ran: 0,
            code_ran: false,
            seeded: false,
            custom: BTreeSet::new(),
        };
        for name in settings_at_login::names(startup) {
            state.set(&name);
        }
        state
    }

    /// Another connection takes the place of this one, opened with the same settings.
    pub(crate) fn renew(&mut self) {
        self.id = AttemptId::generate();
        self.ran = 0;
        self.code_ran = false;
        self.seeded = false;
    }

    /// A command is let go that runs these texts.
    pub(crate) fn remember(&mut self, facts: &Facts, readings: &[Arc<Reading>]) {
        if readings.is_empty() || calls_unread_code(facts) {
            self.code_ran = true;
        }
        let mut reads_only = !readings.is_empty() && facts.is_plain_read();
        for effects in readings.iter().map(|reading| reading.effects()) {
            self.code_ran |= effects.sets_unnamed;
            effects.sets.iter().for_each(|name| self.set(name));
            reads_only &= effects.cursors.is_empty() && effects.declares.is_empty();
            reads_only &= !effects.changes_settings && !effects.changes_values;
            reads_only &= effects.transactions.is_empty();
        }
        self.seeded |= facts.operations.iter().any(|one| one.functions.contains("pg_catalog.setseed"));
        self.ran += u64::from(!reads_only);
    }

    fn set(&mut self, name: &str) {
        self.seeded |= name == "seed";
        if !name.contains('.') {
            return;
        }
        // The server is asked by these names: those that not every encoding has are not followed.
        if name.is_ascii() && self.custom.len() < NAMES_MAX {
            self.custom.insert(name.into());
        } else {
            self.code_ran = true;
        }
    }

    /// The custom settings that were named.
    pub(crate) fn custom(&self) -> impl Iterator<Item = &str> {
        self.custom.iter().map(AsRef::as_ref)
    }

    /// Whether unknown settings may have been made.
    pub(crate) const fn may_have_unknown_settings(&self) -> bool {
        self.code_ran
    }

    /// Whether a command that uses this state is another one on another connection.
    pub(crate) fn counts(&self, private: Private) -> bool {
        private != Private::Random || self.seeded || self.code_ran
    }

    /// The connection and its state, for a digest and for people.
    pub(crate) fn describe(&self) -> String {
        format!("{} after {} commands", self.id, self.ran)
    }
}

/// Whether a command may run code that is on no list.
pub(crate) fn calls_unread_code(facts: &Facts) -> bool {
    facts.operations.iter().any(|operation| {
        matches!(operation.action, Action::Call | Action::FunctionCall | Action::Unknown)
            || operation.flags.iter().any(|flag| {
                matches!(
                    flag,
                    Flag::UnlistedFunction
                        | Flag::DynamicSql
                        | Flag::UnseenStatement
                        | Flag::Unparsed
                        | Flag::OddLexing
                        | Flag::TooLarge
                )
            })
    })
}

#[cfg(test)]
mod tests {
    use countersign_common::facts::Operation;
    use countersign_sql::{Lexing, Reader};

    use super::*;

    fn after(text: &str, action: Action) -> ConnectionState {
        let mut state = ConnectionState::new(&StartupParameters::default());
        let reading = Reader::new().read(text.as_bytes(), Lexing::STANDARD);
        let facts = Facts { operations: vec![Operation::new(action)], ..Facts::nothing() };
        state.remember(&facts, &[reading]);
        state
    }

    #[test]
    fn custom_settings_are_followed_by_name() {
        let state = after("SET App.Tenant = '7'", Action::Set);
        assert_eq!(state.custom().collect::<Vec<_>>(), ["app.tenant"]);
        let state = after("SELECT set_config('app.user', 'x', false)", Action::Select);
        assert_eq!(state.custom().collect::<Vec<_>>(), ["app.user"]);
        assert!(!state.may_have_unknown_settings());
        for text in ["SELECT set_config('app.' || 'user', 'x', false)", "SET \"app.\u{fc}\" = '1'"] {
            assert!(after(text, Action::Set).may_have_unknown_settings(), "{text}");
        }
        assert!(after("DO ''", Action::Call).may_have_unknown_settings());
    }

    #[test]
    fn custom_settings_of_the_login_are_followed() {
        let mut startup = StartupParameters::default();
        startup.push("options", "-c app.a=1 --app.b=2 -capp.c=3");
        startup.push("app.d", "4");
        let state = ConnectionState::new(&startup);
        assert_eq!(state.custom().collect::<Vec<_>>(), ["app.a", "app.b", "app.c", "app.d"]);
    }

    #[test]
    fn a_plain_read_leaves_the_state_as_it_is() {
        let fresh = ConnectionState::new(&StartupParameters::default()).ran;
        assert_eq!(after("SELECT 1", Action::Select).ran, fresh);
        for (text, action) in [
            ("DELETE FROM t", Action::Delete),
            ("FETCH c", Action::Cursor),
            ("SET work_mem = '1MB'", Action::Set),
            ("BEGIN", Action::Transaction),
        ] {
            assert_ne!(after(text, action).ran, fresh, "{text}");
        }
    }

    #[test]
    fn random_numbers_are_private_once_their_seed_was_set() {
        assert!(!after("SELECT 1", Action::Select).counts(Private::Random));
        assert!(after("SET seed = 0.5", Action::Set).counts(Private::Random));
        assert!(after("SELECT 1", Action::Select).counts(Private::Sequence));
    }
}
