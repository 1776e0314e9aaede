//! Where the values of a masked column can come out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken fixture is to stop the test")]

mod support;

use countersign_sql::lineage::{Flows, Place, SideChannelKind, Sources, StoredColumns, Watched};
use support::{Shop, read};

const EMAIL: (&str, &str) = ("public.customers", "email");

fn watched() -> Watched {
    [EMAIL, ("public.events_1", "email")].into_iter().collect()
}

fn flows(text: &str) -> Flows {
    read(text).flows(&Shop::new().session(), &watched())
}

fn is_email(sources: &Sources) -> bool {
    sources.unknown || sources.columns.iter().any(|(_, column)| column == "email")
}

/// For each column whether the watched column may be in it.
fn columns(text: &str) -> Vec<bool> {
    let flows = flows(text);
    flows.columns.unwrap_or_else(|| panic!("columns of {text}")).iter().map(is_email).collect()
}

// long: a table of statements.
#[test]
fn i6_masked_column_is_found_wherever_it_may_come_out() {
    for text in [
        "SELECT upper(email) FROM customers",
        "SELECT c.email || 'x' FROM customers c",
        "SELECT * FROM customers",
        "SELECT c FROM customers c",
        "SELECT row_to_json(c) FROM customers c",
        "SELECT c.row_to_json FROM customers c",
        "SELECT c.to_jsonb FROM customers c",
        "SELECT (c).to_jsonb FROM customers c",
        "SELECT public.customers.to_jsonb FROM customers",
        "SELECT array_agg(c) FROM customers c",
        "SELECT c.array_agg FROM customers c",
        "SELECT (array_agg(c))[1] FROM customers c",
        "SELECT ((array_agg(c))[1]).email FROM customers c",
        "SELECT to_jsonb(customers) FROM customers",
        "SELECT (c).email FROM customers c",
        "SELECT (c).* FROM customers c",
        "SELECT email(c) FROM customers c",
        "SELECT ROW(c.*) FROM customers c",
        "SELECT (ROW(c.*)).f3 FROM customers c",
        "SELECT string_agg(email, ',') FROM customers",
        "SELECT string_agg('x', ',' ORDER BY email) FROM customers",
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY email) FROM customers",
        "SELECT first_value(email) OVER (ORDER BY id) FROM customers",
        "SELECT row_number() OVER w FROM customers WINDOW w AS (ORDER BY email)",
        "SELECT x.e FROM (SELECT email AS e FROM customers) x",
        "SELECT e FROM (SELECT email FROM customers) x (e)",
        "SELECT upper(b) FROM customers AS c (a, n, b)",
        "SELECT j.email FROM (customers c JOIN orders o ON c.id = o.customer_id) AS j",
        "SELECT y FROM customers c, LATERAL (SELECT c.email AS y) l",
        "SELECT y FROM customers, unnest(ARRAY[email]) AS y",
        "SELECT y.* FROM customers c, jsonb_each_text(to_jsonb(c)) y",
        "SELECT v FROM customers c CROSS JOIN LATERAL (VALUES (c.email)) x(v)",
        "WITH x (a, b, c) AS (TABLE customers) SELECT upper(c) FROM x",
        "WITH RECURSIVE r (n, e) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, c.email FROM r JOIN customers c ON c.id = n) SELECT e FROM r",
        "WITH RECURSIVE a AS (SELECT b.email FROM b), b AS (SELECT email FROM customers) SELECT * FROM a",
        "WITH d AS (DELETE FROM customers RETURNING email AS gone) SELECT gone FROM d",
        "SELECT name FROM customers UNION ALL SELECT email FROM customers",
        "SELECT x FROM (SELECT name AS x FROM customers UNION SELECT email FROM customers) u",
        "SELECT (SELECT max(email) FROM customers)",
        "SELECT (SELECT c.email) FROM customers c",
        "SELECT ARRAY(SELECT email FROM customers)",
        "SELECT (SELECT email FROM orders AS email LIMIT 1) FROM customers",
        "SELECT (SELECT public.customers.email FROM log AS customers) FROM customers",
        "SELECT 'x' IN (SELECT email FROM customers)",
        "SELECT CASE WHEN email LIKE 'a%' THEN 1 END FROM customers",
        "SELECT coalesce(email, 'x'), greatest(email, 'x'), nullif(email, 'x') FROM customers",
        "SELECT nullif(email, 'a') IS NULL FROM customers",
        "SELECT count(nullif(email, 'a')) FROM customers",
        "SELECT count(e) FROM (SELECT nullif(email, 'a') AS e FROM customers) x",
        "SELECT contact || '' FROM paid",
        "SELECT a || '' FROM addresses",
        "SELECT address || '' FROM mailing",
        "SELECT email || '' FROM events",
        "SELECT email || '' FROM events_1",
        "SELECT name FROM sneaky_view",
        "SELECT evil('x')",
        "SELECT query_to_xml('SELECT * FROM customers', true, true, '')",
        "SELECT most_common_vals FROM pg_stats",
        "SELECT stavalues1::text FROM pg_statistic",
        "SELECT query FROM pg_stat_activity",
        "SELECT pg_stat_get_activity(NULL)",
        "SELECT lo_get(1)",
        "SELECT * FROM nowhere",
        "SELECT nothing FROM orders",
        "DELETE FROM customers RETURNING upper(email)",
        "UPDATE customers SET name = 'x' RETURNING *",
        "UPDATE customers SET name = email RETURNING name",
        "UPDATE orders SET payments = c.email FROM customers c RETURNING orders.payments",
        "INSERT INTO log SELECT email FROM customers RETURNING line",
        "INSERT INTO customers (name) VALUES ('x') RETURNING email || ''",
        "INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.email RETURNING name",
        "MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN UPDATE SET payments = c.email RETURNING o.payments",
        "COPY customers TO STDOUT",
        "COPY customers (email) TO STDOUT",
        "COPY (SELECT upper(email) FROM customers) TO STDOUT",
        "EXPLAIN SELECT 1 FROM customers WHERE email LIKE 'a%'",
        "EXPLAIN ANALYZE SELECT 1 FROM customers ORDER BY email",
        "EXPLAIN SELECT evil('x')",
        "FETCH ALL FROM c",
        "EXECUTE never_seen",
        "CALL settle(1)",
        "SELECT upper(email) FROM customers NATURAL JOIN orders",
        "SELECT 1; SELECT upper(email) FROM customers",
        "SELEC",
    ] {
        assert!(is_email(&flows(text).outputs), "{text}");
    }
}

