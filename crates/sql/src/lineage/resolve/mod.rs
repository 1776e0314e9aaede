//! From the compact tree to [`Flows`]: names are looked up in the catalogue, values are followed to stored columns.

mod alter;
mod call;
mod definition;
mod expression;
mod from;
mod modification;
mod partial;
mod query;
mod relation;
mod scope;
mod statement;
mod value;
mod written;

use rustc_hash::FxHashMap;

use self::relation::Families;
use self::scope::Scope;
use self::value::Table;
use super::flows::{Flows, Place, Predicate, SideChannel, SideChannelKind, Sources, ValueCopy};
use super::query::Statement;
use super::watched::Watched;
use crate::catalogue::{Definition, Relation};
use crate::reading::Reading;
use crate::resolve::{PREPARED_DEPTH_MAX, Session};

/// Definitions within definitions are followed this far; beyond that anything may come out.
const DEPTH_MAX: usize = 16;

/// The search path under which the server keeps its definitions.
const DEFINITION_PATH: &str = "pg_catalog";

/// One resolution of a statement.
pub(super) struct Resolution<'a> {
    session: &'a Session<'a>,
    watched: &'a Watched,
    /// The search path that names have here.
    path: Option<Vec<String>>,
    families: Families<'a>,
    /// Relations that were resolved already.
    relations: FxHashMap<*const Relation, Table>,
    /// WITH queries that can be seen, innermost last.
    common: Vec<(Box<str>, Table)>,
    /// How many definitions deep this is.
    depth: usize,
    /// Whether what is resolved is a definition and not the command's own text: its conditions were chosen by
    /// its author, and are not the requester's predicates.
    in_definition: bool,
    /// Sources of the conditions of definitions. EXPLAIN shows them.
    definition_predicates: Sources,
    /// Code that cannot be read may run while the command is planned.
    runs_unread_code: bool,
    /// Sources of what functions in SQL return. The planner may compute them, and EXPLAIN shows its results.
    function_results: Sources,
    /// The text that is resolved, for what it prepares itself.
    reading: Option<&'a Reading>,
    /// How many EXECUTE deep this is.
    executions: usize,
    flows: Flows,
}

impl<'a> Resolution<'a> {
    pub(super) fn new(session: &'a Session<'a>, watched: &'a Watched) -> Self {
        Self {
            session,
            watched,
            path: session.schemas.map(<[String]>::to_vec),
            families: Families::new(session.catalogue, watched),
            relations: FxHashMap::default(),
            common: Vec::new(),
            depth: 0,
            in_definition: false,
            definition_predicates: Sources::none(),
            runs_unread_code: false,
            function_results: Sources::none(),
            reading: None,
            executions: 0,
            flows: Flows::default(),
        }
    }

    /// The flows of one statement of a text.
    pub(super) fn of_statement(
        session: &'a Session<'a>,
        watched: &'a Watched,
        reading: &'a Reading,
        statement: &'a Statement,
        executions: usize,
    ) -> Flows {
        let mut resolution = Self { reading: Some(reading), executions, ..Self::new(session, watched) };
        let table = resolution.inner_statement(&statement.kind, &Scope::default());
        let mut flows = resolution.flows;
        flows.outputs = table.sources();
        flows.touched.add(&flows.outputs);
        flows.columns = match table.open {
            None => Some(table.columns.iter().map(|column| column.value.sources.clone()).collect()),
            Some(_) => None,
        };
        flows
    }

    /// The flows of what may be prepared under a name; `None` when it may be anything.
    fn executed(&self, name: &str) -> Option<Flows> {
        let reading = self.reading.filter(|_| self.executions < PREPARED_DEPTH_MAX)?;
        let mut all: Option<Flows> = None;
        for part in reading.parts.iter().filter(|part| part.executes.as_deref() == Some(name)) {
            for one in reading.executed_readings(name, part, self.session)? {
                let flows = one.flows_at(self.session, self.watched, self.executions + 1);
                match &mut all {
                    None => all = Some(flows),
                    Some(all) => all.add(flows),
                }
            }
        }
        all
    }

    /// Notes a value that decides which rows are handled.
    fn predicate(&mut self, sources: &Sources, equality_with_constant: bool) {
        if sources.is_empty() {
            return;
        }
        self.flows.touched.add(sources);
        if self.in_definition {
            self.definition_predicates.add(sources);
        } else {
            self.flows.lookups += u64::from(equality_with_constant);
            self.flows.predicates.insert(Predicate { sources: sources.clone(), equality_with_constant });
        }
    }

    fn copies(&mut self, into: Place, sources: &Sources) {
        if !sources.is_empty() {
            self.flows.touched.add(sources);
            self.flows.copies.insert(ValueCopy { into, sources: sources.clone() });
        }
    }

    fn side_channel(&mut self, kind: SideChannelKind, sources: &Sources) {
        if !sources.is_empty() {
            self.flows.touched.add(sources);
            self.flows.side_channels.insert(SideChannel { kind, sources: sources.clone() });
        }
    }

    fn touch(&mut self, sources: &Sources) {
        self.flows.touched.add(sources);
    }

    /// Resolves what the server keeps: all statements of it, with the columns of the last.
    fn definition(&mut self, definition: &'a Definition, outer: &Scope<'_>) -> Table {
        let reading = definition.reading();
        let path = Some(vec![DEFINITION_PATH.to_owned()]);
        self.inner_reading(reading, path, true, outer)
    }

    /// Resolves a text that runs inside of another, under a path of its own.
    fn inner_reading(
        &mut self,
        reading: &'a Reading,
        path: Option<Vec<String>>,
        is_definition: bool,
        outer: &Scope<'_>,
    ) -> Table {
        if reading.failure().is_some() || self.depth >= DEPTH_MAX {
            self.touch(&Sources::unknown());
            return Table::unknown();
        }
        let path = std::mem::replace(&mut self.path, path);
        let common = std::mem::take(&mut self.common);
        let in_definition = self.in_definition;
        self.in_definition |= is_definition;
        self.depth += 1;
        let mut table = Table::default();
        for statement in &reading.lineage {
            table = self.inner_statement(&statement.kind, outer);
        }
        self.depth -= 1;
        self.in_definition = in_definition;
        self.common = common;
        self.path = path;
        table
    }
}
