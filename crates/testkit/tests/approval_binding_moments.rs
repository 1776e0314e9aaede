//! What was approved is what runs, also where the server takes a text in at another moment than it runs it, where somebody
//! changes definitions between the last look at them and the statement, and where there is more than people can be shown.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use countersign_testkit::{PostgresOptions, Terms, eventually, tagged};

mod shop;

use shop::{Agent, Shop, extended, query, sync, text};

fn parse(name: &str, sql: &str) -> Vec<u8> {
    tagged(b'P', &[text(name), text(sql), vec![0, 0]].concat())
}

fn parse_typed(name: &str, sql: &str, kind: u32) -> Vec<u8> {
    tagged(b'P', &[text(name), text(sql), vec![0, 1], kind.to_be_bytes().to_vec()].concat())
}

fn bind(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    let mut body = [text(portal), text(statement), vec![0, 0]].concat();
    body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value.as_bytes());
    }
    body.extend([0, 0]);
    tagged(b'B', &body)
}

fn execute(portal: &str) -> Vec<u8> {
    tagged(b'E', &[text(portal), vec![0; 4]].concat())
}

fn flush() -> Vec<u8> {
    tagged(b'H', b"")
}

/// The rest of a transaction, after which nothing of it is left.
fn roll_back(agent: &mut Agent<'_>) {
    agent.send(&query("ROLLBACK"));
    agent.answer();
}

// ---- Settings at the moment when a text or value is taken in ----

/// By SQL or by the protocol: prepares a statement, and runs it.
fn prepare(agent: &mut Agent<'_>, by_sql: bool, sql: &str) {
    if by_sql {
        agent.run(&format!("PREPARE p AS {sql}"));
    } else {
        agent.send(&[parse("p", sql), sync()].concat());
        let answer = agent.answer();
        assert!(!answer.contains("SERROR"), "{answer}");
    }
}

fn run_frames(by_sql: bool) -> Vec<u8> {
    if by_sql { query("EXECUTE p") } else { [bind("", "p", &[]), execute(""), sync()].concat() }
}

#[test]
fn i2_same_a_text_taken_in_under_other_settings_is_another_request() {
    let shop = Shop::with_tickets();
    shop.owner(
        "CREATE TABLE t (id int, d date, ts timestamptz, v text); INSERT INTO t SELECT i, '2024-01-01'::date + i * 10, \
         '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', NULL FROM generate_series(1, 10) i",
    );
    let by_date = "DELETE FROM t WHERE d < '01/03/2024'::date";
    let by_time = "DELETE FROM t WHERE ts < '2024-01-01 02:30'";
    let by_null = "DELETE FROM t WHERE v = NULL";
    let escaped = "DELETE FROM t WHERE v = '\\' OR id > 0 --'";
    for (sql, set, back, shown) in [
        (by_date, "SET DateStyle = 'ISO, DMY'", "SET DateStyle = 'ISO, MDY'", "DateStyle = ISO, DMY"),
        (
            by_time,
            "SET TimeZone = 'America/New_York'",
            "SET TimeZone = 'Etc/UTC'",
            "TimeZone = America/New_York",
        ),
        (
            by_null,
            "SET transform_null_equals = on",
            "SET transform_null_equals = off",
            "transform_null_equals",
        ),
        (
            escaped,
            "SET standard_conforming_strings = on",
            "SET standard_conforming_strings = off",
            "standard_conforming_strings = on",
        ),
    ] {
        for by_sql in [true, false] {
            // Approved: taken in and run under the same settings.
            let mut first = shop.agent();
            first.run(back);
            if !sql.contains('\\') {
                prepare(&mut first, by_sql, sql);
                first.send(&run_frames(by_sql));
                let id = first.held();
                assert!(first.answer().contains("55G01"));
                assert!(!shop.rendering(&id).contains("prepared under"), "{}", shop.rendering(&id));
                shop.gateway.approve(&id).unwrap();
            }
            let mut other = shop.agent();
            other.run(set);
            prepare(&mut other, by_sql, sql);
            other.run(back);
            other.send(&run_frames(by_sql));
            let anew = other.held();
            let rendering = shop.rendering(&anew);
            assert!(rendering.contains("prepared under") && rendering.contains(shown), "{sql}: {rendering}");
            assert!(rendering.contains("with connection = "), "{rendering}");
            assert!(other.answer().contains("55G01"));
            assert_eq!(shop.server.sql("SELECT count(*) FROM t").unwrap(), "10", "{sql}");
            shop.gateway.deny(&anew, "no").unwrap();
        }
    }
}

