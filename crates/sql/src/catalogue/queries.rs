//! The texts of the queries that fill a catalogue. They read system catalogs only, run on PostgreSQL 12 and later, and
//! take no lock on a user's table. Objects below oid 16384 were made by initdb and are built in.
//!
//! `{class column}` in a text marks the object that a row belongs to: it becomes `true` when everything is read, and a
//! comparison with the list of wanted oids when only some objects are.

use std::fmt::Write as _;

use super::object::{ObjectClass, ObjectId};

/// Run first on the connection: with this path the server qualifies every name outside `pg_catalog` in definitions,
/// and nobody can put a table of his own before a catalog.
pub(super) const SETUP: &str = "SET search_path = pg_catalog";

/// The rows that describe objects, in the order in which they are taken in.
pub(super) const ROWS: [&str; 14] = [
    RELATIONS,
    COLUMNS,
    FUNCTIONS,
    OPERATORS,
    TYPES,
    CHECKS,
    CASTS,
    POLICIES,
    INHERITS,
    RULES,
    TRIGGERS,
    COLUMN_EXPRESSIONS,
    FOREIGN_KEYS,
    DEPENDENCIES,
];

/// The classes of the objects that the rows of each query belong to.
pub(super) const ROW_CLASSES: [&[ObjectClass]; ROWS.len()] = {
    use ObjectClass::{Cast, Function, Operator, Relation, Type};
    [
        &[Relation],
        &[Relation],
        &[Function],
        &[Operator],
        &[Type],
        &[Type],
        &[Cast],
        &[Relation],
        &[Relation],
        &[Relation],
        &[Relation],
        &[Relation],
        &[Relation],
        &[Relation, Function, Operator, Type, Cast],
    ]
};

const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, c.xmin, n.oid, c.relpersistence, c.relrowsecurity,
       (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE c.oid >= 16384 AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
          AND d.objsubid = 0 AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND {r c.oid}";

const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname,
       CASE WHEN t.typelem >= 16384 THEN t.typelem WHEN t.oid >= 16384 THEN t.oid ELSE 0 END, a.atttypid,
       a.attnotnull
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND {r a.attrelid}";

/// Functions of these extensions were reviewed: those that are not volatile change nothing and run no text; of the last two
/// that holds for the volatile ones, too. So were the functions that the server makes with a range type of a built-in type;
/// only a superuser can define functions in the language `internal` (oid 12).
macro_rules! reviewed {
    ($function:literal) => {
        concat!(
            "(",
            $function,
            ".prolang = 12 AND ",
            $function,
            ".prosrc IN ('range_constructor2', 'range_constructor3', 'multirange_constructor0',
                         'multirange_constructor1', 'multirange_constructor2')
             AND EXISTS (
              SELECT 1 FROM pg_catalog.pg_range r
              WHERE r.rngsubtype < 16384 AND r.rngcanonical::pg_catalog.oid < 16384
                AND (r.rngtypid = ",
            $function,
            ".prorettype OR EXISTS (
                  SELECT 1 FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = ",
            $function,
            ".prorettype
                    AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = r.rngtypid
                    AND d.deptype = 'i'))) OR ",
            $function,
            ".proname NOT LIKE 'populate_record%' AND EXISTS (
              SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
              WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = ",
            $function,
            ".oid
                AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
                AND (e.extname IN ('pgcrypto', 'uuid-ossp') OR ",
            $function,
            ".provolatile <> 'v'
                     AND e.extname IN ('btree_gin', 'btree_gist', 'citext', 'cube', 'earthdistance', 'fuzzystrmatch',
                                       'hstore', 'intarray', 'isn', 'ltree', 'pg_trgm', 'seg', 'unaccent'))))"
        )
    };
}