#[test]
fn what_cannot_carry_the_column_is_left_alone() {
    for text in [
        "SELECT upper(name) FROM customers",
        "SELECT count(*) FROM customers",
        "SELECT count(*) FROM (SELECT * FROM customers) c",
        "SELECT count(email) FROM customers",
        "SELECT count(e) FROM (SELECT email AS e FROM customers) x",
        "SELECT email IS NULL FROM customers",
        "SELECT c.email IS NOT NULL FROM customers c",
        "SELECT ctid, xmin FROM customers",
        "SELECT c.ctid FROM customers c",
        "SELECT upper(payments) FROM orders",
        "SELECT upper(email) FROM crm.customers",
        "SELECT EXISTS (SELECT email FROM customers)",
        "SELECT x.n FROM (SELECT email AS e, name AS n FROM customers) x",
        "SELECT c.name FROM customers c JOIN orders o ON o.customer_id = c.id",
        "SELECT id FROM (SELECT * FROM customers) c",
        "SELECT (c).name FROM customers c",
        "WITH c AS (SELECT * FROM customers) SELECT id, name FROM c",
        "SELECT g FROM generate_series(1, 3) g",
        "SELECT schemaname, n_distinct FROM pg_stats",
        "SELECT 1",
        "SELECT 'x'::int FROM customers",
        "EXECUTE look",
        "COPY customers (id, name) TO STDOUT",
        "COPY (SELECT id, name FROM customers) TO STDOUT",
        "EXPLAIN SELECT email FROM customers WHERE id = 1",
        "SHOW search_path",
        "SET application_name = 'x'",
        "BEGIN",
        "UPDATE customers SET name = 'x' RETURNING id, name",
    ] {
        let outputs = flows(text).outputs;
        assert!(!is_email(&outputs), "{text}: {outputs:?}");
    }
}

