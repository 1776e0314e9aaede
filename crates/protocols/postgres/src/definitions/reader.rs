//! Reads definitions for all sessions of one database, over one connection that is opened when it is needed and closed when
//! it has been idle.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::target::Role;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Definitions, Roots};
use crate::codec::startup::Protocol;
use crate::parameters::StartupParameters;
use crate::upstream::{Connector, Opening, SpareNotice, SpareUpstream, UpstreamError};

/// The connection is closed when nobody has asked for so long: an idle one would keep its database from being dropped.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// More objects than this a command cannot be bound to.
const OBJECTS_MAX: usize = 20_000;

/// With its plan kept the query takes two milliseconds where planning it takes ten; compiling it (`jit`) would take
/// seconds. Its tables are read by their indexes only.
const SETUP: &str = "SET search_path = pg_catalog; SET standard_conforming_strings = on; SET jit = off; \
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET lock_timeout = '2s'; \
    SET statement_timeout = '10s'";

/// Where a view stood in the text that made it is no part of what it does.
///
/// Text results. Objects below oid 16384 were made by initdb and are built in.
const QUERY: &str = "
PREPARE definitions (text[], text[], text[], text[], boolean, boolean, oid[], oid[]) AS
WITH RECURSIVE
path(place, oid) AS (
  SELECT p.place, n.oid FROM unnest($1) WITH ORDINALITY AS p(name, place)
  JOIN pg_namespace n ON n.nspname = p.name
),
written(kind, schema, name) AS (
  SELECT * FROM unnest($2, $3, $4)
),
spaces(kind, schema, name, namespace, place) AS (
  SELECT w.kind, w.schema, w.name, n.oid, 1::bigint FROM written w JOIN pg_namespace n ON n.nspname = w.schema
  UNION ALL
  SELECT w.kind, w.schema, w.name, p.oid, p.place FROM written w, path p WHERE w.schema IS NULL AND $5
  UNION ALL
  SELECT w.kind, w.schema, w.name, n.oid, 1 FROM written w, pg_namespace n
  WHERE w.schema IS NULL AND NOT $5 AND NOT starts_with(n.nspname, 'pg_temp')
),
found(kind, schema, name, class, oid, place) AS (
  SELECT s.kind, s.schema, s.name, 1259::oid, c.oid, s.place
  FROM spaces s JOIN pg_class c ON c.relname = s.name AND c.relnamespace = s.namespace WHERE s.kind = 'r'
  UNION ALL
  SELECT s.kind, s.schema, s.name, 1255, f.oid, s.place
  FROM spaces s JOIN pg_proc f ON f.proname = s.name AND f.pronamespace = s.namespace
  WHERE s.kind = 'f' AND f.oid >= 16384
  UNION ALL
  SELECT s.kind, s.schema, s.name, 2617, o.oid, s.place
  FROM spaces s JOIN pg_operator o ON o.oprname = s.name AND o.oprnamespace = s.namespace
  WHERE s.kind = 'o' AND o.oid >= 16384
  UNION ALL
  SELECT s.kind, s.schema, s.name, 1247, t.oid, s.place
  FROM spaces s JOIN pg_type t ON t.typname = s.name AND t.typnamespace = s.namespace
  WHERE s.kind = 't' AND t.oid >= 16384
),
meant(kind, schema, name, class, oid) AS (
  SELECT kind, schema, name, class, oid FROM (
    SELECT f.*, min(place) OVER (PARTITION BY kind, schema, name) AS first FROM found f) f
  WHERE kind NOT IN ('r', 't') OR place = first
),
roots(class, oid) AS (
  SELECT class, oid FROM meant
  UNION SELECT 2605::oid, c.oid FROM pg_cast c WHERE c.oid >= 16384
  UNION SELECT 3466::oid, e.oid FROM pg_event_trigger e WHERE $6
  UNION SELECT o.class, o.oid FROM unnest($7, $8) AS o(class, oid)
),
reached(class, oid) AS (
  SELECT class, oid FROM roots
  UNION
  SELECT n.class, n.oid FROM reached x CROSS JOIN LATERAL (
    SELECT 2618::oid AS class, r.oid FROM pg_rewrite r WHERE x.class = 1259 AND r.ev_class = x.oid AND r.oid >= 16384
    UNION ALL
    SELECT 2620, t.oid FROM pg_trigger t WHERE x.class = 1259 AND t.tgrelid = x.oid
    UNION ALL
    SELECT 3256, p.oid FROM pg_policy p WHERE x.class = 1259 AND p.polrelid = x.oid
    UNION ALL
    SELECT 2604, d.oid FROM pg_attrdef d WHERE x.class = 1259 AND d.adrelid = x.oid
    UNION ALL
    SELECT 2606, k.oid FROM pg_constraint k WHERE x.class = 1259 AND k.conrelid = x.oid AND k.oid >= 16384
    UNION ALL
    SELECT 2606, k.oid FROM pg_constraint k WHERE x.class = 1259 AND k.confrelid = x.oid
    UNION ALL
    SELECT 1259, k.conrelid FROM pg_constraint k
    WHERE x.class = 1259 AND k.confrelid = x.oid
      AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
    UNION ALL
    SELECT 1259, i.inhrelid FROM pg_inherits i WHERE x.class = 1259 AND i.inhparent = x.oid
    UNION ALL
    SELECT 1259, i.indexrelid FROM pg_index i
    WHERE x.class = 1259 AND i.indrelid = x.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL
    SELECT 1247, a.atttypid FROM pg_attribute a
    WHERE x.class = 1259 AND a.attrelid = x.oid AND a.attnum > 0 AND a.atttypid >= 16384
    UNION ALL
    SELECT 1247, e.oid FROM pg_type t CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS e(oid)
    WHERE x.class = 1247 AND t.oid = x.oid AND e.oid >= 16384
    UNION ALL
    SELECT 1259, t.typrelid FROM pg_type t WHERE x.class = 1247 AND t.oid = x.oid AND t.typrelid <> 0
    UNION ALL
    SELECT 2606, k.oid FROM pg_constraint k WHERE x.class = 1247 AND k.contypid = x.oid
    UNION ALL
    SELECT 3118, f.ftrelid FROM pg_foreign_table f WHERE x.class = 1259 AND f.ftrelid = x.oid
    UNION ALL
    SELECT 1417, f.ftserver FROM pg_foreign_table f WHERE x.class = 3118 AND f.ftrelid = x.oid
    UNION ALL
    SELECT 1255, e.evtfoid FROM pg_event_trigger e WHERE x.class = 3466 AND e.oid = x.oid
    UNION ALL
    SELECT d.refclassid, d.refobjid FROM pg_depend d
    WHERE d.classid = x.class AND d.objid = x.oid AND d.refobjid >= 16384
      AND (d.refclassid IN (1255, 2617)
        OR d.refclassid IN (1259, 1247) AND x.class IN (2618, 2604, 3256, 1255, 2617, 2605)
        OR d.refclassid = 1247 AND x.class IN (2606, 2620))
    UNION ALL
    SELECT w.class, w.oid FROM pg_proc f
    CROSS JOIN LATERAL (
      SELECT DISTINCT lower(s.word) AS word FROM regexp_split_to_table(f.prosrc, '[^[:alnum:]_$]+') AS s(word)
      UNION SELECT s.word FROM regexp_split_to_table(f.prosrc, '[^[:alnum:]_$]+') AS s(word)
    ) AS b
    CROSS JOIN LATERAL (
      SELECT 1259::oid AS class, c.oid FROM pg_class c
      WHERE c.relname = b.word::name AND c.oid >= 16384 AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
        AND (c.relpersistence <> 't' OR c.relnamespace IN (SELECT p.oid FROM path p))
      UNION ALL
      SELECT 1255, g.oid FROM pg_proc g WHERE g.proname = b.word::name AND g.oid >= 16384
    ) AS w
    WHERE x.class = 1255 AND f.oid = x.oid AND f.oid >= 16384 AND f.prolang NOT IN (12, 13)
  ) AS n
),
described(class, oid, content) AS (
  SELECT x.class, x.oid, CASE x.class
    WHEN 1259 THEN (
      SELECT jsonb_build_array(c.relname, c.relnamespace, c.relowner, c.relkind, c.relpersistence, c.relrowsecurity,
               c.relforcerowsecurity, c.relispartition, c.relpartbound::text, c.reloptions,
               (SELECT jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation,
                         a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, a.attisdropped) ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0))::text
      FROM pg_class c WHERE c.oid = x.oid)
    WHEN 1255 THEN (SELECT (to_jsonb(r) - 'proacl')::text FROM pg_proc r WHERE r.oid = x.oid)
    WHEN 2618 THEN (
      SELECT (to_jsonb(r) - 'ev_action')::text
        || regexp_replace(r.ev_action::text, ':(stmt_location|stmt_len|location) -?[0-9]+', '', 'g')
      FROM pg_rewrite r WHERE r.oid = x.oid)
    WHEN 2620 THEN (SELECT to_jsonb(r)::text FROM pg_trigger r WHERE r.oid = x.oid)
    WHEN 3256 THEN (SELECT to_jsonb(r)::text FROM pg_policy r WHERE r.oid = x.oid)
    WHEN 2604 THEN (SELECT to_jsonb(r)::text FROM pg_attrdef r WHERE r.oid = x.oid)
    WHEN 2606 THEN (SELECT to_jsonb(r)::text FROM pg_constraint r WHERE r.oid = x.oid)
    WHEN 1247 THEN (SELECT (to_jsonb(r) - 'typacl')::text FROM pg_type r WHERE r.oid = x.oid)
    WHEN 2617 THEN (SELECT to_jsonb(r)::text FROM pg_operator r WHERE r.oid = x.oid)
    WHEN 2605 THEN (SELECT to_jsonb(r)::text FROM pg_cast r WHERE r.oid = x.oid)
    WHEN 3118 THEN (SELECT to_jsonb(r)::text FROM pg_foreign_table r WHERE r.ftrelid = x.oid)
    WHEN 1417 THEN (SELECT (to_jsonb(r) - 'srvacl')::text FROM pg_foreign_server r WHERE r.oid = x.oid)
    WHEN 3466 THEN (SELECT to_jsonb(r)::text FROM pg_event_trigger r WHERE r.oid = x.oid)
  END
  FROM reached x
)
SELECT 'name', m.kind, m.schema, m.name, m.class::text, m.oid::text,
  CASE WHEN m.class = 1259 THEN (
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = m.oid)
  ELSE pg_describe_object(m.class, m.oid, 0) END