/// The body is that of functions in SQL; it is empty where the server keeps it parsed (BEGIN ATOMIC).
const FUNCTIONS: &str = concat!(
    "
SELECT n.nspname, p.proname, ",
    reviewed!("p"),
    ", p.oid, p.xmin, n.oid, p.prokind, p.provolatile, p.prosecdef, l.lanname, p.prorettype, p.proretset,
       p.proargtypes::pg_catalog.text, CASE WHEN l.lanname = 'sql' THEN p.prosrc END,
       pg_catalog.array_to_string(p.proconfig, ','),
       (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND {f p.oid}"
);

const OPERATORS: &str = concat!(
    "
SELECT n.nspname, o.oprname,
       CASE WHEN o.oprleft >= 16384 THEN o.oprleft ELSE 0 END,
       CASE WHEN o.oprright >= 16384 THEN o.oprright ELSE 0 END,
       EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid IN (o.oprleft, o.oprright) AND t.typtype = 'c'),
       m.nspname, p.proname, ",
    reviewed!("p"),
    ", o.oid, n.oid, p.oid
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
JOIN pg_catalog.pg_namespace m ON m.oid = p.pronamespace
WHERE o.oid >= 16384 AND {o o.oid}"
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
              OR (t.typtype = 'm' AND EXISTS (
                    SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_range r ON r.rngtypid = d.refobjid
                    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
                      AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'i'
                      AND r.rngsubtype < 16384))
            THEN 'plain' ELSE 'opaque' END,
       t.xmin, n.oid, t.typrelid, t.typelem, t.typtype
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid >= 16384 AND {t t.oid}";

const CHECKS: &str = "
SELECT c.contypid, c.oid
FROM pg_catalog.pg_constraint c
WHERE c.contypid >= 16384 AND c.conbin IS NOT NULL AND {t c.contypid}
ORDER BY c.oid";

const CASTS: &str = concat!(
    "
SELECT CASE WHEN c.castsource >= 16384 THEN c.castsource ELSE 0 END,
       CASE WHEN c.casttarget >= 16384 THEN c.casttarget ELSE 0 END,
       EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid IN (c.castsource, c.casttarget) AND t.typtype = 'c'),
       n.nspname, p.proname, ",
    reviewed!("p"),
    ", c.oid, p.oid, p.xmin, c.castcontext, c.castsource, c.casttarget
FROM pg_catalog.pg_cast c
JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE c.oid >= 16384 AND {c c.oid}"
);

const POLICIES: &str = "
SELECT p.polrelid, p.oid
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
WHERE c.relrowsecurity AND p.polqual IS NOT NULL AND p.polcmd IN ('*', 'r') AND {r p.polrelid}
ORDER BY p.oid";

const INHERITS: &str = "
SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i WHERE {r i.inhrelid} ORDER BY i.inhseqno, i.inhparent";

const RULES: &str = "
SELECT r.ev_class, r.oid, r.rulename, r.ev_type, r.is_instead, r.ev_enabled, r.xmin
FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384 AND {r r.ev_class}
ORDER BY r.oid";

const TRIGGERS: &str = "
SELECT t.tgrelid, t.oid, t.tgname, t.tgtype, t.tgenabled, t.tgfoid, t.tgqual IS NOT NULL, t.xmin
FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND {r t.tgrelid}
ORDER BY t.oid";

const COLUMN_EXPRESSIONS: &str = "
SELECT d.adrelid, d.adnum, d.oid, a.attgenerated
FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE {r d.adrelid}
ORDER BY d.adnum";

const FOREIGN_KEYS: &str = "
SELECT c.conrelid, c.oid, c.confrelid, c.conname, c.confdeltype, c.confupdtype,
       pg_catalog.array_to_string(c.conkey, ' '), pg_catalog.array_to_string(c.confkey, ' ')
FROM pg_catalog.pg_constraint c
WHERE c.contype = 'f' AND c.conrelid <> 0 AND {r c.conrelid}
ORDER BY c.oid";

/// What an object was made from: itself, or a rule, default, policy, trigger or constraint that belongs to it.
const DEPENDENCIES: &str = "
SELECT DISTINCT o.class, o.oid,
       CASE d.refclassid WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'r'
                         WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'f'
                         WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN 't'
                         ELSE 'o' END,
       d.refobjid
