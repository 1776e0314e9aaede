//! One row of a result, read by position.

use super::function::{Function, Operands};
use super::object::{ObjectClass, ObjectId};
use crate::name::Name;

/// The rows of one query: text results, `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

pub(super) struct Row<'a>(pub(super) &'a [Option<String>]);

impl<'a> Row<'a> {
    pub(super) fn text(&self, at: usize) -> Option<&'a str> {
        self.0.get(at)?.as_deref()
    }

    pub(super) fn owned(&self, at: usize) -> Option<Box<str>> {
        self.text(at).map(Box::from)
    }

    pub(super) fn number<N: std::str::FromStr>(&self, at: usize) -> Option<N> {
        self.text(at)?.parse().ok()
    }

    pub(super) fn truth(&self, at: usize) -> Option<bool> {
        match self.text(at)? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }

    /// One character of `"char"`.
    pub(super) fn letter(&self, at: usize) -> Option<char> {
        self.text(at)?.chars().next()
    }

    /// Numbers separated by spaces.
    pub(super) fn numbers<N: std::str::FromStr>(&self, at: usize) -> Option<Vec<N>> {
        self.text(at)?.split_ascii_whitespace().map(|one| one.parse().ok()).collect()
    }

    /// A class and an oid.
    pub(super) fn object(&self, at: usize) -> Option<ObjectId> {
        Some(ObjectId { class: ObjectClass::of_letter(self.text(at)?)?, oid: self.number(at + 1)? })
    }

    /// The function behind an operator or cast: schema, name, reviewed; its oid elsewhere.
    pub(super) fn function(&self, at: usize, oid: usize) -> Option<Function> {
        let (schema, name) = (self.text(at)?, self.text(at + 1)?);
        Some(Function {
            oid: self.number(oid)?,
            namespace: 0,
            schema: schema.into(),
            name: name.into(),
            qualified: Name::qualified(schema, name).to_string(),
            reviewed: self.truth(at + 2)?,
            details: None,
            requires: std::sync::Arc::default(),
        })
    }

    /// Two type oids, and whether one is a row type.
    pub(super) fn operands(&self, at: usize) -> Option<Operands> {
        let types = [self.number(at)?, self.number(at + 1)?];
        Some(Operands { types, row: self.truth(at + 2)? })
    }
}
