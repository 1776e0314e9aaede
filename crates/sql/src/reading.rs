//! What was read of a text: names as written, before any catalogue has a say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_common::facts::{Action, Flag};

use crate::filter::Filter;
use crate::lineage::query::Statement;
use crate::name::Name;

/// What was read of one string of statements.
#[derive(Debug)]
pub struct Reading {
    pub(crate) parts: Vec<Part>,
    /// The statements as the lineage needs them.
    pub(crate) lineage: Vec<Statement>,
    pub(crate) failure: Option<Flag>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) effects: Effects,
    pub(crate) mentions: Mentions,
    pub(crate) copy: Option<Copy>,
    /// The relation that is changed when a view of this query is.
    pub(crate) updatable: Option<Name>,
    pub(crate) statements: usize,
    /// No fact depends on the value of a literal.
    pub(crate) inert: bool,
    /// The exact text of the statement, where it was read as part of another: the query of a PREPARE.
    pub(crate) source: Option<Box<str>>,
    /// The first of its statements takes a snapshot when it runs.
    pub(crate) snapshot_first: bool,
    /// One of its statements takes a snapshot when it runs.
    pub(crate) snapshot: bool,
}

impl Reading {
    pub(crate) fn unread(why: Flag) -> Self {
        Self {
            parts: Vec::new(),
            lineage: Vec::new(),
            failure: Some(why),
            fingerprint: None,
            // Nothing is known of it, so neither is what it leaves behind.
            effects: Effects {
                changes_settings: true,
                changes_definitions: true,
                redefines: Redefined::anything(),
                sets_unnamed: true,
                ..Effects::default()
            },
            mentions: Mentions { columns: BTreeSet::new(), everything: true },
            copy: None,
            updatable: None,
            statements: 0,
            inert: false,
            source: None,
            snapshot_first: true,
            snapshot: true,
        }
    }

    /// The exact text of the PREPARE that this is the query of.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Whether the first statement of the text takes a snapshot when it runs. One that does not (SET, LOCK and SET
    /// TRANSACTION among them) may have to run before anything else in its transaction takes one.
    #[must_use]
    pub const fn snapshot_first(&self) -> bool {
        self.snapshot_first
    }

    /// Whether any statement of the text takes a snapshot when it runs.
    #[must_use]
    pub const fn takes_snapshot(&self) -> bool {
        self.snapshot
    }

    /// What it changes in the session once it has run.
    #[must_use]
    pub const fn effects(&self) -> &Effects {
        &self.effects
    }

    /// The columns it mentions, by their own names.
    #[must_use]
    pub const fn mentions(&self) -> &Mentions {
        &self.mentions
    }

    /// What it copies to or from the client. With several COPY in one string: the last.
    #[must_use]
    pub const fn copy(&self) -> Option<&Copy> {
        self.copy.as_ref()
    }

    /// How many statements the text has; 0 when it is empty or could not be read.
    #[must_use]
    pub const fn statements(&self) -> usize {
        self.statements
    }

    /// The text with its literals taken out; `None` when it could not be read or is very long.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Why it could not be read, if so.
    #[must_use]
    pub const fn failure(&self) -> Option<Flag> {
        self.failure
    }

    /// The names that SQL-level EXECUTE calls in it. What they stand for may change before it is answered.
    pub fn executes(&self) -> impl Iterator<Item = &str> {
        let prepared = self.effects.prepares.iter().flat_map(|(_, inner)| &inner.parts);
        self.parts.iter().chain(prepared).filter_map(|part| part.executes.as_deref())
    }

    /// The names, without schemas, of relations, functions and types that it mentions.
    pub fn mentioned_objects(&self) -> impl Iterator<Item = &str> {
        let sets = self.parts.iter().flat_map(|part| [&part.reads, &part.writes, &part.calls, &part.types]);
        sets.flatten().map(|name| name.name.as_ref())
    }

    /// Roughly how many bytes it holds, for the bound of the caches.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names: usize = self.parts.iter().map(Part::names).sum();
        let prepared: usize = self.effects.prepares.iter().map(|(_, inner)| inner.weight()).sum();
        512 + self.parts.len() * 512
            + (names + self.mentions.columns.len()) * 96
            + self.fingerprint.as_ref().map_or(0, String::len)
            + prepared
            + self.lineage.iter().map(Statement::nodes).sum::<usize>() * 64
    }
}

