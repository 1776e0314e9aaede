//! A name as it is written: perhaps with a schema, case already folded by the scanner.

use std::fmt;

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar};

/// The name of a relation, function, operator or type, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The schema, where one is written.
    pub schema: Option<Box<str>>,
    /// The name within its schema.
    pub name: Box<str>,
}

impl Name {
    /// A name without a schema.
    #[must_use]
    pub fn bare(name: &str) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A name with a schema.
    #[must_use]
    pub fn qualified(schema: &str, name: &str) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }

    /// The last two of a list of name parts; a catalog in front of them can only be the current one.
    pub(crate) fn of_parts(parts: &[&str]) -> Option<Self> {
        match parts {
            [name] => Some(Self::bare(name)),
            [.., schema, name] => Some(Self::qualified(schema, name)),
            [] => None,
        }
    }

    /// The name that a list of String nodes spells.
    pub(crate) fn of_nodes(nodes: &[Node]) -> Option<Self> {
        Self::of_parts(&strings(nodes))
    }

    /// The name of a relation.
    pub(crate) fn of_relation(relation: &RangeVar) -> Self {
        let schema = (!relation.schemaname.is_empty()).then(|| relation.schemaname.as_str().into());
        Self { schema, name: relation.relname.as_str().into() }
    }

    /// The name in a string literal such as `nextval` takes: quotes are kept out of it, so one with quotes,
    /// or with upper case that the server would fold, is read only as far as that is plain.
    pub(crate) fn of_literal(text: &str) -> Option<Self> {
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$')
        };
        let folded = text.to_ascii_lowercase();
        let parts: Vec<&str> = folded.split('.').collect();
        parts.iter().all(|part| plain(part)).then(|| Self::of_parts(&parts)).flatten()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The texts of those nodes that are strings.
pub(crate) fn strings(nodes: &[Node]) -> Vec<&str> {
    nodes
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::String(string)) => Some(string.sval.as_str()),
            _ => None,
        })
        .collect()
}
