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
/// seconds. Its tables are read by their indexes only. With more memory its hash tables are made for far more rows than
/// there are, which takes twenty milliseconds.
const SETUP: &str = "SET search_path = pg_catalog; SET standard_conforming_strings = on; SET jit = off; \
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET work_mem = '256kB'; SET lock_timeout = '2s'; \
    SET statement_timeout = '10s'";

/// Where a view stood in the text that made it is no part of what it does.
///
/// Text results. Objects below oid 16384 were made by initdb and are built in.
const QUERY: &str = "
PREPARE definitions (text[], text[], text[], text[], boolean, boolean, oid[], oid[],
  text[], text[], text[], boolean, boolean, boolean) AS
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
space(oid) AS (
  SELECT p.oid FROM path p WHERE $5
  UNION SELECT n.oid FROM pg_namespace n WHERE NOT $5 AND NOT starts_with(n.nspname, 'pg_temp')
  UNION SELECT n.oid FROM unnest($9) AS w(name) JOIN pg_namespace n ON n.nspname = w.name
),
text(class, oid) AS (
  SELECT o.class, o.oid FROM unnest($9) AS w(name) CROSS JOIN LATERAL (
    SELECT 1259::oid AS class, c.oid, c.relnamespace AS namespace FROM pg_class c WHERE c.relname = w.name
    UNION ALL SELECT 1255, f.oid, f.pronamespace FROM pg_proc f WHERE f.proname = w.name
    UNION ALL SELECT 1247, t.oid, t.typnamespace FROM pg_type t WHERE t.typname = w.name
    UNION ALL SELECT 2617, p.oid, p.oprnamespace FROM pg_operator p WHERE p.oprname = w.name
    UNION ALL SELECT 2616, p.oid, p.opcnamespace FROM pg_opclass p WHERE p.opcname = w.name
    UNION ALL SELECT 2753, p.oid, p.opfnamespace FROM pg_opfamily p WHERE p.opfname = w.name
    UNION ALL SELECT 2607, p.oid, p.connamespace FROM pg_conversion p WHERE p.conname = w.name
    UNION ALL SELECT 3381, p.oid, p.stxnamespace FROM pg_statistic_ext p WHERE p.stxname = w.name
    UNION ALL SELECT 3601, p.oid, p.prsnamespace FROM pg_ts_parser p WHERE p.prsname = w.name
    UNION ALL SELECT 3764, p.oid, p.tmplnamespace FROM pg_ts_template p WHERE p.tmplname = w.name
  ) AS o WHERE o.oid >= 16384 AND o.namespace IN (SELECT s.oid FROM space s)
  UNION ALL
  SELECT o.class, o.oid FROM unnest($9) AS w(name) CROSS JOIN LATERAL (
    SELECT 1260::oid AS class, r.oid FROM pg_roles r WHERE r.rolname = w.name
    UNION ALL SELECT 2615, n.oid FROM pg_namespace n WHERE n.nspname = w.name
    UNION ALL SELECT 1417, s.oid FROM pg_foreign_server s WHERE s.srvname = w.name
    UNION ALL SELECT 2328, s.oid FROM pg_foreign_data_wrapper s WHERE s.fdwname = w.name
    UNION ALL SELECT 3079, e.oid FROM pg_extension e WHERE e.extname = w.name
    UNION ALL SELECT 2612, l.oid FROM pg_language l WHERE l.lanname = w.name
    UNION ALL SELECT 2601, a.oid FROM pg_am a WHERE a.amname = w.name
    UNION ALL SELECT 6104, p.oid FROM pg_publication p WHERE p.pubname = w.name
    UNION ALL SELECT 3466, e.oid FROM pg_event_trigger e WHERE e.evtname = w.name
    UNION ALL SELECT 1213, t.oid FROM pg_tablespace t WHERE t.spcname = w.name
    UNION ALL SELECT 1262, d.oid FROM pg_database d WHERE d.datname = w.name
  ) AS o
),
role(oid) AS (
  SELECT r.oid FROM pg_roles r WHERE r.rolname = ANY ($11)
),
wide(class, oid) AS (
  SELECT 2615::oid, n.oid FROM pg_namespace n WHERE n.nspname = ANY ($10)
  UNION SELECT t.class, t.oid FROM text t WHERE ($12 OR $13) AND t.class NOT IN (2615, 1260, 1213, 1262)
  UNION SELECT m.class, m.oid FROM meant m WHERE ($12 OR $13) AND m.oid >= 16384
  UNION SELECT d.classid, d.objid
  FROM (SELECT t.oid FROM text t WHERE t.class = 1260 UNION SELECT r.oid FROM role r) AS o
  JOIN pg_shdepend d ON d.refclassid = 1260 AND d.refobjid = o.oid
  WHERE $14 AND d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
),
widened(class, oid) AS (
  SELECT class, oid FROM wide
  UNION
  SELECT n.class, n.oid FROM widened x CROSS JOIN LATERAL (
    SELECT d.classid AS class, d.objid AS oid FROM pg_depend d
    WHERE ($12 OR $14 OR x.class = 2615) AND d.refclassid = x.class AND d.refobjid = x.oid
    UNION ALL
    SELECT d.refclassid, d.refobjid FROM pg_depend d
    WHERE ($12 OR $14) AND d.classid = x.class AND d.objid = x.oid AND d.deptype = 'i'
    UNION ALL
    SELECT 1259, k.conrelid FROM pg_constraint k WHERE x.class = 1259 AND k.confrelid = x.oid AND ($12 OR $13 OR $14)
    UNION ALL
    SELECT 1259, i.inhrelid FROM pg_inherits i WHERE x.class = 1259 AND i.inhparent = x.oid
  ) AS n
),
roots(class, oid) AS (
  SELECT class, oid FROM meant
  UNION SELECT class, oid FROM text
  UNION SELECT 1260::oid, r.oid FROM role r
  UNION SELECT 826::oid, a.oid FROM role r JOIN pg_default_acl a ON a.defaclrole = r.oid WHERE $6
  UNION SELECT w.class, w.oid FROM widened w WHERE w.class <> 1259 OR EXISTS (
    SELECT FROM pg_class c WHERE c.oid = w.oid AND c.relkind NOT IN ('i', 'I', 't'))
  UNION SELECT 3456::oid, c.oid FROM pg_collation c WHERE c.oid >= 16384
  UNION SELECT 3602::oid, c.oid FROM pg_ts_config c WHERE c.oid >= 16384
  UNION SELECT 3600::oid, c.oid FROM pg_ts_dict c WHERE c.oid >= 16384
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
    SELECT 1418, u.umid FROM pg_user_mappings u WHERE x.class = 1417 AND u.srvid = x.oid
    UNION ALL
    SELECT 1255, e.evtfoid FROM pg_event_trigger e WHERE x.class = 3466 AND e.oid = x.oid
    UNION ALL
    SELECT 1260, c.relowner FROM pg_class c WHERE x.class = 1259 AND c.oid = x.oid
    UNION ALL
    SELECT 1260, f.proowner FROM pg_proc f WHERE x.class = 1255 AND f.oid = x.oid AND f.prosecdef
    UNION ALL
    SELECT 1260, m.roleid FROM pg_auth_members m WHERE x.class = 1260 AND m.member = x.oid
    UNION ALL
    SELECT 2616, o.oid FROM pg_opclass o WHERE x.class = 1247 AND o.opcintype = x.oid AND o.oid >= 16384
    UNION ALL
    SELECT 2602, o.oid FROM pg_amop o WHERE x.class = 2753 AND o.amopfamily = x.oid AND o.oid >= 16384
    UNION ALL
    SELECT 2603, o.oid FROM pg_amproc o WHERE x.class = 2753 AND o.amprocfamily = x.oid AND o.oid >= 16384
    UNION ALL
    SELECT d.refclassid, d.refobjid FROM pg_depend d
    WHERE d.classid = x.class AND d.objid = x.oid AND d.refobjid >= 16384
      AND d.refclassid NOT IN (2615, 3079)
      AND (d.refclassid <> 1259 OR x.class IN (2618, 2604, 3256, 1255, 2617, 2605))
    UNION ALL
    SELECT w.class, w.oid FROM pg_proc f
    CROSS JOIN LATERAL (
      SELECT DISTINCT lower(s.word) AS word FROM regexp_split_to_table(f.prosrc, '[^[:alnum:]_$]+') AS s(word)
      UNION SELECT s.word FROM regexp_split_to_table(f.prosrc, '[^[:alnum:]_$]+') AS s(word)
      UNION SELECT replace(s.quoted[1], '\"\"', '\"')
      FROM regexp_matches(f.prosrc, '\"(([^\"]|\"\")+)\"', 'g') AS s(quoted)
    ) AS b
    CROSS JOIN LATERAL (
      SELECT 1259::oid AS class, c.oid FROM pg_class c
      WHERE c.relname = b.word::name AND c.oid >= 16384 AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
        AND (c.relpersistence <> 't' OR c.relnamespace IN (SELECT p.oid FROM path p))
      UNION ALL
      SELECT 1255, g.oid FROM pg_proc g WHERE g.proname = b.word::name AND g.oid >= 16384
      UNION ALL
      SELECT 1247, t.oid FROM pg_type t WHERE t.typname = b.word::name AND t.oid >= 16384
        AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relpersistence = 't')
    ) AS w
    WHERE x.class = 1255 AND f.oid = x.oid AND f.oid >= 16384 AND f.prolang NOT IN (12, 13)
    UNION ALL
    SELECT 2617, o.oid FROM pg_proc f JOIN pg_operator o ON strpos(f.prosrc, o.oprname) > 0
      OR o.oprname IN ('=', '<>', '<', '<=', '>', '>=', '~~', '!~~', '~~*', '!~~*')
    WHERE x.class = 1255 AND f.oid = x.oid AND f.oid >= 16384 AND f.prolang NOT IN (12, 13) AND o.oid >= 16384
  ) AS n
),
described(class, oid, content) AS MATERIALIZED (
  SELECT x.class, x.oid, CASE x.class
    WHEN 1259 THEN (
      SELECT jsonb_build_array(c.relname, c.relnamespace, c.relowner, c.relkind, c.relpersistence, c.relrowsecurity,
               c.relforcerowsecurity, c.relispartition, c.relpartbound::text, c.reloptions,
               (SELECT jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation,
                         a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, a.attisdropped,
                         a.attfdwoptions) ORDER BY a.attnum)
                FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
               (SELECT jsonb_agg(DISTINCT to_jsonb(i) - '{indexrelid,indisclustered,indisvalid,indisready,indcheckxmin,
                         indisreplident,indislive}'::text[])
                FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique),
               (SELECT to_jsonb(s) FROM pg_sequence s WHERE s.seqrelid = c.oid))::text
      FROM pg_class c WHERE c.oid = x.oid)
    WHEN 1255 THEN (
      SELECT jsonb_build_array(to_jsonb(r) - 'proacl',
               (SELECT to_jsonb(a) FROM pg_aggregate a WHERE a.aggfnoid = r.oid))::text
      FROM pg_proc r WHERE r.oid = x.oid)
    WHEN 2618 THEN (
      SELECT (to_jsonb(r) - 'ev_action')::text
        || regexp_replace(r.ev_action::text, ':(stmt_location|stmt_len|location) -?[0-9]+', '', 'g')
      FROM pg_rewrite r WHERE r.oid = x.oid)
    WHEN 2620 THEN (SELECT (to_jsonb(r) - 'tgconstrindid')::text FROM pg_trigger r WHERE r.oid = x.oid)
    WHEN 3256 THEN (SELECT to_jsonb(r)::text FROM pg_policy r WHERE r.oid = x.oid)
    WHEN 2604 THEN (SELECT to_jsonb(r)::text FROM pg_attrdef r WHERE r.oid = x.oid)
    WHEN 2606 THEN (SELECT (to_jsonb(r) - 'conindid')::text FROM pg_constraint r WHERE r.oid = x.oid)
    WHEN 1247 THEN (
      SELECT jsonb_build_array(to_jsonb(r) - 'typacl',
               (SELECT jsonb_agg(jsonb_build_array(e.oid, e.enumlabel) ORDER BY e.enumsortorder)
                FROM pg_enum e WHERE e.enumtypid = r.oid),
               (SELECT jsonb_agg(to_jsonb(g)) FROM pg_range g WHERE g.rngtypid = r.oid))::text
      FROM pg_type r WHERE r.oid = x.oid)
    WHEN 2617 THEN (SELECT to_jsonb(r)::text FROM pg_operator r WHERE r.oid = x.oid)
    WHEN 2605 THEN (SELECT to_jsonb(r)::text FROM pg_cast r WHERE r.oid = x.oid)
    WHEN 3118 THEN (SELECT to_jsonb(r)::text FROM pg_foreign_table r WHERE r.ftrelid = x.oid)
    WHEN 1417 THEN (SELECT (to_jsonb(r) - 'srvacl')::text FROM pg_foreign_server r WHERE r.oid = x.oid)
    WHEN 1418 THEN (SELECT to_jsonb(r)::text FROM pg_user_mappings r WHERE r.umid = x.oid)
    WHEN 2328 THEN (SELECT (to_jsonb(r) - 'fdwacl')::text FROM pg_foreign_data_wrapper r WHERE r.oid = x.oid)
    WHEN 3466 THEN (SELECT to_jsonb(r)::text FROM pg_event_trigger r WHERE r.oid = x.oid)
    WHEN 1260 THEN (
      SELECT jsonb_build_array(r.rolname, r.rolsuper, r.rolbypassrls, r.rolinherit,
               (SELECT jsonb_agg(to_jsonb(m) - '{oid,grantor}'::text[] ORDER BY m.roleid, to_jsonb(m) - '{oid,grantor}'::text[])
                FROM pg_auth_members m WHERE m.member = r.oid))::text
      FROM pg_roles r WHERE r.oid = x.oid)
    WHEN 2615 THEN (SELECT (to_jsonb(r) - 'nspacl')::text FROM pg_namespace r WHERE r.oid = x.oid)
    WHEN 2612 THEN (SELECT (to_jsonb(r) - 'lanacl')::text FROM pg_language r WHERE r.oid = x.oid)
    WHEN 3456 THEN (SELECT to_jsonb(r)::text FROM pg_collation r WHERE r.oid = x.oid)
    WHEN 3602 THEN (
      SELECT jsonb_build_array(to_jsonb(r), (
               SELECT jsonb_agg(jsonb_build_array(m.maptokentype, m.mapseqno, m.mapdict) ORDER BY m.maptokentype, m.mapseqno)
               FROM pg_ts_config_map m WHERE m.mapcfg = r.oid))::text
      FROM pg_ts_config r WHERE r.oid = x.oid)
    WHEN 3600 THEN (SELECT to_jsonb(r)::text FROM pg_ts_dict r WHERE r.oid = x.oid)
    WHEN 3601 THEN (SELECT to_jsonb(r)::text FROM pg_ts_parser r WHERE r.oid = x.oid)
    WHEN 3764 THEN (SELECT to_jsonb(r)::text FROM pg_ts_template r WHERE r.oid = x.oid)
    WHEN 2616 THEN (SELECT to_jsonb(r)::text FROM pg_opclass r WHERE r.oid = x.oid)
    WHEN 2753 THEN (SELECT to_jsonb(r)::text FROM pg_opfamily r WHERE r.oid = x.oid)
    WHEN 2602 THEN (SELECT to_jsonb(r)::text FROM pg_amop r WHERE r.oid = x.oid)
    WHEN 2603 THEN (SELECT to_jsonb(r)::text FROM pg_amproc r WHERE r.oid = x.oid)
    WHEN 2601 THEN (SELECT to_jsonb(r)::text FROM pg_am r WHERE r.oid = x.oid)
    WHEN 3576 THEN (SELECT to_jsonb(r)::text FROM pg_transform r WHERE r.oid = x.oid)
    WHEN 2607 THEN (SELECT to_jsonb(r)::text FROM pg_conversion r WHERE r.oid = x.oid)
    WHEN 3381 THEN (SELECT to_jsonb(r)::text FROM pg_statistic_ext r WHERE r.oid = x.oid)
    WHEN 3079 THEN (SELECT to_jsonb(r)::text FROM pg_extension r WHERE r.oid = x.oid)
    WHEN 826 THEN (SELECT to_jsonb(r)::text FROM pg_default_acl r WHERE r.oid = x.oid)
    WHEN 6104 THEN (SELECT to_jsonb(r)::text FROM pg_publication r WHERE r.oid = x.oid)
    WHEN 6106 THEN (SELECT to_jsonb(r)::text FROM pg_publication_rel r WHERE r.oid = x.oid)
    WHEN 6237 THEN 'named by its oid'
    WHEN 2613 THEN (SELECT (to_jsonb(r) - 'lomacl')::text FROM pg_largeobject_metadata r WHERE r.oid = x.oid)
    WHEN 1213 THEN (SELECT (to_jsonb(r) - 'spcacl')::text FROM pg_tablespace r WHERE r.oid = x.oid)
    WHEN 1262 THEN (
      SELECT jsonb_build_array(r.datname, r.datdba, r.datistemplate, r.datallowconn)::text
      FROM pg_database r WHERE r.oid = x.oid)
    ELSE 'unknown'
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
  CASE WHEN d.class = 1255 THEN (SELECT f.prolang NOT IN (12, 13) FROM pg_proc f WHERE f.oid = d.oid)::text END,
  CASE WHEN d.content = 'unknown' THEN 'unknown'
    WHEN d.class = 1418 AND EXISTS (
      SELECT FROM pg_user_mappings u WHERE u.umid = d.oid AND u.umoptions IS NULL
        AND (u.umuser = 0 OR u.umuser IN (SELECT r.oid FROM role r))
        AND NOT (SELECT pg_has_role(s.srvowner, 'USAGE') FROM pg_foreign_server s WHERE s.oid = u.srvid)
        AND NOT (u.umuser <> 0 AND has_server_privilege(u.srvid, 'USAGE'))) THEN 'hidden' END
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
        unbound(&rows)?;
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