FROM meant m
UNION ALL
SELECT 'definition', d.class::text, d.oid::text, encode(sha256(convert_to(coalesce(d.content, ''), 'UTF8')), 'hex'),
  CASE WHEN d.class = 3118 THEN NULL ELSE pg_describe_object(d.class, d.oid, 0) END,
  CASE WHEN d.class = 1255 THEN (SELECT f.prolang NOT IN (12, 13) FROM pg_proc f WHERE f.oid = d.oid)::text END, NULL
FROM described d";

/// Reads definitions for all sessions of one database.
#[derive(Debug)]
pub(crate) struct DefinitionReader {
    connector: Arc<Connector>,
    role: Role,
    database: String,
    open: Arc<Mutex<Idle>>,
}

/// The connection while nobody uses it.
#[derive(Debug, Default)]
struct Idle {
    upstream: Option<SpareUpstream>,
    /// When it was used last.
    used: Option<Instant>,
    /// A task waits to close it.
    closes: bool,
}

impl DefinitionReader {
    /// Nothing is opened yet.
    pub(crate) fn new(connector: Arc<Connector>, role: Role, database: String) -> Self {
        Self { connector, role, database, open: Arc::default() }
    }

    /// Reads the definitions that a command rests on.
    ///
    /// # Errors
    /// When the target cannot be asked, or the command rests on more than 20,000 objects. Nothing is bound then.
    ///
    /// # Cancel safety
    /// Safe: a connection with an answer under way is dropped.
    pub(crate) async fn read(&self, roots: &Roots) -> Result<Definitions, DefinitionsError> {
        let mut idle = self.open.lock().await;
        let (upstream, rows) = self.ask(idle.upstream.take(), &roots.call()).await?;
        idle.used = Some(Instant::now());
        if !std::mem::replace(&mut idle.closes, true) {
            self.close_after(upstream.notice());
        }
        idle.upstream = Some(upstream);
        drop(idle);
        let definitions = Definitions::of_rows(rows).ok_or(DefinitionsError::Unreadable)?;
        if definitions.count() > OBJECTS_MAX {
            return Err(DefinitionsError::TooMany { max: OBJECTS_MAX });
        }
        Ok(definitions)
    }

