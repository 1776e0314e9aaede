//! What was approved is what runs: each test lets a person agree to a statement and then changes what the same bytes would
//! do, as somebody would who wants something else to run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Account, Bundle, Countersign, Folder, Postgres, PostgresOptions, Terms, eventually, tagged,
};

mod shop;

use shop::{Shop, extended, query, sync, text};

// ---- Prepared statements and cursors ----

#[test]
fn i2_same_two_texts_behind_one_execute_are_two_requests() {
    let shop = Shop::new();
    let (mut one, mut other) = (shop.agent(), shop.agent());
    one.run("PREPARE fix AS UPDATE junk SET note = 'safe' WHERE id = 7");
    other.run("PREPARE fix AS DELETE FROM payments");
    let safe = one.hold("EXECUTE fix");
    assert!(shop.rendering(&safe).contains("| PREPARE fix AS UPDATE junk SET note = 'safe' WHERE id = 7"));
    other.send(&query("EXECUTE fix"));
    let pending = shop.pending(2);
    let evil = pending.iter().find(|id| **id != safe).unwrap();
    assert!(shop.rendering(evil).contains("| PREPARE fix AS DELETE FROM payments"));
    one.runs(&safe);
    shop.nothing_was_paid_back();
    assert_eq!(shop.state(evil), "\"pending\"");
}

#[test]
fn i2_same_an_approved_execute_of_another_text_is_asked_about_anew() {
    let shop = Shop::with_tickets();
    let mut agent = shop.agent();
    agent.run("PREPARE fix(int) AS DELETE FROM payments WHERE id = $1");
    for call in ["EXECUTE fix(999999)", "EXPLAIN ANALYZE EXECUTE fix(999999)"] {
        agent.run("DEALLOCATE fix");
        agent.run("PREPARE fix(int) AS DELETE FROM payments WHERE id = $1");
        let id = agent.approved_ticket(call);
        agent.run("DEALLOCATE fix");
        agent.run("PREPARE fix(int) AS DELETE FROM payments WHERE id <> $1");
        let anew = agent.is_asked_anew(call);
        assert_ne!(anew, id);
        shop.gateway.deny(&anew, "no").unwrap();
        assert_eq!(shop.state(&id), "\"approved\"");
    }
    shop.nothing_was_paid_back();
    // By the protocol, of a statement that SQL has prepared: two texts of one shape.
    agent.run("DEALLOCATE fix");
    agent.run("PREPARE fix AS DELETE FROM payments WHERE id = 999999");
    let bound = [
        tagged(b'B', &[text(""), text("fix"), vec![0; 6]].concat()),
        tagged(b'E', &[text(""), vec![0; 4]].concat()),
        sync(),
    ]
    .concat();
    agent.send(&bound);
    let id = agent.held();
    assert!(shop.rendering(&id).contains("999999"));
    assert!(agent.answer().contains("55G01"));
    shop.gateway.approve(&id).unwrap();
    agent.run("DEALLOCATE fix");
    agent.run("PREPARE fix AS DELETE FROM payments WHERE id = 1");
    agent.send(&bound);
    assert_ne!(agent.held(), id);
    shop.nothing_was_paid_back();
}

#[test]
fn i2_same_the_same_text_behind_an_execute_is_one_request() {
    let shop = Shop::new();
    let (mut one, mut other) = (shop.agent(), shop.agent());
    for agent in [&mut one, &mut other] {
        agent.run("PREPARE fix(int) AS UPDATE junk SET note = 'safe' WHERE id = $1");
    }
    let id = one.hold("EXECUTE fix(7)");
    other.send(&query("EXECUTE fix(7)"));
    other.client.until(b'N').unwrap();
    assert_eq!(shop.pending(1), std::slice::from_ref(&id));
    shop.gateway.approve(&id).unwrap();
    let answers = [one.answer(), other.answer()];
    let ran = answers.iter().filter(|answer| answer.contains("UPDATE 1")).count();
    let elsewhere = answers.iter().filter(|answer| answer.contains("55G02")).count();
    assert_eq!((ran, elsewhere), (1, 1), "{answers:?}");
}

