//! The settings of a session that give its statements their meaning. The server is asked for them, on
//! the session's own connection, when it is opened and whenever a statement may have changed them:
//! following every SET, ROLLBACK and set_config by ourselves would be a second server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_sql::Lexing;

use bytes::BytesMut;

use super::flow::Flow;
use crate::codec::build::{self, Bound};
use crate::codec::frontend::Subject;
use crate::codec::{self, Backend, Values};

/// The effective search path: the names of the schemas that unqualified names are looked up in, in order.
///
/// `current_schemas(true)` says the same but is not free of effects: when `pg_temp` leads the search path it creates the
/// session's temporary schema, and PREPARE TRANSACTION is then refused. So the setting is taken apart as the server does
/// (`recomputeNamespacePath`): quoted and folded names, `$user`, `pg_temp` where there is one, schemas that exist and may be used,
/// each once, and before them `pg_temp` and `pg_catalog` unless they are listed. The schemas are looked up by name and
/// not in a table: in a transaction with a snapshot of its own a table would show those of the past.
///
/// No backslash may stand in it, since where a string ends is not known yet, and the white space in its pattern is that of
/// the server's scanner, written as it is.
macro_rules! schemas {
    () => {
        concat!(
            " (SELECT pg_catalog.string_agg(f.name, pg_catalog.chr(1) ORDER BY f.place) FROM ( SELECT DISTINCT \
             ON (n.oid) n.name, n.place FROM ( SELECT e.place, e.implicit, CASE WHEN e.temporary THEN \
             pg_catalog.pg_my_temp_schema()::pg_catalog.regnamespace::pg_catalog.text ELSE e.name END AS name, \
             CASE WHEN e.temporary THEN pg_catalog.pg_my_temp_schema() ELSE \
             pg_catalog.to_regnamespace(pg_catalog.quote_ident(e.name))::pg_catalog.oid END AS oid, \
             e.temporary OPERATOR(pg_catalog.=) true AS exempt FROM ( SELECT i.place, true AS implicit, \
             i.name, i.name OPERATOR(pg_catalog.=) 'pg_temp'::pg_catalog.text AS temporary FROM (VALUES \
             ('-2'::pg_catalog.int8, 'pg_temp'::pg_catalog.text), ('-1'::pg_catalog.int8, \
             'pg_catalog'::pg_catalog.text)) AS i(place, name) UNION ALL SELECT x.place, false, CASE WHEN \
             x.name OPERATOR(pg_catalog.=) '$user'::pg_catalog.text THEN CURRENT_USER::pg_catalog.text ELSE \
             x.name::pg_catalog.name::pg_catalog.text END, x.name OPERATOR(pg_catalog.=) \
             'pg_temp'::pg_catalog.text FROM ( SELECT w.place, CASE WHEN pg_catalog.starts_with(w.word[1], \
             '\"') THEN pg_catalog.replace(pg_catalog.substr(w.word[1], 2, pg_catalog.length(w.word[1]) \
             OPERATOR(pg_catalog.-) 2), '\"\"', '\"') ELSE pg_catalog.translate(w.word[1], \
             'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') END AS name FROM \
             pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'), ",
            "'(\"([^\"]|\"\")*\"|[^\", \t\n\r\u{c}][^, \t\n\r\u{c}]*)', ",
            " 'g') WITH ORDINALITY AS w(word, place) ) AS x ) AS e ) AS n WHERE n.oid OPERATOR(pg_catalog.<>) \
             0::pg_catalog.oid AND (n.implicit OR n.exempt OR pg_catalog.has_schema_privilege(n.oid, 'USAGE')) \
             ORDER BY n.oid, n.implicit, n.place ) AS f)"
        )
    };
}

/// Asks for the settings of a session that give its statements their meaning, in one row; the first column is the effective
/// search path, names separated by `chr(1)`. Every name is qualified, so that no search path can bend it.
pub const QUERY: &str = concat!(
    "SELECT ",
    schemas!(),
    ", \
    pg_catalog.current_setting('search_path'), \
    pg_catalog.current_setting('standard_conforming_strings'), \
    pg_catalog.current_setting('client_encoding'), \
    pg_catalog.current_setting('statement_timeout'), \
    pg_catalog.current_setting('DateStyle'), \
    pg_catalog.current_setting('TimeZone'), \
    pg_catalog.current_setting('IntervalStyle'), \
    pg_catalog.current_setting('row_security'), \
    pg_catalog.current_setting('session_replication_role'), \
    current_user, session_user, \
    pg_catalog.current_setting('server_encoding')"
);

/// The statement and the portal that ask; they exist for the one question only, and the client's own unnamed ones
/// are left alone.
const NAME: &[u8] = b"countersign settings";

