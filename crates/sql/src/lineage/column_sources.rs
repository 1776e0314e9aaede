//! The sources of columns that the server itself names: a result column described by a table's oid and an attribute's
//! number.

use std::collections::BTreeSet;

use super::flows::{ColumnName, Sources};
use super::resolve::Resolution;
use super::watched::Watched;
use crate::name::Name;
use crate::resolve::Session;

/// What a column of a relation holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnOrigin {
    /// The watched names of this very column: its own, and those of the same column of relatives.
    pub same: BTreeSet<ColumnName>,
    /// Everything that its values can depend on, `same` included.
    pub sources: Sources,
}

/// Resolves columns of relations by number. Made once for a result.
pub struct StoredColumns<'a>(Resolution<'a>);

impl std::fmt::Debug for StoredColumns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredColumns")
    }
}

impl<'a> StoredColumns<'a> {
    /// For results of this session.
    #[must_use]
    pub fn new(session: &'a Session<'a>, watched: &'a Watched) -> Self {
        Self(Resolution::new(session, watched))
    }

    /// The columns that COPY of a relation sends, in order: those listed, or all that are not generated. `None` when the
    /// name means no relation for certain.
    pub fn copied(&mut self, relation: &Name, columns: &[Box<str>]) -> Option<Vec<ColumnOrigin>> {
        self.0.copied_columns(relation, columns)
    }

    /// The column that a table's oid and an attribute's number name. Unknown when the catalogue does not have it.
    pub fn origin(&mut self, table_oid: u32, attribute: i16) -> ColumnOrigin {
        if attribute < 0 {
            // System columns: `ctid`, `xmin`, `tableoid`.
            return ColumnOrigin::default();
        }
        self.0
            .origin(table_oid, attribute)
            .unwrap_or_else(|| ColumnOrigin { same: BTreeSet::new(), sources: Sources::unknown() })
    }
}
