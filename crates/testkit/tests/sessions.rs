//! What a session does around its commands: names that change their meaning, messages that are malformed, clients that
//! leave or idle, transactions and how their ends are recorded.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Auth, Bundle, Countersign, Frame, Postgres, PostgresOptions, RawClient, Signal, Terms, eventually, tagged,
};

const READS: &str = r#"
@id("agents-read")
permit (principal in Group::"agents", action in Action::"read", resource);
@id("agents-session")
permit (principal in Group::"agents", action in Action::"session", resource);
"#;

struct Shop {
    agent: RawClient,
    // Dropped in this order.
    gateway: Countersign,
    bundle: Bundle,
    server: Postgres,
    token: String,
}

impl Shop {
    /// `examples/bundle`: masked reads, writes wait for a dba.
    fn holding(terms: &Terms) -> Self {
        let server = server();
        let bundle = Bundle::example(&server, terms).unwrap();
        Self::behind(server, bundle)
    }

    /// The same with other policies.
    fn under(policies: &str) -> Self {
        let server = server();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        bundle.replace("policies.cedar", policies).unwrap();
        Self::behind(server, bundle)
    }

    /// Everything is allowed.
    fn open() -> Self {
        let server = server();
        let bundle = Bundle::allow_all(&server).unwrap();
        Self::behind(server, bundle)
    }

    fn behind(server: Postgres, bundle: Bundle) -> Self {
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
        let (agent, _) = RawClient::login(&gateway.dsn("shop", &token, "shop")).unwrap();
        Self { agent, gateway, bundle, server, token }
    }

    fn another(&self) -> RawClient {
        RawClient::login(&self.gateway.dsn("shop", &self.token, "shop")).unwrap().0
    }

    fn send(&mut self, frames: &[Vec<u8>]) {
        self.agent.send(&frames.concat()).unwrap();
    }

    fn ask(&mut self, frames: &[Vec<u8>]) -> Vec<Frame> {
        self.send(frames);
        self.agent.until_ready().unwrap()
    }

    fn tags(&mut self, frames: &[Vec<u8>]) -> String {
        tags(&self.ask(frames))
    }

    fn count(&self, table: &str) -> String {
        self.server.sql(&format!("SELECT count(*) FROM {table}")).unwrap()
    }

    /// Ends the gateway, and gives all that it recorded.
    fn records(mut self) -> String {
        self.gateway.stop().unwrap();
        let recordings = std::fs::read_dir(self.gateway.data().join("recordings")).unwrap();
        let segments = recordings
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("segment-"));
        segments.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

/// One that the tests can also talk to themselves.
fn server() -> Postgres {
    Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap()
}

fn tags(frames: &[Frame]) -> String {
    frames.iter().map(|frame| char::from(frame.tag)).collect()
}

/// Everything until the connection ends.
fn to_the_end(client: &mut RawClient) -> Vec<Frame> {
    std::iter::from_fn(|| client.frame().ok()).collect()
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    tagged(b'P', &[text(name), text(sql), vec![0, 0]].concat())
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    tagged(b'B', &[text(portal), text(statement), vec![0; 6]].concat())
}

fn describe(portal: &str) -> Vec<u8> {
    tagged(b'D', &[b"P".to_vec(), text(portal)].concat())
}

fn execute(portal: &str) -> Vec<u8> {
    tagged(b'E', &[text(portal), vec![0; 4]].concat())
}

fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("")].concat()
}

fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}

fn terminate() -> Vec<u8> {
    tagged(b'X', b"")
}

/// A second schema with tables of the same names, of which nothing is forbidden and nothing masked.
const OTHER: &str = "CREATE SCHEMA other; CREATE TABLE other.payments (LIKE payments); \
    CREATE TABLE other.customers (LIKE customers); GRANT ALL ON SCHEMA other TO shop_app; \
    GRANT ALL ON ALL TABLES IN SCHEMA other TO shop_app";