#[test]
fn i2_same_what_fetch_runs_is_shown_and_bound() {
    let shop = Shop::with_tickets();
    shop.owner("CREATE FUNCTION pay_back() RETURNS int LANGUAGE sql AS 'DELETE FROM payments RETURNING 1'");
    let mut agent = shop.agent();
    // A portal of the protocol has the name of a cursor.
    let portal = |sql: &str| {
        let parse = tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat());
        [parse, tagged(b'B', &[text("c"), text(""), vec![0; 6]].concat()), tagged(b'H', b"")].concat()
    };
    let fetch = extended("FETCH ALL FROM c");
    agent.run("BEGIN");
    agent.send(&[portal("UPDATE junk SET note = 'y' WHERE id = 1 RETURNING id"), fetch, sync()].concat());
    let id = agent.held();
    let rendering = shop.rendering(&id);
    assert!(rendering.contains("cursor c:\n| UPDATE junk SET note = 'y' WHERE id = 1"), "{rendering}");
    shop.nothing_was_paid_back();
}

// ---- Settings ----

#[test]
fn i2_same_another_setting_is_another_request() {
    let shop = Shop::new();
    let statement = "UPDATE junk SET note = id::text WHERE id = 1";
    let mut first = shop.agent();
    let id = first.hold(statement);
    drop(first);
    shop.gateway.approve(&id).unwrap();
    for setting in [
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
        "timezone_abbreviations = 'India'",
        "quote_all_identifiers = on",
        "xmlbinary = 'hex'",
        "lc_monetary = 'C.UTF-8'",
        "default_transaction_isolation = 'serializable'",
        "check_function_bodies = off",
        "transform_null_equals = on",
        "app.tenant = '8'",
        "search_path = pg_catalog, public",
        "DateStyle = 'German'",
        "array_nulls = off",
    ] {
        let mut agent = shop.agent();
        agent.send(&query(&format!("SET {setting}")));
        let answer = agent.client.until(b'Z').is_ok();
        assert!(answer);
        let administered = shop.gateway.pending().unwrap();
        assert_eq!(administered, Vec::<String>::new(), "{setting}");
        let anew = agent.hold(statement);
        assert_ne!(anew, id, "{setting}");
        let shown = shop.rendering(&anew);
        let name = setting.split_once(' ').unwrap().0;
        assert!(shown.contains(&format!("with {name} = ")), "{setting}: {shown}");
        drop(agent);
        shop.gateway.deny(&anew, "no").unwrap();
        assert_eq!(shop.state(&id), "\"approved\"");
    }
    // What cannot change it, and the connection of another pool, share the request.
    let mut agent = shop.agent();
    agent.run("SET application_name = 'another'; SET work_mem = '8MB'; SET statement_timeout = '20s'");
    let answer = agent.run(statement);
    assert!(answer.contains("UPDATE 1"), "{answer}");
    assert_eq!(shop.state(&id), "\"done\"");
}

#[test]
fn i2_same_a_statement_that_reads_settings_is_bound_to_all_of_them() {
    let shop = Shop::new();
    let statement = "UPDATE junk SET note = current_setting('application_name') WHERE id = 1";
    shop.owner(
        "CREATE FUNCTION named() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := \
         current_setting('application_name'); RETURN NEW; END $$; CREATE TABLE logged (note text); CREATE TRIGGER \
         named BEFORE INSERT ON logged FOR EACH ROW EXECUTE FUNCTION named()",
    );
    for statement in [statement, "INSERT INTO logged VALUES ('x')"] {
        let mut first = shop.agent();
        let id = first.hold(statement);
        drop(first);
        shop.gateway.approve(&id).unwrap();
        let mut agent = shop.agent();
        agent.run("SET application_name = 'another'");
        let anew = agent.hold(statement);
        assert_ne!(anew, id);
        assert!(shop.rendering(&anew).contains("with application_name = another"));
        drop(agent);
        shop.gateway.deny(&anew, "no").unwrap();
    }
}

