//! Facts against a server: what a statement was observed to change or read there is in its facts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod support;

use std::collections::BTreeSet;

use countersign_common::facts::{Action, Class, Facts, Flag};
use countersign_sql::{Catalogue, Session};
use countersign_testkit::{Postgres, PostgresOptions};
use support::{read, served};

const SCHEMA: &str = "
CREATE SCHEMA w;
CREATE TABLE w.orders (id int PRIMARY KEY, note text);
CREATE TABLE w.items (id int PRIMARY KEY, order_id int REFERENCES w.orders ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE w.parts (id int, item_id int REFERENCES w.items ON DELETE SET NULL);
CREATE TABLE w.payments (id int, note text);
CREATE TABLE w.log (line text);
CREATE TABLE w.events (id int, note text) PARTITION BY RANGE (id);
CREATE TABLE w.events_1 PARTITION OF w.events FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE w.events_11 PARTITION OF w.events_1 FOR VALUES FROM (0) TO (100);
CREATE TABLE w.events_2 PARTITION OF w.events FOR VALUES FROM (100) TO (200);
CREATE TABLE w.base (id int, note text);
CREATE TABLE w.child () INHERITS (w.base);
CREATE TABLE w.grandchild () INHERITS (w.child);
CREATE VIEW w.pay AS SELECT id, note FROM w.payments WHERE id < 1000;
CREATE VIEW w.pay2 AS SELECT id, note FROM w.pay;
CREATE VIEW w.joined AS SELECT o.id, p.note FROM w.orders o JOIN w.payments p ON p.id = o.id;
CREATE MATERIALIZED VIEW w.stored AS SELECT id FROM w.pay;
CREATE TABLE w.inbox (id int, note text);
CREATE RULE purge AS ON INSERT TO w.inbox DO ALSO DELETE FROM w.payments WHERE id = new.id;
CREATE TABLE w.outbox (id int, note text);
CREATE RULE divert AS ON UPDATE TO w.outbox DO INSTEAD INSERT INTO w.log VALUES (old.note);
CREATE RULE via AS ON DELETE TO w.joined DO INSTEAD DELETE FROM w.pay2 WHERE id = old.id;
CREATE TABLE w.watched (id int, note text);
CREATE FUNCTION w.noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO w.log VALUES ('t'); RETURN NULL; END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON w.watched FOR EACH ROW EXECUTE FUNCTION w.noted();
CREATE FUNCTION w.wipe() RETURNS void LANGUAGE sql AS 'DELETE FROM w.payments WHERE id > 0';
CREATE FUNCTION w.wipe_atomic() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM w.payments WHERE id > 0; END;
INSERT INTO w.orders SELECT i, 'x' FROM generate_series(1, 9) i;
INSERT INTO w.items SELECT i, i FROM generate_series(1, 9) i;
INSERT INTO w.parts SELECT i, i FROM generate_series(1, 9) i;
INSERT INTO w.payments SELECT i, 'x' FROM generate_series(1, 9) i;
INSERT INTO w.events SELECT i, 'x' FROM generate_series(1, 150, 10) i;
INSERT INTO w.base SELECT i, 'x' FROM generate_series(1, 9) i;
INSERT INTO w.child SELECT i, 'x' FROM generate_series(1, 9) i;
INSERT INTO w.grandchild SELECT i, 'x' FROM generate_series(1, 9) i;
INSERT INTO w.outbox SELECT i, 'x' FROM generate_series(1, 9) i;
INSERT INTO w.watched SELECT i, 'x' FROM generate_series(1, 9) i;
";

struct World {
    server: Postgres,
    catalogue: Catalogue,
    safe: BTreeSet<String>,
    path: Vec<String>,
}

impl World {
    fn new(schema: &str) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        server.sql(schema).unwrap();
        let catalogue = served::catalogue(&server);
        let path = ["pg_catalog", "w", "public"].map(String::from).into();
        Self { server, catalogue, safe: BTreeSet::new(), path }
    }

    fn facts(&self, text: &str) -> Facts {
        let session = Session {
            catalogue: &self.catalogue,
            schemas: Some(&self.path),
            safe_functions: &self.safe,
            prepared: &|_| None,
        };
        read(text).facts(&session)
    }

    /// The relations of `w` that a statement changes on the server, or reads; the statement is undone.
    fn observed(&self, text: &str, counters: &str) -> BTreeSet<String> {
        let seen = format!(
            "SET search_path = w, public; BEGIN; {text}; \
             SELECT 'seen ' || schemaname || '.' || relname FROM pg_stat_xact_user_tables \
             WHERE schemaname = 'w' AND {counters} > 0; ROLLBACK"
        );
        let answer = self.server.sql(&seen).unwrap_or_else(|error| panic!("{text}: {error}"));
        answer.lines().filter_map(|line| line.strip_prefix("seen ")).map(String::from).collect()
    }
}

