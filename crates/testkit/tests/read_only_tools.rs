//! Tools that only read, in their ordinary ways: savepoints around each statement, settings at the login and in a pipeline,
//! and mistakes, which get the server's own error.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::{
    Auth, Bundle, Countersign, Frame, Postgres, PostgresOptions, RawClient, Terms, tagged,
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
    _bundle: Bundle,
    server: Postgres,
}

impl Shop {
    fn new(policies: &str) -> Self {
        let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        bundle.replace("policies.cedar", policies).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
        let (agent, _) = RawClient::login(&gateway.dsn("shop", &token, "shop")).unwrap();
        Self { agent, gateway, _bundle: bundle, server }
    }

    fn ask(&mut self, frames: &[Vec<u8>]) -> Vec<Frame> {
        self.agent.send(&frames.concat()).unwrap();
        self.agent.until_ready().unwrap()
    }

    fn tags(&mut self, frames: &[Vec<u8>]) -> String {
        self.ask(frames).iter().map(|frame| char::from(frame.tag)).collect()
    }

    /// The SQLSTATE of the one error of an answer.
    fn code(&mut self, frames: &[Vec<u8>]) -> String {
        let answer = self.ask(frames);
        let errors: Vec<&Frame> = answer.iter().filter(|frame| frame.tag == b'E').collect();
        assert_eq!(errors.len(), 1, "{answer:?}");
        let fields = errors[0].body.split(|byte| *byte == 0);
        let code = fields.filter_map(|field| field.strip_prefix(b"C")).next().unwrap();
        String::from_utf8(code.to_vec()).unwrap()
    }
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

fn run(sql: &str) -> Vec<u8> {
    let parse = tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat());
    let bind = tagged(b'B', &[text(""), text(""), vec![0; 6]].concat());
    [parse, bind, tagged(b'E', &[text(""), vec![0; 4]].concat())].concat()
}

fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}

#[test]
fn after_a_rollback_to_a_savepoint_everything_is_known_as_before() {
    let mut shop = Shop::new(READS);
    assert_eq!(shop.tags(&[query("BEGIN")]), "CZ");
    for round in 0..3 {
        assert_eq!(shop.tags(&[query("SAVEPOINT a")]), "CZ");
        assert_eq!(shop.code(&[query("SELECT no_such_column FROM payments")]), "42703");
        assert_eq!(shop.tags(&[query("ROLLBACK TO SAVEPOINT a")]), "CZ");
        assert_eq!(shop.tags(&[query("SELECT count(*) FROM payments")]), "TDCZ", "{round}");
        assert_eq!(shop.tags(&[query("RELEASE SAVEPOINT a")]), "CZ");
    }
    assert_eq!(shop.tags(&[query("ROLLBACK")]), "CZ");
    assert_eq!(shop.tags(&[run("SELECT count(*) FROM payments"), sync()]), "12DCZ");
}

#[test]
fn i7_what_was_set_or_defined_in_a_savepoint_is_not_taken_for_lasting() {
    let all = r#"
@id("all-but-payments") permit (principal in Group::"agents", action, resource)
when { !(context has writes) || !context.writes.contains("public.payments") };
"#;
    let mut shop = Shop::new(all);
    let other = "CREATE SCHEMA other; CREATE TABLE other.payments (LIKE payments); GRANT ALL ON SCHEMA other TO shop_app; \
        GRANT ALL ON ALL TABLES IN SCHEMA other TO shop_app";
    shop.server.sql(other).unwrap();
    let before = shop.server.sql("SELECT count(*) FROM payments").unwrap();
    shop.ask(&[query("BEGIN")]);
    shop.ask(&[query("SAVEPOINT a")]);
    assert_eq!(shop.tags(&[query("SET search_path = other")]), "CZ");
    assert_eq!(shop.tags(&[query("DELETE FROM payments")]), "CZ");
    assert_eq!(shop.tags(&[query("ROLLBACK TO a")]), "CZ");
    // The path is what it was before.
    assert_eq!(shop.code(&[query("DELETE FROM payments")]), "42G02");
    shop.ask(&[query("ROLLBACK")]);
    assert_eq!(shop.server.sql("SELECT count(*) FROM payments").unwrap(), before);
}