#[test]
fn one_output_of_several_is_told_apart() {
    for (text, expected) in [
        (
            "SELECT upper(name), upper(email), id + 1, (SELECT max(email) FROM customers), c FROM customers c",
            "01011",
        ),
        ("SELECT amount + 1, upper(contact) FROM paid", "01"),
        ("SELECT * FROM customers", "001000"),
        ("SELECT c.*, o.* FROM orders o, customers c", "001000000000"),
        ("SELECT * FROM orders o JOIN customers c USING (id)", "00000001000"),
        ("SELECT * FROM (SELECT email, id FROM customers) x", "10"),
        ("COPY customers TO STDOUT", "001000"),
        ("COPY customers (email, id) TO STDOUT", "10"),
        ("COPY (SELECT id, email FROM customers) TO STDOUT", "01"),
        ("VALUES (1, 'x'), (2, (SELECT email FROM customers))", "01"),
        ("SELECT id, name FROM customers UNION ALL SELECT id, email FROM customers", "01"),
    ] {
        let expected: Vec<bool> = expected.chars().filter(|c| *c != ' ').map(|c| c == '1').collect();
        assert_eq!(columns(text), expected, "{text}");
    }
}

#[test]
fn i6_a_column_of_a_view_or_a_partition_is_the_column_behind_it() {
    let shop = Shop::new();
    let session = shop.session();
    let watched = watched();
    let mut stored = StoredColumns::new(&session, &watched);
    let mut carries =
        |relation: &str, attribute| is_email(&stored.origin(shop.oid(relation), attribute).sources);
    assert!(carries("public.customers", 3));
    assert!(!carries("public.customers", 2));
    assert!(!carries("public.customers", -1));
    assert!(carries("public.paid", 3));
    assert!(!carries("public.paid", 2));
    assert!(carries("public.addresses", 1));
    assert!(carries("public.mailing", 2));
    assert!(carries("public.events_1", 3));
    assert!(carries("public.events", 3));
    assert!(!carries("public.events", 1));
    assert!(!carries("crm.customers", 2));
    assert!(is_email(&stored.origin(1, 1).sources));
}

#[test]
fn i6_foreign_tables_may_hold_anything() {
    let foreign = flows("SELECT id FROM far_away").outputs.foreign;
    assert!(foreign.contains("public.far_away"));
    assert!(flows("SELECT id FROM wide").outputs.foreign.contains("public.wide"));
    assert!(flows("SELECT id FROM orders").outputs.foreign.is_empty());
}

