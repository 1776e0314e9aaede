//! Conditions that filter nothing, in many disguises, on columns of many types: each is shown to a server first, and hits
//! every row there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod support;

use std::collections::BTreeSet;

use countersign_common::facts::Flag;
use countersign_sql::{Catalogue, Session};
use countersign_testkit::{Postgres, PostgresOptions};
use support::{read, served};

const SCHEMA: &str = "
CREATE TYPE mood AS ENUM ('bad', 'good');
CREATE TABLE t (
  id int PRIMARY KEY, small smallint NOT NULL, big bigint NOT NULL, num numeric NOT NULL, dbl float8 NOT NULL,
  name text NOT NULL, code varchar(10) NOT NULL, active bool NOT NULL, created timestamptz NOT NULL,
  day date NOT NULL, tm time NOT NULL, iv interval NOT NULL, u uuid NOT NULL, j jsonb NOT NULL, tags text[] NOT NULL,
  ip inet NOT NULL, r int4range NOT NULL, m mood NOT NULL, raw bytea NOT NULL, note text
);
INSERT INTO t
SELECT i, i, i, i, i, 'n' || i, 'c' || i, i % 2 = 0, now() - i * interval '1 day', current_date - i, '12:00',
  i * interval '1 hour', gen_random_uuid(), jsonb_build_object('a', i), ARRAY['x' || i], '10.0.0.1',
  int4range(i, i + 5), CASE WHEN i % 2 = 0 THEN 'bad' ELSE 'good' END::mood, '\\x01', NULL
FROM generate_series(-20, 20) i;
CREATE VIEW tv AS SELECT * FROM t;
CREATE TABLE other (id int, tid int);
INSERT INTO other VALUES (1, 1), (2, 99);
CREATE TABLE parted (id int NOT NULL, note text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (-100) TO (100);
INSERT INTO parted SELECT i, 'x' FROM generate_series(-20, 20) i;
";

struct World {
    server: Postgres,
    catalogue: Catalogue,
}

impl World {
    fn new() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        server.sql(SCHEMA).unwrap();
        let catalogue = served::catalogue(&server);
        Self { server, catalogue }
    }

    fn flags(&self, text: &str) -> BTreeSet<Flag> {
        let safe = BTreeSet::new();
        let path = ["pg_catalog", "public"].map(String::from);
        let session = Session {
            catalogue: &self.catalogue,
            schemas: Some(&path),
            safe_functions: &safe,
            prepared: &|_| None,
        };
        let facts = read(text).facts(&session);
        let flags = facts.operations.iter().flat_map(|operation| operation.flags.iter().copied());
        flags.filter(|flag| matches!(flag, Flag::MissingWhere | Flag::WeakWhere)).collect()
    }

    /// Whether a statement changes all rows of a table; it is undone.
    fn hits_all(&self, text: &str, table: &str) -> bool {
        let script = format!(
            "BEGIN; SELECT 'before ' || count(*) FROM {table}; {text}; \
             SELECT 'hit ' || n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables WHERE relname = '{table}'; ROLLBACK"
        );
        let answer = self.server.sql(&script).unwrap_or_else(|error| panic!("{text}: {error}"));
        let number = |word: &str| answer.lines().find_map(|line| line.strip_prefix(word)).map(String::from);
        let (before, hit) = (number("before "), number("hit "));
        assert!(before.is_some() && hit.is_some(), "{text}: {answer}");
        before == hit
    }
}

/// INVARIANT: I7. Whatever a condition that filters nothing looks like, a flag tells of it.
#[test]
fn i7_every_disguise_of_no_condition_has_a_flag() {
    let world = World::new();
    let mut silent = Vec::new();
    for condition in CONDITIONS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let text = format!("DELETE FROM t WHERE {condition}");
        assert!(world.hits_all(&text, "t"), "does not hit all: {condition}");
        if world.flags(&text).is_empty() {
            silent.push(condition);
        }
    }
    for line in STATEMENTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (table, text) = line.split_once(": ").unwrap();
        assert!(world.hits_all(text, table), "does not hit all: {text}");
        if world.flags(text).is_empty() {
            silent.push(text);
        }
    }
    assert!(silent.is_empty(), "{} are silent:\n{}", silent.len(), silent.join("\n"));
}