#[test]
fn i2_same_a_portal_is_judged_by_what_its_names_meant_when_it_was_bound() {
    let but_payments = r#"
@id("deletes") permit (principal in Group::"agents", action == Action::"sql:delete", resource)
when { !context.writes.contains("public.payments") };
"#;
    let mut shop = Shop::under(&format!("{READS}{but_payments}"));
    shop.server.sql(OTHER).unwrap();
    let before = shop.count("payments");
    for goes in [vec![execute("p"), sync()], vec![query("FETCH ALL FROM p")]] {
        shop.ask(&[query("BEGIN")]);
        let delete = parse("", "DELETE FROM payments RETURNING id");
        assert_eq!(shop.tags(&[delete, bind("p", ""), sync()]), "12Z");
        assert_eq!(shop.tags(&[query("SET search_path = other")]), "CZ");
        let answer = shop.ask(&goes);
        assert!(format!("{answer:?}").contains("C42G02"), "{answer:?}");
        shop.ask(&[query("COMMIT")]);
        assert_eq!(shop.count("payments"), before);
    }
    // Bound again it means the other table.
    shop.ask(&[query("SET search_path = other")]);
    assert_eq!(shop.tags(&[run("DELETE FROM payments"), sync()]), "12CZ");
}

#[test]
fn i6_masked_a_portal_is_masked_by_what_its_names_meant_when_it_was_bound() {
    let mut shop = Shop::under(READS);
    shop.server.sql(OTHER).unwrap();
    // It knows both tables.
    assert_eq!(shop.tags(&[query("SELECT id FROM other.customers")]), "TCZ");
    shop.ask(&[query("BEGIN")]);
    let computed = parse("", "SELECT email || '' FROM customers");
    assert_eq!(shop.tags(&[computed, bind("p", ""), sync()]), "12Z");
    shop.ask(&[query("SET search_path = other")]);
    // Here the gateway asks for the settings: in the middle of a batch it would have to take them for unknown, and mask all.
    assert_eq!(shop.tags(&[query("SELECT 1")]), "TDCZ");
    let answer = format!("{:?}", shop.ask(&[describe("p"), execute("p"), sync()]));
    assert!(answer.contains("[redacted]") && !answer.contains("@example"), "{answer}");
}

#[test]
fn i2_same_a_name_in_another_encoding_is_not_taken_for_the_one_that_its_bytes_spell_in_utf_8() {
    let but_one = r#"
@id("deletes") permit (principal in Group::"agents", action == Action::"sql:delete", resource)
when { !context.writes.contains("public.Ã©") };
"#;
    let mut shop = Shop::under(&format!("{READS}{but_one}"));
    let both = "CREATE TABLE \"é\" (id integer); CREATE TABLE \"Ã©\" (id integer); INSERT INTO \"Ã©\" VALUES (1); \
        GRANT ALL ON \"é\", \"Ã©\" TO shop_app";
    shop.server.sql(both).unwrap();
    assert_eq!(shop.tags(&[query("DELETE FROM \"é\"")]), "CZ");
    shop.ask(&[query("SET client_encoding = 'LATIN1'")]);
    // Two letters for the server, and one for whoever takes it for UTF-8.
    let answer = shop.ask(&[query("DELETE FROM \"é\"")]);
    assert!(format!("{answer:?}").contains("C42G02"), "{answer:?}");
    assert_eq!(shop.count("\"Ã©\""), "1");
    assert_eq!(shop.tags(&[query("SELECT 'plain'")]), "TDCZ");
}

