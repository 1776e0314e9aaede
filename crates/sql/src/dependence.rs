//! The dependence of a text on more than its bytes: the names whose meaning it takes from the database, and the state
//! of its connection that it may use. An approval is bound to all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::facts::{Action, Flag};
use rustc_hash::FxHashSet;

use crate::name::Name;
use crate::reading::{Dropped, Part, Reading};
use crate::resolve::{Session, relations};

/// Prepared statements that execute prepared statements, and views over views, are not followed further than this.
const DEPTH_MAX: usize = 32;

/// Words of a text that cannot be read further; more of them are not told apart.
const WORDS_MAX: usize = 10_000;

/// State that one connection has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Private {
    /// Temporary tables, views, types and functions.
    Temporary,
    /// Cursors and where they stand.
    Cursor,
    /// What `currval` and `lastval` answer.
    Sequence,
    /// Descriptors of large objects.
    LargeObject,
    /// The seed of `random`.
    Random,
    /// Advisory locks.
    AdvisoryLock,
    /// What else a connection knows of itself: its process id, its channels, its prepared statements.
    Connection,
}

impl Private {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Temporary => "temporary objects",
            Self::Cursor => "a cursor",
            Self::Sequence => "the last value of a sequence",
            Self::LargeObject => "descriptors of large objects",
            Self::Random => "the seed of random numbers",
            Self::AdvisoryLock => "advisory locks",
            Self::Connection => "what the connection knows of itself",
        }
    }
}

/// How far a text goes beyond the objects that it names.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// What depends on them is dropped or altered, too: CASCADE.
    pub dependants: bool,
    /// Tables that reference them are emptied, too: TRUNCATE … CASCADE.
    pub referencing: bool,
    /// What its roles own is meant: DROP OWNED, REASSIGN OWNED.
    pub owned: bool,
}

/// The dependence of a text on more than its bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Dependence {
    /// Names of relations, as written; also of what may be one.
    pub relations: BTreeSet<Name>,
    /// Names of functions, as written; also of what may be one.
    pub functions: BTreeSet<Name>,
    /// Names of operators, as written.
    pub operators: BTreeSet<Name>,
    /// Names of types, as written; also of what may be one.
    pub types: BTreeSet<Name>,
    /// Texts of statements that are no queries: each may be a name of anything, with or without its schema, which is
    /// among them then.
    pub texts: BTreeSet<Box<str>>,
    /// Schemas of which everything is meant.
    pub whole_schemas: BTreeSet<Box<str>>,
    /// How far it goes beyond the objects that it names.
    pub reach: Reach,
    /// Words that may be names of anything: of a text that nobody can read further.
    pub words: BTreeSet<Box<str>>,
    /// State of the connection that it uses.
    pub private: BTreeSet<Private>,
    /// Cursors that it names.
    pub cursors: BTreeSet<Box<str>>,
    /// It may read any setting.
    pub reads_settings: bool,
    /// It changes definitions, so that event triggers may run.
    pub defines: bool,
    /// One of its statements may change the search path for those behind it: names then mean all that they could.
    pub path_unsure: bool,
}

impl Dependence {
    /// Adds what another text depends on that is run with this one.
    pub fn extend(&mut self, other: Self) {
        self.relations.extend(other.relations);
        self.functions.extend(other.functions);
        self.operators.extend(other.operators);
        self.types.extend(other.types);
        self.texts.extend(other.texts);
        self.whole_schemas.extend(other.whole_schemas);
        self.reach.dependants |= other.reach.dependants;
        self.reach.referencing |= other.reach.referencing;
        self.reach.owned |= other.reach.owned;
        self.words.extend(other.words);
        self.private.extend(other.private);
        self.cursors.extend(other.cursors);
        self.reads_settings |= other.reads_settings;
        self.defines |= other.defines;
        self.path_unsure |= other.path_unsure;
    }
}

impl Dependence {
    /// Objects that a part touches without calling them by their names as relations, functions, operators or types.
    fn beyond(&mut self, part: &Part) {
        self.texts.extend(part.texts.iter().cloned());
        if part.texts.iter().any(|text| is_temporary(text)) {
            self.private.insert(Private::Temporary);
        }
        self.whole_schemas.extend(part.whole_schemas.iter().cloned());
        self.whole_schemas.extend(part.dropped.iter().filter_map(|dropped| match dropped {
            Dropped::Schema(schema) => Some(schema.clone()),
            Dropped::Relation(_) | Dropped::Other(..) => None,
        }));
        let empties = part.action == Action::Truncate;
        self.reach.dependants |= part.cascades && !empties;
        self.reach.referencing |= part.cascades && empties;
        self.reach.owned |= part.owned;
    }
}

impl Reading {
    /// What the text depends on in this session, `text` being its own bytes.
    #[must_use]
    pub fn dependence(&self, text: &[u8], session: &Session<'_>) -> Dependence {
        let mut found = Dependence::default();
        let mut follow = Follow { session, found: &mut found, seen: FxHashSet::default() };
        follow.reading(self, 0);
        if self.is_opaque() {
            found.words = words(text);
        }
        found
    }