/// Nothing is bound to a definition whose content cannot be seen.
fn unbound(rows: &[crate::upstream::Row]) -> Result<(), DefinitionsError> {
    let cell = |row: &crate::upstream::Row, at: usize| row.get(at).cloned().flatten();
    for row in rows.iter().filter(|row| cell(row, 0).as_deref() == Some("definition")) {
        let what = cell(row, 4).unwrap_or_else(|| "an object of the system".into());
        match cell(row, 6).as_deref() {
            Some("hidden") => return Err(DefinitionsError::Hidden { what }),
            Some(_) => return Err(DefinitionsError::Unknown { what }),
            None => {}
        }
    }
    Ok(())
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
    /// The role may not see it.
    #[error(
        "the statement rests on {what}, whose options this role may not see; GRANT USAGE ON FOREIGN SERVER shows them"
    )]
    Hidden {
        /// The object.
        what: String,
    },
    /// An object of a class that is not read.
    #[error("the statement rests on {what}; an approval cannot be bound to objects of its class")]
    Unknown {
        /// The object.
        what: String,
    },
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
            "EXECUTE definitions ({}, {}, {}, {}, {}, {}, {}::oid[], {}::oid[], {}, {}, {}, {}, {}, {})",
            array(path.iter().map(|schema| Some(schema.as_str()))),
            array(names().map(|name| Some(name.kind.letter()))),
            array(names().map(|name| name.schema.as_deref())),
            array(names().map(|name| Some(name.name.as_str()))),
            self.path.is_some(),
            self.defines,
            array(self.objects.iter().map(|(class, _)| Some(class.to_string()))),
            array(self.objects.iter().map(|(_, oid)| Some(oid.to_string()))),
            array(self.texts.iter().map(Some)),
            array(self.whole_schemas.iter().map(Some)),
            array(self.roles.iter().map(Some)),
            self.reach.dependants,
            self.reach.referencing,
            self.reach.owned,
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
             ARRAY['''); DROP TABLE t; --']::text[], true, false, ARRAY[]::text[]::oid[], ARRAY[]::text[]::oid[], \
             ARRAY[]::text[], ARRAY[]::text[], ARRAY[]::text[], false, false, false)"
        );
    }
}
