//! [`Reading::flows`].

use std::collections::BTreeSet;

use super::flows::{Flows, Sources};
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
        Flows {
            outputs: touched.clone(),
            columns: None,
            // Not told apart from plain reads yet.
            copies: BTreeSet::new(),
            predicates: BTreeSet::new(),
            side_channels: BTreeSet::new(),
            touched,
        }
    }
}
