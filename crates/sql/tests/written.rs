//! Values that reach rows, or lose their names, besides what a statement says itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken fixture is to stop the test")]

mod support;

use countersign_sql::Redefined;
use countersign_sql::lineage::{Flows, Place, Sources, StoredColumns, Watched};
use support::{Shop, read};

fn watched() -> Watched {
    [
        ("public.customers", "email"),
        ("public.customers", "doc"),
        ("public.customers", "tags"),
        ("public.customers", "hs"),
        ("public.customers", "age"),
        ("public.keys", "code"),
        ("public.child", "ssn"),
        ("public.places", "street"),
        ("public.mails", "mail"),
        ("crm.people", "email"),
    ]
    .into_iter()
    .collect()
}

fn flows(text: &str) -> Flows {
    read(text).flows(&Shop::written().session(), &watched())
}

fn is_watched(sources: &Sources) -> bool {
    sources.unknown || !sources.columns.is_empty()
}

fn has_predicate(text: &str) -> bool {
    flows(text).predicates.iter().any(|one| is_watched(&one.sources) && !one.equality_with_constant)
}

/// The places without a rule that a watched value is copied to.
fn copies(text: &str) -> Vec<String> {
    let watched = watched();
    let is_watched = |relation: &str, column: &str| {
        watched.columns(relation).is_some_and(|columns| columns.contains(column))
    };
    let places = flows(text).copies.into_iter().filter_map(|copy| match copy.into {
        Place::Column { relation, column, read_back } => {
            let protected = is_watched(&relation, &column) || !read_back.is_empty();
            (!protected).then(|| format!("{relation}.{column}"))
        }
        Place::Outside => Some("outside".to_owned()),
        Place::Unknown => Some("unknown".to_owned()),
    });
    places.collect()
}

#[test]
fn i6_rows_of_rules_reach_the_client_with_and_without_returning() {
    for text in [
        "UPDATE ruled SET t = 'y'",
        "UPDATE ruled SET t = 'y' RETURNING id",
        "INSERT INTO ruled VALUES (1, 'x')",
        "UPDATE over_ruled SET t = 'y'",
        "INSERT INTO over_ruled VALUES (1, 'x')",
        "EXPLAIN ANALYZE UPDATE ruled SET t = f_email(1)",
        // What is not known may have rules, and views that call functions.
        "UPDATE unheard_of SET t = 'y'",
        "DELETE FROM unheard_of",
        "CREATE RULE r AS ON DELETE TO quiet DO ALSO SELECT email FROM customers; DELETE FROM quiet",
        "EXPLAIN VERBOSE SELECT * FROM unheard_of",
    ] {
        assert!(is_watched(&flows(text).outputs), "{text}");
    }
    for text in ["DELETE FROM ruled", "SELECT * FROM ruled", "UPDATE quiet SET t = 'y'"] {
        assert!(!is_watched(&flows(text).outputs), "{text}");
    }
}

#[test]
fn i6_what_row_triggers_put_into_a_row_is_returned() {
    for text in [
        "INSERT INTO trg VALUES (1, 'x') RETURNING t",
        "UPDATE trg SET id = 1 RETURNING t",
        "INSERT INTO over_trg VALUES (1, 'x') RETURNING t",
        "INSERT INTO parted VALUES (1, 'x') RETURNING t",
        "WITH w AS (INSERT INTO trg VALUES (1, 'x') RETURNING t) SELECT t FROM w",
        "MERGE INTO trg USING quiet q ON false WHEN NOT MATCHED THEN INSERT VALUES (1, 'x') RETURNING t",
    ] {
        let flows = flows(text);
        assert!(is_watched(&flows.outputs), "{text}");
        assert!(flows.returns_written || text.starts_with("WITH"), "{text}");
    }
    for text in [
        "DELETE FROM trg RETURNING t",
        "INSERT INTO trg VALUES (1, 'x')",
        "INSERT INTO quiet VALUES (1, 'x') RETURNING t",
        "UPDATE quiet SET id = 1 RETURNING t",
    ] {
        assert!(!is_watched(&flows(text).outputs), "{text}");
    }
    let mut shop = Shop::written();
    shop.safe.insert("public.sets".into());
    let declared = read("INSERT INTO trg VALUES (1, 'x') RETURNING t").flows(&shop.session(), &watched());
    assert!(!is_watched(&declared.outputs), "a trigger's function that was declared harmless");
}

