//! From the parse tree to names: which statement, what it reads, writes and calls.
//!
//! Every kind of node is handled by name; any other makes its part `unknown` ([`Walk::unread`]). Nodes are taken
//! apart without `..` where leaving out a field could leave out something that runs.

mod expression;
mod from;
mod query;
mod special;
mod texts;
mod utility;

pub(crate) use self::utility::is_on;

use std::collections::BTreeSet;

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ParseResult, RangeVar, RawStmt};

use crate::filter::Cte;
use crate::functions;
use crate::lineage::build;
use crate::lineage::query::Statement;
use crate::name::Name;
use crate::reading::{Copy, Effects, Mentions, Part, Reading, Redefined};

/// Walks all statements of a string.
pub(crate) fn walk(parsed: &ParseResult, text: &str) -> Reading {
    let mut walk = Walk::new();
    let mut statements = 0;
    for raw in &parsed.stmts {
        if let Some(statement) = raw.stmt.as_deref() {
            walk.note_snapshot(statement, statements == 0);
            statements += 1;
            walk.source = source(raw, text).into();
            walk.statement(statement);
        }
    }
    walk.finish(statements)
}

/// The text of one statement of a string.
fn source<'t>(raw: &RawStmt, text: &'t str) -> &'t str {
    let start = usize::try_from(raw.stmt_location).unwrap_or(0);
    let rest = text.get(start..).unwrap_or(text);
    // A length of 0 stands for all that is left.
    let end = usize::try_from(raw.stmt_len).ok().filter(|length| *length > 0).unwrap_or(rest.len());
    rest.get(..end).unwrap_or(rest).trim()
}

/// The state of a walk over one string.
pub(super) struct Walk {
    parts: Vec<Part>,
    /// The statements as the lineage needs them.
    lineage: Vec<Statement>,
    current: usize,
    /// CTEs that can be seen here, innermost last.
    ctes: Vec<Cte>,
    effects: Effects,
    mentions: Mentions,
    /// Column references of one name: whole rows, should a relation be called so.
    singles: BTreeSet<Box<str>>,
    copy: Option<Copy>,
    updatable: Option<Name>,
    inert: bool,
    path_unsure: bool,
    definitions_unsure: bool,
    /// The exact text of the statement that is walked.
    source: Box<str>,
    snapshot_first: bool,
    snapshot: bool,
}

impl Walk {
    fn new() -> Self {
        Self {
            parts: Vec::new(),
            lineage: Vec::new(),
            current: 0,
            ctes: Vec::new(),
            effects: Effects::default(),
            mentions: Mentions::default(),
            singles: BTreeSet::new(),
            copy: None,
            updatable: None,
            inert: true,
            path_unsure: false,
            definitions_unsure: false,
            source: Box::default(),
            snapshot_first: false,
            snapshot: false,
        }
    }

    /// Notes whether a statement takes a snapshot when it runs. The list is the server's own
    /// (`PlannedStmtRequiresSnapshot`); what is not on it takes one.
    fn note_snapshot(&mut self, node: &Node, first: bool) {
        let takes = !matches!(
            node.node,
            Some(
                NodeEnum::TransactionStmt(_)
                    | NodeEnum::LockStmt(_)
                    | NodeEnum::VariableSetStmt(_)
                    | NodeEnum::VariableShowStmt(_)
                    | NodeEnum::ConstraintsSetStmt(_)
                    | NodeEnum::FetchStmt(_)
                    | NodeEnum::ListenStmt(_)
                    | NodeEnum::NotifyStmt(_)
                    | NodeEnum::UnlistenStmt(_)
                    | NodeEnum::CheckPointStmt(_)
            )
        );
        self.snapshot |= takes;
        self.snapshot_first |= takes && first;
    }

    fn finish(mut self, statements: usize) -> Reading {
        if statements > 1 {
            for part in &mut self.parts {
                part.flags.insert(Flag::MultiStatement);
            }
        }
        let is_row = |name: &str| self.parts.iter().any(|part| part.aliases.contains_key(name));
        if self.singles.iter().any(|name| is_row(name)) {
            self.mentions.everything = true;
        }
        let unlisted = |name: &Name| functions::builtin(&name.name) != Some(functions::Call::Safe);
        if self.parts.iter().any(|part| part.calls.iter().any(unlisted)) {
            self.effects.changes_settings = true;
            self.effects.changes_definitions = true;
            self.effects.redefines = Redefined::anything();
        }
        Reading {
            parts: self.parts,
            lineage: self.lineage,
            failure: None,
            fingerprint: None,
            effects: self.effects,
            mentions: self.mentions,
            copy: self.copy,
            updatable: self.updatable,
            statements,
            inert: self.inert,
            source: None,
            snapshot_first: self.snapshot_first,
            snapshot: self.snapshot,
        }
    }