/// What a text changes in its session once it has run.
#[derive(Debug, Default)]
pub struct Effects {
    /// Settings may be others afterwards (SET, RESET, DISCARD, `set_config`, unlisted functions) by which texts are read
    /// or names looked up: ask the server again for those that matter.
    pub changes_settings: bool,
    /// Settings may be others afterwards that change neither how texts are read nor what their names mean.
    pub changes_values: bool,
    /// It ends a transaction or goes back to a savepoint: settings that were changed there may be as they were before.
    pub ends_settings: bool,
    /// SQL-level PREPARE: the name, and what is prepared, in order.
    pub prepares: Vec<(Box<str>, Arc<Reading>)>,
    /// SQL-level DEALLOCATE: the names; `None` in the list stands for all.
    pub deallocates: Vec<Option<Box<str>>>,
    /// Cursors that FETCH or MOVE runs. The protocol's portals share their names: one that was bound but never
    /// executed runs here for the first time, and has to be judged here as what it is.
    pub fetches: Vec<Box<str>>,
    /// Cursors that DECLARE makes: they take the place of the protocol's portals of the same name.
    pub declares: Vec<Box<str>>,
    /// Cursors that it names: FETCH, MOVE, CLOSE, WHERE CURRENT OF.
    pub cursors: BTreeSet<Box<str>>,
    /// Settings that it names in SET, RESET and `set_config`, in lower case.
    pub sets: BTreeSet<Box<str>>,
    /// It may set more than it names: `set_config` with a name that is no literal.
    pub sets_unnamed: bool,
    /// Transaction control, in order.
    pub transactions: Vec<Transaction>,
    /// Whether it runs code that may end the transaction by itself: DO, CALL.
    pub may_commit: bool,
    /// Whether it subscribes to notifications.
    pub listens: bool,
    /// Whether it may have changed definitions, so that the catalogue has to be read again. Until that is
    /// possible (the transaction is still open, and another connection does not see what it did) what comes after
    /// is to be judged with [`Catalogue::empty`](crate::Catalogue::empty).
    pub changes_definitions: bool,
    /// The names whose definitions may be others for everybody once it is committed.
    pub redefines: Redefined,
}

/// Names of relations, functions and types that may mean something else now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redefined {
    /// The names, without schemas.
    pub names: BTreeSet<Box<str>>,
    /// Others may have changed as well: nobody has listed what the statement did.
    pub anything: bool,
}

impl Redefined {
    /// Names beyond this number count as anything.
    const NAMES_MAX: usize = 1000;

    /// Anything may have changed.
    #[must_use]
    pub const fn anything() -> Self {
        Self { names: BTreeSet::new(), anything: true }
    }

    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.anything && self.names.is_empty()
    }

    /// Adds names; `None`: anything.
    pub(crate) fn add(&mut self, names: Option<impl IntoIterator<Item = Box<str>>>) {
        match names {
            Some(names) if !self.anything => self.names.extend(names),
            Some(_) => {}
            None => *self = Self::anything(),
        }
        if self.names.len() > Self::NAMES_MAX {
            *self = Self::anything();
        }
    }

    /// Adds what another statement has changed.
    pub fn merge(&mut self, other: &Self) {
        self.add((!other.anything).then(|| other.names.iter().cloned()));
    }
}

/// One statement of transaction control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint,
    /// RELEASE SAVEPOINT.
    Release,
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo,
    /// PREPARE TRANSACTION: the transaction leaves the session.
    Prepare,
    /// COMMIT PREPARED or ROLLBACK PREPARED.
    Prepared,
}

/// The columns that a text mentions.
#[derive(Debug, Default)]
pub struct Mentions {
    /// The last component of every column reference, and of everything that may be one.
    pub columns: BTreeSet<Box<str>>,
    /// Whether whole rows may appear: `*`, a bare table name, renamed columns, what could not be read.
    pub everything: bool,
}

/// Which way a COPY goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopySide {
    /// COPY … TO STDOUT.
    Out,
    /// COPY … FROM STDIN.
    In,
}

/// A COPY to or from the client.
#[derive(Debug)]
pub struct Copy {
    /// Which way it goes.
    pub side: CopySide,
    /// The relation; `None` for COPY (query).
    pub relation: Option<Name>,
    /// The columns as listed; empty: all, in order.
    pub columns: Vec<Box<str>>,
    /// Options as written, names in lower case; a value is empty where none is written, lists are joined by commas.
    pub options: BTreeMap<Box<str>, Box<str>>,
}

/// The kind of an object that is no relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A function, procedure or aggregate.
    Function,
    /// A type or domain.
    Type,
}

/// An object that DROP names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dropped {
    Relation(Name),
    Schema(Box<str>),
    Other(Kind, Name),
}