fn names(
    facts: &Facts,
    pick: impl Fn(&countersign_common::facts::Operation) -> &BTreeSet<String>,
) -> BTreeSet<String> {
    facts.operations.iter().flat_map(|operation| pick(operation).iter().cloned()).collect()
}

fn writes(facts: &Facts) -> BTreeSet<String> {
    names(facts, |operation| &operation.writes)
}

fn has(facts: &Facts, flag: Flag) -> bool {
    facts.operations.iter().any(|operation| operation.flags.contains(&flag))
}

/// INVARIANT: I7. Every combination of a change and a relation: facts name whatever changed.
#[test]
fn i7_facts_name_what_a_server_was_observed_to_change() {
    const TABLES: [&str; 14] = [
        "orders",
        "items",
        "payments",
        "events",
        "events_1",
        "events_11",
        "base",
        "child",
        "pay",
        "pay2",
        "inbox",
        "outbox",
        "watched",
        "joined",
    ];
    let world = World::new(SCHEMA);
    let counters = "n_tup_ins + n_tup_upd + n_tup_del";
    let mut changed = 0;
    for table in TABLES {
        let column = if table == "items" { "order_id" } else { "note" };
        let mut texts = vec![
            format!("DELETE FROM {table} WHERE id = 1"),
            format!("DELETE FROM ONLY {table} WHERE id = 1"),
            format!("DELETE FROM w.{table} t USING orders o WHERE t.id = o.id"),
        ];
        if table != "joined" {
            texts.push(format!("WITH gone AS (DELETE FROM {table} RETURNING id) SELECT count(*) FROM gone"));
            texts.extend([format!("UPDATE {table} SET {column} = {column} WHERE id = 1")]);
            // Items are referred to by a key that refuses it.
            if table != "items" {
                texts.push(format!("UPDATE {table} SET id = id + 30 WHERE id = 1"));
            }
            let value = if table == "items" { "1" } else { "'y'" };
            texts.extend([
                format!("INSERT INTO {table} (id, {column}) VALUES (41, {value})"),
                format!("INSERT INTO {table} (id) SELECT 42 WHERE EXISTS (SELECT 1 FROM orders)"),
            ]);
        }
        if ["orders", "payments", "base", "watched"].contains(&table) {
            texts.push(format!("MERGE INTO {table} t USING items i ON t.id = i.id WHEN MATCHED THEN DELETE"));
        }
        for text in texts {
            let facts = world.facts(&text);
            let observed = world.observed(&text, counters);
            changed += observed.len();
            let named = writes(&facts);
            let missing: Vec<_> = observed.difference(&named).collect();
            let told = has(&facts, Flag::UnreadDefinition);
            assert!(missing.is_empty() || told && missing == [&"w.log".to_owned()], "{text}: {missing:?}");
            assert!(facts.operations.iter().any(|one| one.action.class() >= Class::Write), "{text}");
            assert!(!has(&facts, Flag::Unresolved), "{text}");
        }
    }
    assert!(changed > 60, "{changed}");
}

#[test]
fn i7_facts_name_what_a_server_was_observed_to_read() {
    let world = World::new(SCHEMA);
    for text in [
        "SELECT * FROM pay2",
        "SELECT * FROM joined",
        "SELECT * FROM events",
        "SELECT * FROM ONLY base",
        "SELECT * FROM base",
        "SELECT * FROM events_1 WHERE id IN (SELECT id FROM child)",
        "SELECT count(*) FROM stored",
        "TABLE grandchild",
    ] {
        let facts = world.facts(text);
        let observed = world.observed(text, "coalesce(seq_scan, 0) + coalesce(idx_scan, 0)");
        assert!(!observed.is_empty(), "{text}");
        let reads = names(&facts, |operation| &operation.reads);
        assert!(observed.is_subset(&reads), "{text}: {observed:?} {reads:?}");
        assert!(facts.is_plain_read(), "{text}");
    }
    let reads = |text: &str| names(&world.facts(text), |operation| &operation.reads);
    assert!(!reads("SELECT * FROM ONLY base").contains("w.child"));
    assert!(reads("SELECT * FROM events_11").contains("w.events"));
}

