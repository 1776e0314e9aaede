//! What a command does, derived from it by its protocol. Facts are what policies decide on, so they
//! say what could *not* be read as plainly as what could (I7).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::verdict::DataClass;

/// What a command does. A command that the server runs or fails as one (a multi-statement string, say)
/// has one operation for each of its parts; the strictest verdict over all of them holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facts {
    /// The parts, in order. Empty when nothing runs (an empty query).
    pub operations: Vec<Operation>,
    /// Whether the command is whole, or opens a flow of bytes that is recorded as it goes.
    pub granularity: Granularity,
    /// The command with its literals taken out: equal for commands of the same shape.
    pub fingerprint: Option<String>,
}

impl Facts {
    /// Facts of a command that runs nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { operations: Vec::new(), granularity: Granularity::Command, fingerprint: None }
    }

    /// Facts of a command of which nothing could be read: the strictest path.
    #[must_use]
    pub fn unknown(why: Flag) -> Self {
        Self {
            operations: vec![Operation::unknown(why)],
            granularity: Granularity::Command,
            fingerprint: None,
        }
    }

    /// Whether everything the command does by itself is known to change nothing beyond its session. Such a command needs
    /// no outcome to be safe, and may overlap its record (I5) unless it makes lasting what others have changed.
    #[must_use]
    pub fn is_plain_read(&self) -> bool {
        self.granularity == Granularity::Command
            && self.operations.iter().all(|op| matches!(op.action.class(), Class::Read | Class::Session))
    }
}

/// Whether a command is whole or opens a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// All of it is known when it is judged.
    Command,
    /// Judging it opens a flow of bytes (COPY FROM STDIN) that is recorded as it goes.
    Stream,
}

/// One part of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// What it does, in the protocol's words.
    pub action: Action,
    /// Objects read, qualified (`public.customers`).
    pub reads: BTreeSet<String>,
    /// Objects written, created, altered or dropped, qualified.
    pub writes: BTreeSet<String>,
    /// Functions and procedures called, qualified where the catalogue says where they are.
    pub functions: BTreeSet<String>,
    /// What is remarkable about it.
    pub flags: BTreeSet<Flag>,
    /// Classes of data that it uses without showing them. Empty on a target without masking rules.
    #[serde(default, skip_serializing_if = "MaskedUses::is_empty")]
    pub masked: MaskedUses,
}

/// The classes of data that an operation uses without showing them: a masked column that is copied or compared leaves by
/// another path than the result. Derived for every class that the target's masking rules name, whoever the requester is;
/// policy evaluation keeps those that the requester may not see, and sets the flags accordingly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct MaskedUses {
    /// Values of these may be written to a place where no rule of the same class masks them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub copies: BTreeSet<DataClass>,
    /// Columns of these decide which rows, in which order or in which groups the operation works on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub predicates: BTreeSet<DataClass>,
    /// Columns of these are compared for equality with a constant or a parameter, and with nothing else.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub equalities: BTreeSet<DataClass>,
}

impl MaskedUses {
    /// Whether no class is used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.predicates.is_empty() && self.equalities.is_empty()
    }
}

impl Operation {
    /// An operation that does `action` and touches nothing yet.
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

    /// Sets the flags that follow from the classes it uses, for a principal to whom `hides` says that a class is hidden.
    pub fn flag_masked(&mut self, hides: impl Fn(&DataClass) -> bool) {
        if self.masked.copies.iter().any(&hides) {
            self.flags.insert(Flag::CopiesMasked);
        }
        if self.masked.predicates.iter().any(&hides) {
            self.flags.insert(Flag::MaskedPredicate);
        }
    }

    /// An operation that could not be read.
    #[must_use]
    pub fn unknown(why: Flag) -> Self {
        Self { flags: BTreeSet::from([why]), ..Self::new(Action::Unknown) }
    }
}

/// How far an action reaches. In policies each class is an action group: `action in Action::"write"`.
/// `session` stands inside `read`: who may read may begin a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Transactions, harmless settings, LISTEN, cursors: no data changes, no access widens.
    Session,
    /// Reads data and changes nothing.
    Read,
    /// Changes rows.
    Write,
    /// Changes the definition of objects.
    Schema,
    /// Changes who may do what, how the server works, or reaches outside the database.
    Admin,
    /// Could not be read, or calls what nobody vouches for.
    Unknown,
}