#[test]
fn copies_name_the_place_that_receives_them() {
    let place = |text: &str| {
        let copies = flows(text).copies;
        assert!(!copies.is_empty(), "{text}");
        let mut all: Vec<String> = copies
            .iter()
            .map(|copy| match &copy.into {
                Place::Column { relation, column, read_back } => {
                    format!("{relation}.{column}{}", if read_back.is_empty() { "" } else { " protected" })
                }
                Place::Outside => "outside".to_owned(),
                Place::Unknown => "unknown".to_owned(),
            })
            .collect();
        all.sort();
        all.dedup();
        all.join(", ")
    };
    for (text, expected) in [
        ("UPDATE customers SET name = email", "public.customers.name"),
        ("UPDATE customers SET email = upper(email)", "public.customers.email protected"),
        (
            "UPDATE customers SET (name, phone) = (SELECT email, 'x')",
            "public.customers.name, public.customers.phone",
        ),
        ("INSERT INTO log SELECT email FROM customers", "public.log.line"),
        ("INSERT INTO orders (id, payments) SELECT id, email FROM customers", "public.orders.payments"),
        ("WITH x AS (SELECT email FROM customers) INSERT INTO log TABLE x", "public.log.line"),
        ("WITH x AS (INSERT INTO log SELECT email FROM customers) SELECT 1", "public.log.line"),
        ("INSERT INTO log VALUES ((SELECT max(email) FROM customers))", "public.log.line"),
        (
            "INSERT INTO customers (id, email) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET phone = customers.email",
            "public.customers.phone",
        ),
        (
            "MERGE INTO orders o USING customers c ON o.id = c.id WHEN NOT MATCHED THEN INSERT (payments) VALUES (c.email)",
            "public.orders.payments",
        ),
        ("CREATE TABLE loot AS SELECT email FROM customers", "public.loot.email"),
        ("CREATE TEMP TABLE loot AS SELECT upper(email) AS e FROM customers", "pg_temp.loot.e"),
        ("SELECT id, email INTO loot FROM customers", "public.loot.email"),
        ("CREATE TABLE loot (a) AS SELECT email FROM customers", "public.loot.a"),
        ("ALTER TABLE customers RENAME COLUMN email TO mail", "public.customers.mail"),
        ("ALTER TABLE customers RENAME TO people", "public.people.email"),
        ("ALTER TABLE customers SET SCHEMA crm", "crm.customers.email"),
        ("ALTER TABLE customers ALTER name TYPE text USING email", "public.customers.name"),
        ("ALTER TABLE events DETACH PARTITION events_1", "public.events_1.email protected"),
        ("COPY (SELECT email FROM customers) TO '/tmp/x'", "outside"),
        ("COPY customers TO PROGRAM 'cat'", "outside"),
        ("CREATE TRIGGER t AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION f()", "unknown"),
        (
            "CREATE RULE r AS ON INSERT TO orders DO ALSO INSERT INTO log SELECT email FROM customers",
            "public.log.line",
        ),
        (
            "CREATE RULE r AS ON UPDATE TO customers DO ALSO INSERT INTO log VALUES (old.email)",
            "public.log.line",
        ),
        ("SELECT evil('x')", "unknown"),
        ("DO $$ BEGIN END $$", "unknown"),
        ("INSERT INTO nowhere SELECT email FROM customers", "unknown"),
    ] {
        assert_eq!(place(text), expected, "{text}");
    }
    for text in [
        "INSERT INTO orders (customer_id, note) SELECT id, to_jsonb(name) FROM customers",
        "UPDATE customers SET name = 'x' WHERE email = 'y'",
        "INSERT INTO customers (email) VALUES ('x')",
        "CREATE VIEW v AS SELECT email FROM customers",
        "CREATE MATERIALIZED VIEW v AS SELECT email FROM customers",
        "EXPLAIN INSERT INTO log SELECT email FROM customers",
        "COPY customers FROM STDIN",
        "SELECT vat(1)",
        "SELECT g.email FROM json_to_record('{}') AS g",
    ] {
        assert_eq!(flows(text).copies.len(), 0, "{text}");
    }
}

#[test]
fn each_comparison_with_a_constant_is_a_lookup_of_its_own() {
    let lookups = |text: &str| flows(text).lookups;
    assert_eq!(lookups("SELECT id FROM customers WHERE email = 'x'"), 1);
    assert_eq!(lookups("SELECT id FROM customers WHERE email = 'x' OR email = 'y' OR email = $1"), 3);
    assert_eq!(
        lookups(
            "SELECT id FROM customers WHERE email = 'x' UNION ALL SELECT id FROM customers WHERE email = 'y'"
        ),
        2
    );
    assert_eq!(lookups("SELECT id FROM customers WHERE name = 'x'"), 0);
}

