//! [`Reading::flows`].

use super::flows::{Flows, Sources};
use super::resolve::Resolution;
use super::watched::Watched;
use crate::reading::Reading;
use crate::resolve::{self, Session};

impl Reading {
    /// Where the values of `watched` columns can go when this command runs, its names resolved in this session.
    // INVARIANT: I6. What is not known to be absent is present.
    #[must_use]
    pub fn flows(&self, session: &Session<'_>, watched: &Watched) -> Flows {
        if watched.is_empty() {
            return Flows::default();
        }
        self.flows_at(session, watched, 0)
    }

    /// The same for a text that runs `executions` EXECUTE deep.
    pub(super) fn flows_at(&self, session: &Session<'_>, watched: &Watched, executions: usize) -> Flows {
        if self.failure.is_some() {
            return Flows::unknown();
        }
        let mut all: Option<Flows> = None;
        for statement in &self.lineage {
            let before = *session;
            let session = resolve::at_point(statement.path_unsure, statement.definitions_unsure, session);
            let mut flows = Resolution::of_statement(&session, watched, self, statement, executions);
            if statement.definitions_unsure {
                // What was there before is perhaps still there: its defaults, rules and foreign keys.
                let known = resolve::at_point(statement.path_unsure, false, &before);
                let known = Resolution::of_statement(&known, watched, self, statement, executions);
                flows.use_more(known);
            }
            // What the server describes by a table's oid is not what that was before the text.
            flows.returns_written |= statement.definitions_unsure;
            if self.lineage.len() > 1 {
                // Results of several statements come one after the other.
                flows.columns = None;
            }
            match &mut all {
                None => all = Some(flows),
                Some(all) => all.add(flows),
            }
        }
        let mut all = all.unwrap_or_default();
        if resolve::runs_added_syntax(self, session) {
            all.outputs.unknown = true;
            all.touched.unknown = true;
            all.columns.iter_mut().flatten().for_each(|column| *column = Sources::unknown());
        }
        all
    }

    /// Whether a statement of it changes rows.
    pub(super) fn has_modification(&self) -> bool {
        self.failure.is_some() || self.lineage.iter().any(|statement| statement.kind.modifies())
    }
}