/// One operation in the making.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) action: Action,
    pub(crate) flags: BTreeSet<Flag>,
    pub(crate) reads: BTreeSet<Name>,
    pub(crate) writes: BTreeSet<Name>,
    /// Relations that are named without ONLY: what inherits from them is meant, too.
    pub(crate) with_kin: BTreeSet<Name>,
    /// INSERT … ON CONFLICT DO UPDATE.
    pub(crate) upserts: bool,
    /// TRUNCATE, DROP or ALTER … CASCADE.
    pub(crate) cascades: bool,
    /// The objects that are dropped.
    pub(crate) dropped: Vec<Dropped>,
    /// Schemas of which everything is altered: GRANT … ON ALL TABLES IN SCHEMA.
    pub(crate) whole_schemas: Vec<Box<str>>,
    /// A statement in a body that is only defined here (a rule, a function): what it does when it runs.
    pub(crate) deferred: Option<Action>,
    /// Rules, triggers and the like, with the relation that each belongs to.
    pub(crate) attached: Vec<(Name, Box<str>)>,
    /// Functions and types that are altered, dropped or commented on.
    pub(crate) altered: BTreeSet<(Kind, Name)>,
    /// Functions that are named and do not run now.
    pub(crate) mentioned: BTreeSet<Name>,
    /// Relations that come into being; they belong to the first schema of the path.
    pub(crate) creates: BTreeSet<Name>,
    /// Every text of a statement that is no query, each of which may be a name of anything.
    pub(crate) texts: BTreeSet<Box<str>>,
    /// DROP OWNED, REASSIGN OWNED: what roles own is changed.
    pub(crate) owned: bool,
    /// Objects other than relations, as they are to be shown.
    pub(crate) objects: BTreeSet<String>,
    pub(crate) calls: BTreeSet<Name>,
    /// Those that are called with no argument or with several: they are no casts.
    pub(crate) no_casts: BTreeSet<Name>,
    /// Constructs that are syntax for us and may be a plain call for an older server: `json_value(…)`.
    pub(crate) keyword_calls: BTreeSet<&'static str>,
    pub(crate) operators: BTreeSet<Name>,
    pub(crate) types: BTreeSet<Name>,
    /// `a.b` and `(expression).b`: `b` may be a function.
    pub(crate) attributes: BTreeSet<(Option<Box<str>>, Box<str>)>,
    /// What the names in FROM stand for; `None`: something other than a relation.
    pub(crate) aliases: BTreeMap<Box<str>, BTreeSet<Option<Name>>>,
    /// How far conditions narrow what is changed, where the catalogue has a say in it.
    pub(crate) filters: Vec<Filter>,
    /// Further actions found in literals (`set_config('role', …)`).
    pub(crate) more: BTreeSet<Action>,
    /// SQL-level EXECUTE.
    pub(crate) executes: Option<Box<str>>,
    /// An earlier statement of the string prepares what is executed.
    pub(crate) prepared_before: bool,
    /// An earlier statement of the string may have changed the search path.
    pub(crate) path_unsure: bool,
    /// An earlier statement of the string may have changed what a view shows or a function does.
    pub(crate) definitions_unsure: bool,
    /// It calls `set_config` with a setting that is written there.
    pub(crate) sets_config: bool,
    /// Outputs come from what was judged earlier (FETCH) or cannot be traced (CALL, EXECUTE).
    pub(crate) opaque_output: bool,
}

impl Part {
    pub(crate) fn new(action: Action) -> Self {
        Self {
            action,
            flags: BTreeSet::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            with_kin: BTreeSet::new(),
            upserts: false,
            cascades: false,
            dropped: Vec::new(),
            whole_schemas: Vec::new(),
            deferred: None,
            attached: Vec::new(),
            altered: BTreeSet::new(),
            mentioned: BTreeSet::new(),
            creates: BTreeSet::new(),
            texts: BTreeSet::new(),
            owned: false,
            objects: BTreeSet::new(),
            calls: BTreeSet::new(),
            no_casts: BTreeSet::new(),
            keyword_calls: BTreeSet::new(),
            operators: BTreeSet::new(),
            types: BTreeSet::new(),
            attributes: BTreeSet::new(),
            aliases: BTreeMap::new(),
            filters: Vec::new(),
            more: BTreeSet::new(),
            executes: None,
            prepared_before: false,
            path_unsure: false,
            definitions_unsure: false,
            sets_config: false,
            opaque_output: false,
        }
    }

    fn names(&self) -> usize {
        self.reads.len()
            + self.writes.len()
            + self.creates.len()
            + self.texts.len()
            + self.objects.len()
            + self.calls.len()
            + self.operators.len()
            + self.types.len()
            + self.attributes.len()
            + self.aliases.len()
            + self.with_kin.len()
            + self.dropped.len()
            + self.attached.len()
            + self.altered.len()
    }
}