#[test]
fn i2_same_settings_of_the_role_are_seen_when_the_connection_is_taken_again() {
    let shop = Shop::new();
    let mut agent = shop.agent();
    let id = agent.hold("UPDATE junk SET note = 3.1::float4::text WHERE id = 1");
    // The connection to the target is given back meanwhile.
    eventually("no connection", Duration::from_secs(10), || {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app' AND application_name NOT LIKE \
                     'countersign%'";
        Ok((shop.server.sql(count)? == "0").then_some(()))
    })
    .unwrap();
    shop.server.sql("ALTER ROLE shop_app SET extra_float_digits = 0").unwrap();
    let answer = agent.approve(&id);
    assert!(answer.contains("42G03") && answer.contains("extra_float_digits"), "{answer}");
    assert_eq!(shop.server.sql("SELECT note FROM junk WHERE id = 1").unwrap(), "x");
}

// ---- State of one connection ----

#[test]
fn i2_same_a_temporary_table_is_not_the_table_of_its_name() {
    let shop = Shop::with_tickets();
    shop.owner("CREATE TABLE acc (id int); INSERT INTO acc SELECT generate_series(1, 5)");
    let mut agent = shop.agent();
    agent.run("CREATE TEMP TABLE acc (id int)");
    let id = agent.approved_ticket("DELETE FROM acc");
    let shown = shop.rendering(&id);
    assert!(shown.contains("temporary objects") && shown.contains("relation acc = pg_temp_"), "{shown}");
    agent.run("DISCARD TEMP");
    let anew = agent.is_asked_anew("DELETE FROM acc");
    assert!(shop.rendering(&anew).contains("relation acc = public.acc, oid "));
    shop.gateway.deny(&anew, "no").unwrap();
    // Nor on another connection, with or without a temporary table of the name.
    let mut other = shop.agent();
    let anew = other.is_asked_anew("DELETE FROM acc");
    assert_ne!(anew, id);
    assert_eq!(shop.server.sql("SELECT count(*) FROM acc").unwrap(), "5");
    assert_eq!(shop.state(&id), "\"approved\"");
}

#[test]
fn i2_same_what_uses_its_connection_runs_on_no_other_and_in_no_other_state() {
    let shop = Shop::with_tickets();
    shop.owner("CREATE SEQUENCE s");
    let statements = [
        "DELETE FROM payments WHERE id = currval('s') + 1000000",
        "DELETE FROM payments WHERE id = lastval() + 1000000",
        "DELETE FROM payments WHERE id = pg_backend_pid() + 1000000",
    ];
    for statement in statements {
        let mut agent = shop.agent();
        agent.send(&query("SELECT nextval('s')"));
        let next = agent.held();
        agent.answer();
        shop.gateway.approve(&next).unwrap();
        agent.run("SELECT nextval('s')");
        let id = agent.approved_ticket(statement);
        assert!(shop.rendering(&id).contains("with connection = "));
        // On another connection.
        let mut other = shop.agent();
        let anew = other.is_asked_anew(statement);
        assert_ne!(anew, id, "{statement}");
        shop.gateway.deny(&anew, "no").unwrap();
        // In the same state on the same connection it runs.
        let answer = agent.run(statement);
        assert!(answer.contains("DELETE 0"), "{answer}");
        assert_eq!(shop.state(&id), "\"done\"");
    }
}