#[test]
fn predicates_over_the_column_are_told_from_lookups() {
    // `=`: a lookup by equality, `?`: another predicate, nothing: none.
    let predicates = |text: &str| {
        let predicates = flows(text).predicates;
        let masked = predicates.iter().filter(|one| is_email(&one.sources));
        let mut kinds: Vec<&str> =
            masked.map(|one| if one.equality_with_constant { "=" } else { "?" }).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.concat()
    };
    for (text, expected) in [
        ("SELECT id FROM customers WHERE email = 'x'", "="),
        ("SELECT id FROM customers WHERE email = $1 AND name LIKE 'a%'", "="),
        ("SELECT id FROM customers WHERE $1::text = email", "="),
        ("SELECT id FROM customers WHERE email::text = 'x' OR id = 1", "="),
        ("SELECT id FROM customers WHERE email IN ('x')", "="),
        ("SELECT id FROM paid WHERE contact = $1", "="),
        ("UPDATE customers SET name = 'x' WHERE email = 'y'", "="),
        ("SELECT id FROM customers WHERE email IS NULL", ""),
        ("SELECT id FROM customers WHERE name = 'x' ORDER BY id", ""),
        ("SELECT email FROM customers WHERE id = 1", ""),
        ("SELECT id, email FROM customers ORDER BY 1", ""),
        ("SELECT upper(name) AS email FROM customers ORDER BY email", ""),
        ("SELECT id FROM customers WHERE email IN ('x', 'y')", "?"),
        ("SELECT id FROM customers WHERE email = ANY ($1)", "?"),
        ("SELECT id FROM customers WHERE email LIKE 'a%'", "?"),
        ("SELECT id FROM customers WHERE email <> 'x'", "?"),
        ("SELECT id FROM customers WHERE NOT (email = 'x')", "?"),
        ("SELECT id FROM customers WHERE lower(email) = 'x'", "?"),
        ("SELECT id FROM customers WHERE email = name", "?"),
        ("SELECT id FROM customers WHERE email = (SELECT 'x')", "?"),
        ("SELECT id FROM customers WHERE (id, email) IN ((1, 'x'))", "?"),
        ("SELECT id FROM customers WHERE (email = 'x') IS TRUE", "?"),
        ("SELECT o.id FROM orders o JOIN customers c ON o.payments = substr(c.email, 1, 1)", "?"),
        ("SELECT o.id FROM orders o JOIN crm.customers USING (id) JOIN customers c USING (email)", "?"),
        ("SELECT 1 FROM customers NATURAL JOIN crm.customers", "?"),
        ("SELECT id FROM customers ORDER BY email", "?"),
        ("SELECT id, email FROM customers ORDER BY 2", "?"),
        ("SELECT id, email AS e FROM customers ORDER BY e", "?"),
        ("SELECT count(*) FROM customers GROUP BY email", "?"),
        ("SELECT email, count(*) FROM customers GROUP BY 1", "?"),
        ("SELECT count(*) FROM customers GROUP BY GROUPING SETS ((name), (email))", "?"),
        ("SELECT name FROM customers GROUP BY name HAVING max(email) > 'm'", "?"),
        ("SELECT DISTINCT email FROM customers", "?"),
        ("SELECT DISTINCT ON (email) id FROM customers", "?"),
        ("SELECT count(DISTINCT email) FROM customers", "?"),
        ("SELECT count(*) FILTER (WHERE email LIKE 'a%') FROM customers", "?"),
        ("SELECT rank() OVER (PARTITION BY email ORDER BY id) FROM customers", "?"),
        ("SELECT rank() OVER w FROM customers WINDOW w AS (ORDER BY email)", "?"),
        ("SELECT id FROM customers UNION SELECT length(email) FROM customers", "?"),
        ("SELECT email FROM customers EXCEPT SELECT 'x'", "?"),
        ("SELECT CASE WHEN email LIKE 'a%' THEN 1 ELSE 2 END FROM customers", "?"),
        ("SELECT 1 FROM customers, generate_series(1, ascii(email))", "?"),
        ("SELECT generate_series(1, ascii(email)) FROM customers", "?"),
        ("SELECT id FROM orders LIMIT (SELECT ascii(max(email)) FROM customers)", "?"),
        ("SELECT EXISTS (SELECT 1 FROM customers c WHERE c.email > 'm')", "?"),
        ("SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.email = o.payments)", "?"),
        ("SELECT email::int FROM customers", "?"),
        ("SELECT 1 / ascii(email) FROM customers", "?"),
        ("DELETE FROM orders USING customers c WHERE c.email LIKE 'a%'", "?"),
        ("MERGE INTO orders o USING customers c ON o.payments = c.email WHEN MATCHED THEN DELETE", "?"),
        ("CREATE VIEW v AS SELECT id FROM customers WHERE email LIKE 'a%'", "?"),
        ("CREATE POLICY p ON customers USING (email LIKE 'a%')", "?"),
        ("CREATE INDEX i ON customers (id) WHERE email LIKE 'a%'", "?"),
        ("ALTER TABLE customers ADD CHECK (email LIKE 'a%')", "?"),
        ("DECLARE c CURSOR FOR SELECT id FROM customers ORDER BY email", "?"),
        ("COPY (SELECT id FROM customers ORDER BY email) TO STDOUT", "?"),
    ] {
        assert_eq!(predicates(text), expected, "{text}");
    }
}

