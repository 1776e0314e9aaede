//! Names become facts: what a text does in this session, on this database, right now.

mod names;
mod touched;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use countersign_common::facts::{Action, Class, Facts, Flag, Granularity, Operation};

use self::names::Resolver;
pub(crate) use self::names::{relations, visible};
use crate::catalogue::Catalogue;
use crate::reading::{CopySide, Part, Reading};

/// Prepared statements that execute prepared statements are not followed further than this.
pub(crate) const PREPARED_DEPTH_MAX: usize = 4;

/// What names mean at the moment.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// What the database defines.
    pub catalogue: &'a Catalogue,
    /// The effective search path, `current_schemas(true)`; `None` when it is not known at the moment: names then
    /// mean all that they could.
    pub schemas: Option<&'a [String]>,
    /// Functions declared free of side effects by the target, as `schema.name`.
    pub safe_functions: &'a BTreeSet<String>,
    /// What is prepared in this session under a name, by SQL or by the protocol: they share their names.
    pub prepared: &'a dyn Fn(&str) -> Option<Arc<Reading>>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("schemas", &self.schemas).finish_non_exhaustive()
    }
}

impl Reading {
    /// What the text does in this session.
    #[must_use]
    pub fn facts(&self, session: &Session<'_>) -> Facts {
        self.facts_with(session, &[])
    }

    /// The same for a text whose parameters were given types (oids, as in Parse; 0 is left to the server):
    /// making a value of a domain runs its checks.
    #[must_use]
    pub fn facts_with(&self, session: &Session<'_>, parameter_types: &[u32]) -> Facts {
        let copies_in = self.copy.as_ref().is_some_and(|copy| copy.side == CopySide::In);
        let mut operations = self.operations(session, parameter_types, 0);
        // Kept for as long as the command waits.
        operations.shrink_to_fit();
        Facts {
            operations,
            granularity: if copies_in { Granularity::Stream } else { Granularity::Command },
            fingerprint: self.fingerprint.clone(),
        }
    }

    fn operations(&self, session: &Session<'_>, parameters: &[u32], depth: usize) -> Vec<Operation> {
        if let Some(why) = self.failure {
            return vec![Operation::unknown(why)];
        }
        self.parts.iter().flat_map(|part| self.part_operations(part, session, parameters, depth)).collect()
    }

    fn part_operations(
        &self,
        part: &Part,
        session: &Session<'_>,
        parameters: &[u32],
        depth: usize,
    ) -> Vec<Operation> {
        let session = &at(part, session);
        let mut operations = Vec::new();
        if let Some(name) = &part.executes {
            operations.extend(self.executed(name, part, session, depth));
        }
        let mut resolver = Resolver::new(session);
        resolver.part(part);
        resolver.parameters(parameters);
        resolver.finish(part);
        let found = resolver.found;
        let mut operation = Operation::new(part.action);
        operation.flags = part.flags.union(&found.flags).copied().collect();
        operation.reads = found.reads;
        operation.writes = found.writes;
        operation.functions = found.functions;
        let acts: BTreeSet<Action> = part.more.union(&found.acts).copied().collect();
        // EXECUTE by itself does what its text does; only its arguments are read here.
        let alone = part.executes.is_some() && acts.is_empty();
        if !alone && (acts.is_empty() || !is_looking(part.action)) {
            operations.push(operation.clone());
        }
        for action in acts.into_iter().filter(|action| *action != part.action || is_looking(part.action)) {
            operations.push(Operation { action, ..operation.clone() });
        }
        operations
    }

    /// What EXECUTE runs: whatever may be prepared under the name, in this string or before.
    fn executed(&self, name: &str, part: &Part, session: &Session<'_>, depth: usize) -> Vec<Operation> {
        let known = self.executed_readings(name, part, session).filter(|_| depth < PREPARED_DEPTH_MAX);
        let Some(known) = known else { return vec![Operation::unknown(Flag::UnseenStatement)] };
        let mut operations = Vec::new();
        for reading in known {
            for mut operation in reading.operations(session, &[], depth + 1) {
                operation.flags.extend(part.flags.iter().copied());
                operations.push(operation);
            }
        }
        operations
    }

    /// What may be prepared under a name that a part executes; `None` when it may be anything.
    // INVARIANT: I7. What the string prepares *behind* the EXECUTE says nothing of what that runs.
    pub(crate) fn executed_readings(
        &self,
        name: &str,
        part: &Part,
        session: &Session<'_>,
    ) -> Option<Vec<Arc<Self>>> {
        let before = (session.prepared)(name);
        if before.is_none() && !part.prepared_before {
            return None;
        }
        let here = self.effects.prepares.iter().filter(|(known, _)| known.as_ref() == name);
        Some(here.map(|(_, reading)| Arc::clone(reading)).chain(before).collect())
    }
}

/// The session as it surely is when a part of a string begins.
pub(crate) fn at<'a>(part: &Part, session: &Session<'a>) -> Session<'a> {
    at_point(part.path_unsure, part.definitions_unsure, session)
}

/// The session behind statements that may have changed the search path, or definitions.
pub(crate) fn at_point<'a>(
    path_unsure: bool,
    definitions_unsure: bool,
    session: &Session<'a>,
) -> Session<'a> {
    static NOTHING_KNOWN: LazyLock<Catalogue> = LazyLock::new(Catalogue::empty);
    Session {
        schemas: session.schemas.filter(|_| !path_unsure),
        catalogue: if definitions_unsure { &NOTHING_KNOWN } else { session.catalogue },
        ..*session
    }
}

/// Whether an operator or a cast runs code that nobody has reviewed and that may therefore return anything.
pub(crate) fn runs_added_syntax(reading: &Reading, session: &Session<'_>) -> bool {
    reading.parts.iter().any(|part| {
        let session = at(part, session);
        let mut resolver = Resolver::new(&session);
        resolver.part(part);
        resolver.finish(part);
        resolver.found.added_syntax
    })
}

/// Actions that only say that something is looked at: whatever else is found out takes their place.
const fn is_looking(action: Action) -> bool {
    matches!(action.class(), Class::Read) || matches!(action, Action::Cursor)
}
