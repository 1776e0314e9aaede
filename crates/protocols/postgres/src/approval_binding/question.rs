//! What the session's own connection is asked for, and its answer: all settings that are not the ones built in, custom
//! settings by name, open cursors, the prepared statements that a command runs, and whether the session keeps anything for
//! itself. None of it has an effect; names and operators are qualified, so that no search path can bend them.

use std::collections::BTreeMap;

use crate::bound_settings;
use crate::session::settings::{AnswerRow, QUERY, Settings};

/// All settings whose value is not the one built into the server, as far as the role may see them.
const SETTINGS: &str = "SELECT 'setting'::pg_catalog.text, s.name, s.setting FROM pg_catalog.pg_settings AS s \
    WHERE (s.setting OPERATOR(pg_catalog.=) s.boot_val) IS NOT TRUE";

/// Settings that ALTER ROLE and ALTER DATABASE give to this session: the names of custom ones, and the values of those that
/// the role may not see.
const OF_ROLE: &str = "SELECT CASE WHEN pg_catalog.strpos(k.name, '.') OPERATOR(pg_catalog.>) 0 THEN 'custom' ELSE 'hidden' \
     END::pg_catalog.text, k.name, CASE WHEN pg_catalog.strpos(k.name, '.') OPERATOR(pg_catalog.>) 0 \
     THEN pg_catalog.current_setting(k.name, true) ELSE k.value END \
    FROM pg_catalog.pg_db_role_setting AS r \
    CROSS JOIN LATERAL pg_catalog.unnest(r.setconfig) AS c(item) \
    CROSS JOIN LATERAL (SELECT pg_catalog.split_part(c.item, '=', 1), \
     pg_catalog.substr(c.item, pg_catalog.strpos(c.item, '=') OPERATOR(pg_catalog.+) 1)) AS k(name, value) \
    WHERE r.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid, (SELECT d.oid FROM pg_catalog.pg_database AS d \
     WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())]) \
    AND r.setrole OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid, (SELECT u.oid FROM pg_catalog.pg_roles AS u \
     WHERE u.rolname OPERATOR(pg_catalog.=) SESSION_USER)]) \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE \
     pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) pg_catalog.lower(k.name))";

/// How many things the session keeps that code could use: statements prepared by SQL, advisory locks, held cursors,
/// temporary objects. Those that drivers prepare for themselves do not count, or nobody could come back with a CALL.
const PRIVATE: &str = "SELECT 'private'::pg_catalog.text, (\
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements AS p \
     WHERE p.from_sql) \
    OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l \
     WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
     AND l.locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text) \
    OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors AS c WHERE c.is_holdable) \
    OPERATOR(pg_catalog.+) (CASE WHEN pg_catalog.pg_my_temp_schema() \
     OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid THEN '1'::pg_catalog.int8 ELSE '0'::pg_catalog.int8 END))::pg_catalog.text, NULL::pg_catalog.text";

/// Cursors that are open, and the portals of the protocol.
const CURSORS: &str = "SELECT 'cursor'::pg_catalog.text, c.name, c.statement, \
    pg_catalog.concat('declared at ', c.creation_time, CASE WHEN c.is_holdable THEN ', holdable' END) \
    FROM pg_catalog.pg_cursors AS c WHERE NOT pg_catalog.starts_with(c.name, 'countersign ')";

/// The texts of the question.
pub(super) fn texts<'c, 'e>(
    custom: impl Iterator<Item = &'c str>,
    executed: impl Iterator<Item = &'e str>,
    cursors: bool,
) -> Vec<String> {
    let mut texts = vec![QUERY.to_owned(), SETTINGS.to_owned(), OF_ROLE.to_owned(), PRIVATE.to_owned()];
    let custom = hex_list(custom);
    if !custom.is_empty() {
        texts.push(format!(
            "SELECT 'custom'::pg_catalog.text, n.name, pg_catalog.current_setting(n.name, true) FROM (\
             SELECT pg_catalog.convert_from(pg_catalog.decode(h.hex, 'hex'), 'UTF8') \
             FROM pg_catalog.unnest('{{{custom}}}'::pg_catalog.text[]) AS h(hex)) AS n(name)"
        ));
    }
    let executed = hex_list(executed);
    if !executed.is_empty() {
        texts.push(format!(
            "SELECT 'prepared'::pg_catalog.text, p.name, p.statement, \
             p.parameter_types::pg_catalog.oid[]::pg_catalog.text FROM pg_catalog.pg_prepared_statements AS p \
             WHERE pg_catalog.encode(pg_catalog.convert_to(p.name, 'UTF8'), 'hex') \
             OPERATOR(pg_catalog.=) ANY ('{{{executed}}}'::pg_catalog.text[])"
        ));
    }
    if cursors {
        texts.push(CURSORS.to_owned());
    }
    texts
}

/// Names as hex digits: how a string is written depends on settings that the question is about.
fn hex_list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(hex::encode).collect::<Vec<_>>().join(",")
}

/// The answer of the session's own connection.
#[derive(Debug)]
pub(super) struct SessionAnswer {
    pub(super) settings: Settings,
    /// Settings that are not the ones built in.
    changed: BTreeMap<String, String>,
    /// Custom settings.
    custom: BTreeMap<String, String>,
    /// How many things the session keeps for itself.
    pub(super) private_objects: u64,
    /// Open cursors by name.
    pub(super) cursors: BTreeMap<String, Cursor>,
    /// Prepared statements by name.
    pub(super) prepared: BTreeMap<String, ServerPrepared>,
}