    /// Asks over a connection that was kept, or over a new one where the server has closed that.
    async fn ask(
        &self,
        kept: Option<SpareUpstream>,
        call: &str,
    ) -> Result<(SpareUpstream, Vec<crate::upstream::Row>), UpstreamError> {
        if let Some(mut upstream) = kept
            && let Ok(rows) = upstream.get().simple_query(call).await
        {
            return Ok((upstream, rows));
        }
        let mut upstream = self.connect().await?;
        let rows = upstream.get().simple_query(call).await?;
        Ok((upstream, rows))
    }

    async fn connect(&self) -> Result<SpareUpstream, UpstreamError> {
        let mut parameters = StartupParameters::default();
        parameters.push("application_name", "countersign definitions");
        parameters.push("client_encoding", "UTF8");
        let opening = Opening {
            role: &self.role,
            database: &self.database,
            parameters: &parameters,
            protocol: Protocol::V3_0,
        };
        let mut upstream = self.connector.connect_spare(&opening).await?;
        upstream.get().simple_query(SETUP).await?;
        upstream.get().simple_query(QUERY).await?;
        Ok(upstream)
    }

    /// Closes the connection when it has not been used for long, and at once when a session needs its place.
    fn close_after(&self, notice: SpareNotice) {
        let open = Arc::downgrade(&self.open);
        // Its fate is bounded by the pauses between uses, and nobody waits for it.
        tokio::spawn(async move {
            let mut until = Instant::now() + IDLE_MAX;
            loop {
                let is_wanted = tokio::time::timeout_at(until, notice.wanted()).await.is_ok();
                let Some(open) = open.upgrade() else { return };
                let mut idle = open.lock().await;
                match idle.used.map(|used| used + IDLE_MAX) {
                    Some(later) if !is_wanted && later > Instant::now() => until = later,
                    _ => {
                        idle.upstream = None;
                        idle.closes = false;
                        return;
                    }
                }
            }
        });
    }
}

