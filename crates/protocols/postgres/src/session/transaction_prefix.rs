//! The digest over what has run in the open transaction: an approval of a command in it holds behind exactly that.

use std::collections::BTreeSet;

use countersign_common::Digest;
use countersign_common::command::{NamedText, TransactionData, transaction_prefix};

use super::flow::Flow;
use crate::exchange::Unit;
use crate::setting_changes::counts_for_what_ran;
use crate::statements::{Known, Prepared};

impl Flow {
    /// The digest of the open transaction with a command that is let go.
    // INVARIANT: I2. What ran before counts with all that gave it its meaning.
    pub(super) fn transaction_prefix(&self, unit: &Unit) -> Digest {
        let before = self.batch_prefix.or(self.prefix);
        let mut texts = self.prefix_texts(unit);
        // The settings under which the rest ran are those at its end, which an approval is bound to, unless they were changed
        // in between: then only this connection knows.
        let sets = unit.text_reading.as_ref().is_none_or(|reading| {
            reading.effects().sets_unnamed
                || reading.effects().sets.iter().any(|name| counts_for_what_ran(name))
        });
        self.note_changed(sets && self.prefix_works, &mut texts);
        transaction_prefix(before.as_ref(), &unit.command, &texts)
    }

    /// The texts that a command runs by name; of texts and values that the server took in under other settings, the
    /// connection on which it did.
    fn prefix_texts(&self, unit: &Unit) -> Vec<NamedText> {
        let mut texts = Vec::new();
        if let Some(statement) = &unit.statement {
            self.note_under(statement, &mut texts);
        }
        if let Some((_, portal)) = &unit.portal {
            self.note_changed(!self.changes.since(&portal.under).is_nothing(), &mut texts);
        }
        let Some(reading) = &unit.text_reading else { return texts };
        let mut open: Vec<Box<str>> = reading.executes().map(Into::into).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Known::As(statement) = self.statements.get(name.as_bytes()) {
                open.extend(statement.reading.executes().map(Into::into));
                texts.push(named(format!("prepared statement {name}"), &statement.text));
                self.note_under(&statement, &mut texts);
            } else {
                self.note_changed(true, &mut texts);
            }
        }
        for name in &reading.effects().fetches {
            if let Known::As(portal) = self.portals.get(name.as_bytes()) {
                let mut text = named(format!("cursor {name}"), &portal.statement.text);
                text.parameters.clone_from(&portal.parameters);
                texts.push(text);
                self.note_under(&portal.statement, &mut texts);
                self.note_changed(!self.changes.since(&portal.under).is_nothing(), &mut texts);
            }
        }
        texts
    }

    fn note_under(&self, statement: &Prepared, texts: &mut Vec<NamedText>) {
        self.note_changed(!self.changes.since_prepared(&statement.under).is_nothing(), texts);
    }

    /// Nobody else's transaction is the same then.
    fn note_changed(&self, changed: bool, texts: &mut Vec<NamedText>) {
        if changed {
            texts.push(named(format!("on connection {}", self.connection.describe()), b""));
        }
    }

    /// Data of a COPY of the client is let go.
    pub(super) fn remember_data(&mut self, data: &[u8]) {
        let Some(before) = self.batch_prefix.or(self.prefix) else { return };
        self.copied.get_or_insert_with(|| Box::new(TransactionData::after(&before))).push(data);
    }

    /// The data of a COPY has come to its end.
    pub(super) fn data_ends(&mut self) {
        self.remember_data(b"");
        let Some(copied) = self.copied.take() else { return };
        let digest = copied.finish();
        for prefix in [&mut self.batch_prefix, &mut self.prefix] {
            if prefix.is_some() {
                *prefix = Some(digest);
            }
        }
    }
}

fn named(name: String, text: &[u8]) -> NamedText {
    NamedText { name, text: text.to_vec(), parameters: Vec::new() }
}