    /// Whether code stands in the text that is not read: what could not be parsed, DO.
    fn is_opaque(&self) -> bool {
        let opaque = |part: &Part| {
            part.flags.contains(&Flag::DynamicSql)
                || part.flags.contains(&Flag::Unparsed)
                || part.more.contains(&Action::Unknown)
                || part.action == Action::Unknown
        };
        self.failure.is_some() || self.parts.iter().any(opaque)
    }
}

/// Goes through a text and what it runs.
struct Follow<'a, 's> {
    session: &'a Session<'s>,
    found: &'a mut Dependence,
    /// Readings that were gone through.
    seen: FxHashSet<*const Reading>,
}

impl Follow<'_, '_> {
    fn reading(&mut self, reading: &Reading, depth: usize) {
        if depth > DEPTH_MAX || !self.seen.insert(std::ptr::from_ref(reading)) {
            return;
        }
        if reading.failure.is_some() {
            self.found.reads_settings = true;
        }
        self.found.cursors.extend(reading.effects.cursors.iter().cloned());
        if !reading.effects.cursors.is_empty() {
            self.found.private.insert(Private::Cursor);
        }
        self.found.defines |= reading.effects.changes_definitions;
        for part in &reading.parts {
            self.part(reading, part, depth);
        }
    }

    fn part(&mut self, reading: &Reading, part: &Part, depth: usize) {
        let found = &mut *self.found;
        found.relations.extend(part.reads.iter().chain(&part.writes).chain(&part.creates).cloned());
        found.functions.extend(part.calls.iter().cloned());
        found.functions.extend(part.keyword_calls.iter().map(|name| Name::bare(name)));
        found.functions.extend(part.attributes.iter().map(|(_, name)| Name::bare(name)));
        found.operators.extend(part.operators.iter().cloned());
        found.types.extend(part.types.iter().cloned());
        // A function may be called by the name of a type, and `ALTER`, `DROP` and `COMMENT` name objects of all kinds.
        found.types.extend(part.calls.iter().cloned());
        for object in &part.objects {
            let name = match object.rsplit_once('.') {
                Some((schema, name)) => Name::qualified(schema, name),
                None => Name::bare(object),
            };
            found.relations.insert(name.clone());
            found.functions.insert(name.clone());
            found.types.insert(name);
        }
        found.beyond(part);
        found.reads_settings |= part.action == Action::Show;
        found.path_unsure |= part.path_unsure;
        let path = self.session.schemas.filter(|_| !part.path_unsure);
        self.state_of(part, path, depth);
        if let Some(name) = &part.executes {
            let known: Vec<Arc<Reading>> = reading
                .effects
                .prepares
                .iter()
                .filter(|(one, _)| one == name)
                .map(|(_, prepared)| Arc::clone(prepared))
                .chain((self.session.prepared)(name))
                .collect();
            for prepared in known {
                self.reading(&prepared, depth + 1);
            }
        }
    }

    /// The state that a part uses by the built-in functions that it calls and the relations that it names, also through
    /// views.
    fn state_of(&mut self, part: &Part, path: Option<&[String]>, depth: usize) {
        for name in &part.calls {
            if matches!(name.schema.as_deref(), None | Some("pg_catalog")) {
                self.found.private.extend(private_of(&name.name));
                self.found.reads_settings |= reads_settings(&name.name);
            }
        }
        let all =
            part.calls.iter().chain(&part.types).chain(&part.reads).chain(&part.writes).chain(&part.creates);
        if all.clone().any(|name| name.schema.as_deref().is_some_and(is_temporary)) {
            self.found.private.insert(Private::Temporary);
        }
        for name in part.reads.iter().chain(&part.writes) {
            match name.name.as_ref() {
                "pg_settings" | "pg_stat_activity" | "pg_file_settings" => self.found.reads_settings = true,
                "pg_cursors" => {
                    self.found.private.insert(Private::Cursor);
                }
                "pg_prepared_statements" => {
                    self.found.private.insert(Private::Connection);
                }
                _ => {}
            }
            let session = self.session;
            for relation in relations(session, name, path) {
                if is_temporary(&relation.schema) {
                    self.found.private.insert(Private::Temporary);
                }
                if depth > DEPTH_MAX {
                    continue;
                }
                for definition in relation.view.iter().chain(&relation.policies) {
                    let reading = definition.reading();
                    if self.seen.insert(std::ptr::from_ref(reading)) {
                        let catalogue = [String::from("pg_catalog")];
                        for part in &reading.parts {
                            self.state_of(part, Some(&catalogue), depth + 1);
                        }
                    }
                }
            }
        }
    }
}

fn is_temporary(schema: &str) -> bool {
    schema.starts_with("pg_temp")
}