#[test]
fn ordinary_conditions_have_no_flag() {
    let world = World::new();
    let mut flagged = Vec::new();
    for condition in ORDINARY.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let text = format!("DELETE FROM t WHERE {condition}");
        // A condition that the server refuses would prove nothing.
        world.hits_all(&text, "t");
        if !world.flags(&text).is_empty() {
            flagged.push(condition);
        }
    }
    assert!(flagged.is_empty(), "{} have a flag:\n{}", flagged.len(), flagged.join("\n"));
}

const CONDITIONS: &str = r#"
id <= 2147483647
id >= -2147483648
2147483647 >= id
id BETWEEN -2147483648 AND 2147483647
id < 2147483648
id < 3000000000
NOT id > 3000000000
small < 100000
small > -32769
big <= 9223372036854775807
big < 99999999999999999999
num < 'infinity'
num <= 'NaN'
dbl <= 'NaN'::float8
created < 'infinity'
created > '-infinity'
created BETWEEN '-infinity' AND 'infinity'
day <= 'infinity'::date
day <= 'infinity'
tm >= '00:00'
tm <= '24:00'
u >= '00000000-0000-0000-0000-000000000000'
u <= 'ffffffff-ffff-ffff-ffff-ffffffffffff'
name >= ''
code >= ''
raw >= ''
raw >= '\x'
active >= false
active <= true
active IN (true, false)
active <> NOT active
m >= 'bad'
m IN ('bad', 'good')
m = ANY('{bad,good}')
m = ANY(enum_range(NULL::mood))
j @> '{}'
tags @> '{}'
tags @> ARRAY[]::text[]
tags <@ tags
tags && tags
r @> 'empty'
r <@ '(,)'
r && '(,)'
ip <<= '0.0.0.0/0'
id <@ '(,)'::int4range
created <@ tstzrange(NULL, NULL)
daterange(NULL, NULL) @> day
id = ANY(ARRAY(SELECT id FROM t))
name ^@ ''
starts_with(name, '')
position('' in name) > 0
strpos(name, '') > 0
left(name, 0) = ''
substr(name, 1, 0) = ''
substring(name from 1 for 0) = ''
repeat(name, 0) = ''
length(name) > -1
length(name) >= 0
octet_length(name) >= 0
length(u::text) = 36
id::text ~ '[0-9]'
id::text <> ''
id % 1 = 0
mod(id, 1) = 0
id & 0 = 0
id | 0 = id
id # id = 0
id * id >= 0
id ^ 2 >= 0
abs(id) > -1
id - id + 1 = 1
id / 1 = id
cardinality(tags) >= 0
array_length(array_append(tags, 'x'), 1) > 0
num_nonnulls(id) = 1
num_nonnulls(id, name) > 0
num_nulls(id) = 0
pg_typeof(id) = 'integer'::regtype
t.id IS NOT NULL
t IS DISTINCT FROM NULL
t = t
t.* = t.*
to_jsonb(t) = to_jsonb(t)
to_jsonb(t) IS NOT NULL
t::text = t::text
t::text <> ''
ctid IS NOT NULL
ctid = ctid
ctid >= '(0,0)'
ctid > '(0,0)'
ctid <> '(0,0)'
xmin IS NOT NULL
xmin::text <> '0'
cmin::text::int >= 0
tableoid IS NOT NULL
tableoid = 't'::regclass
tableoid::regclass::text = 't'
id IN (SELECT x.id FROM t x WHERE x.id = t.id)
EXISTS (SELECT 1 FROM t x WHERE x.id = t.id)
EXISTS (SELECT FROM t)
EXISTS (SELECT FROM t x WHERE x.id >= t.id)
(SELECT count(*) FROM t) > 0
(SELECT count(*) FROM t x WHERE x.id = t.id) >= 0
(SELECT count(*) FROM t x WHERE x.id = t.id) = 1
(SELECT true FROM t x WHERE x.id = t.id)
NOT EXISTS (SELECT FROM t WHERE false)
NOT EXISTS (SELECT FROM other WHERE other.id = t.id AND false)
id >= (SELECT min(id) FROM t)
id <= (SELECT max(x.id) FROM t x)
id <= ALL (SELECT max(id) FROM t)
id >= ALL (SELECT min(id) FROM t)
id >= ANY (SELECT id FROM t)
id = SOME (SELECT id FROM t)
id IN (SELECT id FROM tv)
id IN (WITH x AS (SELECT id FROM t) SELECT id FROM x)
id IN (SELECT id FROM (SELECT id FROM t) q)
id IN (SELECT q.id FROM (SELECT * FROM t) q)
id IN (SELECT id FROM t UNION SELECT 1)
id IN (SELECT id FROM t UNION ALL SELECT id FROM t)
id IN (SELECT id FROM t INTERSECT SELECT id FROM t)
id IN (SELECT id FROM t EXCEPT SELECT 99)
id IN (SELECT id FROM t LIMIT ALL)
id IN (SELECT DISTINCT id FROM t)
id IN (SELECT id FROM t GROUP BY id)
id IN (SELECT id FROM t ORDER BY id)
id IN (SELECT id FROM t OFFSET 0)
id IN (SELECT id FROM t LIMIT 1000000)
id IN (SELECT max(id) FROM t GROUP BY id)
id IN (SELECT a.id FROM t a JOIN t b ON a.id = b.id)
id IN (SELECT a.id FROM t a CROSS JOIN generate_series(1, 1))
id IN (SELECT id FROM t x, LATERAL (SELECT 1) y)
id IN (SELECT id FROM ONLY t)
id IN (SELECT id FROM public.t)
id IN (SELECT t2.id FROM t AS t2 FOR UPDATE)
id IN (SELECT unnest(array_agg(id)) FROM t)
id NOT IN (SELECT id FROM t WHERE false)
id NOT IN (SELECT id FROM t LIMIT 0)
id NOT IN (SELECT id FROM other WHERE 1 = 2)
id NOT IN (SELECT 1 WHERE false)
id <> ALL (SELECT id FROM t WHERE NULL)
id <> ALL ('{}'::int[])
id <> ALL (ARRAY[]::int[])
id = (SELECT x.id FROM t x WHERE x.id = t.id)
id = (SELECT t.id)
id = (SELECT id)
id = (SELECT max(v) FROM (VALUES (t.id)) x(v))
id = (SELECT t.id FROM other LIMIT 1)
id IN (VALUES (t.id))
id IN (SELECT t.id)
id IN (SELECT t.id FROM other)
(id, name) IN (SELECT id, name FROM t)
ctid IN (SELECT ctid FROM t)
ctid = ANY(ARRAY(SELECT ctid FROM t))
ctid IN (SELECT x.ctid FROM t x)
coalesce(id = NULL, true)
coalesce(nullif(id, id), 1) = 1
CASE WHEN id = 1 THEN true ELSE true END
CASE WHEN id = 1 THEN 1 ELSE 1 END = 1
CASE WHEN id = 1 THEN 1 ELSE 2 END > 0
CASE id WHEN 1 THEN true ELSE id <> 1 END
id = CASE WHEN true THEN id END
(id = 1) IS NOT NULL
(id = 1) IS NOT UNKNOWN
(id = 1) IN (true, false)
(id = 1) >= false
(id = 1)::int >= 0
(id = 1) <> (id <> 1)
(id = 1) = NOT (id <> 1)
(id = 1) IS DISTINCT FROM NULL
NOT (id = 1) OR id = 1
id = 1 OR id != 1
id < 1 OR id >= 1
NOT (id < 1 AND id > 1)
id > 1 OR id < 2
id > 5 OR NOT id > 5
id > 5 OR 5 >= id
5 < id OR id <= 5
(id > 5 AND true) OR id <= 5
(id > 5 AND name = 'x') OR (id > 5 AND name <> 'x') OR id <= 5
id > 5 OR name = 'x' OR id <= 5
id IN (1, 2) OR id NOT IN (1, 2)
id = ANY('{1,2}') OR id <> ALL('{1,2}')
id NOT IN (1) OR id = 1
id BETWEEN 1 AND 5 OR id NOT BETWEEN 1 AND 5
name LIKE 'a%' OR name NOT LIKE 'a%'
name ~ 'a' OR name !~ 'a'
j ? 'a' OR NOT j ? 'a'
lower(name) = 'x' OR lower(name) <> 'x'
md5(name) = 'x' OR NOT md5(name) = 'x'
md5(name) = 'x' OR NOT 'x' = md5(name)
md5(name) = 'x' OR 'x' <> md5(name)
created > now() OR created <= now()
created > '2020-01-01' OR created <= '2020-01-01'
extract(year from created) = 2000 OR extract(year from created) <> 2000
greatest(id, 0) >= 0
least(id, 0) <= 0
greatest(id, 5) >= least(id, 5)
id = ALL(ARRAY[id])
ARRAY[id] = ARRAY[id]
ARRAY[id] @> ARRAY[id]
id = ANY(ARRAY[1, id])
array_position(ARRAY[id], id) = 1
concat(id) = id::text
concat(id, 'x') <> ''
format('%s', id) = id::text
md5(name) = md5(name)
length(md5(name)) = 32
upper(name) = upper(name)
name = any(string_to_array(name, '~'))
name LIKE name
name LIKE '%' || ''
name LIKE '%' || '%'
name LIKE concat('%')
name LIKE concat('%', '')
name LIKE '%' ESCAPE '!'
name LIKE repeat('%', 2)
name LIKE replace('x', 'x', '%')
name LIKE chr(37)
name LIKE E'\x25'
name LIKE U&'\0025'
name LIKE '%'::text
name LIKE coalesce(NULL, '%')
name LIKE (SELECT '%')
name LIKE ANY (ARRAY['%', 'x'])
name LIKE ALL (ARRAY['%', '%%'])
name ILIKE ANY ('{%,a}')
name NOT LIKE ALL ('{}')
name || 'x' LIKE '%x'
'x' || name LIKE 'x%'
'x' || name <> ''
name || 'x' <> ''
name ~~ '%'
name ~~* '%'
name ~ '.*|x'
name ~ '(x|)'
name ~ 'x*'
name ~ 'x{0,}'
name ~ '^.*$'
name ~ '(.*)'
name ~ '[[:alnum:]]*'
name ~ '\d*'
name ~ '(?:)'
name ~ ''::text
name ~ concat('.', '*')
name SIMILAR TO '%'
name SIMILAR TO '%|x'
name SIMILAR TO '_*'
regexp_replace(name, '.*', '') = ''
name !~ 'a^'
name !~ '(?!)'
name NOT SIMILAR TO 'x' OR name = 'x'
name IS NORMALIZED OR name IS NOT NORMALIZED
random() < 2
random() >= 0
now() IS NOT NULL
now() > '2000-01-01'
current_date > '2000-01-01'
pg_backend_pid() > 0
current_user IS NOT NULL
version() LIKE 'Post%'
txid_current() > 0
current_setting('server_version_num')::int > 1
true::text = 'true'
'abc' ~ 'b'
1::text = '1'
2 * 2 = 4
length('a') = 1
'1'::int = 1
date '2020-01-01' < date '2021-01-01'
extract(year from now()) > 2000
(1, 2) = (1, 2)
(VALUES (true))
(SELECT true LIMIT 1)
(SELECT bool_or(true))
(SELECT count(*) = 1)
'a' IN ('a')
'{}'::jsonb = '{}'
'{1}'::int[] @> '{1}'
ARRAY[1] = ARRAY[1]
$$a$$ = 'a'
E'a' = 'a'
B'1' = B'1'
1 IS NOT NULL
NULL IS NULL
NOT NULL IS NOT NULL
NULL IS NOT DISTINCT FROM NULL
true = true
-1 < 0
1.0 = 1
'1' = '1'
5 BETWEEN 1 AND 10
5 BETWEEN SYMMETRIC 10 AND 1
(DATE '2001-01-01', DATE '2001-12-31') OVERLAPS (DATE '2001-10-30', DATE '2002-10-30')
id = id::int
id = id::bigint
id::text::int = id
name = name::varchar
-id = -id
+id = id
id = - - id
id IN (id)
id IN (1, id)
id = 1 OR true
true OR id = 1
NOT (id = 1 AND false)
NOT false
NOT (NULL IS NOT NULL)
public.t.id = t.id
(t).id = id
(t).id = t.id
(t.*).id = t.id
row(id) = row(id)
(id, 1) = (id, 1)
(id, name) >= (id, name)
row(id, name) IS NOT NULL
row(id, note) IS NOT NULL OR note IS NULL
NOT (id, name) < (id, name)
id OPERATOR(pg_catalog.=) id
int4eq(id, id)
texteq(name, name)
int4eq(id, 1) OR NOT int4eq(id, 1)
id IS NOT NULL
NOT (id IS NULL)
id IS NOT NULL AND name IS NOT NULL
note IS NULL OR note IS NOT NULL
coalesce(id, 0) IS NOT NULL
jsonb_typeof(j) IS NOT NULL
j -> 'a' = j -> 'a'
j ->> 'a' = j ->> 'a'
j::text LIKE '%'
id::text LIKE '%'
id::text ILIKE '%%'
active OR NOT active
active IS TRUE OR active IS FALSE
active IS NOT UNKNOWN
active = active
bool(1)
boolean 't'
cast(1 as bool)
'yes'::bool AND id = id
id = id AND name LIKE '%' AND 1 = 1
(id = id) IS TRUE
(id = id) IS NOT FALSE
(id = id) = true
(id = id) = (1 = 1)
NOT (id <> id)
id IS NOT DISTINCT FROM t.id
"#;

