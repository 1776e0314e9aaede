//! What a held command does, derived from the command itself and from what its approval is bound to: no connection, no
//! clock, nothing that a gateway says besides. The control plane derives by this what it has people asked about.

mod catalogue_copy;
pub(crate) mod names;

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::Facts;
use countersign_common::command::{Command, Context, NamedText};
use countersign_common::facts::{Action, Flag, Operation};
use countersign_common::verdict::Duties;
use countersign_masking::Rules;
use countersign_sql::lineage::{Flows, Watched};
use countersign_sql::{Catalogue, Reader, Reading, Session};

pub use self::catalogue_copy::{CatalogueCopy, CopyError};
use self::names::Names;
use crate::masked_use::MaskedUse;

/// How a prepared statement is called among the texts of a context, and what follows its name.
pub(crate) const PREPARED: &str = "prepared statement ";
pub(crate) const PARAMETER_TYPES: &str = " (parameter types ";
/// How a cursor is called.
pub(crate) const CURSOR: &str = "cursor ";
/// What follows the name of something that the gateway has not seen being made.
pub(crate) const AS_THE_SERVER_HAS_IT: &str = " as the server has it";

/// What the facts of a command rest on, besides the command.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// What the database defines; an empty one where that is not known: then every name may be anything.
    pub catalogue: &'a Catalogue,
    /// Functions that the target declares free of effects.
    pub safe_functions: &'a BTreeSet<String>,
    /// The masking rules of the target.
    pub rules: &'a Rules,
}

/// What a command does.
#[derive(Debug)]
pub struct Derived {
    /// Without the flags that depend on what the principal may see.
    pub facts: Facts,
    /// Facts of the same command where its text is a PREPARE that may have run already: then it is what was prepared that
    /// runs.
    pub prepared: Option<Facts>,
    masked: MaskedUse,
}

impl Derived {
    /// Why the command may not run whoever agrees, where a value that a principal with these duties may not see would leave
    /// by a side channel.
    #[must_use]
    pub fn refusal(&self, duties: &Duties) -> Option<String> {
        self.masked.refusal(duties).map(|refusal| refusal.reason)
    }
}

/// Returns `true` if a text of the command was prepared, bound or declared under settings that may have changed since.
/// Such a text is read here under the present settings, which can give other facts than the gateway derived.
#[must_use]
pub fn is_taken_in_earlier(context: &Context) -> bool {
    let marks = ["prepared under ", "bound under ", "declared under "];
    // The mark stands behind the name, which the client has chosen and which may contain anything.
    let marked = |name: &str| match name.strip_prefix(PREPARED) {
        Some(prepared) => prepared
            .rsplit_once(PARAMETER_TYPES)
            .is_some_and(|(_, types)| types.contains("; prepared under ")),
        None => {
            name.rsplit_once(" (").is_some_and(|(_, state)| marks.iter().any(|mark| state.contains(mark)))
        }
    };
    let own = ["its text prepared under", "its parameters bound under"];
    own.iter().any(|name| context.settings.contains_key(*name))
        || context.texts.iter().any(|text| marked(&text.name))
}

/// Derives what a command does.
#[must_use]
pub fn derive(reader: &Reader, command: &Command, context: &Context, basis: &Basis<'_>) -> Derived {
    let derivation = Derivation { reader, context, basis, names: Names::of(&context.settings) };
    match command.form.as_str() {
        "query" => derivation.text(command, false),
        // What SQL has prepared is bound and executed by its name, and its text is that of the PREPARE.
        "execute" | "bind" => derivation.text(command, true),
        "function_call" => derivation.unread(Operation::new(Action::FunctionCall)),
        // INVARIANT: I7. A form that nobody knows.
        _ => derivation.unread(Operation::unknown(Flag::Unparsed)),
    }
}

struct Derivation<'a> {
    reader: &'a Reader,
    context: &'a Context,
    basis: &'a Basis<'a>,
    names: Names,
}

impl Derivation<'_> {
    fn unread(&self, operation: Operation) -> Derived {
        let mut facts = Facts { operations: vec![operation], ..Facts::nothing() };
        let rules = self.basis.rules;
        let masked = if rules.is_empty() { MaskedUse::default() } else { MaskedUse::unknown(rules) };
        masked.note(&mut facts);
        Derived { facts, prepared: None, masked }
    }

    fn text(&self, command: &Command, may_be_prepared: bool) -> Derived {
        let reading = self.read(&command.text);
        let types: Vec<u32> =
            command.parameters.iter().map(|one| one.type_name.parse().unwrap_or_default()).collect();
        let (facts, mut masked) = self.facts(&reading, &types);
        let inner = match reading.effects().prepares.as_slice() {
            [(_, inner)] if may_be_prepared => Some(self.facts(inner, &[])),
            _ => None,
        };
        let prepared = inner.map(|(facts, more)| {
            masked.add(more);
            facts
        });
        Derived { facts, prepared, masked }
    }

    fn read(&self, text: &[u8]) -> Arc<Reading> {
        self.reader.read(text, self.names.lexing(text))
    }

    fn facts(&self, reading: &Reading, types: &[u32]) -> (Facts, MaskedUse) {
        let prepared = |name: &str| self.prepared(name);
        let session = Session {
            catalogue: self.basis.catalogue,
            schemas: self.names.schemas.as_deref(),
            safe_functions: self.basis.safe_functions,
            prepared: &prepared,
        };
        let mut facts = reading.facts_with(&session, types);
        let fetched = self.fetched(reading);
        for (reading, types) in &fetched {
            facts.operations.extend(reading.facts_with(&session, types).operations);
        }
        let rules = self.basis.rules;
        if rules.is_empty() {
            return (facts, MaskedUse::default());
        }
        let watched: Watched = rules.columns().collect();
        let mut flows: Flows = reading.flows(&session, &watched);
        for (reading, _) in &fetched {
            flows.add(reading.flows(&session, &watched));
        }
        let masked = MaskedUse::of(&flows, rules);
        masked.note(&mut facts);
        (facts, masked)
    }

    /// What is prepared under a name, as people are shown it.
    fn prepared(&self, name: &str) -> Option<Arc<Reading>> {
        let called = |named: &&NamedText| {
            let rest = named.name.strip_prefix(PREPARED);
            let (own, _) = rest.and_then(|rest| rest.rsplit_once(PARAMETER_TYPES)).unzip();
            own == Some(name)
        };
        let named = self.context.texts.iter().find(called)?;
        let reading = self.read(&named.text);
        // SQL's own PREPARE: its text is that of the PREPARE.
        let inner = reading.effects().prepares.iter().find(|(prepared, _)| prepared.as_ref() == name);
        Some(inner.map_or_else(|| Arc::clone(&reading), |(_, inner)| Arc::clone(inner)))
    }

    /// Portals that it runs as cursors, each with the types of its parameters. What DECLARE has made was judged then.
    fn fetched(&self, reading: &Reading) -> Vec<(Arc<Reading>, Vec<u32>)> {
        let mut found = Vec::new();
        for name in &reading.effects().fetches {
            // Settings that have changed since it was bound stand behind the name, in parentheses.
            let called = |named: &&NamedText| {
                let rest = named.name.strip_prefix(CURSOR).and_then(|own| own.strip_prefix(name.as_ref()));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
            };
            for named in self.context.texts.iter().filter(called) {
                let types = named.parameters.iter().map(|one| one.type_name.parse().unwrap_or_default());
                found.push((self.read(&named.text), types.collect()));
            }
        }
        found
    }
}
