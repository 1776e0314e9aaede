//! The columns that rules name.

use std::collections::{BTreeMap, BTreeSet};

/// The columns that the lineage is asked about: those that some masking rule of the target names. Other columns
/// are left out of every [`Sources`](super::Sources), so the result is small however wide a table is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched(BTreeMap<String, BTreeSet<String>>);

impl Watched {
    /// Whether no column is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The watched columns of a relation (`schema.name`).
    #[must_use]
    pub fn columns(&self, relation: &str) -> Option<&BTreeSet<String>> {
        self.0.get(relation)
    }

    /// The relations that have watched columns.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<R: Into<String>, C: Into<String>> FromIterator<(R, C)> for Watched {
    fn from_iter<I: IntoIterator<Item = (R, C)>>(columns: I) -> Self {
        let mut all = Self::default();
        for (relation, column) in columns {
            all.0.entry(relation.into()).or_default().insert(column.into());
        }
        all
    }
}
