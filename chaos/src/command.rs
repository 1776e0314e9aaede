//! What agents send: inserts of rows that nobody else inserts, so that every row tells which command made it,
//! reads, and what policy forbids. The table has no key, so that a row inserted twice shows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes the table, as the shop's own role.
pub const TABLE: &str = "SET ROLE shop_app; CREATE TABLE effects (id text NOT NULL)";

/// What every effect's name begins with; found again wherever a command's bytes are shown.
const MARK: &str = "fx-";

/// A row that one command would insert: its name stands in the command's bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Effect(String);

impl Effect {
    /// The `number`th of an agent.
    #[must_use]
    pub fn new(agent: &str, number: u64) -> Self {
        Self(format!("{MARK}{agent}-{number}"))
    }

    /// The one whose name stands in a text.
    #[must_use]
    pub fn within(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(MARK)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        Some(Self(format!("{MARK}{}", rest.get(..end)?)))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a command is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// An insert as a simple query.
    Simple,
    /// An insert by Parse, Bind, Execute, Sync.
    Extended,
    /// An insert between BEGIN and COMMIT.
    Committed,
    /// An insert between BEGIN and ROLLBACK.
    RolledBack,
    /// A plain read.
    Read,
    /// A statement that policy forbids.
    Forbidden,
}

impl Form {
    /// Whether the statement stands in a transaction of the client's own.
    #[must_use]
    pub const fn in_transaction(self) -> bool {
        matches!(self, Self::Committed | Self::RolledBack)
    }

    /// The statement.
    #[must_use]
    pub fn sql(self, effect: Option<&Effect>) -> String {
        match (self, effect) {
            (Self::Forbidden, _) => "DROP TABLE effects".into(),
            (Self::Read, _) | (_, None) => "SELECT count(*) FROM effects".into(),
            (Self::Extended, Some(effect)) => format!("INSERT INTO effects (id) VALUES ($1) /* {effect} */"),
            (_, Some(effect)) => format!("INSERT INTO effects (id) VALUES ('{effect}')"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_found_in_the_bytes_of_its_command() {
        let effect = Effect::new("a3", 17);
        for form in [Form::Simple, Form::Extended, Form::Committed, Form::RolledBack] {
            assert_eq!(Effect::within(&form.sql(Some(&effect))).as_ref(), Some(&effect), "{form:?}");
        }
        assert_eq!(Effect::within(&Form::Read.sql(None)), None);
        assert_eq!(Effect::within("fx-a3-1"), Some(Effect::new("a3", 1)));
    }
}