#[test]
fn i2_same_a_value_bound_under_other_settings_is_shown_so() {
    let shop = Shop::with_tickets();
    shop.server.sql("CREATE SCHEMA ev AUTHORIZATION shop_app").unwrap();
    shop.owner("CREATE TABLE t (id int, d date); CREATE TABLE ev.t (id int, d date)");
    let mut agent = shop.agent();
    agent.run("BEGIN");
    agent.run("SET LOCAL DateStyle = 'ISO, DMY'");
    let sql = "DELETE FROM t WHERE d < $1";
    agent.send(&[parse_typed("s", sql, 1082), bind("pp", "s", &["01/03/2024"]), flush()].concat());
    agent.client.until(b'2').unwrap();
    agent.send(&query("SET LOCAL DateStyle = 'ISO, MDY'"));
    agent.answer();
    agent.send(&[execute("pp"), sync()].concat());
    let rendering = shop.rendering(&agent.held());
    assert!(rendering.contains("with its parameters bound under = DateStyle = ISO, DMY"), "{rendering}");
    agent.answer();
    roll_back(&mut agent);
    // The plan of a portal is that of its own search path.
    agent.run("BEGIN");
    agent.run("SET LOCAL search_path = ev");
    agent.send(&[parse("s2", "DELETE FROM t"), bind("pp", "s2", &[]), flush()].concat());
    agent.client.until(b'2').unwrap();
    agent.send(&query("SET LOCAL search_path = public"));
    agent.answer();
    agent.send(&[execute("pp"), sync()].concat());
    agent.client.until(b'N').unwrap();
    let pending = shop.gateway.pending().unwrap();
    let rendering = shop.rendering(pending.last().unwrap());
    assert!(rendering.contains("relation t = ev.t"), "{rendering}");
    agent.answer();
    roll_back(&mut agent);
}

#[test]
fn i2_same_a_cursor_declared_under_other_settings_is_shown_so() {
    let shop = Shop::with_tickets();
    shop.owner("CREATE TABLE t (id int, d date); INSERT INTO t VALUES (1, '2024-02-01')");
    let mut agent = shop.agent();
    for sql in [
        "BEGIN",
        "SET LOCAL DateStyle = 'ISO, DMY'",
        "DECLARE c CURSOR FOR SELECT * FROM t WHERE d < '01/03/2024'::date",
        "SET LOCAL DateStyle = 'ISO, MDY'",
        "FETCH c",
    ] {
        agent.send(&query(sql));
        let answer = agent.answer();
        assert!(!answer.contains("SERROR"), "{sql}: {answer}");
    }
    let rendering = shop.rendering(&agent.hold("DELETE FROM t WHERE CURRENT OF c"));
    assert!(rendering.contains("declared under DateStyle = ISO, DMY"), "{rendering}");
}

#[test]
fn a_text_is_the_same_behind_settings_that_do_not_count_for_it() {
    let shop = Shop::with_tickets();
    let sql = "UPDATE junk SET note = 'y' WHERE id = 1";
    let mut first = shop.agent();
    prepare(&mut first, false, sql);
    first.run("SET work_mem = '8MB'; SET statement_timeout = '20s'");
    first.run("BEGIN; SET LOCAL lock_timeout = '5s'; COMMIT");
    first.send(&run_frames(false));
    let id = first.held();
    assert!(first.answer().contains("55G01"));
    let rendering = shop.rendering(&id);
    assert!(!rendering.contains("prepared under") && !rendering.contains("with connection"), "{rendering}");
    shop.gateway.approve(&id).unwrap();
    let mut other = shop.agent();
    prepare(&mut other, false, sql);
    other.send(&run_frames(false));
    assert!(other.answer().contains("UPDATE 1"));
    assert_eq!(shop.state(&id), "\"done\"");
}

// ---- More than people can be shown ----

