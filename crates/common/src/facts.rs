//! Facts: what a command does, derived by its protocol. Policies decide on facts, so facts state what could *not* be
//! determined as plainly as what could (I7).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::verdict::DataClass;

/// Facts of a command. A command that the server runs or fails as a whole, such as a multi-statement string, has one
/// operation per part; the strictest verdict over all of them applies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facts {
    /// Operations in order. Empty if nothing runs (an empty query).
    pub operations: Vec<Operation>,
    /// Extent of the judgement: the whole command, or the opening of a stream.
    pub granularity: Granularity,
    /// The command with its literals removed: equal for commands of the same shape.
    pub fingerprint: Option<String>,
}

impl Facts {
    /// Facts of a command that runs nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { operations: Vec::new(), granularity: Granularity::Command, fingerprint: None }
    }

    /// Facts of a command that could not be analysed, for the reason `why`: the strictest path.
    #[must_use]
    pub fn unknown(why: Flag) -> Self {
        Self {
            operations: vec![Operation::unknown(why)],
            granularity: Granularity::Command,
            fingerprint: None,
        }
    }

    /// Returns `true` if the command itself is known to change nothing beyond its session. Such a command needs no
    /// outcome to be safe. It may be sent before its record is synced (I5) unless it commits earlier changes.
    #[must_use]
    pub fn is_plain_read(&self) -> bool {
        self.granularity == Granularity::Command
            && self.operations.iter().all(|op| matches!(op.action.class(), Class::Read | Class::Session))
    }
}

/// Extent of the judgement of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// The whole command is known when it is judged.
    Command,
    /// The command opens a stream of bytes (COPY FROM STDIN) that is recorded as it flows.
    Stream,
}

/// One part of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// Action in the words of the protocol.
    pub action: Action,
    /// Objects that are read, qualified (`public.customers`).
    pub reads: BTreeSet<String>,
    /// Objects that are written, created, altered or dropped, qualified.
    pub writes: BTreeSet<String>,
    /// Functions and procedures that are called, qualified if the catalogue knows their schema.
    pub functions: BTreeSet<String>,
    /// Notable properties that policies may test.
    pub flags: BTreeSet<Flag>,
    /// Data classes used without being shown. Empty on a target without masking rules.
    #[serde(default, skip_serializing_if = "MaskedUses::is_empty")]
    pub masked: MaskedUses,
}

/// Data classes that an operation uses without showing them: a masked column that is copied or compared can leak
/// outside the result. Derived for every class that the target's masking rules name, regardless of the requester.
/// Policy evaluation keeps the classes that the requester may not see, and sets the flags accordingly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct MaskedUses {
    /// Classes whose values may be written to a place where no rule of the same class masks them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub copies: BTreeSet<DataClass>,
    /// Classes whose columns select, order or group the rows that the operation works on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub predicates: BTreeSet<DataClass>,
    /// Classes whose columns are compared for equality with a constant or a parameter, and with nothing else.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub equalities: BTreeSet<DataClass>,
}

impl MaskedUses {
    /// Returns `true` if no class is used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.predicates.is_empty() && self.equalities.is_empty()
    }
}

impl Operation {
    /// Creates an operation that does `action` and touches no object.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            functions: BTreeSet::new(),
            flags: BTreeSet::new(),
            masked: MaskedUses {
                copies: BTreeSet::new(),
                predicates: BTreeSet::new(),
                equalities: BTreeSet::new(),
            },
        }
    }

    /// Sets the flags that follow from the used classes. `hides` returns `true` for the classes that the principal
    /// may not see.
    pub fn flag_masked(&mut self, hides: impl Fn(&DataClass) -> bool) {
        if self.masked.copies.iter().any(&hides) {
            self.flags.insert(Flag::CopiesMasked);
        }
        if self.masked.predicates.iter().any(&hides) {
            self.flags.insert(Flag::MaskedPredicate);
        }
    }

    /// Creates an operation that could not be analysed, for the reason `why`.
    #[must_use]
    pub fn unknown(why: Flag) -> Self {
        Self { flags: BTreeSet::from([why]), ..Self::new(Action::Unknown) }
    }
}

/// Reach of an action. In policies each class is an action group: `action in Action::"write"`. `session` is a subset
/// of `read`: a principal that may read may begin a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Transactions, harmless settings, LISTEN, cursors: no data changes, no access widens.
    Session,
    /// Reads data and changes nothing.
    Read,
    /// Changes rows or sequences, takes locks, or notifies other sessions.
    Write,
    /// Changes the definition of objects.
    Schema,
    /// Changes access rights or server behaviour, or reaches outside the database.
    Admin,
    /// Could not be analysed, or calls a function that is not known to be safe.
    Unknown,
}

impl Class {
    /// All classes, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Session, Self::Read, Self::Write, Self::Schema, Self::Admin, Self::Unknown];

    /// Name of the action group in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Read => "read",
            Self::Write => "write",
            Self::Schema => "schema",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal in $class:ident;)*) => {
        /// Action of an operation. In policies: `action == Action::"sql:drop"`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Action {
            /// All actions, for the Cedar schema.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name of the action in policies.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Class of the action: its reach.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }
        }
    };
}