#[test]
fn a_harmless_set_in_a_pipeline_does_not_block_what_follows() {
    let mut shop = Shop::new(READS);
    assert_eq!(shop.tags(&[query("SELECT 1")]), "TDCZ");
    let reads = run("SELECT count(*) FROM payments");
    assert_eq!(shop.tags(&[run("SET statement_timeout = '5s'"), reads.clone(), sync()]), "12C12DCZ");
    assert_eq!(
        shop.tags(&[run("SET default_transaction_read_only = on"), reads.clone(), sync()]),
        // The server reports this setting.
        "12C12DCSZ"
    );
    // The path is another one behind this, with no `payments` on it: it does not run, and the server says why.
    let answer = shop.ask(&[run("SET search_path = other"), reads, sync()]);
    assert!(format!("{answer:?}").contains("C42P01"), "{answer:?}");
    assert!(answer.iter().all(|frame| frame.tag != b'D'), "{answer:?}");
}

#[test]
fn mistakes_get_the_errors_of_the_server() {
    let mut shop = Shop::new(READS);
    let mistakes = [
        ("SELEC 1", "42601"),
        ("SELECT * FROM no_such_table", "42P01"),
        ("SELECT no_such_column FROM payments", "42703"),
        ("SELECT no_such_function(1)", "42883"),
        ("SELECT 1::no_such_type", "42704"),
        ("DELETE FROM payments; SELEC", "42601"),
    ];
    for (sql, code) in mistakes {
        assert_eq!(shop.code(&[query(sql)]), code, "{sql}");
        assert_eq!(shop.code(&[run(sql), sync()]), code, "{sql}");
        // In a transaction it fails, as it would have with the server.
        shop.ask(&[query("BEGIN")]);
        assert_eq!(shop.code(&[query(sql)]), code, "{sql}");
        assert_eq!(shop.code(&[query("SELECT 1")]), "25P02", "{sql}");
        assert_eq!(shop.tags(&[query("ROLLBACK")]), "CZ", "{sql}");
    }
}

#[test]
fn i7_what_is_refused_and_no_mistake_is_refused_as_before_and_leaves_nothing() {
    let mut shop = Shop::new(READS);
    let function = "CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql AS \
        $$ BEGIN DELETE FROM payments; RETURN 1; END $$";
    shop.server.sql(function).unwrap();
    let before = shop.server.sql("SELECT count(*) FROM payments").unwrap();
    for sql in
        ["SELECT sly()", "DELETE FROM payments", "SELECT sly(); SELECT 1", "SELECT pg_sleep_until_never()"]
    {
        let code = shop.code(&[query(sql)]);
        assert!(code == "42G02" || code == "42883", "{sql} {code}");
        let code = shop.code(&[run(sql), sync()]);
        assert!(code.starts_with("42"), "{sql} {code}");
    }
    assert_eq!(shop.server.sql("SELECT count(*) FROM payments").unwrap(), before);
    // The text that the server was shown is no statement of the client's.
    let answer = shop.ask(&[query("SELECT count(*) FROM pg_prepared_statements")]);
    let row = answer.iter().find(|frame| frame.tag == b'D').unwrap();
    assert_eq!(row.body, [&[0, 1, 0, 0, 0, 1][..], b"0"].concat());
}

#[test]
fn a_login_may_give_the_settings_that_set_allows() {
    let shop = Shop::new(READS);
    let token = shop.gateway.token("mallory", "agent", &["agents"]).unwrap();
    let login = |setting: &str| {
        // What is behind a zero byte is the next parameter of the start-up.
        let mut dsn = shop.gateway.dsn("shop", &token, "shop");
        dsn.database.push_str(setting);
        RawClient::login(&dsn)
    };
    for setting in [
        "\0default_transaction_read_only\0on",
        "\0options\0-c default_transaction_read_only=on -c statement_timeout=5s",
        "\0TimeZone\0UTC\0DateStyle\0ISO",
    ] {
        let (mut agent, _) = login(setting).unwrap();
        agent.send(&query("SELECT current_setting('default_transaction_read_only')")).unwrap();
        assert!(agent.until_ready().unwrap().iter().any(|frame| frame.tag == b'D'), "{setting}");
    }
    for setting in [
        "\0default_transaction_read_only\0off",
        "\0options\0-c role=postgres",
        "\0session_replication_role\0replica",
    ] {
        assert!(login(setting).is_err(), "{setting}");
    }
}
