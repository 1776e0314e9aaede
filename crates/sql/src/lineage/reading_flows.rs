//! [`Reading::flows`].

use std::collections::BTreeSet;

use super::flows::{Flows, Place, Predicate, Sources, ValueCopy};
use super::watched::Watched;
use crate::reading::Reading;
use crate::resolve::Session;

impl Reading {
    /// Where the values of `watched` columns can go when this command runs, its names resolved in this session.
    // INVARIANT: I6. What is not known to be absent is present.
    #[must_use]
    pub fn flows(&self, session: &Session<'_>, watched: &Watched) -> Flows {
        let mut touched = Sources::none();
        for relation in watched.relations() {
            for column in watched.columns(relation).into_iter().flatten() {
                if self.may_carry(session, None, relation, column) {
                    touched.columns.insert((relation.to_owned(), column.clone()));
                }
            }
        }
        if touched.is_empty() {
            return Flows::default();
        }
        let writes = self.facts(session).operations.iter().any(|one| !one.writes.is_empty());
        let copy = ValueCopy { into: Place::Unknown, sources: touched.clone() };
        let predicate = Predicate { sources: touched.clone(), equality_with_constant: false };
        Flows {
            outputs: touched.clone(),
            columns: None,
            copies: if writes { BTreeSet::from([copy]) } else { BTreeSet::new() },
            predicates: BTreeSet::from([predicate]),
            side_channels: BTreeSet::new(),
            touched,
        }
    }
}