/// Writes the question: by the extended protocol, because a simple query would end the client's unnamed
/// statement. Answered up to ReadyForQuery.
///
/// # Errors
/// None in truth: no name has a zero byte.
pub(crate) fn ask(out: &mut BytesMut) -> Result<(), codec::Error> {
    let none = Bound { formats: &[], parameters: &[], result_formats: &[] };
    build::parse(out, NAME, QUERY.as_bytes(), &[])?;
    build::bind(out, NAME, NAME, none)?;
    build::execute(out, NAME, 0)?;
    build::close(out, Subject::Portal(NAME))?;
    build::close(out, Subject::Statement(NAME))?;
    build::bare(out, b'S');
    Ok(())
}

/// Settings among these that servers report when they change, whatever changed them.
const REPORTED: [&[u8]; 4] =
    [b"standard_conforming_strings", b"client_encoding", b"search_path", b"session_authorization"];

impl Flow {
    /// The server reports a setting.
    pub(super) fn reported(&mut self, name: &[u8], value: &[u8], tells: bool) {
        // INVARIANT: I7. A second wall: by what we know of what ran, nothing may have changed it.
        if REPORTED.contains(&name) {
            self.settings_may_change();
        }
        if tells {
            self.parameters.set(name, value);
        }
    }
}

/// How many columns [`QUERY`] has.
const COLUMNS: usize = 13;

/// What the settings were when the server was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The schemas that unqualified names are looked up in, in order; `None` when the search path could not be taken
    /// apart: names then mean all that they could.
    pub(crate) schemas: Option<Vec<String>>,
    /// How statements are taken apart.
    pub(crate) lexing: Lexing,
    /// The client writes UTF-8, as names are read here. In other encodings what is beyond ASCII is another name.
    pub(crate) utf8: bool,
    /// How long the client lets a statement take.
    pub(crate) statement_timeout: Option<Duration>,
    /// All of it by name, for the digest.
    pub(crate) meaning: BTreeMap<String, String>,
}

/// What is known of the settings at the moment.
#[derive(Debug)]
pub(crate) enum Known {
    /// This, and nothing was sent since that may change it. With a number that grows with every change.
    Current(Arc<Settings>, u64),
    /// The same, but values may be others that change neither how texts are read nor what names mean.
    Outdated(Arc<Settings>, u64),
    /// Something may have changed them, or nobody has asked yet.
    Stale(u64),
}

impl Known {
    /// The settings, when they are current.
    pub(crate) fn current(&self) -> Option<&Settings> {
        match self {
            Self::Current(settings, _) => Some(settings),
            Self::Outdated(..) | Self::Stale(_) => None,
        }
    }

    /// The settings, when they still say how texts are read and what names mean.
    pub(crate) fn readable(&self) -> Option<&Settings> {
        match self {
            Self::Current(settings, _) | Self::Outdated(settings, _) => Some(settings),
            Self::Stale(_) => None,
        }
    }

    /// The same, to keep.
    pub(crate) fn shared(&self) -> Option<Arc<Settings>> {
        match self {
            Self::Current(settings, _) | Self::Outdated(settings, _) => Some(Arc::clone(settings)),
            Self::Stale(_) => None,
        }
    }

    /// The number of this state; what was derived under another must be derived again.
    pub(crate) const fn generation(&self) -> u64 {
        match self {
            Self::Current(_, generation) | Self::Outdated(_, generation) | Self::Stale(generation) => {
                *generation
            }
        }
    }

    /// Something may have changed them.
    pub(crate) fn mark_stale(&mut self) {
        *self = Self::Stale(self.generation() + 1);
    }

    /// Values may have changed by which nothing is read.
    pub(crate) fn mark_outdated(&mut self) {
        if let Some(settings) = self.shared() {
            *self = Self::Outdated(settings, self.generation() + 1);
        }
    }

    /// The server has told them.
    pub(crate) fn learn(&mut self, settings: Arc<Settings>) {
        *self = Self::Current(settings, self.generation() + 1);
    }
}

/// The server's answer to a question of our own, as it comes in.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    row: Option<Vec<String>>,
    failed: bool,
    /// All rows, where they are wanted.
    rows: Option<Vec<AnswerRow>>,
    bytes: usize,
}

/// A row of an answer. What is not UTF-8 is written out, so that different values stay different; NULL is empty.
pub(crate) type AnswerRow = Vec<Option<String>>;

/// The largest answer that is gathered, in bytes. A larger one counts as failed.
const GATHERED_BYTES_MAX: usize = 16 << 20;

impl Answer {
    /// An answer of which every row is kept.
    pub(crate) fn gathering() -> Self {
        Self { rows: Some(Vec::new()), ..Self::default() }
    }

    /// All rows of all statements, in order; `None` when it failed.
    pub(crate) fn into_rows(self) -> Option<Vec<AnswerRow>> {
        self.rows.filter(|_| !self.failed)
    }