/// The state of its connection that a built-in function uses.
fn private_of(name: &str) -> Option<Private> {
    let private = match name {
        "currval" | "lastval" => Private::Sequence,
        "lo_open" | "lo_close" | "loread" | "lowrite" | "lo_lseek" | "lo_lseek64" | "lo_tell"
        | "lo_tell64" | "lo_truncate" | "lo_truncate64" => Private::LargeObject,
        "random" | "random_normal" | "setseed" => Private::Random,
        "pg_cursor" => Private::Cursor,
        "pg_backend_pid"
        | "pg_my_temp_schema"
        | "pg_is_other_temp_schema"
        | "pg_listening_channels"
        | "pg_prepared_statement"
        | "pg_export_snapshot"
        | "pg_trigger_depth"
        | "inet_client_addr"
        | "inet_client_port"
        | "pg_stat_get_backend_pid" => Private::Connection,
        _ if name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_") => {
            Private::AdvisoryLock
        }
        _ => return None,
    };
    Some(private)
}

/// Whether a built-in function may show any setting.
fn reads_settings(name: &str) -> bool {
    matches!(
        name,
        "current_setting"
            | "pg_show_all_settings"
            | "pg_settings_get_flags"
            | "pg_stat_get_activity"
            | "query_to_xml"
            | "database_to_xml"
            | "schema_to_xml"
            | "table_to_xml"
    )
}

/// The words of a text that could be names, as written and in lower case.
fn words(text: &[u8]) -> BTreeSet<Box<str>> {
    let text = String::from_utf8_lossy(text);
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let words = text.split(|c| !inside(c)).filter(|word| !word.is_empty());
    words.flat_map(|word| [Box::from(word), word.to_lowercase().into()]).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::reader::read_anew;

    fn of(text: &str) -> Dependence {
        let catalogue = Catalogue::empty();
        let session = Session {
            catalogue: &catalogue,
            schemas: None,
            safe_functions: &BTreeSet::new(),
            prepared: &|_| None,
        };
        read_anew(text).dependence(text.as_bytes(), &session)
    }

    #[test]
    fn what_only_one_connection_has_is_named() {
        for (text, private) in [
            ("SELECT currval('s')", Private::Sequence),
            ("DELETE FROM t WHERE id = lastval()", Private::Sequence),
            ("DELETE FROM t WHERE CURRENT OF c", Private::Cursor),
            ("FETCH ALL FROM c", Private::Cursor),
            ("CLOSE c", Private::Cursor),
            ("DELETE FROM pg_temp.t", Private::Temporary),
            ("SELECT pg_temp.f()", Private::Temporary),
            ("SELECT loread(0, 10)", Private::LargeObject),
            ("DELETE FROM t WHERE random() < 0.5", Private::Random),
            ("SELECT pg_advisory_unlock(1)", Private::AdvisoryLock),
            ("DELETE FROM t WHERE pid = pg_backend_pid()", Private::Connection),
            ("WITH a AS (SELECT lastval() v) UPDATE t SET x = v FROM a", Private::Sequence),
        ] {
            assert_eq!(of(text).private, BTreeSet::from([private]), "{text}");
        }
        assert_eq!(of("DELETE FROM t WHERE id = nextval('s')").private, BTreeSet::new());
    }

    #[test]
    fn what_reads_settings_is_named() {
        for text in ["SELECT current_setting('application_name')", "SHOW work_mem", "TABLE pg_settings"] {
            assert!(of(text).reads_settings, "{text}");
        }
        assert!(!of("DELETE FROM t").reads_settings);
    }

    #[test]
    fn a_text_that_nobody_reads_further_depends_on_its_words() {
        let words = of("DO $$ BEGIN DELETE FROM Junk; END $$").words;
        assert!(words.contains("junk") && words.contains("Junk"));
        assert!(of("DELETE FROM junk").words.is_empty());
    }

    #[test]
    fn the_text_of_a_prepare_is_its_own_part_of_the_string() {
        let reading = read_anew("SELECT 1; PREPARE p(int) AS DELETE FROM t WHERE id = $1 ; EXECUTE p(1)");
        let (_, prepared) = &reading.effects().prepares[0];
        assert_eq!(prepared.source(), Some("PREPARE p(int) AS DELETE FROM t WHERE id = $1"));
    }

    #[test]
    fn statements_without_a_snapshot_are_those_of_the_server() {
        for (text, first, any) in [
            ("BEGIN", false, false),
            ("SET LOCAL timezone = 'UTC'", false, false),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", false, false),
            ("SET TRANSACTION SNAPSHOT 'x'", false, false),
            ("LOCK TABLE t", false, false),
            ("", false, false),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1", false, true),
            ("SELECT 1", true, true),
            ("PREPARE p AS SELECT 1", true, true),
            ("EXECUTE p", true, true),
            ("DISCARD ALL", true, true),
            ("CREATE TABLE t ()", true, true),
        ] {
            let reading = read_anew(text);
            assert_eq!((reading.snapshot_first(), reading.takes_snapshot()), (first, any), "{text}");
        }
    }
}