impl Class {
    /// All classes, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Session, Self::Read, Self::Write, Self::Schema, Self::Admin, Self::Unknown];

    /// The name of the action group in policies.
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
        /// What an operation does. In policies: `action == Action::"sql:drop"`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Action {
            /// Every action, for the schema of policies.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in policies.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How far it reaches.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }
        }
    };
}

actions! {
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin.
    Transaction = "sql:transaction" in Session;
    /// SET, RESET, DISCARD of a setting that changes neither access nor the meaning of later text.
    Set = "sql:set" in Session;
    /// SHOW.
    Show = "sql:show" in Read;
    /// LISTEN, UNLISTEN.
    Listen = "sql:listen" in Session;
    /// PREPARE and DEALLOCATE; what is prepared is judged when it is executed.
    Prepare = "sql:prepare" in Session;
    /// DECLARE of a plain read, FETCH, MOVE, CLOSE.
    Cursor = "sql:cursor" in Session;
    /// A SELECT, VALUES or TABLE that is known to change nothing.
    Select = "sql:select" in Read;
    /// EXPLAIN that runs nothing but plain reads.
    Explain = "sql:explain" in Read;
    /// COPY … TO STDOUT of a plain read.
    CopyOut = "sql:copy_out" in Read;
    /// SELECT … FOR UPDATE and its kin, LOCK TABLE.
    Lock = "sql:lock" in Write;
    /// INSERT.
    Insert = "sql:insert" in Write;
    /// UPDATE.
    Update = "sql:update" in Write;
    /// DELETE.
    Delete = "sql:delete" in Write;
    /// MERGE.
    Merge = "sql:merge" in Write;
    /// COPY … FROM STDIN.
    CopyIn = "sql:copy_in" in Write;
    /// TRUNCATE.
    Truncate = "sql:truncate" in Write;
    /// NOTIFY.
    Notify = "sql:notify" in Write;
    /// nextval, setval and other functions known to change rows or sequences only.
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
    /// Reaches outside the database: COPY to or from files and programs, server-side files, large
    /// objects by path, dblink, foreign servers.
    Outside = "sql:outside" in Admin;
    /// Calls a function or procedure that nobody vouches for, DO, CALL.
    Call = "sql:call" in Unknown;
    /// The protocol's function-call message.
    FunctionCall = "sql:function_call" in Unknown;
    /// Could not be read.
    Unknown = "unknown" in Unknown;
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// Something remarkable about an operation. In policies: `context.flags.contains("missing_where")`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Flag {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Flag {
            /// Every flag.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in policies and records.
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
    /// One of several statements of one string.
    MultiStatement = "multi_statement";
    /// Changes data inside a WITH.
    DataModifyingCte = "data_modifying_cte";
    /// SELECT … INTO, CREATE TABLE … AS.
    SelectInto = "select_into";
    /// Locks rows or tables.
    Locking = "locking";
    /// EXPLAIN ANALYZE: what is explained also runs.
    ExplainAnalyze = "explain_analyze";
    /// COPY runs a program on the server.
    CopyProgram = "copy_program";
    /// COPY reads or writes a file on the server.
    CopyFile = "copy_file";
    /// Reads or writes files of the server by function.
    ServerFile = "server_file";
    /// Works on large objects.
    LargeObject = "large_object";
    /// Opens connections from the server.
    Network = "network";
    /// Runs text that is put together on the server (DO, EXECUTE inside functions, query_to_xml).
    DynamicSql = "dynamic_sql";
    /// Calls a function that is on no list.
    UnlistedFunction = "unlisted_function";
    /// Changes a setting that widens access or changes how later text is read.
    RiskySetting = "risky_setting";
    /// Does not parse with the server's grammar.
    Unparsed = "unparsed";
    /// Nested too deep or too long to be read safely.
    TooLarge = "too_large";
    /// Arrived under lexing settings or an encoding that can change where strings end.
    OddLexing = "odd_lexing";
    /// Names something the catalogue does not (yet) know; objects are then all it could mean.
    Unresolved = "unresolved";
    /// Executes a prepared statement whose text was not seen.
    UnseenStatement = "unseen_statement";
    /// Runs or defines code whose definition cannot be read: a trigger, or a function in a language other than SQL.
    UnreadDefinition = "unread_definition";
    /// Cannot run inside a transaction block.
    OutsideTransaction = "outside_transaction";
    /// A parameter or a message that could not be read.
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