#[test]
fn i2_same_a_long_name_in_a_database_of_another_encoding_is_not_cut_where_utf_8_would_be() {
    let (long, cut) = ("é".repeat(40), "é".repeat(31));
    let but_one = format!(
        r#"
@id("deletes") permit (principal in Group::"agents", action == Action::"sql:delete", resource)
when {{ !context.writes.contains("public.{long}") }};
"#
    );
    let server = server();
    let latin = "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    server.sql(latin).unwrap();
    // For all who connect: a string that sets it is read before it is set.
    server.sql("ALTER DATABASE latin SET client_encoding = 'UTF8'").unwrap();
    let tables = format!(
        "CREATE TABLE \"{long}\" AS SELECT 1 AS id; \
         CREATE TABLE \"{cut}\" AS SELECT 1 AS id; CREATE TABLE plain AS SELECT 'ä' AS letter; \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_app; GRANT ALL ON SCHEMA public TO shop_app"
    );
    server.sql_in("latin", &tables).unwrap();
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    bundle.replace("policies.cedar", &format!("{READS}{but_one}")).unwrap();
    bundle.offer(&["latin"]).unwrap();
    let mut shop = Shop::behind(server, bundle);
    let (mut agent, _) = RawClient::login(&shop.gateway.dsn("shop", &shop.token, "latin")).unwrap();
    std::mem::swap(&mut shop.agent, &mut agent);
    let answer = shop.ask(&[query(&format!("DELETE FROM \"{long}\""))]);
    assert!(format!("{answer:?}").contains("C42G02"), "{answer:?}");
    let left = shop.server.sql_in("latin", &format!("SELECT count(*) FROM \"{long}\""));
    assert_eq!(left.unwrap(), "1");
    // Values may be in any letters.
    assert_eq!(shop.tags(&[query("SELECT letter FROM plain WHERE letter = 'ä'")]), "TDCZ");
    assert_eq!(shop.tags(&[query("DELETE FROM plain WHERE letter = 'ä'")]), "CZ");
}

/// For one who thinks that backslashes are plain a row of two strings; else one string, and a DELETE.
const TWO_READINGS: &str = r"SELECT '\', '; DELETE FROM payments; --'";

/// Has the server take backslashes for escapes.
const LOOSEN: &str = "set_config('standard_conforming_strings', 'off', false)";

#[test]
fn i7_unknown_settings_that_a_view_or_a_cursor_changes_are_not_missed() {
    let shop = Shop::under(READS);
    let views = format!("CREATE VIEW sly AS SELECT {LOOSEN}; GRANT SELECT ON sly TO shop_app");
    shop.server.sql(&views).unwrap();
    let before = shop.count("payments");
    let later = format!("SELECT CASE WHEN g = 2 THEN {LOOSEN} END FROM generate_series(1, 3) AS g");
    let cursor = format!("DECLARE c CURSOR FOR {later}");
    let portal = [parse("", &later), bind("p", "")].concat();
    let one = || tagged(b'E', &[text("p"), vec![0, 0, 0, 1]].concat());
    let roads = [
        vec![query("SELECT * FROM sly")],
        vec![query("BEGIN"), query(&cursor), query("FETCH 1 FROM c"), query("FETCH 1 FROM c")],
        vec![query("BEGIN"), query(&cursor), query("MOVE 3 FROM c")],
        vec![query("BEGIN"), [portal.clone(), one(), sync()].concat(), [one(), sync()].concat()],
        vec![query("BEGIN"), [portal, sync()].concat(), query("FETCH 3 FROM p")],
    ];
    for road in roads {
        for pipelined in [false, true] {
            let mut agent = shop.another();
            let settle = |agent: &mut RawClient| {
                // It knows the settings before the last step.
                agent.send(&query("SELECT 1")).unwrap();
                agent.until_ready().unwrap();
            };
            settle(&mut agent);
            let (last, first) = road.split_last().unwrap();
            for step in first {
                agent.send(step).unwrap();
                agent.until_ready().unwrap();
                settle(&mut agent);
            }
            agent.send(last).unwrap();
            if !pipelined {
                agent.until_ready().unwrap();
            }
            agent.send(&[query(TWO_READINGS), query("COMMIT"), terminate()].concat()).unwrap();
            to_the_end(&mut agent);
            assert_eq!(shop.count("payments"), before, "{pipelined} {}", road.concat().escape_ascii());
        }
    }
    // And that it would work where it is not seen.
    let (mut direct, _) = RawClient::login(&shop.server.dsn()).unwrap();
    direct.send(&query(&format!("SELECT {LOOSEN}"))).unwrap();
    direct.until_ready().unwrap();
    direct.send(&query(TWO_READINGS)).unwrap();
    direct.until_ready().unwrap();
    assert_eq!(shop.count("payments"), "0");
}