#[test]
fn i2_same_more_texts_than_can_be_shown_are_refused() {
    let shop = Shop::with_tickets();
    let mut agent = shop.agent();
    for number in 0..64 {
        agent.run(&format!("PREPARE p{number:02} AS SELECT {number}"));
    }
    agent.run("PREPARE zz AS DELETE FROM payments");
    let executes: Vec<String> = (0..64).map(|number| format!("EXECUTE p{number:02}")).collect();
    agent.send(&query(&format!("{}; EXECUTE zz", executes.join("; "))));
    let answer = agent.answer();
    assert!(answer.contains("42G02") && answer.contains("more than 64"), "{answer}");
    assert!(answer.contains("executed\\\":false"), "{answer}");
    assert_eq!(shop.gateway.pending().unwrap(), Vec::<String>::new());
    shop.nothing_was_paid_back();
    // As many as can be shown are shown, all of them.
    let id = agent.hold(&format!("{}; EXECUTE zz", executes[1..].join("; ")));
    let rendering = shop.rendering(&id);
    assert!(rendering.contains("| PREPARE zz AS DELETE FROM payments"), "{rendering}");
    assert_eq!(rendering.matches("| PREPARE ").count(), 64);
}

#[test]
fn i2_same_filler_hides_no_table_of_code_that_is_not_read() {
    let shop = Shop::new();
    shop.server.sql("CREATE SCHEMA ev AUTHORIZATION shop_app").unwrap();
    shop.owner("CREATE TABLE junk2 (id int, note text); CREATE TABLE ev.bin (id int)");
    let filler = "z ".repeat(6000);
    let mut agent = shop.agent();
    let id = agent.hold(&format!("DO $$ /* {filler} */ BEGIN DELETE FROM junk; END $$"));
    shop.owner("ALTER TABLE junk RENAME TO junk0; ALTER TABLE junk2 RENAME TO junk");
    agent.is_voided(&id, "relation junk stands for");
    let id = agent.hold("DO $$ BEGIN DELETE FROM ev.bin; END $$");
    shop.owner("DROP TABLE ev.bin; CREATE TABLE ev.bin (id int)");
    agent.is_voided(&id, "ev.bin");
    let words: Vec<String> = (0..12_000).map(|number| format!("z{number}")).collect();
    agent.send(&query(&format!("DO $$ /* {} */ BEGIN DELETE FROM payments; END $$", words.join(" "))));
    let answer = agent.answer();
    assert!(answer.contains("42G02") && answer.contains("10,000 different words"), "{answer}");
    shop.nothing_was_paid_back();
}

// ---- Definitions that change behind the last look at them ----