#[test]
fn i2_same_code_that_ran_before_may_have_set_anything() {
    let shop = Shop::with_tickets();
    let statement = "UPDATE junk SET note = coalesce(current_setting('app.x', true), '') WHERE id = 1";
    let mut first = shop.agent();
    let id = first.approved_ticket(statement);
    let mut agent = shop.agent();
    let run = "DO $$ BEGIN PERFORM set_config('app.' || 'x', 'evil', false); END $$";
    let code = agent.hold(run);
    agent.answer();
    shop.gateway.approve(&code).unwrap();
    agent.run(run);
    let anew = agent.is_asked_anew(statement);
    assert_ne!(anew, id);
    assert!(shop.rendering(&anew).contains("settings that code may have made"));
    assert_eq!(shop.server.sql("SELECT note FROM junk WHERE id = 1").unwrap(), "x");
}

// ---- Definitions ----

#[test]
fn i2_same_definitions_replaced_while_a_statement_waits_void_its_approval() {
    let shop = Shop::new();
    shop.owner(
        "CREATE VIEW vw1 AS SELECT * FROM junk; CREATE VIEW vw2 AS SELECT * FROM vw1;
         CREATE FUNCTION f1() RETURNS void LANGUAGE sql AS 'DELETE FROM junk WHERE id > 100';
         CREATE FUNCTION f2() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM f1(); END $$;
         CREATE TABLE parent (id int) PARTITION BY RANGE (id);
         CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (10);
         CREATE TABLE payments_like (id int, note text)",
    );
    let evil_view = "CREATE OR REPLACE VIEW vw1 AS SELECT id, 'x'::text AS note FROM payments";
    let evil_function = "CREATE OR REPLACE FUNCTION f1() RETURNS void LANGUAGE sql AS 'DELETE FROM payments'";
    let trigger = "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM payments; RETURN OLD; END $$; \
                   CREATE TRIGGER t BEFORE DELETE ON junk FOR EACH ROW EXECUTE FUNCTION t()";
    let swapped = "ALTER TABLE junk RENAME TO junk2; ALTER TABLE payments_like RENAME TO junk";
    let cases = [
        ("DELETE FROM vw1 WHERE id = 1", evil_view, "view public.vw1"),
        (
            "DELETE FROM vw2 WHERE id = 1",
            "CREATE OR REPLACE VIEW vw1 AS SELECT * FROM junk WHERE id > 0",
            "vw1",
        ),
        ("SELECT f1()", evil_function, "function public.f1()"),
        (
            "SELECT f2()",
            "CREATE OR REPLACE FUNCTION f1() RETURNS void LANGUAGE sql AS 'DELETE FROM payments; '",
            "f1()",
        ),
        ("DELETE FROM junk WHERE id = 2", trigger, "trigger t on table public.junk"),
        (
            "DELETE FROM junk WHERE id = 3",
            "CREATE RULE r AS ON DELETE TO junk DO ALSO DELETE FROM payments",
            "rule r",
        ),
        (
            "DELETE FROM parent",
            "CREATE TABLE child2 PARTITION OF parent FOR VALUES FROM (10) TO (20)",
            "child2",
        ),
        ("DELETE FROM junk WHERE id = 4", "DROP RULE r ON junk; DROP TRIGGER t ON junk", "rule r"),
        ("DELETE FROM junk WHERE id = 5", swapped, "relation junk stands for public.junk (oid "),
        (
            "DO $$ BEGIN DELETE FROM junk2; END $$",
            "DROP VIEW vw2, vw1; DROP TABLE junk2; CREATE TABLE junk2 ()",
            "junk2",
        ),
    ];
    for (statement, change, because) in cases {
        let mut agent = shop.agent();
        let id = agent.hold(statement);
        shop.owner(change);
        agent.is_voided(&id, because);
        shop.nothing_was_paid_back();
    }
}