#[test]
fn a_malformed_message_fails_its_batch_as_it_does_with_the_server() {
    let mut shop = Shop::open();
    let (mut direct, _) = RawClient::login(&shop.server.dsn()).unwrap();
    let many_formats = tagged(b'B', &[text(""), text(""), vec![0, 5]].concat());
    let long_value = tagged(b'B', &[text(""), text(""), vec![0, 0, 0, 1, 0, 0, 0, 9]].concat());
    let sequences = [
        vec![parse("", "SELECT 1"), many_formats.clone(), execute(""), sync()],
        vec![parse("", "SELECT $1::text"), long_value, sync()],
        vec![run("SELECT 1"), many_formats.clone(), run("SELECT 2"), sync(), run("SELECT 3"), sync()],
        vec![
            query("BEGIN"),
            parse("", "SELECT 1"),
            many_formats.clone(),
            sync(),
            query("SELECT 1"),
            query("ROLLBACK"),
        ],
        vec![tagged(b'E', b"\0"), sync()],
        vec![tagged(b'P', b"name"), sync()],
        vec![tagged(b'Q', b"SELECT 1"), query("SELECT 2")],
        vec![run("UPDATE payments SET amount_cents = 0"), many_formats.clone(), sync()],
        vec![
            parse("", "SELECT 1"),
            many_formats,
            tagged(b'B', b"worse"),
            sync(),
            query("SELECT count(*) FROM payments WHERE amount_cents = 0"),
        ],
    ];
    for sequence in sequences {
        let bytes = sequence.concat();
        let heard = |client: &mut RawClient| {
            client.send(&[bytes.clone(), query("SELECT 'the end'")].concat()).unwrap();
            let mut heard = Vec::new();
            while !heard.iter().any(|one: &String| one.contains("the end")) {
                heard.extend(client.until_ready().unwrap().iter().map(outline));
            }
            heard
        };
        assert_eq!(heard(&mut shop.agent), heard(&mut direct), "{}", bytes.escape_ascii());
    }
}

/// What a frame says, without the words of errors.
fn outline(frame: &Frame) -> String {
    let body = frame.body.escape_ascii().to_string();
    match frame.tag {
        b'E' => body.split("\\x00").filter(|field| field.starts_with(['C', 'V'])).collect(),
        tag => format!("{} {body}", char::from(tag)),
    }
}

#[test]
fn a_client_that_says_goodbye_behind_its_command_gets_the_answer() {
    let shop = Shop::open();
    for (frames, expected) in [
        (vec![query("SELECT 1")], "TDCZ"),
        (vec![run("SELECT 1"), sync()], "12DCZ"),
        (vec![query("UPDATE payments SET amount_cents = 7 WHERE id = 1")], "CZ"),
        (vec![query("SELECT pg_sleep(0.5)"), query("SELECT repeat('x', 300000)")], "TDCZTDCZ"),
        (vec![query("SELEC")], "EZ"),
        // Not ended by a Sync: the server does not answer it either.
        (vec![run("SELECT 1")], ""),
    ] {
        let mut agent = shop.another();
        agent.send(&[frames.concat(), terminate()].concat()).unwrap();
        assert_eq!(tags(&to_the_end(&mut agent)), expected, "{frames:?}");
    }
    assert_eq!(shop.server.sql("SELECT amount_cents FROM payments WHERE id = 1").unwrap(), "7");
}

