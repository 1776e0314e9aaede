//! The queries that fill a catalogue. They read system catalogs only and run on PostgreSQL 12 and later.
//! Objects below oid 16384 were made by initdb and are built in.

/// Run first on the control connection: with this path the server qualifies every name outside `pg_catalog` in
/// the definitions of views, and nobody can put a table of his own before a catalog.
pub const SETUP: &str = "SET search_path = pg_catalog";

/// The queries of a snapshot, in the order in which [`Catalogue::from_rows`](crate::Catalogue::from_rows) wants
/// their results. Text results.
pub const QUERIES: [&str; 8] = [RELATIONS, COLUMNS, FUNCTIONS, OPERATORS, TYPES, CASTS, POLICIES, INHERITS];

const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind,
       CASE WHEN c.relkind IN ('v', 'm') AND c.oid >= 16384 THEN pg_catalog.pg_get_viewdef(c.oid) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')";

const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname,
       CASE WHEN t.typelem >= 16384 THEN t.typelem WHEN t.oid >= 16384 THEN t.oid ELSE 0 END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')";

/// Functions of these extensions were reviewed: those that are not volatile change nothing and run no text.
macro_rules! reviewed {
    ($function:literal) => {
        concat!(
            "(",
            $function,
            ".provolatile <> 'v' AND ",
            $function,
            ".proname NOT LIKE 'populate_record%' AND EXISTS (
              SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
              WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = ",
            $function,
            ".oid
                AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
                AND e.extname IN ('btree_gin', 'btree_gist', 'citext', 'cube', 'fuzzystrmatch', 'hstore',
                                  'intarray', 'isn', 'ltree', 'pg_trgm', 'seg', 'unaccent')))"
        )
    };
}

const FUNCTIONS: &str = concat!(
    "
SELECT n.nspname, p.proname, ",
    reviewed!("p"),
    "
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid >= 16384"
);

const OPERATORS: &str = concat!(
    "
SELECT n.nspname, o.oprname,
       CASE WHEN o.oprleft >= 16384 THEN o.oprleft ELSE 0 END,
       CASE WHEN o.oprright >= 16384 THEN o.oprright ELSE 0 END,
       EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid IN (o.oprleft, o.oprright) AND t.typtype = 'c'),
       m.nspname, p.proname, ",
    reviewed!("p"),
    "
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
JOIN pg_catalog.pg_namespace m ON m.oid = p.pronamespace
WHERE o.oid >= 16384"
);

/// `plain`: making a value of the type runs no code that anyone but a superuser can write, apart from the checks
/// that stand beside it: enumerations, base types (their functions are C), domains, rows and ranges of built-in
/// types only. A row of anything else may hide a domain with checks of its own.
const TYPES: &str = "
SELECT t.oid, n.nspname, t.typname,
       CASE WHEN t.typtype = 'e'
              OR (t.typtype = 'b' AND NOT EXISTS (
                    SELECT 1 FROM pg_catalog.pg_type e
                    WHERE e.oid = t.typelem AND t.typcategory = 'A' AND e.typtype NOT IN ('b', 'e')))
              OR (t.typtype = 'd' AND t.typbasetype < 16384)
              OR (t.typtype = 'c' AND NOT EXISTS (
                    SELECT 1 FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                      AND a.atttypid >= 16384))
              OR (t.typtype = 'r' AND EXISTS (
                    SELECT 1 FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid AND r.rngsubtype < 16384))
            THEN 'plain' ELSE 'opaque' END,
       (SELECT pg_catalog.string_agg('(' || pg_catalog.pg_get_expr(c.conbin, 0) || ')', ' AND ')
        FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.conbin IS NOT NULL)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid >= 16384";

const CASTS: &str = concat!(
    "
SELECT CASE WHEN c.castsource >= 16384 THEN c.castsource ELSE 0 END,
       CASE WHEN c.casttarget >= 16384 THEN c.casttarget ELSE 0 END,
       EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid IN (c.castsource, c.casttarget) AND t.typtype = 'c'),
       n.nspname, p.proname, ",
    reviewed!("p"),
    ", c.castcontext
FROM pg_catalog.pg_cast c
JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE c.oid >= 16384"
);

const POLICIES: &str = "
SELECT p.polrelid, pg_catalog.pg_get_expr(p.polqual, p.polrelid)
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
WHERE c.relrowsecurity AND p.polqual IS NOT NULL AND p.polcmd IN ('*', 'r')";

const INHERITS: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";