/// Somebody with rights on the schema, by a connection of his own.
struct Attacker {
    psql: Child,
    into: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Attacker {
    fn new(shop: &Shop) -> Self {
        let mut psql = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--set=ON_ERROR_STOP=1"])
            .arg(shop.server.url_with_password())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (into, from) = (psql.stdin.take().unwrap(), BufReader::new(psql.stdout.take().unwrap()));
        Self { psql, into, from }
    }

    /// Runs it, and waits for its end.
    fn does(&mut self, sql: &str) {
        writeln!(self.into, "{sql};\n\\echo it is done").unwrap();
        let mut line = String::new();
        while !line.contains("it is done") {
            line.clear();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "psql has ended: {sql}");
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn waits_for_a_lock(shop: &Shop) {
    eventually("a statement waits for a lock", Duration::from_secs(10), || {
        let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'shop_app' AND wait_event_type = 'Lock' \
                       AND application_name NOT LIKE 'countersign%'";
        Ok((shop.server.sql(waiting)? == "t").then_some(()))
    })
    .unwrap();
}

const SWAP: &str = "BEGIN; ALTER TABLE junk RENAME TO junk0; ALTER TABLE payments RENAME TO junk";

/// What somebody does with an open transaction, and what of it a statement then ran on.
const RACES: [(&str, &str, &str); 4] = [
    ("DELETE FROM junk", SWAP, "relation junk stands for"),
    (
        "DELETE FROM vw",
        "BEGIN; LOCK TABLE vw; CREATE OR REPLACE VIEW vw AS SELECT id FROM payments",
        "view public.vw",
    ),
    (
        "DELETE FROM junk WHERE id = 1",
        "BEGIN; CREATE TRIGGER evil BEFORE DELETE ON junk FOR EACH ROW EXECUTE FUNCTION evil()",
        "trigger evil",
    ),
    (
        "DELETE FROM guarded WHERE id = 1",
        "BEGIN; SELECT * FROM guarded FOR UPDATE; CREATE OR REPLACE FUNCTION kept() RETURNS trigger \
         LANGUAGE plpgsql AS $$ BEGIN DELETE FROM payments; RETURN OLD; END $$",
        "function public.kept()",
    ),
];

fn race(shop: &Shop) {
    shop.owner(
        "CREATE VIEW vw AS SELECT id FROM junk;
         CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM payments; RETURN OLD; END $$;
         CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
         CREATE TABLE guarded (id int); INSERT INTO guarded VALUES (1);
         CREATE TRIGGER kept BEFORE DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION kept()",
    );
}

/// How many payments there are, whatever their table is called by now.
fn payments_are_left(shop: &Shop) {
    let swapped = shop.server.sql("SELECT to_regclass('public.payments') IS NULL").unwrap() == "t";
    let table = if swapped { "junk" } else { "payments" };
    let left = shop.server.sql(&format!("SELECT count(*) FROM {table}")).unwrap();
    assert_eq!(left, shop.payments, "payments are gone\n{}", shop.gateway.log());
}

#[test]
fn i2_same_definitions_that_change_while_a_statement_waits_for_a_lock_undo_it() {
    for (statement, change, because) in RACES {
        let shop = Shop::new();
        race(&shop);
        let mut agent = shop.agent();
        let id = agent.hold(statement);
        let mut attacker = Attacker::new(&shop);
        attacker.does(change);
        shop.gateway.approve(&id).unwrap();
        waits_for_a_lock(&shop);
        attacker.does("COMMIT");
        let answer = agent.answer();
        for part in ["42G03", "countersign: voided", "executed\\\":false", because] {
            assert!(answer.contains(part), "{statement}: no `{part}`: {answer}\n{}", shop.gateway.log());
        }
        assert!(!answer.contains("DELETE "), "{answer}");
        payments_are_left(&shop);
        // The session goes on.
        agent.run("SELECT 1");
    }
}

#[test]
fn i2_same_definitions_that_change_while_a_statement_of_a_transaction_waits_fail_that() {
    for (statement, change, because) in RACES {
        for way in ["simple", "extended", "batch"] {
            let shop = Shop::new();
            race(&shop);
            let mut agent = shop.agent();
            if way != "batch" {
                agent.run("BEGIN");
            }
            match way {
                "simple" => agent.send(&query(statement)),
                "extended" => agent.send(&[extended(statement), extended("COMMIT"), sync()].concat()),
                _ => {
                    agent.send(&[extended("BEGIN"), extended(statement), extended("COMMIT"), sync()].concat())
                }
            }
            let id = agent.held();
            let mut attacker = Attacker::new(&shop);
            attacker.does(change);
            shop.gateway.approve(&id).unwrap();
            waits_for_a_lock(&shop);
            attacker.does("COMMIT");
            let answer = agent.answer();
            for part in ["42G03", "countersign: voided", because] {
                assert!(
                    answer.contains(part),
                    "{way}, {statement}: no `{part}`: {answer}\n{}",
                    shop.gateway.log()
                );
            }
            assert!(!answer.contains("DELETE ") && !answer.contains("COMMIT"), "{way}: {answer}");
            agent.send(&query("COMMIT"));
            assert!(agent.answer().contains("ROLLBACK"), "{way}");
            payments_are_left(&shop);
            agent.run("SELECT 1");
        }
    }
}

#[test]
fn an_approved_statement_of_a_transaction_runs_when_nothing_has_changed() {
    let shop = Shop::new();
    let mut agent = shop.agent();
    agent.run("BEGIN");
    let id = agent.hold("DELETE FROM junk WHERE id = 1");
    agent.runs(&id);
    agent.send(
        &[extended("DELETE FROM junk WHERE id = 2 RETURNING id"), extended("SELECT 1"), sync()].concat(),
    );
    let id = agent.held();
    let answer = agent.approve(&id);
    assert!(answer.contains("DELETE 1") && answer.contains("SELECT 1"), "{answer}");
    let copy = query("COPY junk FROM STDIN");
    agent.send(&copy);
    let id = agent.held();
    shop.gateway.approve(&id).unwrap();
    agent.client.until(b'G').unwrap();
    agent.send(&[tagged(b'd', b"77\tx\n"), tagged(b'c', b"")].concat());
    assert!(agent.answer().contains("COPY 1"));
    agent.send(&[extended("COPY junk FROM STDIN")].concat());
    agent.send(&flush());
    let id = agent.held();
    shop.gateway.approve(&id).unwrap();
    agent.client.until(b'G').unwrap();
    agent.send(&[tagged(b'd', b"78\tx\n"), tagged(b'c', b""), sync()].concat());
    assert!(agent.answer().contains("COPY 1"));
    agent.run("COMMIT");
    assert_eq!(shop.server.sql("SELECT count(*) FROM junk").unwrap(), "10");
}

// ---- What ran before in the transaction ----

/// Time to agree inside a transaction, which ends with the ticket.
fn patient_in_transactions() -> Shop {
    let terms = Terms { hold: "1s", hold_in_transaction: "5s", ..Terms::default() };
    Shop::with(PostgresOptions::default(), &terms)
}

fn copies(agent: &mut Agent<'_>, pieces: &[&[u8]]) {
    agent.run("BEGIN");
    let id = agent.hold("COPY stg FROM STDIN");
    agent.shop.gateway.approve(&id).unwrap();
    agent.client.until(b'G').unwrap();
    for piece in pieces {
        agent.send(&tagged(b'd', piece));
    }
    agent.send(&tagged(b'c', b""));
    assert!(agent.answer().contains("COPY "));
}

#[test]
fn i2_same_data_copied_before_belongs_to_what_people_agree_to() {
    let shop = patient_in_transactions();
    shop.owner("CREATE TABLE stg (i int)");
    let statement = "DELETE FROM junk WHERE id IN (SELECT i FROM stg)";
    let mut agent = shop.agent();
    copies(&mut agent, &[b"1\n", b"2\n"]);
    let id = agent.approved_ticket(statement);
    roll_back(&mut agent);
    copies(&mut agent, &[b"1\n3\n"]);
    let anew = agent.is_asked_anew(statement);
    assert_ne!(anew, id);
    roll_back(&mut agent);
    shop.gateway.deny(&anew, "no").unwrap();
    // The same data in other pieces is the same.
    copies(&mut agent, &[b"1", b"\n2\n"]);
    assert!(agent.run(statement).contains("DELETE 2"));
    assert_eq!(shop.state(&id), "\"done\"");
}

#[test]
fn i2_same_what_an_earlier_execute_ran_belongs_to_what_people_agree_to() {
    let shop = patient_in_transactions();
    shop.owner("CREATE TABLE stg (i int)");
    let statement = "DELETE FROM junk WHERE id IN (SELECT i FROM stg)";
    let fills = |agent: &mut Agent<'_>, sql: &str| {
        agent.run(&format!("PREPARE fill AS {sql}"));
        agent.run("BEGIN");
        agent.send(&query("EXECUTE fill"));
        let id = agent.held();
        agent.shop.gateway.approve(&id).unwrap();
        assert!(agent.answer().contains("INSERT"));
    };
    let mut agent = shop.agent();
    fills(&mut agent, "INSERT INTO stg VALUES (1)");
    let id = agent.approved_ticket(statement);
    roll_back(&mut agent);
    let mut other = shop.agent();
    fills(&mut other, "INSERT INTO stg SELECT generate_series(1, 9)");
    assert_ne!(other.is_asked_anew(statement), id);
}

// ---- State that stored expressions read ----

#[test]
fn i2_same_settings_that_a_rule_default_or_domain_reads_are_bound() {
    let shop = Shop::new();
    shop.owner(
        "CREATE TABLE ruled (id int);
         CREATE RULE r AS ON INSERT TO ruled DO ALSO DELETE FROM junk WHERE note = current_setting('application_name');
         CREATE TABLE other (note text DEFAULT current_setting('application_name'), id int);
         CREATE TABLE indirect (id int); CREATE RULE r AS ON INSERT TO indirect DO ALSO INSERT INTO other (id) VALUES (1);
         CREATE DOMAIN named AS text CHECK (VALUE <> current_setting('application_name'));
         CREATE TABLE checked (note named)",
    );
    for statement in [
        "INSERT INTO ruled VALUES (1)",
        "INSERT INTO other (id) VALUES (1)",
        "INSERT INTO indirect VALUES (1)",
        "INSERT INTO checked VALUES ('x')",
    ] {
        let mut first = shop.agent();
        let id = first.hold(statement);
        drop(first);
        shop.gateway.approve(&id).unwrap();
        let mut agent = shop.agent();
        agent.run("SET application_name = 'another'");
        let anew = agent.hold(statement);
        assert_ne!(anew, id, "{statement}");
        assert!(shop.rendering(&anew).contains("with application_name = another"), "{statement}");
        drop(agent);
        shop.gateway.deny(&anew, "no").unwrap();
    }
}

#[test]
fn i2_same_state_of_the_connection_that_a_default_or_rule_uses_binds_to_it() {
    let shop = Shop::with_tickets();
    shop.owner(
        "CREATE TABLE audit (id int, pid int DEFAULT pg_backend_pid());
         CREATE TABLE ruled (id int);
         CREATE RULE r AS ON INSERT TO ruled DO ALSO DELETE FROM junk WHERE id = lastval()",
    );
    for statement in ["INSERT INTO audit VALUES (1)", "INSERT INTO ruled VALUES (1)"] {
        let mut agent = shop.agent();
        let id = agent.approved_ticket(statement);
        assert!(shop.rendering(&id).contains("with connection = "), "{statement}");
        let anew = shop.agent().is_asked_anew(statement);
        assert_ne!(anew, id);
        shop.gateway.deny(&anew, "no").unwrap();
    }
}

// ---- Questions of our own ----

#[test]
fn a_question_that_fails_leaves_the_transaction_of_the_client_alone() {
    let shop = Shop::new();
    shop.server.sql_in("shop", "REVOKE SELECT ON pg_catalog.pg_settings FROM PUBLIC").unwrap();
    let mut agent = shop.agent();
    agent.run("BEGIN");
    let id = agent.hold("UPDATE junk SET note = 'y' WHERE id = 1");
    assert!(shop.rendering(&id).contains("settings that cannot be asked for now"), "{}", shop.rendering(&id));
    agent.runs(&id);
    assert!(agent.run("COMMIT").contains("COMMIT"));
    assert_eq!(shop.server.sql("SELECT note FROM junk WHERE id = 1").unwrap(), "y");
    // Nor does the question for what gives statements their meaning.
    agent.run("BEGIN");
    shop.server
        .sql_in("shop", "REVOKE EXECUTE ON FUNCTION pg_catalog.current_setting(text) FROM PUBLIC")
        .unwrap();
    agent.run("SET LOCAL DateStyle = 'ISO, DMY'");
    agent.send(&query("VALUES (1)"));
    let answer = agent.answer();
    assert!(!answer.contains("25P02"), "{answer}");
}

// ---- What people are shown ----

#[test]
fn i2_same_bytes_that_the_server_reads_otherwise_are_not_asked_about() {
    let shop = Shop::with(
        PostgresOptions::default(),
        &Terms { hold: "1s", hold_in_transaction: "1s", ..Terms::default() },
    );
    let mut agent = shop.agent();
    agent.run("SET client_encoding = 'LATIN1'");
    let sql = |bytes: &[u8]| tagged(b'Q', &[bytes, b"\0"].concat());
    // Such a text is not read, and any word of it may be a name.
    for text in [b"DELETE FROM \xc3\xa9" as &[u8], b"UPDATE junk SET note = '\xc3\xa9' WHERE id = 1"] {
        agent.send(&sql(text));
        let answer = agent.answer();
        assert!(answer.contains("42G02") && answer.contains("names beyond ASCII"), "{answer}");
    }
    assert_eq!(shop.gateway.pending().unwrap(), Vec::<String>::new());
}

#[test]
fn i2_same_names_with_dots_are_shown_apart() {
    let shop = Shop::with_tickets();
    shop.server
        .sql("CREATE SCHEMA a AUTHORIZATION shop_app; CREATE SCHEMA \"a.b\" AUTHORIZATION shop_app")
        .unwrap();
    shop.owner("CREATE TABLE a.\"b.c\" (i int); CREATE TABLE \"a.b\".c (i int)");
    let id = shop.agent().hold("DELETE FROM a.\"b.c\" USING \"a.b\".c");
    let rendering = shop.rendering(&id);
    for shown in ["with relation a.\"b.c\" = ", "with relation \"a.b\".c = "] {
        assert!(rendering.contains(shown), "{rendering}");
    }
}