#[test]
fn changes_that_change_nothing_of_a_statement_do_not_void_its_approval() {
    let shop = Shop::new();
    shop.owner("CREATE VIEW vw1 AS SELECT * FROM junk; CREATE TABLE other (id int)");
    for (statement, change) in [
        ("DELETE FROM vw1 WHERE id = 1", "ALTER TABLE other ADD COLUMN x int"),
        ("DELETE FROM vw1 WHERE id = 2", "GRANT SELECT ON junk TO PUBLIC; ANALYZE junk; TRUNCATE other"),
        ("DELETE FROM junk WHERE id = 3", "CREATE INDEX ON junk (id); CREATE VIEW vw2 AS SELECT * FROM junk"),
        ("DELETE FROM vw1 WHERE id = 4", "CREATE OR REPLACE VIEW vw1 AS SELECT * FROM junk"),
        (
            "DELETE FROM junk WHERE id = 5",
            "CREATE SEQUENCE beside; CREATE TYPE colour AS ENUM ('red'); ALTER TYPE colour RENAME VALUE 'red' TO 'blue'; \
             ALTER TABLE other ADD UNIQUE (id); REINDEX TABLE junk",
        ),
    ] {
        let mut agent = shop.agent();
        let id = agent.hold(statement);
        shop.owner(change);
        agent.runs(&id);
    }
    assert_eq!(shop.server.sql("SELECT count(*) FROM junk").unwrap(), "5");
}

#[test]
fn i2_same_definitions_are_seen_from_a_transaction_with_an_older_snapshot() {
    let shop = Shop::new();
    shop.owner("CREATE VIEW vw1 AS SELECT * FROM junk");
    let mut agent = shop.agent();
    agent.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    agent.run("SELECT count(*) FROM payments");
    let id = agent.hold("DELETE FROM vw1");
    shop.owner("CREATE OR REPLACE VIEW vw1 AS SELECT id, 'x'::text AS note FROM payments");
    agent.is_voided(&id, "view public.vw1");
    agent.send(&query("COMMIT"));
    agent.answer();
    shop.nothing_was_paid_back();
}

#[test]
fn i2_same_definitions_of_a_statement_in_a_batch_are_bound_too() {
    let shop = Shop::new();
    shop.owner("CREATE VIEW vw1 AS SELECT * FROM junk");
    let mut agent = shop.agent();
    // As a driver begins a transaction with its first statement.
    agent.send(&[extended("BEGIN"), extended("DELETE FROM vw1"), sync()].concat());
    let id = agent.held();
    let shown = shop.rendering(&id);
    assert!(shown.contains("with TimeZone = ") && shown.contains("relation vw1 = public.vw1"), "{shown}");
    shop.owner("CREATE OR REPLACE VIEW vw1 AS SELECT id, 'x'::text AS note FROM payments");
    agent.is_voided(&id, "view public.vw1");
    shop.nothing_was_paid_back();
    // And one that nobody touches runs.
    agent.send(&query("ROLLBACK"));
    agent.answer();
    agent.send(&[extended("BEGIN"), extended("DELETE FROM junk WHERE id = 9"), sync()].concat());
    let id = agent.held();
    agent.runs(&id);
    assert!(agent.run("COMMIT").contains("COMMIT"));
    assert_eq!(shop.server.sql("SELECT count(*) FROM junk").unwrap(), "9");
}

#[test]
fn i2_same_a_statement_whose_client_left_is_bound_to_definitions_too() {
    let shop = Shop::new();
    shop.owner("CREATE VIEW vw1 AS SELECT * FROM junk");
    let mut agent = shop.agent();
    let id = agent.hold("DELETE FROM vw1");
    drop(agent);
    shop.gateway.approve(&id).unwrap();
    shop.owner("CREATE OR REPLACE VIEW vw1 AS SELECT id, 'x'::text AS note FROM payments");
    let mut agent = shop.agent();
    let anew = agent.hold("DELETE FROM vw1");
    assert_ne!(anew, id);
    shop.nothing_was_paid_back();
}

// ---- Questions of our own ----