#[test]
fn a_command_behind_a_pipelined_begin_waits_as_one_inside_a_transaction() {
    let terms = Terms { hold: "15m", hold_in_transaction: "1s", ..Terms::default() };
    let update = "UPDATE payments SET amount_cents = 7 WHERE id = 1";
    let mut shop = Shop::holding(&terms);
    for begin in [query("BEGIN"), [run("BEGIN"), sync()].concat()] {
        for held in [query(update), [run(update), sync()].concat()] {
            shop.send(&[begin.clone(), held]);
            shop.agent.until_ready().unwrap();
            let mut answer: Vec<Frame> = Vec::new();
            while !answer.iter().any(|frame| frame.tag == b'Z') {
                answer.push(shop.agent.frame().unwrap());
                assert!(answer.len() < 10, "alone it waits for a quarter of an hour: {answer:?}");
            }
            assert!(format!("{answer:?}").contains("C55G01"), "{answer:?}");
            shop.ask(&[query("ROLLBACK")]);
        }
    }
}

#[test]
fn a_transaction_that_idles_while_the_gateway_drains_is_told_why_it_ends() {
    let mut shop = Shop::open();
    shop.ask(&[query("BEGIN")]);
    shop.ask(&[query("UPDATE payments SET amount_cents = 7 WHERE id = 1")]);
    shop.gateway.stop().unwrap();
    let farewell = to_the_end(&mut shop.agent);
    assert!(format!("{farewell:?}").contains("C57P01"), "{farewell:?}");
    assert_ne!(shop.server.sql("SELECT amount_cents FROM payments WHERE id = 1").unwrap(), "7");
}