/// Why definitions could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefinitionsError {
    /// The target could not be asked.
    #[error("the definitions that the statement rests on could not be read: {0}")]
    Target(#[from] UpstreamError),
    /// The answer is not as the query makes it.
    #[error("the definitions that the statement rests on could not be read")]
    Unreadable,
    /// A command cannot be bound to so many.
    #[error("the statement rests on more than {max} definitions; an approval cannot be bound to so many")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

impl Roots {
    /// The call of the query with these roots.
    fn call(&self) -> String {
        let path = self.path.as_deref().unwrap_or_default();
        let names = || self.names.iter();
        format!(
            "EXECUTE definitions ({}, {}, {}, {}, {}, {}, {}::oid[], {}::oid[])",
            array(path.iter().map(|schema| Some(schema.as_str()))),
            array(names().map(|name| Some(name.kind.letter()))),
            array(names().map(|name| name.schema.as_deref())),
            array(names().map(|name| Some(name.name.as_str()))),
            self.path.is_some(),
            self.defines,
            array(self.objects.iter().map(|(class, _)| Some(class.to_string()))),
            array(self.objects.iter().map(|(_, oid)| Some(oid.to_string()))),
        )
    }
}

/// An array of texts. No backslash counts as an escape on our connection.
fn array<T: AsRef<str>>(items: impl Iterator<Item = Option<T>>) -> String {
    let mut text = String::from("ARRAY[");
    for (at, item) in items.enumerate() {
        text.push_str(if at == 0 { "" } else { "," });
        match item {
            Some(item) => {
                let _ = write!(text, "'{}'", item.as_ref().replace('\'', "''"));
            }
            None => text.push_str("NULL"),
        }
    }
    text.push_str("]::text[]");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{NameKind, WrittenName};
    use super::*;

    #[test]
    fn quotes_in_names_stay_in_their_literals() {
        let (kind, name) = (NameKind::Relation, "'); DROP TABLE t; --".to_owned());
        let roots = Roots {
            path: Some(vec!["we'ird".into()]),
            names: BTreeSet::from([WrittenName { kind, schema: None, name }]),
            ..Roots::default()
        };
        assert_eq!(
            roots.call(),
            "EXECUTE definitions (ARRAY['we''ird']::text[], ARRAY['r']::text[], ARRAY[NULL]::text[], \
             ARRAY['''); DROP TABLE t; --']::text[], true, false, ARRAY[]::text[]::oid[], ARRAY[]::text[]::oid[])"
        );
    }
}