actions! {
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT and related statements.
    Transaction = "sql:transaction" in Session;
    /// SET, RESET or DISCARD of a setting that changes neither access nor the meaning of later text.
    Set = "sql:set" in Session;
    /// SHOW of the value of a setting.
    Show = "sql:show" in Read;
    /// LISTEN, UNLISTEN.
    Listen = "sql:listen" in Session;
    /// PREPARE and DEALLOCATE. A prepared statement is judged when it is executed.
    Prepare = "sql:prepare" in Session;
    /// DECLARE of a plain read, FETCH, MOVE, CLOSE.
    Cursor = "sql:cursor" in Session;
    /// SELECT, VALUES or TABLE that is known to change nothing.
    Select = "sql:select" in Read;
    /// EXPLAIN that runs nothing except plain reads.
    Explain = "sql:explain" in Read;
    /// COPY … TO STDOUT of a plain read.
    CopyOut = "sql:copy_out" in Read;
    /// SELECT … FOR UPDATE and related clauses, LOCK TABLE.
    Lock = "sql:lock" in Write;
    /// INSERT of rows into a table.
    Insert = "sql:insert" in Write;
    /// UPDATE of rows in a table.
    Update = "sql:update" in Write;
    /// DELETE of rows from a table.
    Delete = "sql:delete" in Write;
    /// MERGE of rows into a table.
    Merge = "sql:merge" in Write;
    /// COPY … FROM STDIN.
    CopyIn = "sql:copy_in" in Write;
    /// TRUNCATE of one or more tables.
    Truncate = "sql:truncate" in Write;
    /// NOTIFY with or without a payload.
    Notify = "sql:notify" in Write;
    /// Calls of nextval, setval and other functions that are known to change only rows or sequences.
    Sequence = "sql:sequence" in Write;
    /// REFRESH MATERIALIZED VIEW.
    Refresh = "sql:refresh" in Write;
    /// CREATE of any object, SELECT INTO, CREATE TABLE AS.
    Create = "sql:create" in Schema;
    /// ALTER of any object, RENAME, COMMENT.
    Alter = "sql:alter" in Schema;
    /// DROP of any object.
    Drop = "sql:drop" in Schema;
    /// VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT.
    Maintain = "sql:maintain" in Admin;
    /// GRANT, REVOKE, roles, policies, SET ROLE, SET SESSION AUTHORIZATION.
    Access = "sql:access" in Admin;
    /// ALTER SYSTEM, extensions, languages, LOAD, settings that widen access, server functions such as
    /// pg_terminate_backend, replication, databases, tablespaces.
    Administer = "sql:administer" in Admin;
    /// Access outside the database: COPY to or from files and programs, server-side files, large objects by path,
    /// dblink, foreign servers.
    Outside = "sql:outside" in Admin;
    /// Calls a function or procedure that is not known to be safe, DO, CALL.
    Call = "sql:call" in Unknown;
    /// The function-call message of the protocol.
    FunctionCall = "sql:function_call" in Unknown;
    /// An operation that could not be analysed.
    Unknown = "unknown" in Unknown;
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// Notable property of an operation. In policies: `context.flags.contains("missing_where")`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Flag {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Flag {
            /// All flags, for the Cedar schema.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name of the flag in policies and records.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

flags! {
    /// UPDATE, DELETE or MERGE that changes every row: there is no condition, or one that is true for every row in which
    /// no column is NULL.
    MissingWhere = "missing_where";
    /// UPDATE, DELETE or MERGE whose condition may be true for every row: no column of the relation decides it, or it
    /// could not be computed.
    WeakWhere = "weak_where";
    /// One of several statements in one string.
    MultiStatement = "multi_statement";
    /// Changes data inside a WITH clause.
    DataModifyingCte = "data_modifying_cte";
    /// SELECT … INTO, CREATE TABLE … AS.
    SelectInto = "select_into";
    /// Locks rows or tables explicitly.
    Locking = "locking";
    /// EXPLAIN ANALYZE, which also runs the explained statement.
    ExplainAnalyze = "explain_analyze";
    /// COPY that runs a program on the server.
    CopyProgram = "copy_program";
    /// COPY that reads or writes a file on the server.
    CopyFile = "copy_file";
    /// Reads or writes files of the server through a function.
    ServerFile = "server_file";
    /// Reads or writes large objects.
    LargeObject = "large_object";
    /// Opens network connections from the server.
    Network = "network";
    /// Runs text that is assembled on the server (DO, EXECUTE inside functions, query_to_xml).
    DynamicSql = "dynamic_sql";
    /// Calls a function that is on no list.
    UnlistedFunction = "unlisted_function";
    /// Changes a setting that widens access or changes how later text is parsed.
    RiskySetting = "risky_setting";
    /// Text that the server's grammar does not parse.
    Unparsed = "unparsed";
    /// Text nested too deeply or too long to be parsed safely.
    TooLarge = "too_large";
    /// Text received under lexing settings or an encoding that can change where strings end.
    OddLexing = "odd_lexing";
    /// Contains a name that the catalogue does not know (yet); the objects are then all its possible meanings.
    Unresolved = "unresolved";
    /// Executes a prepared statement whose text the gateway has not seen.
    UnseenStatement = "unseen_statement";
    /// Runs or defines code whose definition cannot be read: a trigger, or a function in a language other than SQL.
    UnreadDefinition = "unread_definition";
    /// Statement that cannot run inside a transaction block.
    OutsideTransaction = "outside_transaction";
    /// A parameter or a message that could not be decoded.
    UnreadMessage = "unread_message";
    /// May write values that the requester may not see to a place where they are not masked.
    CopiesMasked = "copies_masked";
    /// Selects, joins, orders or groups rows by values that the requester may not see.
    MaskedPredicate = "masked_predicate";
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_could_not_be_read_is_no_plain_read() {
        assert!(!Facts::unknown(Flag::Unparsed).is_plain_read());
        assert!(Facts::nothing().is_plain_read());
    }

    #[test]
    fn one_write_among_reads_makes_the_command_a_write() {
        let operations = vec![Operation::new(Action::Select), Operation::new(Action::Update)];
        assert!(!Facts { operations, ..Facts::nothing() }.is_plain_read());
    }
}