#[test]
fn the_record_tells_whether_what_ran_in_a_transaction_lasts() {
    let mut shop = Shop::open();
    shop.server
        .sql("CREATE TABLE once (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED); GRANT ALL ON once TO shop_app")
        .unwrap();
    let (committed, rolled_back) = ("committed", "rolled_back");
    let insert = "INSERT INTO once SELECT count(*) + 1 FROM once";
    let double = "INSERT INTO once VALUES (0)";
    let cases: [(&[&str], &[&str]); 11] = [
        (&["BEGIN", insert, "COMMIT"], &[committed]),
        (&["BEGIN", insert, "ROLLBACK"], &[rolled_back]),
        (&["BEGIN", "SELECT 1/0", "COMMIT"], &[rolled_back]),
        (&["BEGIN", "SAVEPOINT a", insert, "ROLLBACK TO a", "COMMIT"], &[committed]),
        (&["BEGIN", double, double, "COMMIT"], &[rolled_back]),
        (
            &["BEGIN", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT"],
            &[committed, rolled_back, committed],
        ),
        (
            &["BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; ROLLBACK; BEGIN", "END"],
            &[committed, rolled_back, committed],
        ),
        (&["BEGIN; SAVEPOINT a; ROLLBACK TO a", "ABORT"], &[rolled_back]),
        (&["BEGIN", "BEGIN", "COMMIT", "COMMIT"], &[committed]),
        (&["SELECT 1", insert, "TRUNCATE once"], &[]),
        (&["BEGIN", insert], &[rolled_back]),
    ];
    let mut expected = Vec::new();
    for (statements, outcomes) in cases {
        for extended in [false, true] {
            let mut agent = shop.another();
            if extended && statements.iter().any(|sql| sql.contains(';')) {
                continue;
            }
            for sql in statements {
                let frames = if extended { [run(sql), sync()].concat() } else { query(sql) };
                agent.send(&frames).unwrap();
                agent.until_ready().unwrap();
            }
            agent.send(&terminate()).unwrap();
            to_the_end(&mut agent);
            expected.extend_from_slice(outcomes);
        }
    }
    shop.send(&[terminate()]);
    to_the_end(&mut shop.agent);
    let verified = shop.gateway.cli_as_operator(&["audit", "verify"]);
    assert!(verified.is_ok(), "{verified:?}");
    let records = shop.records();
    let found: Vec<_> = records.lines().filter_map(|line| line.split("\"transaction\":").nth(1)).collect();
    let said = |outcome: &str| found.iter().filter(|one| one.contains(outcome)).count();
    let should = |outcome: &str| expected.iter().filter(|one| **one == outcome).count();
    assert_eq!(
        (said("committed"), said("rolled_back"), found.len()),
        (should(committed), should(rolled_back), expected.len()),
        "{found:#?}"
    );
}

#[test]
fn a_copy_that_cannot_be_masked_asks_nobody_and_uses_no_approval_up() {
    let asked = r#"
@id("all") permit (principal, action in Action::"command", resource);
@id("copies") @approval("prod-dba") @reason("copies leave the house")
forbid (principal, action == Action::"sql:copy_out", resource);
"#;
    let mut shop = Shop::under(asked);
    for copy in [
        "COPY (SELECT * FROM customers, generate_series(1, 2)) TO STDOUT",
        "COPY customers (email) TO STDOUT; COPY customers (card) TO STDOUT",
        "COPY customers (card) TO STDOUT; COPY payments FROM STDIN",
    ] {
        let answer = format!("{:?}", shop.ask(&[query(copy)]));
        assert!(answer.contains("C42G02"), "{copy}: {answer}");
        assert!(shop.gateway.pending().unwrap().is_empty(), "{copy}");
    }
    // What may be shown changes while it waits.
    shop.send(&[query("COPY (SELECT * FROM products, generate_series(1, 1)) TO STDOUT")]);
    let id = shop.gateway.pending_one().unwrap();
    let rule = "rules:\n  - { target: shop, relation: public.products, column: name, class: name, action: redact }\n";
    shop.bundle.replace("masking.yaml", rule).unwrap();
    let mut other = shop.another();
    eventually("the rule to be in force", Duration::from_secs(20), || {
        other.send(&query("SELECT name FROM products WHERE id = 1"))?;
        Ok(format!("{:?}", other.until_ready()?).contains("[redacted]").then_some(()))
    })
    .unwrap();
    shop.gateway.approve(&id).unwrap();
    let answer = format!("{:?}", shop.agent.until_ready().unwrap());
    assert!(answer.contains("C42G02"), "{answer}");
    assert_eq!(shop.gateway.request(&id).unwrap()["state"], "approved");
    assert_eq!(shop.tags(&[query("SELECT 1")]), "TDCZ");
}

#[test]
fn a_countersigned_command_runs_on_a_replica() {
    // A replica numbers no transactions; to ask for a number first made every approval be used up for nothing.
    let options = PostgresOptions::default().with("wal_level", "replica").with("max_wal_senders", "1");
    let mut server = Postgres::start(options).unwrap();
    server.sql("CREATE FUNCTION unlisted() RETURNS integer LANGUAGE sql AS 'SELECT 42'").unwrap();
    server.signal(Signal::Interrupt).unwrap();
    let data = server.socket_folder().join("data");
    eventually("the end of the server", Duration::from_secs(20), || {
        Ok((!data.join("postmaster.pid").exists()).then_some(()))
    })
    .unwrap();
    std::fs::write(data.join("standby.signal"), "").unwrap();
    server.start_again().unwrap();
    assert_eq!(server.sql("SELECT pg_is_in_recovery()").unwrap(), "t");
    let waits = r#"
@id("all") permit (principal, action in Action::"command", resource);
@id("ask") @approval("prod-dba") @reason("nobody vouches for it")
forbid (principal, action in Action::"unknown", resource);
"#;
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    bundle.replace("policies.cedar", waits).unwrap();
    bundle.replace("masking.yaml", "").unwrap();
    let mut shop = Shop::behind(server, bundle);
    shop.send(&[query("SELECT unlisted()")]);
    let id = shop.gateway.pending_one().unwrap();
    shop.gateway.approve(&id).unwrap();
    let answer = format!("{:?}", shop.agent.until_ready().unwrap());
    assert!(answer.contains("42") && answer.contains("SELECT 1"), "{answer}");
}