const STATEMENTS: &str = r#"
t: WITH x AS (SELECT id FROM t) DELETE FROM t USING x WHERE x.id = t.id
t: WITH x AS (SELECT id FROM t) DELETE FROM t WHERE id IN (SELECT id FROM x)
t: WITH x AS MATERIALIZED (SELECT id FROM t) DELETE FROM t WHERE EXISTS (SELECT 1 FROM x WHERE x.id = t.id)
t: WITH x AS (SELECT true AS b) DELETE FROM t WHERE (SELECT b FROM x)
t: WITH x AS (SELECT true AS b) DELETE FROM t USING x WHERE x.b
t: WITH x AS (SELECT 1 AS b) DELETE FROM t USING x WHERE b = 1
t: WITH RECURSIVE x AS (SELECT id FROM t) DELETE FROM t USING x WHERE x.id = t.id
t: DELETE FROM t USING t x WHERE t.id = x.id
t: DELETE FROM t USING t x WHERE t.ctid = x.ctid
t: DELETE FROM t USING t x WHERE t.id <= x.id
t: DELETE FROM t USING t x JOIN t y ON x.id = y.id WHERE t.id = x.id
t: DELETE FROM t USING (VALUES (1)) v WHERE true
t: DELETE FROM t USING (VALUES (1)) v(b) WHERE b = 1
t: DELETE FROM t USING generate_series(1, 1) g WHERE g = 1
t: DELETE FROM t USING generate_series(1, 1) g WHERE g.g > 0
t: DELETE FROM t USING (SELECT * FROM t) x WHERE t.id = x.id
t: DELETE FROM t USING (TABLE t) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id FROM t UNION ALL SELECT id FROM t) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id FROM t ORDER BY id) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT DISTINCT id FROM t) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id FROM t GROUP BY id) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id FROM t LIMIT 1000000) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id FROM t WHERE true) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id FROM (SELECT id FROM t) y) x WHERE t.id = x.id
t: DELETE FROM t USING (SELECT id AS k FROM t) x WHERE t.id = x.k
t: DELETE FROM t USING tv x WHERE t.id = x.id
t: DELETE FROM t USING tv x WHERE x.id = t.id AND true
t: DELETE FROM t USING other WHERE other.id = 1
t: DELETE FROM t USING other WHERE other.id > 0
t: DELETE FROM t USING other WHERE tid = 1
t: DELETE FROM t USING (SELECT 1) x
t: UPDATE t SET note = 'y' FROM (SELECT id, row_number() OVER () AS n FROM t) s WHERE s.id = t.id
t: UPDATE t SET note = 'y' FROM t x WHERE x.id = t.id
t: UPDATE t a SET note = 'y' FROM t b WHERE a.id = b.id AND a.name = b.name
t: UPDATE t a SET note = 'y' FROM t b LEFT JOIN other o ON o.tid = b.id WHERE a.id = b.id
t: UPDATE ONLY t SET note = 'y' WHERE true
t: UPDATE tv SET note = 'y' WHERE id = id
t: UPDATE tv SET note = 'y' WHERE id IS NOT NULL
t: DELETE FROM tv
t: DELETE FROM tv x WHERE x.id = x.id
t: DELETE FROM t AS x WHERE x.id = x.id
t: MERGE INTO t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE
t: MERGE INTO t USING (SELECT 1) s ON 1 = 1 WHEN MATCHED THEN UPDATE SET note = 'y'
t: MERGE INTO t USING (SELECT 1) s ON t.id = t.id WHEN MATCHED THEN DELETE
t: MERGE INTO t USING t s ON s.id = t.id WHEN MATCHED THEN DELETE
t: MERGE INTO t USING (SELECT * FROM t) s ON s.id = t.id WHEN MATCHED THEN DELETE
t: MERGE INTO t USING tv s ON s.id = t.id WHEN MATCHED THEN DELETE
t: MERGE INTO t USING (VALUES (1)) s(b) ON b = 1 WHEN MATCHED THEN DELETE
t: MERGE INTO t USING (SELECT 1) s ON true WHEN MATCHED AND id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'y'
t: MERGE INTO t USING (SELECT 1) s ON true WHEN MATCHED AND id = 1 THEN DELETE WHEN MATCHED AND id <> 1 THEN DELETE
t: MERGE INTO t USING t s ON s.id = t.id WHEN MATCHED AND s.id = t.id THEN DELETE
t: INSERT INTO t SELECT * FROM t ON CONFLICT (id) DO UPDATE SET note = 'y'
t: INSERT INTO t SELECT * FROM tv ON CONFLICT (id) DO UPDATE SET note = 'y'
t: INSERT INTO t TABLE t ON CONFLICT (id) DO UPDATE SET note = 'y'
t: INSERT INTO t SELECT * FROM (SELECT * FROM t) q ON CONFLICT (id) DO UPDATE SET note = 'y'
t: INSERT INTO t SELECT x.* FROM t x JOIN t y ON x.id = y.id ON CONFLICT (id) DO UPDATE SET note = 'y'
t: WITH gone AS (DELETE FROM t WHERE id = id RETURNING id) SELECT count(*) FROM gone
t: WITH gone AS (UPDATE t SET note = 'y' RETURNING id) SELECT count(*) FROM gone
parted_1: DELETE FROM parted WHERE id IS NOT NULL
parted_1: DELETE FROM parted WHERE id IN (SELECT id FROM parted_1)
parted_1: DELETE FROM parted_1 WHERE id IN (SELECT id FROM parted)
parted_1: DELETE FROM parted_1 USING parted WHERE parted.id = parted_1.id
"#;