    /// Takes a message of the answer.
    pub(crate) fn take(&mut self, message: &Backend<'_>) {
        match message {
            Backend::DataRow(values) => self.row(*values),
            Backend::ErrorResponse(_) => self.fail(),
            _ => {}
        }
    }

    /// The one value of the one row that was asked for.
    pub(crate) fn only(self) -> Option<String> {
        let row = self.row.filter(|_| !self.failed)?;
        let [value] = <[String; 1]>::try_from(row).ok()?;
        Some(value)
    }

    /// Whether the query did not fail.
    pub(crate) const fn is_sound(&self) -> bool {
        !self.failed
    }

    /// Takes the row.
    fn row(&mut self, values: Values<'_>) {
        if let Some(rows) = &mut self.rows {
            self.bytes =
                values.iter().flatten().fold(self.bytes, |sum, value| sum.saturating_add(value.len()));
            if self.bytes > GATHERED_BYTES_MAX {
                self.failed = true;
                return;
            }
            rows.push(values.iter().map(|value| value.map(lossless)).collect());
            return;
        }
        let text = |value: Option<&[u8]>| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        self.row = values.iter().map(text).collect();
    }

    /// The query failed.
    fn fail(&mut self) {
        self.failed = true;
    }

    /// What was told; `None` when it was not what was asked for.
    pub(crate) fn settings(self) -> Option<Settings> {
        self.row.filter(|_| !self.failed).and_then(Settings::of_row)
    }
}

/// A value as text.
fn lossless(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("bytes {}", value.escape_ascii()),
    }
}

impl Settings {
    /// The row of [`QUERY`]; `None` when it is not that.
    pub(crate) fn of_row(row: Vec<String>) -> Option<Self> {
        let [
            schemas,
            search_path,
            strings,
            encoding,
            timeout,
            datestyle,
            timezone,
            intervalstyle,
            row_security,
            replication,
            user,
            session_user,
            server_encoding,
        ] = <[String; COLUMNS]>::try_from(row).ok()?;
        let safe_encoding = matches!(encoding.as_str(), "UTF8" | "SQL_ASCII" | "LATIN1");
        let utf8_names = server_encoding == "UTF8";
        let lexing = Lexing { standard_conforming_strings: strings == "on", safe_encoding, utf8_names };
        let utf8 = encoding == "UTF8";
        let is_readable = is_readable(&search_path, utf8_names);
        let statement_timeout = duration(&timeout);
        let named = [
            ("search_path", search_path),
            ("schemas", schemas.replace('\u{1}', ",")),
            ("standard_conforming_strings", strings),
            ("client_encoding", encoding),
            ("DateStyle", datestyle),
            ("TimeZone", timezone),
            ("IntervalStyle", intervalstyle),
            ("row_security", row_security),
            ("session_replication_role", replication),
            ("current_user", user),
            ("session_user", session_user),
        ];
        let schemas = is_readable
            .then(|| schemas.split('\u{1}').filter(|schema| !schema.is_empty()).map(str::to_owned).collect());
        Some(Self {
            schemas,
            lexing,
            utf8,
            statement_timeout,
            meaning: named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        })
    }
}

/// Whether a search path is taken apart here as by every version of the server.
// INVARIANT: I7. A vertical tab parts names from PostgreSQL 16 on, and letters beyond ASCII are folded to lower case in
// some encodings.
fn is_readable(search_path: &str, utf8_names: bool) -> bool {
    !search_path.contains('\u{b}') && (utf8_names || search_path.is_ascii())
}

/// A duration as PostgreSQL shows it: a number and a unit, milliseconds without one. Zero is none.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "" | "ms" => number,
        "s" => number.saturating_mul(1000),
        "min" => number.saturating_mul(60_000),
        "h" => number.saturating_mul(3_600_000),
        "d" => number.saturating_mul(86_400_000),
        // An unknown unit: the shortest patience is the safe one.
        _ => 1000,
    };
    (millis > 0).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_postgresql_shows_them() {
        assert_eq!(duration("0"), None);
        assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
    }

    #[test]
    fn i7_unknown_a_search_path_that_versions_read_differently_is_not_read() {
        assert!(is_readable("\"$user\", public", true));
        assert!(is_readable("public, \u{e9}cole", true));
        assert!(!is_readable("public, \u{e9}cole", false));
        assert!(!is_readable("evil\u{b}public", true));
    }

    #[test]
    fn an_answer_that_failed_tells_nothing() {
        let mut answer = Answer { row: Some(vec![String::new(); COLUMNS]), ..Answer::default() };
        answer.fail();
        assert_eq!(answer.settings(), None);
        assert_eq!(Answer::default().settings(), None);
    }
}