#[test]
fn i6_defaults_are_stored_and_returned() {
    for (text, places, returned) in [
        ("INSERT INTO deft (id, d, n, p) VALUES (1, 'd', 1, 'p') RETURNING t", "public.deft.t", true),
        ("INSERT INTO deft (id, t, d, p) VALUES (1, 't', 'd', 'p') RETURNING n", "public.deft.n", true),
        ("INSERT INTO deft (t, d, n) VALUES ('t', 'd', 1) RETURNING p", "public.deft.p", true),
        ("INSERT INTO deft (t, n, p) VALUES ('t', 1, 'p') RETURNING d", "public.deft.d", true),
        ("INSERT INTO deft VALUES (1, 't', 1, 'x', 'p', DEFAULT) RETURNING d", "public.deft.d", true),
        ("INSERT INTO deft (t, n, p, d) VALUES ('t', 1, 'p', 'd') RETURNING *", "", false),
        (
            "INSERT INTO deft (t, n, p, d) VALUES ('t', 1, 'p', 'd'), (DEFAULT, 1, 'p', 'd')",
            "public.deft.t",
            false,
        ),
        ("INSERT INTO deft DEFAULT VALUES", "public.deft.d public.deft.n public.deft.p public.deft.t", false),
        ("UPDATE deft SET t = DEFAULT RETURNING t", "public.deft.t", true),
        ("UPDATE deft SET (id, t) = (1, DEFAULT) RETURNING t", "public.deft.t", true),
        ("UPDATE deft SET plain = DEFAULT, e = DEFAULT RETURNING plain", "", false),
        (
            "INSERT INTO over_deft (shown) VALUES ('x') RETURNING shown",
            "public.deft.d public.deft.n public.deft.p",
            false,
        ),
        (
            "INSERT INTO over_deft (id) VALUES (1) RETURNING shown",
            "public.deft.d public.deft.n public.deft.p public.deft.t",
            true,
        ),
        ("COPY deft (id, n, p, d) FROM STDIN", "public.deft.t", false),
        ("COPY deft FROM STDIN", "", false),
        (
            "MERGE INTO deft USING quiet q ON false WHEN NOT MATCHED THEN INSERT (n, p, d) VALUES (1, 'p', 'd')",
            "public.deft.t",
            false,
        ),
        (
            "MERGE INTO deft USING quiet q ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
            "public.deft.d public.deft.n public.deft.p public.deft.t",
            false,
        ),
        (
            "INSERT INTO deft (t, n, p, d) VALUES ('t', 1, 'p', 'd') ON CONFLICT (id) DO UPDATE SET plain = DEFAULT, t = DEFAULT",
            "public.deft.t",
            false,
        ),
    ] {
        let mut all = copies(text);
        all.sort();
        all.dedup();
        assert_eq!(all.join(" "), places, "{text}");
        assert_eq!(is_watched(&flows(text).outputs), returned, "{text}");
    }
}

#[test]
fn i6_explain_shows_what_the_planner_has_computed() {
    for text in [
        "EXPLAIN VERBOSE SELECT f_fixed(1)",
        "EXPLAIN SELECT 1 WHERE f_fixed(1) = 'x'",
        "EXPLAIN VERBOSE SELECT e FROM (SELECT g_email(1) AS e) x",
        "EXPLAIN VERBOSE INSERT INTO deft (id, p) VALUES (1, 'p')",
    ] {
        assert!(is_watched(&flows(text).outputs), "{text}");
    }
    for text in ["EXPLAIN VERBOSE SELECT f_name(1)", "EXPLAIN SELECT email FROM customers"] {
        assert!(!is_watched(&flows(text).outputs), "{text}");
    }
}

