//! The result of the lineage: which columns can reach which outputs of a statement.
//!
//! Every set errs towards more: a column that is missing from a set surely does not reach the output.

use std::collections::BTreeSet;

/// A column in the catalogue: relation (`schema.name`) and column name.
pub type ColumnName = (String, String);

/// The columns that a value can depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sources {
    /// Columns of relations, views included. For a column that is read through a view, an inheritance parent or
    /// a partition, every column with the same values is listed, so that a rule on any of them applies.
    pub columns: BTreeSet<ColumnName>,
    /// Foreign tables (`schema.name`) among the sources. Their rows are stored elsewhere and may be anyone's;
    /// only rules on the foreign table itself say what its columns hold.
    pub foreign: BTreeSet<String>,
    /// The value may depend on any column of the database.
    pub unknown: bool,
}

impl Sources {
    /// No column at all: constants, parameters, counts.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Any column of the database.
    #[must_use]
    pub fn unknown() -> Self {
        Self { unknown: true, ..Self::default() }
    }

    /// Whether no column reaches the value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.foreign.is_empty() && !self.unknown
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        if !other.columns.is_empty() {
            self.columns.extend(other.columns.iter().cloned());
        }
        if !other.foreign.is_empty() {
            self.foreign.extend(other.foreign.iter().cloned());
        }
        self.unknown |= other.unknown;
    }

    /// Whether `self` has everything that `other` has.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.unknown
            || !other.unknown
                && self.columns.is_superset(&other.columns)
                && self.foreign.is_superset(&other.foreign)
    }
}

/// Where the values of a command can go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flows {
    /// Sources of all columns of all results that the client receives: rows, RETURNING, COPY data, EXPLAIN text.
    pub outputs: Sources,
    /// Sources of each result column, in order. `None` when the number of columns is not known, or when the
    /// text has several statements.
    pub columns: Option<Vec<Sources>>,
    /// Values that a write stores in another place.
    pub copies: BTreeSet<ValueCopy>,
    /// Values that decide which rows come, how many, or in which order.
    pub predicates: BTreeSet<Predicate>,
    /// How many comparisons of a column with a constant for equality there are. Equal ones are one predicate, but each
    /// asks about a value of its own.
    pub lookups: u64,
    /// Values that leave the query other than in rows: settings, notifications, lock numbers.
    pub side_channels: BTreeSet<SideChannel>,
    /// A result column that the server describes as the column of a relation may hold another value: the command
    /// has stored one there.
    pub returns_written: bool,
    /// Every column that the server may look at while the command runs, and so quote in errors and notices. A
    /// superset of all other sets.
    pub touched: Sources,
}

impl Flows {
    /// The flows of a command that nothing is known about.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            outputs: Sources::unknown(),
            columns: None,
            copies: BTreeSet::from([ValueCopy { into: Place::Unknown, sources: Sources::unknown() }]),
            predicates: BTreeSet::new(),
            lookups: 0,
            side_channels: BTreeSet::new(),
            returns_written: true,
            touched: Sources::unknown(),
        }
    }

    /// Adds what a command may do with values besides showing them.
    pub fn use_more(&mut self, other: Self) {
        self.copies.extend(other.copies);
        self.predicates.extend(other.predicates);
        self.side_channels.extend(other.side_channels);
        self.touched.add(&other.touched);
    }

    /// Adds the flows of a command that may run as well. Result columns are kept only when both have the same
    /// number.
    pub fn add(&mut self, other: Self) {
        self.outputs.add(&other.outputs);
        self.columns = match (self.columns.take(), other.columns) {
            (Some(mut mine), Some(others)) if mine.len() == others.len() => {
                for (column, another) in mine.iter_mut().zip(&others) {
                    column.add(another);
                }
                Some(mine)
            }
            _ => None,
        };
        self.copies.extend(other.copies);
        self.predicates.extend(other.predicates);
        self.lookups = self.lookups.saturating_add(other.lookups);
        self.side_channels.extend(other.side_channels);
        self.returns_written |= other.returns_written;
        self.touched.add(&other.touched);
    }
}

/// A value that a command stores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueCopy {
    /// The place that receives it.
    pub into: Place,
    /// What the value can depend on. Never empty.
    pub sources: Sources,
}

/// A place that keeps a value beyond the command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A column of a relation, existing or new.
    Column {
        /// `schema.name`
        relation: String,
        /// The column's name.
        column: String,
        /// Sources of a later read of this column. A rule on one of them also protects the copy.
        read_back: BTreeSet<ColumnName>,
    },
    /// A file, a program or another server.
    Outside,
    /// Code that cannot be read decides.
    Unknown,
}

/// A value that decides which rows a command handles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Predicate {
    /// What the decision can depend on. Never empty.
    pub sources: Sources,
    /// It is `column = constant` (or a parameter), with the column as it is stored.
    pub equality_with_constant: bool,
}

/// A value that leaves a query other than in its rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SideChannel {
    /// Through what it leaves.
    pub kind: SideChannelKind,
    /// What the value can depend on. Never empty.
    pub sources: Sources,
}

/// Through what a value can leave a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideChannelKind {
    /// A setting: `set_config`, `setseed`.
    Setting,
    /// A notification: `pg_notify`.
    Notification,
    /// The number of an advisory lock.
    AdvisoryLock,
    /// The state of a sequence.
    Sequence,
    /// A large object, its number or its content.
    LargeObject,
    /// Another server: `dblink`.
    Network,
    /// A file of the server.
    File,
    /// The duration of the command: `pg_sleep`.
    Duration,
    /// Text that the server runs as SQL.
    DynamicSql,
    /// Another action of the server: logging, signals, replication messages.
    Server,
}

impl SideChannelKind {
    /// A noun phrase for refusals.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Setting => "a setting",
            Self::Notification => "a notification",
            Self::AdvisoryLock => "an advisory lock number",
            Self::Sequence => "a sequence",
            Self::LargeObject => "a large object",
            Self::Network => "another server",
            Self::File => "a file of the server",
            Self::Duration => "the duration of the command",
            Self::DynamicSql => "SQL text that the server runs",
            Self::Server => "an action of the server",
        }
    }
}