#[test]
fn i6_values_in_side_channels_are_found() {
    use SideChannelKind::{
        AdvisoryLock, Duration, DynamicSql, LargeObject, Network, Notification, Sequence, Server, Setting,
    };
    for (text, kind) in [
        ("SELECT set_config('application_name', email, true) FROM customers", Setting),
        (
            "SELECT set_config('search_path', string_agg(quote_ident(email), ','), true) FROM customers",
            Setting,
        ),
        (
            "SELECT set_config('work_mem', (SELECT ascii(email) || 'MB' FROM customers LIMIT 1), false)",
            Setting,
        ),
        ("SELECT setseed(ascii(email)) FROM customers", Setting),
        ("SELECT pg_notify('z', email) FROM customers", Notification),
        ("SELECT pg_notify(email, '') FROM customers", Notification),
        ("SELECT pg_advisory_lock(hashtext(email)) FROM customers", AdvisoryLock),
        ("SELECT pg_try_advisory_xact_lock(1, ascii(email)) FROM customers", AdvisoryLock),
        ("SELECT pg_advisory_unlock(ascii(email)) FROM customers", AdvisoryLock),
        ("SELECT setval('numbers', ascii(email)) FROM customers", Sequence),
        ("SELECT lo_from_bytea(0, email::bytea) FROM customers", LargeObject),
        ("SELECT lo_put(1, 0, convert_to(email, 'utf8')) FROM customers", LargeObject),
        ("SELECT lo_create(ascii(email)) FROM customers", LargeObject),
        ("SELECT dblink('x', 'SELECT ' || quote_literal(email)) FROM customers", Network),
        ("SELECT pg_sleep(ascii(email)) FROM customers", Duration),
        ("SELECT query_to_xml(email, true, true, '') FROM customers", DynamicSql),
        ("SELECT pg_terminate_backend(ascii(email)) FROM customers", Server),
        ("SELECT 1 FROM customers WHERE set_config('a.b', email, true) IS NULL", Setting),
        ("INSERT INTO log SELECT set_config('a.b', email, true) FROM customers", Setting),
    ] {
        let found = flows(text).side_channels;
        assert!(found.iter().any(|one| one.kind == kind && is_email(&one.sources)), "{text}: {found:?}");
    }
    for text in [
        "SELECT pg_notify('z', 'x'), email FROM customers",
        "SELECT set_config('application_name', name, true) FROM customers",
        "SELECT pg_advisory_lock(id) FROM customers",
    ] {
        assert_eq!(flows(text).side_channels.len(), 0, "{text}");
    }
}

#[test]
fn i6_what_is_touched_covers_everything_else() {
    for text in include_str!("statements.txt").lines().filter(|line| !line.trim().is_empty()) {
        let flows = flows(text);
        assert!(flows.touched.covers(&flows.outputs), "{text}");
        for sources in flows
            .columns
            .iter()
            .flatten()
            .chain(flows.copies.iter().map(|one| &one.sources))
            .chain(flows.predicates.iter().map(|one| &one.sources))
            .chain(flows.side_channels.iter().map(|one| &one.sources))
        {
            assert!(flows.touched.covers(sources), "{text}");
        }
    }
}

#[test]
fn nothing_is_looked_at_where_nothing_is_watched() {
    let none = Watched::default();
    assert_eq!(read("SELECT * FROM nowhere").flows(&Shop::new().session(), &none), Flows::default());
}