#[test]
fn nothing_of_ours_takes_a_snapshot_before_set_transaction() {
    let shop = Shop::new();
    for way in ["simple", "extended"] {
        let mut agent = shop.agent();
        let texts = [
            "SET DateStyle = 'ISO'",
            "BEGIN",
            "SET LOCAL timezone = 'UTC'",
            "SET LOCAL app.name = 'x'",
            "SHOW search_path",
            "LOCK TABLE junk IN ACCESS SHARE MODE",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET TRANSACTION READ ONLY, DEFERRABLE",
            "SELECT count(*) FROM junk",
            "COMMIT",
        ];
        for sql in texts {
            let frames = if way == "simple" { query(sql) } else { [extended(sql), sync()].concat() };
            agent.send(&frames);
            if sql.starts_with("LOCK") {
                let id = agent.held();
                agent.runs(&id);
                continue;
            }
            let answer = agent.answer();
            assert!(!answer.contains("SERROR"), "{way}: {sql}: {answer}");
        }
        let answer =
            agent.run("BEGIN; SET LOCAL timezone = 'UTC'; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
        assert!(answer.contains("SET"), "{answer}");
        agent.run("SET TRANSACTION READ ONLY; SELECT 1; COMMIT");
    }
}

#[test]
fn a_snapshot_of_another_transaction_can_be_taken() {
    let shop = Shop::new();
    let mut exporter = shop.agent();
    exporter.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    exporter.send(&query("SELECT pg_export_snapshot()"));
    let answer = exporter.client.until_ready().unwrap();
    let row = answer.iter().find(|frame| frame.tag == b'D').unwrap();
    let name = String::from_utf8(row.body[6..].to_vec()).unwrap();
    let mut agent = shop.agent();
    for sql in [
        "SET row_security = off",
        "BEGIN",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        &format!("SET TRANSACTION SNAPSHOT '{name}'"),
        "SELECT count(*) FROM junk",
        "COMMIT",
    ] {
        agent.send(&query(sql));
        let answer = agent.answer();
        assert!(!answer.contains("SERROR"), "{sql}: {answer}");
    }
}

#[test]
fn our_questions_make_no_temporary_schema() {
    let options = PostgresOptions::default().with("max_prepared_transactions", "5");
    let shop = Shop::with(options, &Terms::default());
    let mut agent = shop.agent();
    agent.run("SET search_path = pg_temp, public");
    let answer = agent.run("SELECT 'schema=' || pg_my_temp_schema()");
    assert!(answer.contains("schema=0"), "{answer}");
    agent.run("BEGIN");
    let id = agent.hold("UPDATE public.junk SET note = 'z' WHERE id = 1");
    agent.runs(&id);
    agent.run("PREPARE TRANSACTION 'x'");
    assert_eq!(shop.server.sql("SELECT count(*) FROM pg_prepared_xacts").unwrap(), "1");
    shop.server.sql_in("shop", "COMMIT PREPARED 'x'").unwrap();
}

#[test]
fn a_parallel_dump_takes_one_snapshot_on_all_of_its_connections() {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let gateway = Countersign::start(bundle.dev()).unwrap();
    let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
    let dsn = gateway.dsn("shop", &token, "shop");
    let folder = Folder::new(Account::Own).unwrap();
    let into = folder.path().join("dump");
    let dumped = std::process::Command::new("pg_dump")
        .args([
            "--format=directory",
            "--jobs=3",
            "--no-sync",
            "--host",
            &dsn.host,
            "--port",
            &dsn.port.to_string(),
        ])
        .args(["--username", &dsn.user, "--dbname", &dsn.database, "--file"])
        .arg(&into)
        .env("PGPASSWORD", &dsn.password)
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{}\n{}", String::from_utf8_lossy(&dumped.stderr), gateway.log());
    let tables = server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").unwrap();
    let files = std::fs::read_dir(&into).unwrap().count();
    assert_eq!(files.to_string(), (tables.parse::<usize>().unwrap() + 1).to_string());
}