#[test]
fn i6_a_change_of_names_is_a_copy() {
    for (text, expected) in [
        ("ALTER SCHEMA crm RENAME TO other", "other.people.email"),
        (
            "ALTER INDEX customers RENAME TO people",
            "public.people.age public.people.doc public.people.email public.people.hs public.people.tags",
        ),
        ("ALTER SEQUENCE crm.people RENAME TO p", "crm.p.email"),
        ("ALTER TYPE addr RENAME ATTRIBUTE street TO road CASCADE", "public.places.road"),
        ("UPDATE pg_class SET relname = 'x'", "unknown"),
        ("DELETE FROM pg_rewrite", "unknown"),
        ("INSERT INTO pg_attribute (attname) VALUES ('x')", "unknown"),
        ("ALTER TABLE quiet ADD COLUMN e text DEFAULT f_email(1)", "public.quiet.e"),
        ("ALTER TABLE quiet ADD COLUMN e d_email", "public.quiet.e"),
        ("ALTER TABLE keys ADD COLUMN e text GENERATED ALWAYS AS (lower(code)) STORED", "public.keys.e"),
        ("CREATE TABLE loot (id int, e text DEFAULT f_email(1))", "public.loot.e"),
        ("CREATE SCHEMA s CREATE TABLE s.loot (id int, e text DEFAULT f_email(1))", "s.loot.e"),
        ("UPDATE keys SET code = code || 'x'", "public.refers.code"),
        ("CREATE TABLE z (); INSERT INTO deft (d, n, p) VALUES ('d', 1, 'p')", "public.deft.t"),
        ("CREATE OR REPLACE VIEW vv AS SELECT id, name AS email FROM customers", "public.mv.email"),
        (
            "CREATE OR REPLACE FUNCTION f_email(int) RETURNS text LANGUAGE sql AS 'SELECT name FROM public.customers'",
            "public.mf.e",
        ),
        // A text that names what is made anew may have another meaning, whether or not it had one before.
        ("CREATE FUNCTION crm.f_email(text) RETURNS text LANGUAGE sql AS 'SELECT $1'", "public.mf.e"),
        ("CREATE TABLE crm.f_email (id int)", "public.mf.e"),
        ("ALTER TABLE quiet RENAME TO f_email", "public.mf.e"),
        ("ALTER TABLE quiet ALTER COLUMN t SET DEFAULT f_email(1)", "public.quiet.t"),
        ("DROP TABLE child", "public.mp.ssn"),
        ("ALTER TABLE child NO INHERIT parent", "public.mp.ssn"),
    ] {
        let mut all = copies(text);
        all.sort();
        all.dedup();
        assert_eq!(all.join(" "), expected, "{text}");
    }
    for text in [
        "ALTER SCHEMA crm OWNER TO postgres",
        "ALTER TABLE customers RENAME CONSTRAINT customers_pkey TO p",
        "ALTER TABLE quiet ADD COLUMN e text DEFAULT f_name(1)",
        "CREATE TABLE plain (id serial, e text DEFAULT 'x', g int GENERATED ALWAYS AS (id + 1) STORED)",
        "UPDATE keys SET code = 'x'",
        "CREATE OR REPLACE VIEW vv AS SELECT id, lower(email) AS email FROM customers",
        "CREATE OR REPLACE VIEW over_ruled AS SELECT id, t FROM ruled",
        "DROP TABLE quiet",
        "ALTER TABLE quiet ALTER COLUMN t SET DEFAULT f_name(1)",
        "ALTER TABLE quiet ALTER COLUMN t DROP DEFAULT",
        "CREATE FUNCTION other(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        assert_eq!(copies(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn i6_code_that_can_fail_or_return_a_set_is_a_predicate() {
    for text in [
        "SELECT id, jsonb_path_query_tz(doc, '$.a') FROM customers",
        "SELECT id, information_schema._pg_expandarray(tags) FROM customers",
        "SELECT id, pg_options_to_table(tags) FROM customers",
        "SELECT id, skeys(hs) FROM customers",
        "SELECT (hs).skeys FROM customers",
        "SELECT each(hs) FROM customers",
        "SELECT f_rows(email) FROM customers",
        "SELECT (c.tags).unnest FROM customers c",
        "SELECT unnest(tags) FROM customers",
        "SELECT EXISTS (SELECT jsonb_path_query_tz(c.doc, '$.a')) FROM customers c",
        "SELECT replace(left(email, 1), 'k', '1')::jsonb FROM customers",
        "SELECT email::json FROM customers",
        "SELECT email::xml FROM customers",
        "SELECT XMLPARSE(CONTENT email) FROM customers",
        "SELECT JSON(email) FROM customers",
        "SELECT int4(email) FROM customers",
        "SELECT float8(email) FROM customers",
        "SELECT date(email) FROM customers",
        "SELECT mod(1, age), div(1, age), int4div(1, age) FROM customers",
        "SELECT 1 / age FROM customers",
        "SELECT age + 2147483600 FROM customers",
        "SELECT - age FROM customers",
        "SELECT substr('x', 1, age) FROM customers",
        "SELECT substr(nullif(email, 'x'), 1, -1) FROM customers",
        "SELECT 'x' ~ email FROM customers",
        "SELECT email LIKE 'k\\' FROM customers",
        "SELECT email IN ('x', (1 / id)::text) FROM customers",
        "SELECT email BETWEEN 'a' AND (1 / id)::text FROM customers",
        "SELECT (email, 1 / id) = ('x', 1) FROM customers",
        "SELECT ROW(email, 1 / id) < ROW('x', 1) FROM customers",
        "SELECT email = ANY (SELECT (1 / id)::text FROM quiet) FROM customers",
        "SELECT email IN (SELECT t FROM quiet) FROM customers",
        "SELECT ('{' || email || '}')::text[] FROM customers",
        "SELECT email::crm.text FROM customers",
        "SELECT XMLSERIALIZE(DOCUMENT email AS text) FROM customers",
        "SELECT chr(age), repeat('x', age) FROM customers",
        "SELECT email LIKE 'k%' AND 1 / id > 0 FROM customers",
        "SELECT coalesce(nullif(email, 'x'), (1 / id)::text) FROM customers",
        "SELECT id FROM gen g JOIN keys USING (id) WHERE keys.g IS NULL",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT 1')",
        "SELECT f_pl()",
        "CREATE INDEX i ON customers ((email::int))",
        "CREATE INDEX i ON customers (lower(email))",
        "CREATE UNIQUE INDEX i ON customers (email)",
        "CREATE STATISTICS s ON (email::int), id FROM customers",
        "ALTER TABLE keys ADD COLUMN x int GENERATED ALWAYS AS (code::int) STORED",
        "ALTER TABLE keys ALTER COLUMN code TYPE varchar(3)",
        "ALTER DOMAIN d_mail ADD CHECK (VALUE LIKE 'a%')",
        "ALTER DOMAIN d_mail VALIDATE CONSTRAINT c",
        "ALTER TABLE parent ATTACH PARTITION child FOR VALUES IN ('x')",
        "CLUSTER customers USING customers_email_key",
    ] {
        assert!(has_predicate(text), "{text}");
    }
    for text in [
        "SELECT lower(email), length(email), substr(email, 1, 3), email || 'x', md5(email) FROM customers",
        "SELECT doc -> 'a', doc ->> 'a', to_jsonb(c), age = 3, email ~ 'a' FROM customers c",
        "SELECT max(email), count(email), string_agg(email, ',') FROM customers",
        "SELECT coalesce(email, 'x'), email = 'x', email = ANY (ARRAY['x']), email IS NULL, email::text, pg_typeof(email) FROM customers",
        "SELECT 1 / id, name::int, generate_series(1, id), unnest(ARRAY[name]) FROM customers",
        "CREATE INDEX i ON customers (email)",
        "CREATE INDEX i ON customers (lower(name))",
        "ALTER TABLE quiet ADD COLUMN n int DEFAULT 1",
        "UPDATE customers SET name = 'x' WHERE id = 1",
    ] {
        assert!(!has_predicate(text), "{text}: {:?}", flows(text).predicates);
    }
}

#[test]
fn i6_a_generated_column_that_is_null_says_something_of_its_sources() {
    let outputs = |text: &str| is_watched(&flows(text).outputs);
    for text in
        ["SELECT g IS NULL FROM keys", "SELECT count(g) FROM keys", "UPDATE keys SET code = 'x' RETURNING g"]
    {
        assert!(outputs(text), "{text}");
    }
    assert!(has_predicate("SELECT id FROM keys WHERE g IS NULL"));
    assert!(!outputs("SELECT code IS NULL, count(id) FROM keys GROUP BY 1"));
    // What is stored in a column is in those that are generated from it.
    assert!(outputs("UPDATE gen SET a = (SELECT max(email) FROM customers) RETURNING g"));
    let shop = Shop::written();
    let (session, watched) = (shop.session(), watched());
    let mut stored = StoredColumns::new(&session, &watched);
    let keys = shop.catalogue.relation_by_name("public.keys").unwrap().oid();
    assert!(is_watched(&stored.origin(keys, 3).sources));
    assert!(!is_watched(&flows("SELECT pg_typeof(email) FROM customers").outputs));
}

#[test]
fn i7_what_rests_on_a_name_that_is_redefined_is_found() {
    let shop = Shop::written();
    let rests = |text: &str, names: &[&str]| {
        let redefined =
            Redefined { names: names.iter().map(|name| (*name).into()).collect(), anything: false };
        read(text).rests_on(&redefined, &shop.catalogue)
    };
    for (text, name) in [
        ("SELECT * FROM vv", "vv"),
        ("SELECT * FROM vv", "customers"),
        ("SELECT * FROM mv", "vv"),
        ("SELECT * FROM mf", "f_email"),
        ("SELECT g_email(1)", "customers"),
        ("SELECT c.f_name FROM customers c", "f_name"),
        ("SELECT * FROM parent", "child"),
        ("SELECT * FROM child", "parent"),
        ("INSERT INTO trg VALUES (1)", "sets"),
        ("INSERT INTO deft (id) VALUES (1)", "f_email"),
        ("INSERT INTO deft (id) VALUES (1)", "customers"),
        ("UPDATE keys SET code = 'x'", "refers"),
        ("UPDATE ruled SET t = 'x'", "customers"),
        ("SELEC", "anything"),
    ] {
        assert!(rests(text, &[name]), "{text} rests on {name}");
    }
    for (text, name) in [
        ("SELECT * FROM customers", "vv"),
        ("SELECT * FROM keys", "refers"),
        ("SELECT * FROM refers", "keys"),
        ("SELECT 1", "customers"),
        ("SELECT * FROM quiet", "trg"),
    ] {
        assert!(!rests(text, &[name]), "{text} does not rest on {name}");
    }
    assert!(!read("SELECT * FROM vv").rests_on(&Redefined::default(), &shop.catalogue));
    assert!(read("SELECT 1").rests_on(&Redefined::anything(), &shop.catalogue));
}