const ORDINARY: &str = r#"
id = 5
id = 5 AND name = 'x'
id > 100
id < 1000000
id >= 0
small > 0
big < 1700000000000
big BETWEEN 1600000000000 AND 1700000000000
num <= 99999999999
dbl > 1e10
id IN (1, 2, 3)
id NOT IN (1, 2)
id <> 5
created < now() - interval '30 days'
created < '2024-01-01'
created BETWEEN '2024-01-01' AND '2024-12-31'
created >= date_trunc('month', now())
created::date = current_date
day = '2024-05-01'
tm > '08:00'
iv > interval '1 day'
u = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
u = gen_random_uuid()
name LIKE 'a%'
name ILIKE '%foo%'
name LIKE '_b%'
name ~ '^[a-z]+$'
name ~* 'foo'
name SIMILAR TO '(foo|bar)%'
name <> ''
name = ''
name > 'm'
length(name) > 3
lower(name) = 'x'
lower(name) = lower('X')
name = 'n' || 5
code = 'abc' OR code = 'def'
active
NOT active
active = false
active IS TRUE
active AND m = 'bad'
m = 'bad'
m IN ('bad')
note IS NULL
note IS NOT NULL
note IS NULL AND created < now()
coalesce(note, '') = ''
coalesce(note, '') <> ''
j @> '{}' AND id = 5
j @> '{"a": 1}'
j ? 'a'
j ->> 'a' = '5'
(j ->> 'a')::int > 5
tags @> ARRAY['x']
tags && ARRAY['x', 'y']
'x' = ANY(tags)
ip << '10.0.0.0/8'
ip = '10.0.0.1'
r @> 5
r && int4range(1, 5)
id % 2 = 0
id % 10 = 3
mod(id, 10) = 3
id & 1 = 1
abs(id) > 5
num + dbl > 100
num * 2 > 100
extract(year from created) = 2020
age(created) > interval '1 year'
id = (SELECT max(id) FROM t)
id IN (SELECT tid FROM other)
id IN (SELECT tid FROM other WHERE other.id > 5)
id NOT IN (SELECT tid FROM other WHERE tid IS NOT NULL)
id IN (SELECT id FROM t WHERE name = 'x')
id IN (SELECT id FROM t WHERE created < now() ORDER BY id LIMIT 100)
id IN (SELECT id FROM t ORDER BY created LIMIT 100)
ctid IN (SELECT ctid FROM t WHERE active LIMIT 100)
ctid = ANY(ARRAY(SELECT ctid FROM t WHERE active LIMIT 100))
id IN (SELECT x.id FROM t x JOIN other o ON o.tid = x.id)
EXISTS (SELECT 1 FROM other o WHERE o.tid = t.id)
NOT EXISTS (SELECT 1 FROM other o WHERE o.tid = t.id)
EXISTS (SELECT 1 FROM t x WHERE x.name = t.name AND x.id < t.id)
id > (SELECT avg(id) FROM t)
(id, name) = (1, 'x')
(id, name) IN ((1, 'a'), (2, 'b'))
CASE WHEN active THEN id > 5 ELSE id > 10 END
id = CASE WHEN active THEN 1 ELSE 2 END
id = 1 OR name = 'x'
id = 1 AND true
NOT (id = 1 OR id = 2)
false
ctid = '(0,1)'
tableoid = 't'::regclass AND id = 5
position('a' in name) > 0
starts_with(name, 'a')
left(name, 1) = 'n'
md5(name) = 'x'
to_tsvector('simple', name) @@ to_tsquery('simple', 'x')
starts_with(code, 'c1') AND id = ANY(ARRAY[1,2,3])
id = ANY('{1,2,3}'::int[])
id <> ALL('{1,2,3}'::int[])
"#;