FROM (
  SELECT 'r' AS class, c.oid, 'pg_catalog.pg_class'::pg_catalog.regclass AS classid, c.oid AS objid
  FROM pg_catalog.pg_class c
  WHERE c.oid >= 16384 AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND {r c.oid}
  UNION ALL
  SELECT 'r', x.ev_class, 'pg_catalog.pg_rewrite'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_rewrite x WHERE x.oid >= 16384 AND {r x.ev_class}
  UNION ALL
  SELECT 'r', x.adrelid, 'pg_catalog.pg_attrdef'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_attrdef x WHERE {r x.adrelid}
  UNION ALL
  SELECT 'r', x.polrelid, 'pg_catalog.pg_policy'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_policy x WHERE {r x.polrelid}
  UNION ALL
  SELECT 'r', x.tgrelid, 'pg_catalog.pg_trigger'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_trigger x WHERE NOT x.tgisinternal AND {r x.tgrelid}
  UNION ALL
  SELECT 'r', x.conrelid, 'pg_catalog.pg_constraint'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_constraint x WHERE x.conrelid <> 0 AND {r x.conrelid}
  UNION ALL
  SELECT 't', x.contypid, 'pg_catalog.pg_constraint'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_constraint x WHERE x.contypid <> 0 AND {t x.contypid}
  UNION ALL
  SELECT 'f', x.oid, 'pg_catalog.pg_proc'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_proc x WHERE x.oid >= 16384 AND {f x.oid}
  UNION ALL
  SELECT 't', x.oid, 'pg_catalog.pg_type'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_type x WHERE x.oid >= 16384 AND {t x.oid}
  UNION ALL
  SELECT 'o', x.oid, 'pg_catalog.pg_operator'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_operator x WHERE x.oid >= 16384 AND {o x.oid}
  UNION ALL
  SELECT 'c', x.oid, 'pg_catalog.pg_cast'::pg_catalog.regclass, x.oid
  FROM pg_catalog.pg_cast x WHERE x.oid >= 16384 AND {c x.oid}
) o
JOIN pg_catalog.pg_depend d ON d.classid = o.classid AND d.objid = o.objid
WHERE d.refclassid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass,
                       'pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
ORDER BY 1, 2, 3, 4";

/// A fingerprint of every row that belongs to an object, by the transaction that wrote it (`xmin`). Updates in place
/// (statistics, `relhasindex`) keep `xmin` and change nothing that a catalogue holds; freezing keeps it, too. A hash is
/// summed up, so the order of rows does not matter.
pub(super) const VERSIONS: &str = "
SELECT x.class, x.oid, sum(x.hash)
FROM (
  SELECT 'n' AS class, n.oid, pg_catalog.hashtextextended(n.xmin::pg_catalog.text, 1) AS hash
  FROM pg_catalog.pg_namespace n WHERE {n n.oid}
  UNION ALL
  SELECT 'r', c.oid, pg_catalog.hashtextextended(c.xmin::pg_catalog.text, 2)
  FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND {r c.oid}
  UNION ALL
  SELECT 'r', a.attrelid,
         pg_catalog.hashtextextended(a.xmin::pg_catalog.text, (3::pg_catalog.int8 << 40) + a.attnum)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  WHERE a.attnum > 0 AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND c.oid >= 16384 AND {r a.attrelid}
  UNION ALL
  SELECT 'r', d.adrelid,
         pg_catalog.hashtextextended(d.xmin::pg_catalog.text, (4::pg_catalog.int8 << 40) + d.oid::pg_catalog.int8)
  FROM pg_catalog.pg_attrdef d WHERE {r d.adrelid}
  UNION ALL
  SELECT 'r', r.ev_class,
         pg_catalog.hashtextextended(r.xmin::pg_catalog.text, (5::pg_catalog.int8 << 40) + r.oid::pg_catalog.int8)
  FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384 AND {r r.ev_class}
  UNION ALL
  SELECT 'r', t.tgrelid,
         pg_catalog.hashtextextended(t.xmin::pg_catalog.text, (6::pg_catalog.int8 << 40) + t.oid::pg_catalog.int8)
  FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND {r t.tgrelid}
  UNION ALL
  SELECT 'r', p.polrelid,
         pg_catalog.hashtextextended(p.xmin::pg_catalog.text, (7::pg_catalog.int8 << 40) + p.oid::pg_catalog.int8)
  FROM pg_catalog.pg_policy p WHERE {r p.polrelid}
  UNION ALL
  SELECT 'r', i.inhrelid,
         pg_catalog.hashtextextended(i.xmin::pg_catalog.text, (8::pg_catalog.int8 << 40) + i.inhparent::pg_catalog.int8)
  FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND {r i.inhrelid}
  UNION ALL
  SELECT 'r', k.conrelid,
         pg_catalog.hashtextextended(k.xmin::pg_catalog.text, (9::pg_catalog.int8 << 40) + k.oid::pg_catalog.int8)
  FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conrelid <> 0 AND {r k.conrelid}
  UNION ALL
  SELECT 't', k.contypid,
         pg_catalog.hashtextextended(k.xmin::pg_catalog.text, (9::pg_catalog.int8 << 40) + k.oid::pg_catalog.int8)
  FROM pg_catalog.pg_constraint k WHERE k.contypid >= 16384 AND {t k.contypid}
  UNION ALL
  SELECT 'f', p.oid, pg_catalog.hashtextextended(p.xmin::pg_catalog.text, 10)
  FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND {f p.oid}
  UNION ALL
  SELECT 'o', o.oid, pg_catalog.hashtextextended(o.xmin::pg_catalog.text, 11)
  FROM pg_catalog.pg_operator o WHERE o.oid >= 16384 AND {o o.oid}
  UNION ALL
  SELECT 't', t.oid, pg_catalog.hashtextextended(t.xmin::pg_catalog.text, 12)
  FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND {t t.oid}
  UNION ALL
  SELECT 'c', k.oid, pg_catalog.hashtextextended(k.xmin::pg_catalog.text, 13)
  FROM pg_catalog.pg_cast k WHERE k.oid >= 16384 AND {c k.oid}
  UNION ALL
  SELECT CASE d.classid WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'r' ELSE 'f' END, d.objid,
         pg_catalog.hashtextextended(d.xmin::pg_catalog.text, 14)
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
   AND d.refobjid = e.oid AND d.deptype = 'e' AND d.objsubid = 0
  LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid
  WHERE (d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND {f d.objid})
     OR (c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND {r d.objid})
) x
GROUP BY x.class, x.oid";

