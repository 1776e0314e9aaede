//! The dependence of a text on more than its bytes: the names whose meaning it takes from the database, and the state
//! of its connection that it may use. An approval is bound to all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::facts::{Action, Flag};
use rustc_hash::FxHashSet;

use crate::catalogue::{Definition, ReferentialAction, Relation};
use crate::name::Name;
use crate::reading::{Dropped, Part, Reading};
use crate::resolve::{Session, relations};

/// Prepared statements that execute prepared statements, and views over views, are not followed further than this: a
/// text that goes deeper has no approval ([`Dependence::beyond`]).
const DEPTH_MAX: usize = 32;

/// Different words of a text that cannot be read further; a text with more of them has no approval.
const WORDS_MAX: usize = 10_000;

/// The bytes that the server keeps of a name.
const NAME_BYTES_MAX: usize = 63;

/// Why a text that goes deeper than [`DEPTH_MAX`] has no approval.
const TOO_DEEP: &str =
    "it goes through more than 32 levels of prepared statements, views, rules and defaults";

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
    /// Why this is not all: the text goes beyond a bound. No approval can be bound to such a text.
    pub beyond: Option<&'static str>,
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
        self.beyond = self.beyond.or(other.beyond);
    }

    /// Returns whether a name or word has characters beyond ASCII. In an encoding other than UTF-8 it is another name
    /// than it is read as.
    #[must_use]
    pub fn names_beyond_ascii(&self) -> bool {
        let names = [&self.relations, &self.functions, &self.operators, &self.types];
        let beyond = |name: &Name| {
            !name.name.is_ascii() || name.schema.as_ref().is_some_and(|schema| !schema.is_ascii())
        };
        names.into_iter().flatten().any(beyond)
            || self.words.iter().chain(&self.cursors).any(|word| !word.is_ascii())
    }

    /// Adds the words of a text that nobody can read further.
    fn add_words(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let mut before: Option<(&str, usize)> = None;
        for (at, word) in words(&text) {
            self.words.extend(spellings(word));
            // A schema and a name; white space and quotes may stand between them.
            if let Some((schema, end)) = before
                && text.get(end..at).is_some_and(is_dot)
            {
                self.add_qualified(schema, word);
            }
            before = Some((word, at + word.len()));
        }
        // Names in quotes may hold anything.
        let quoted = text.split('"').filter(|part| !part.is_empty() && part.len() <= NAME_BYTES_MAX);
        self.words.extend(quoted.map(Box::from));
        if self.words.len() > WORDS_MAX {
            self.beyond = Some("it has more than 10,000 different words in code that cannot be read");
        }
    }

    fn add_qualified(&mut self, schema: &str, name: &str) {
        for schema in spellings(schema) {
            for name in spellings(name) {
                let name = Name::qualified(&schema, &name);
                self.relations.insert(name.clone());
                self.functions.insert(name);
            }
        }
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
        let mut follow = Follow {
            session,
            found: &mut found,
            seen: FxHashSet::default(),
            relations: FxHashSet::default(),
            definitions: FxHashSet::default(),
            types: FxHashSet::default(),
        };
        follow.reading(self, 0);
        if self.is_opaque() {
            found.add_words(text);
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
    /// Relations that were, by oid, and whether as written.
    relations: FxHashSet<(u32, bool)>,
    /// Definitions that were, and whether of something written.
    definitions: FxHashSet<(*const Reading, bool)>,
    /// Types that were, by oid.
    types: FxHashSet<u32>,
}

impl Follow<'_, '_> {
    fn reading(&mut self, reading: &Reading, depth: usize) {
        if !self.seen.insert(std::ptr::from_ref(reading)) {
            return;
        }
        if depth > DEPTH_MAX {
            self.found.beyond = Some(TOO_DEEP);
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
        self.state_of(part, path, depth, false);
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
    /// views, policies, rules and the other expressions that the server keeps. Everything that a view reads counts as
    /// `written` when the view is.
    fn state_of(&mut self, part: &Part, path: Option<&[String]>, depth: usize, written: bool) {
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
        let reads = part.reads.iter().map(|name| (name, written));
        for (name, written) in reads.chain(part.writes.iter().map(|name| (name, true))) {
            self.state_of_catalog(name);
            for relation in relations(self.session, name, path) {
                self.relation(relation, depth, written);
            }
        }
        for name in part.types.iter().chain(&part.calls) {
            for one in self.session.catalogue.types_named(&name.name) {
                self.data_type(one.oid, depth);
            }
        }
    }

    /// The state that system views show.
    fn state_of_catalog(&mut self, name: &Name) {
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
    }

    /// What the server evaluates when the relation is read (its view, policies and generated columns) or written (its rules,
    /// its defaults, the checks of its columns' domains, and the same of its partitions and of what foreign keys change).
    fn relation(&mut self, relation: &Relation, depth: usize, written: bool) {
        if !self.relations.insert((relation.oid(), written)) {
            return;
        }
        if depth > DEPTH_MAX {
            self.found.beyond = Some(TOO_DEEP);
            return;
        }
        if is_temporary(&relation.schema) {
            self.found.private.insert(Private::Temporary);
        }
        let expressions = relation.expressions().iter().filter(|one| written || one.generated);
        let expressions = expressions.map(|one| &one.definition);
        for definition in relation.view.iter().chain(&relation.policies).chain(expressions) {
            self.definition(definition, depth + 1, written);
        }
        if written {
            self.written(relation, depth);
        }
    }

    fn written(&mut self, relation: &Relation, depth: usize) {
        for rule in relation.rules().iter().filter_map(|rule| rule.definition.as_ref()) {
            self.rule(rule, depth + 1);
        }
        for oid in relation.types.iter() {
            self.data_type(*oid, depth + 1);
        }
        let catalogue = self.session.catalogue;
        let changed = catalogue.referring(relation.oid()).filter(|(_, key)| {
            [key.on_delete, key.on_update].iter().any(|action| *action != ReferentialAction::Refuse)
        });
        for kin in catalogue.children(relation.oid()).chain(changed.map(|(referring, _)| referring)) {
            self.relation(kin, depth + 1, true);
        }
    }

    /// The checks of a domain, also of one that an array or a row is made of.
    fn data_type(&mut self, oid: u32, depth: usize) {
        if !self.types.insert(oid) {
            return;
        }
        if depth > DEPTH_MAX {
            self.found.beyond = Some(TOO_DEEP);
            return;
        }
        let Some(one) = self.session.catalogue.type_by_oid(oid) else { return };
        for check in one.check_texts() {
            self.stored_text(check);
        }
        for part in one.required_types() {
            self.data_type(part, depth + 1);
        }
    }

    /// A rule: its words may be functions, and relations that it reads or writes.
    fn rule(&mut self, rule: &Definition, depth: usize) {
        self.stored_text(rule.text());
        let named = |word| self.session.catalogue.relations_named(word);
        let relations: Vec<&Relation> =
            words(rule.text().unwrap_or_default()).flat_map(|(_, word)| named(word)).collect();
        for relation in relations {
            self.relation(relation, depth, true);
        }
    }

    /// A text that the server keeps, of which only the words are looked at. One that could not be read may use anything.
    fn stored_text(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            self.found.reads_settings = true;
            return;
        };
        for (_, word) in words(text) {
            self.found.private.extend(private_of(word));
            self.found.reads_settings |= reads_settings(word);
        }
    }

    /// A text that the server keeps.
    fn definition(&mut self, definition: &Definition, depth: usize, written: bool) {
        let reading = definition.reading();
        if !self.definitions.insert((std::ptr::from_ref(reading), written)) {
            return;
        }
        // What could not be read may read anything.
        self.found.reads_settings |= reading.failure.is_some();
        let catalogue = [String::from("pg_catalog")];
        for part in &reading.parts {
            self.state_of(part, Some(&catalogue), depth, written);
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

/// The words of a text that could be names, each with its place.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let mut at = 0;
    text.split_inclusive(move |c| !inside(c)).filter_map(move |piece| {
        let start = at;
        at += piece.len();
        let word = piece.trim_end_matches(|c| !inside(c));
        (!word.is_empty()).then_some((start, word))
    })
}

/// A word as written and in lower case, and what the server keeps of both.
fn spellings(word: &str) -> BTreeSet<Box<str>> {
    let lower = word.to_lowercase();
    let ascii = word.to_ascii_lowercase();
    [word, &lower, &ascii]
        .into_iter()
        .flat_map(|word| [Box::from(word), Box::from(word.get(..name_end(word)).unwrap_or(word))])
        .collect()
}

/// Where the server cuts a name off: between two characters.
fn name_end(word: &str) -> usize {
    (0..=NAME_BYTES_MAX.min(word.len())).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0)
}

/// Whether this stands between a schema and a name.
fn is_dot(between: &str) -> bool {
    between.trim_matches(|c: char| c.is_whitespace() || c == '"') == "."
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
    fn i2_same_words_are_counted_once_and_too_many_are_told() {
        let filler = "z ".repeat(20_000);
        let found = of(&format!("DO $$ /* {filler} */ BEGIN DELETE FROM junk; END $$"));
        assert!(found.words.contains("junk") && found.beyond.is_none());
        let mut filler = String::new();
        for number in 0..20_000 {
            filler.push_str(&format!("z{number} "));
        }
        assert!(of(&format!("DO $$ /* {filler} */ BEGIN DELETE FROM junk; END $$")).beyond.is_some());
    }

    #[test]
    fn i2_same_words_in_unread_code_are_names_as_the_server_has_them() {
        let long = "n".repeat(70);
        let found = of(&format!(
            "DO $$ BEGIN DELETE FROM Ev . junk; DELETE FROM \"My Tab\"; DELETE FROM {long}; END $$"
        ));
        assert!(found.words.contains("My Tab") && found.words.contains(&*"n".repeat(63)), "{found:?}");
        assert!(found.relations.contains(&Name::qualified("ev", "junk")), "{found:?}");
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