    /// One statement of the string.
    fn statement(&mut self, node: &Node) {
        self.begin(Action::Unknown);
        if let Some(node) = &node.node {
            self.lineage.push(Statement {
                path_unsure: self.path_unsure,
                definitions_unsure: self.definitions_unsure,
                kind: build::statement(node),
            });
        }
        match &node.node {
            Some(statement @ NodeEnum::SelectStmt(select)) => {
                self.updatable = query::updatable(select);
                self.query(statement);
            }
            Some(
                statement @ (NodeEnum::InsertStmt(_)
                | NodeEnum::UpdateStmt(_)
                | NodeEnum::DeleteStmt(_)
                | NodeEnum::MergeStmt(_)),
            ) => self.query(statement),
            Some(other) => {
                // Literals of other statements are names, settings, commands.
                self.inert = false;
                self.utility(other);
            }
            None => self.unread(),
        }
    }

    /// Opens a part; what is found goes there until another is opened.
    fn begin(&mut self, action: Action) -> usize {
        let mut part = Part::new(action);
        part.path_unsure = self.path_unsure;
        part.definitions_unsure = self.definitions_unsure;
        self.parts.push(part);
        std::mem::replace(&mut self.current, self.parts.len() - 1)
    }

    /// The part that is being filled. `begin` has always been called before.
    fn part(&mut self) -> &mut Part {
        if self.current >= self.parts.len() {
            self.current = self.parts.len();
            self.parts.push(Part::new(Action::Unknown));
        }
        let current = self.current;
        #[allow(clippy::indexing_slicing, reason = "the two lines above make sure of it")]
        &mut self.parts[current]
    }

    fn set(&mut self, action: Action) {
        self.part().action = action;
    }

    fn flag(&mut self, flag: Flag) {
        self.part().flags.insert(flag);
    }

    /// INVARIANT: I7. Something that nobody has taught us to read: the whole part is unknown.
    fn unread(&mut self) {
        self.inert = false;
        let part = self.part();
        part.more.insert(Action::Unknown);
        part.flags.insert(Flag::Unparsed);
    }

    /// Definitions of these names may have changed; `None`: of any.
    fn redefines(&mut self, names: Option<Vec<Box<str>>>) {
        self.effects.changes_definitions = true;
        self.effects.redefines.add(names);
    }

    fn reads(&mut self, relation: &RangeVar) {
        let name = Name::of_relation(relation);
        self.kin_of(relation);
        self.part().reads.insert(name);
    }

    /// Without ONLY the relations that inherit are meant, too.
    fn kin_of(&mut self, relation: &RangeVar) {
        if relation.inh {
            let name = Name::of_relation(relation);
            self.part().with_kin.insert(name);
        }
    }

    fn writes(&mut self, relation: Option<&RangeVar>) {
        match relation {
            Some(relation) => {
                let name = Name::of_relation(relation);
                self.kin_of(relation);
                self.part().writes.insert(name);
            }
            None => self.unread(),
        }
    }

    fn creates(&mut self, relation: Option<&RangeVar>) {
        match relation {
            Some(relation) => {
                let mut name = Name::of_relation(relation);
                if relation.relpersistence == "t" && name.schema.is_none() {
                    name.schema = Some("pg_temp".into());
                }
                self.part().creates.insert(name);
            }
            None => self.unread(),
        }
    }

    fn object(&mut self, name: impl Into<String>) {
        let name = name.into();
        if !name.is_empty() {
            self.part().objects.insert(name);
        }
    }

    fn object_named(&mut self, parts: &[Node]) {
        if let Some(name) = Name::of_nodes(parts) {
            self.object(name.to_string());
        }
    }

    fn mention(&mut self, column: &str) {
        self.mentions.columns.insert(column.into());
    }
}