/// An open cursor.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) text: String,
    /// Since when it is open, and whether it outlives its transaction.
    pub(super) state: String,
}

/// A prepared statement as the server has it.
#[derive(Debug)]
pub(super) struct ServerPrepared {
    pub(super) text: String,
    /// The oids of its parameters' types.
    pub(super) types: String,
}

impl ServerPrepared {
    /// Whether its text is, or contains, what it is taken for here. Of a string of several statements the server keeps all.
    pub(super) fn holds(&self, text: &[u8]) -> bool {
        text.is_empty() || self.text.as_bytes().windows(text.len()).any(|part| part == text)
    }
}

impl SessionAnswer {
    /// The rows of the question; `None` when they are not that.
    pub(super) fn of_rows(rows: Vec<AnswerRow>) -> Option<Self> {
        let mut rows = rows.into_iter();
        let settings = Settings::of_row(rows.next()?.into_iter().collect::<Option<_>>()?)?;
        let mut answer = Self {
            settings,
            changed: BTreeMap::new(),
            custom: BTreeMap::new(),
            private_objects: 0,
            cursors: BTreeMap::new(),
            prepared: BTreeMap::new(),
        };
        rows.try_for_each(|row| answer.take(row))?;
        Some(answer)
    }

    fn take(&mut self, row: AnswerRow) -> Option<()> {
        let mut cells = row.into_iter();
        let (tag, name, value, more) =
            (cells.next()??, cells.next()??, cells.next()?, cells.next().flatten());
        match tag.as_str() {
            "setting" => drop(self.changed.insert(name, value.unwrap_or_default())),
            // One that was never set and one that is empty are not the same to `current_setting`.
            "custom" => drop(value.map(|value| self.custom.insert(name.to_ascii_lowercase(), value))),
            "hidden" => {
                drop(self.changed.insert(name, format!("set for the role: {}", value.unwrap_or_default())));
            }
            "private" => self.private_objects = name.parse().ok()?,
            "cursor" => {
                let cursor = Cursor { text: value.unwrap_or_default(), state: more.unwrap_or_default() };
                self.cursors.insert(name, cursor);
            }
            "prepared" => {
                let prepared =
                    ServerPrepared { text: value.unwrap_or_default(), types: more.unwrap_or_default() };
                self.prepared.insert(name, prepared);
            }
            _ => return None,
        }
        Some(())
    }

    /// The settings that a command is bound to, which may read them or not.
    pub(super) fn bound_settings(&self, reads_settings: bool) -> BTreeMap<String, String> {
        let mut bound = self.settings.meaning.clone();
        let changed = self.changed.iter().filter(|(name, _)| bound_settings::is_bound(name, reads_settings));
        bound.extend(changed.chain(&self.custom).map(|(name, value)| (name.clone(), value.clone())));
        bound
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cells: &[&str]) -> AnswerRow {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    fn answer(changed: &[(&str, &str)]) -> SessionAnswer {
        let mut rows = vec![row(&["public"; 13])];
        for (name, value) in changed {
            let tag = if name.contains('.') { "custom" } else { "setting" };
            rows.push(row(&[tag, name, value]));
        }
        SessionAnswer::of_rows(rows).unwrap()
    }

    #[test]
    fn a_prepared_statement_is_found_in_the_string_that_made_it() {
        let told = ServerPrepared { text: "SELECT 1; PREPARE p AS SELECT 2".into(), types: "{}".into() };
        assert!(told.holds(b"PREPARE p AS SELECT 2"));
        assert!(!told.holds(b"PREPARE p AS SELECT 3"));
    }

    #[test]
    fn an_answer_that_is_something_else_tells_nothing() {
        assert!(SessionAnswer::of_rows(vec![row(&["public"; 13]), row(&["what", "a", "b"])]).is_none());
        assert!(SessionAnswer::of_rows(vec![]).is_none());
    }

    proptest! {
        /// A setting that is on no list of ours, a known one that counts, and a custom one.
        #[test]
        fn i2_same_any_setting_that_differs_is_bound(
            name in "[a-z]{3,12}(_[a-z]{1,6})?|bytea_output|TimeZone|app\\.[a-z]{1,8}",
            one in "[ -~]{0,12}",
            two in "[ -~]{0,12}",
        ) {
            prop_assume!(one != two && bound_settings::is_bound(&name, false));
            let (a, b) = (answer(&[(&name, &one)]), answer(&[(&name, &two)]));
            prop_assert_ne!(a.bound_settings(false), b.bound_settings(false));
            prop_assert_ne!(a.bound_settings(false), answer(&[]).bound_settings(false));
        }

        #[test]
        fn i2_same_a_command_that_reads_settings_is_bound_to_all_of_them(
            index in 0..bound_settings::EXEMPT.iter().map(|group| group.names.len()).sum::<usize>(),
        ) {
            let name = bound_settings::EXEMPT.iter().flat_map(|group| group.names).nth(index).unwrap();
            let changed = answer(&[(name, "x")]);
            prop_assert_eq!(changed.bound_settings(false), answer(&[]).bound_settings(false));
            prop_assert_ne!(changed.bound_settings(true), answer(&[]).bound_settings(true));
        }
    }
}