/// The identities of relations, functions and types of some names, with row and array types, sequences and partitions
/// that depend on the relations. An object of class `!` stands for event triggers.
const FOUND: &str = "
WITH r AS (
  SELECT c.oid FROM pg_catalog.pg_class c
  WHERE c.relname = ANY ($7) AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c')
), t AS (
  SELECT t.oid, t.typarray FROM pg_catalog.pg_type t WHERE t.typname = ANY ($7) AND t.oid >= 16384
), found (class, oid) AS (
  SELECT 'r', r.oid FROM r
  UNION
  SELECT 'r', d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
  WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN (SELECT r.oid FROM r)
    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c')
  UNION
  SELECT 'f', p.oid FROM pg_catalog.pg_proc p WHERE p.proname = ANY ($7) AND p.oid >= 16384
  UNION
  SELECT 't', t.oid FROM t
  UNION
  SELECT 't', t.typarray FROM t WHERE t.typarray >= 16384
)";

/// The versions of the objects whose oids are its parameters, and of those that [`FOUND`] finds.
pub(super) fn of_named(versions: &str) -> String {
    let versions = replace_marks(versions, |class, column| {
        let number = parameter(class);
        format!(
            "{column} = ANY (ARRAY(SELECT found.oid FROM found WHERE found.class = '{class}') || ${number})"
        )
    });
    format!(
        "{FOUND} {versions} UNION ALL \
         SELECT '!', 0, 0 WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger)"
    )
}

/// The parameters of a scoped query, one list of oids for each class.
const CLASSES: [ObjectClass; 6] = [
    ObjectClass::Namespace,
    ObjectClass::Relation,
    ObjectClass::Function,
    ObjectClass::Operator,
    ObjectClass::Type,
    ObjectClass::Cast,
];

/// A query over all objects: every mark becomes `true`.
pub(super) fn of_all(text: &str) -> String {
    replace_marks(text, |_, _| "true".to_owned())
}

/// A query over the objects whose oids are its parameters.
pub(super) fn of_some(text: &str) -> String {
    replace_marks(text, |class, column| format!("{column} = ANY (${})", parameter(class)))
}

/// The number of the parameter that lists the oids of a class.
fn parameter(class: &str) -> usize {
    CLASSES.iter().position(|one| one.letter() == class).map_or(0, |at| at + 1)
}

/// The parameters of [`of_some`], as arguments of EXECUTE.
pub(super) fn arguments<'a>(objects: impl Iterator<Item = &'a ObjectId> + Clone) -> String {
    let mut text = String::new();
    for (at, class) in CLASSES.iter().enumerate() {
        text.push_str(if at == 0 { "'{" } else { ", '{" });
        let of_class = objects.clone().filter(|object| object.class == *class);
        for (at, object) in of_class.enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{}", if at == 0 { "" } else { "," }, object.oid);
        }
        text.push_str("}'");
    }
    text
}

/// Replaces `{class column}` in a text.
fn replace_marks(text: &str, with: impl Fn(&str, &str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((mark, behind)) = behind.split_once('}') else { break };
        if let Some((class, column)) = mark.split_once(' ') {
            out.push_str(&with(class, column));
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
