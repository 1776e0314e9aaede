//! Definitions that only a function of the server can say. Saying one may wait for a lock that somebody holds on a
//! table in it, or fail because the object is being dropped: each is asked for on its own.

use super::object::ObjectId;

/// A definition to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionQuery {
    pub(super) definition: DefinitionId,
    /// The object that it belongs to.
    pub object: ObjectId,
    /// Relations whose locks it may wait for: the object and what that was made from, as far as that is known.
    pub relations: Vec<u32>,
}

impl DefinitionQuery {
    /// The statement: one row with one column, which is NULL when there is no such object any more.
    #[must_use]
    pub fn sql(&self) -> String {
        match self.definition {
            DefinitionId::View(oid) => format!("SELECT pg_catalog.pg_get_viewdef({oid}::pg_catalog.oid)"),
            DefinitionId::Rule(oid) => format!("SELECT pg_catalog.pg_get_ruledef({oid}::pg_catalog.oid)"),
            DefinitionId::Body(oid) => {
                format!("SELECT pg_catalog.pg_get_function_sqlbody({oid}::pg_catalog.oid)")
            }
            DefinitionId::ColumnExpression(oid) => format!(
                "SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d WHERE d.oid = {oid}"
            ),
            DefinitionId::Policy(oid) => format!(
                "SELECT pg_catalog.pg_get_expr(p.polqual, p.polrelid) FROM pg_catalog.pg_policy p WHERE p.oid = {oid}"
            ),
            DefinitionId::Check(oid) => format!(
                "SELECT pg_catalog.pg_get_expr(c.conbin, 0) FROM pg_catalog.pg_constraint c WHERE c.oid = {oid}"
            ),
        }
    }
}

/// The identity of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum DefinitionId {
    /// The query of a view, by its relation.
    View(u32),
    /// A rule.
    Rule(u32),
    /// The body of a function that the server keeps parsed.
    Body(u32),
    /// A default or the expression of a generated column, by `pg_attrdef`.
    ColumnExpression(u32),
    /// The USING expression of a policy.
    Policy(u32),
    /// The CHECK of a domain, by `pg_constraint`.
    Check(u32),
}

impl DefinitionId {
    /// As it stands in a file: a letter and an oid.
    pub(super) fn parse(letter: &str, oid: u32) -> Option<Self> {
        Some(match letter {
            "v" => Self::View(oid),
            "r" => Self::Rule(oid),
            "b" => Self::Body(oid),
            "e" => Self::ColumnExpression(oid),
            "p" => Self::Policy(oid),
            "c" => Self::Check(oid),
            _ => return None,
        })
    }
}
