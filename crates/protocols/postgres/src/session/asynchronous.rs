//! What reaches a client besides the answers to its commands: values of settings (ParameterStatus), notifications, and the
//! texts of code that its commands set off. Other sessions and code that nobody has read may have put any value there, so
//! for a principal to whom a class is hidden what is not known to be free of masked values does not leave.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use countersign_common::facts::{Class, Flag};
use countersign_common::id::RoleName;
use countersign_common::target::Notifications;
use countersign_common::{Facts, Principal, Target, Verdict};
use countersign_lifecycle::Road;
use countersign_lifecycle::ports::{Judge, Question};

use super::flow::Flow;
use crate::codec::build;
use crate::rules_in_force::RulesInForce;

/// What takes the place of a notification's payload.
const REDACTED: &[u8] = b"[redacted]";

/// Settings whose values are words or numbers of the server's own, whatever a session sets.
const CLOSED: &[&[u8]] = &[
    b"client_encoding",
    b"DateStyle",
    b"default_transaction_read_only",
    b"in_hot_standby",
    b"integer_datetimes",
    b"IntervalStyle",
    b"is_superuser",
    b"server_encoding",
    b"server_version",
    b"standard_conforming_strings",
];

/// Whether values are hidden from the principal of a connection, asked anew each time: the bundle and the hour may have
/// changed since its last command.
#[derive(Debug)]
pub(crate) struct Hidden {
    judge: Arc<dyn Judge>,
    principal: Arc<Principal>,
    target: Arc<Target>,
    role: RoleName,
    database: String,
    rules: Arc<RulesInForce>,
    /// A command that runs nothing.
    nothing: Arc<Facts>,
}

impl Hidden {
    pub(crate) fn new(road: &Road, rules: &Arc<RulesInForce>) -> Self {
        Self {
            judge: Arc::clone(&road.judge),
            principal: Arc::clone(&road.principal),
            target: Arc::clone(&road.target),
            role: road.role.clone(),
            database: road.database.clone(),
            rules: Arc::clone(rules),
            nothing: Arc::new(Facts::nothing()),
        }
    }

    /// Whether the principal may not see some class of the target now.
    // INVARIANT: I6, I8. Where nobody can say what it may see, it sees nothing.
    pub(crate) fn any(&self) -> bool {
        let rules = self.rules.current();
        if rules.is_empty() {
            return false;
        }
        let question = Question {
            principal: &self.principal,
            target: &self.target,
            role: &self.role,
            database: &self.database,
            facts: &self.nothing,
            changes: false,
            in_transaction: false,
        };
        match self.judge.judge(&question).map(|ruling| ruling.verdict) {
            Ok(Verdict::Allow(duties) | Verdict::Hold(_, duties)) => rules.hides(&duties.unmask),
            Ok(Verdict::Block(_)) | Err(_) => true,
        }
    }
}

impl Flow {
    /// A NotificationResponse of the target as the client receives it: with the process id by which the client knows the
    /// sender, and its payload redacted where that may carry a masked value.
    pub(super) fn notification(&self, pid: u32, channel: &[u8], payload: &[u8]) -> Bytes {
        // A client receives only channels that it has named itself.
        let passes =
            payload.is_empty() || self.target.notifications == Notifications::Pass || !self.hidden.any();
        let payload = if passes { payload } else { REDACTED };
        let mut out = BytesMut::with_capacity(channel.len() + payload.len() + 16);
        build::frame(&mut out, b'A', |body| {
            body.extend_from_slice(&self.shown_pid(pid).to_be_bytes());
            for text in [channel, payload] {
                body.extend_from_slice(text);
                body.extend_from_slice(b"\0");
            }
        });
        out.freeze()
    }

    /// Whether the client is told a setting's value.
    ///
    /// What a client sets by a statement that can be read is free of masked values, or the statement is refused. So only
    /// code that nobody has read can put one into a setting of this session; from then on only values that cannot carry
    /// one are told.
    pub(super) fn tells_setting(&self, name: &[u8], value: &[u8]) -> bool {
        let is_free = self.parameters.is(name, value) || CLOSED.contains(&name);
        is_free || !self.unread_code || !self.hidden.any()
    }

    /// Notes that code may run which nobody has read: it may have set any setting of this session to any value.
    pub(super) fn note_unread_code(&mut self, facts: &Facts) {
        self.unread_code |= runs_unread_code(facts);
    }

    /// Whether the texts that come while a command runs may quote values of relations that it does not name: a trigger or a
    /// rule of a relation that it writes may read any other.
    pub(super) fn sets_off_code(&self, facts: &Facts) -> bool {
        runs_unread_code(facts) && self.hidden.any()
    }

    /// The same for a statement that is only parsed.
    pub(super) fn calls_hidden_code(&self, facts: &Facts) -> bool {
        calls_unread_code(facts) && self.hidden.any()
    }
}

/// Whether a command may run code that nobody has read: what it calls, triggers and rules of what it writes, event triggers
/// of what it defines.
fn runs_unread_code(facts: &Facts) -> bool {
    let changes = |class| !matches!(class, Class::Session | Class::Read);
    calls_unread_code(facts) || facts.operations.iter().any(|operation| changes(operation.action.class()))
}

/// Whether a command calls code that nobody has read.
fn calls_unread_code(facts: &Facts) -> bool {
    facts.operations.iter().flat_map(|operation| &operation.flags).any(|flag| {
        matches!(
            flag,
            Flag::UnlistedFunction
                | Flag::Unresolved
                | Flag::DynamicSql
                | Flag::UnseenStatement
                | Flag::Unparsed
        )
    })
}

#[cfg(test)]
mod tests {
    use countersign_common::facts::{Action, Operation};

    use super::*;

    #[test]
    fn only_a_read_that_calls_nothing_unread_runs_no_unread_code() {
        let runs = |operation| runs_unread_code(&Facts { operations: vec![operation], ..Facts::nothing() });
        for action in Action::ALL {
            let harmless = matches!(action.class(), Class::Session | Class::Read);
            assert_eq!(runs(Operation::new(*action)), !harmless, "{action}");
        }
        let flags = [Flag::UnlistedFunction].into();
        assert!(runs(Operation { flags, ..Operation::new(Action::Select) }));
        assert!(!runs_unread_code(&Facts::nothing()));
    }
}