/// Every recipe that forbids writes to a table, against every way to it.
#[test]
fn i7_a_forbid_on_payments_is_passed_by_no_detour() {
    let world = World::new(SCHEMA);
    for text in [
        "DELETE FROM pay2",
        "UPDATE pay SET note = ''",
        "INSERT INTO inbox VALUES (1)",
        "DELETE FROM joined",
        "SELECT wipe()",
        "SELECT wipe_atomic()",
        "CREATE RULE r AS ON DELETE TO log DO ALSO DELETE FROM payments",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM w.payments'",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM payments; END",
        "CREATE TRIGGER t AFTER INSERT ON payments EXECUTE FUNCTION noted()",
        "COMMENT ON TABLE payments IS 'x'",
        "COMMENT ON COLUMN payments.note IS 'x'",
        "ALTER TABLE payments RENAME TO p",
        "ALTER TABLE payments SET SCHEMA public",
        "CREATE INDEX ON payments (id)",
        "VACUUM payments",
        "GRANT SELECT ON payments TO public",
        "GRANT ALL ON ALL TABLES IN SCHEMA w TO public",
        "CREATE POLICY p ON payments USING (true)",
        "SECURITY LABEL ON TABLE payments IS 'x'",
        "CREATE STATISTICS s ON id, note FROM payments",
        "DROP SCHEMA w CASCADE",
        "DROP TABLE payments",
        "DROP RULE r ON payments",
        "TRUNCATE payments",
    ] {
        assert!(writes(&world.facts(text)).contains("w.payments"), "{text}: {:?}", world.facts(text));
    }
    let truncated = writes(&world.facts("TRUNCATE orders CASCADE"));
    for table in ["w.orders", "w.items", "w.parts"] {
        assert!(truncated.contains(table), "{truncated:?}");
    }
    assert!(writes(&world.facts("TRUNCATE base")).contains("w.grandchild"));
    let dropped = writes(&world.facts("DROP TABLE payments CASCADE"));
    for view in ["w.pay", "w.pay2", "w.joined", "w.stored"] {
        assert!(dropped.contains(view), "{dropped:?}");
    }
    let refresh = world.facts("REFRESH MATERIALIZED VIEW stored");
    assert!(names(&refresh, |operation| &operation.reads).contains("w.payments"));
    // What a rule does shows as an action, too.
    let inbox = world.facts("INSERT INTO inbox VALUES (1)");
    assert!(inbox.operations.iter().any(|operation| operation.action == Action::Delete));
}

#[test]
fn a_column_that_cannot_be_null_makes_is_not_null_no_condition() {
    let world = World::new(SCHEMA);
    let flag = |text: &str, flag| has(&world.facts(text), flag);
    assert!(flag("DELETE FROM orders WHERE id IS NOT NULL", Flag::MissingWhere));
    assert!(!flag("DELETE FROM orders WHERE note IS NOT NULL", Flag::MissingWhere));
    assert!(!flag("DELETE FROM orders WHERE note IS NOT NULL", Flag::WeakWhere));
}

#[test]
fn plain_reads_that_were_held_are_plain_reads() {
    let more = "
        CREATE EXTENSION pgcrypto SCHEMA public;
        CREATE TYPE w.span AS RANGE (subtype = float8);
        CREATE TYPE w.mood AS ENUM ('good', 'bad');
        CREATE FUNCTION w.to_order(text) RETURNS w.orders LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE CAST (text AS w.orders) WITH FUNCTION w.to_order(text);";
    let world = World::new(&format!("{SCHEMA}{more}"));
    for text in [
        "SELECT * FROM orders",
        "SELECT id FROM payments WHERE note = 'x'",
        "SELECT encode(digest(note, 'sha256'), 'hex'), hmac(note, 'k', 'sha1') FROM payments",
        "SELECT crypt('x', gen_salt('bf'))",
        "SELECT span(1, 2), '[1,2]'::span, lower(span(1, 2))",
        "SELECT * FROM jsonb_populate_record(NULL::payments, '{\"id\": 1}')",
        "SELECT * FROM json_populate_recordset(NULL::payments, '[]')",
        "SELECT table_to_xml('w.orders', true, false, '')",
        "SELECT mood('good')",
    ] {
        assert!(world.facts(text).is_plain_read(), "{text}: {:?}", world.facts(text));
    }
    let shown = world.facts("SELECT table_to_xml('pay2', true, false, '')");
    assert!(names(&shown, |operation| &operation.reads).contains("w.payments"));
    for text in [
        "SELECT 'x'::orders",
        "SELECT CAST('x' AS text)::orders",
        "SELECT orders('x')",
        "SELECT payments()",
        "SELECT table_to_xml(note::regclass, true, false, '') FROM payments",
    ] {
        assert!(!world.facts(text).is_plain_read(), "{text}: {:?}", world.facts(text));
    }
}
