//! A session that waits for people gives its connection to the target back when nothing would be missed, and takes one
//! again when its command may go.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Bundle, Countersign, Frame, Postgres, PostgresOptions, RawClient, Terms, eventually, tagged,
};

const WRITE: &str = "UPDATE payments SET amount_cents = amount_cents + 1 WHERE id = 1";

struct Shop {
    agent: RawClient,
    gateway: Countersign,
    _bundle: Bundle,
    server: Postgres,
}

impl Shop {
    fn new() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("ann", "agent", &["agents"]).unwrap();
        let (agent, _) = RawClient::login(&gateway.dsn("shop", &token, "shop")).unwrap();
        Self { agent, gateway, _bundle: bundle, server }
    }

    fn ask(&mut self, frames: &[Vec<u8>]) -> String {
        self.agent.send(&frames.concat()).unwrap();
        shown(&self.agent.until_ready().unwrap())
    }

    /// Connections of the agent's session to the target.
    fn connections(&self) -> String {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app' \
                     AND application_name NOT LIKE 'countersign%'";
        self.server.sql(count).unwrap()
    }

    fn connections_become(&self, number: &str) {
        let what = format!("{number} connections");
        eventually(&what, Duration::from_secs(10), || Ok((self.connections() == number).then_some(())))
            .unwrap();
    }

    /// Sends what waits, and gives its request.
    fn wait_with(&mut self, frames: &[Vec<u8>]) -> String {
        self.agent.send(&frames.concat()).unwrap();
        // Asked for again when the first notice has come: the question for leftovers is on its way by then.
        self.agent.until(b'N').unwrap();
        self.gateway.pending_one().unwrap()
    }

    fn approved(&mut self, id: &str) -> String {
        self.gateway.approve(id).unwrap();
        shown(&self.agent.until_ready().unwrap())
    }
}

fn shown(frames: &[Frame]) -> String {
    frames.iter().map(|frame| format!("{frame:?} ")).collect()
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

fn bind(statement: &str) -> Vec<u8> {
    tagged(b'B', &[text(""), text(statement), vec![0; 6]].concat())
}

fn execute() -> Vec<u8> {
    tagged(b'E', &[text(""), vec![0; 4]].concat())
}

fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}

#[test]
fn a_session_that_waits_holds_no_connection_and_goes_on_as_if_it_had() {
    let mut shop = Shop::new();
    shop.ask(&[query("SELECT 1")]);
    shop.connections_become("1");
    let id = shop.wait_with(&[query(WRITE)]);
    shop.connections_become("0");
    assert!(shop.approved(&id).contains("UPDATE 1"));
    shop.connections_become("1");
    // It has written by now, and used no sequence: the same again.
    let id = shop.wait_with(&[query(WRITE)]);
    shop.connections_become("0");
    shop.gateway.deny(&id, "once is enough").unwrap();
    assert!(shown(&shop.agent.until_ready().unwrap()).contains("C42G01"));
    assert!(shop.ask(&[query("SELECT 2")]).contains("SELECT 1"));
    shop.connections_become("1");
}

#[test]
fn what_was_prepared_is_there_on_the_connection_that_is_taken_again() {
    let mut shop = Shop::new();
    shop.ask(&[parse("mine", WRITE), parse("", "SELECT 41 + 1"), sync()]);
    let id = shop.wait_with(&[bind("mine"), execute(), sync()]);
    shop.connections_become("0");
    assert!(shop.approved(&id).contains("UPDATE 1"));
    let answer = shop.ask(&[bind(""), execute(), sync()]);
    assert!(answer.contains("42"), "{answer}");
    // And a batch of which Parse went up before its Execute came.
    let id = {
        shop.agent.send(&[parse("late", WRITE), tagged(b'H', b"")].concat()).unwrap();
        shop.agent.until(b'1').unwrap();
        shop.wait_with(&[bind("late"), execute(), sync()])
    };
    shop.connections_become("0");
    shop.gateway.deny(&id, "no").unwrap();
    assert!(shown(&shop.agent.until_ready().unwrap()).contains("C42G01"));
    assert!(shop.ask(&[query("SELECT 2")]).contains("SELECT 1"));
}

#[test]
fn a_session_that_keeps_something_keeps_its_connection() {
    for keeps in [
        "SET work_mem = '5MB'",
        "SELECT pg_catalog.pg_advisory_lock(7)",
        "LISTEN here",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "CREATE TEMP TABLE mine (id integer)",
        "CREATE TEMP SEQUENCE counted",
    ] {
        let mut shop = Shop::new();
        let open = "@id(\"all\") permit (principal, action, resource);\n\
            @id(\"ask\") @approval(\"prod-dba\") @reason(\"ask\") forbid (principal, action == Action::\"sql:update\", resource);";
        shop.restart_with(open);
        shop.ask(&[query(keeps)]);
        let id = shop.wait_with(&[query(WRITE)]);
        // The next notice comes a second later: by then it would be gone.
        shop.agent.until(b'N').unwrap();
        assert_eq!(shop.connections(), "1", "{keeps}");
        assert!(shop.approved(&id).contains("UPDATE 1"), "{keeps}");
    }
}

impl Shop {
    /// The same with other policies.
    fn restart_with(&mut self, policies: &str) {
        self._bundle.replace("policies.cedar", policies).unwrap();
        self._bundle.replace("masking.yaml", "").unwrap();
        self.gateway.stop().unwrap();
        self.gateway.start_again().unwrap();
        let token = self.gateway.token("ben", "agent", &["agents"]).unwrap();
        self.agent = RawClient::login(&self.gateway.dsn("shop", &token, "shop")).unwrap().0;
    }
}

#[test]
fn a_target_that_cannot_be_reached_again_costs_nobody_their_approval() {
    let mut shop = Shop::new();
    let id = shop.wait_with(&[query(WRITE)]);
    shop.connections_become("0");
    // Nobody new is let in.
    shop.server.sql("ALTER ROLE shop_app NOLOGIN").unwrap();
    let answer = shop.approved(&id);
    assert!(answer.contains("C55G05") && answer.contains(r#"\"executed\":false"#), "{answer}");
    assert_eq!(shop.gateway.request(&id).unwrap()["state"], "approved");
    shop.server.sql("ALTER ROLE shop_app LOGIN").unwrap();
    // The same bytes again join the approval, and nobody is asked twice.
    let answer = shop.ask(&[query(WRITE)]);
    assert!(answer.contains("UPDATE 1"), "{answer}");
    assert!(shop.gateway.pending().unwrap().is_empty());
}

#[test]
fn the_twenty_first_open_request_of_a_session_is_refused_and_asks_nobody() {
    let mut shop = Shop::new();
    let token = shop.gateway.token("ann", "agent", &["agents"]).unwrap();
    let dsn = shop.gateway.dsn("shop", &token, "shop");
    let update = |number: usize| query(&format!("UPDATE payments SET amount_cents = {number} WHERE id = 1"));
    let mut waiting = Vec::new();
    for number in 0..20 {
        let (mut client, _) = RawClient::login(&dsn).unwrap();
        client.send(&update(number)).unwrap();
        client.until(b'N').unwrap();
        waiting.push(client);
    }
    let (mut another, _) = RawClient::login(&dsn).unwrap();
    another.send(&update(20)).unwrap();
    let refused = shown(&another.until_ready().unwrap());
    let refused = refused.replace('\\', "");
    for part in
        ["C55G06", "countersign: limited: ", r#""state":"limited""#, r#""executed":false"#, "retry_after_s"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(shop.gateway.pending().unwrap().len(), 20);
    // Joining does not count, and another session has requests of its own.
    another.send(&update(7)).unwrap();
    assert!(shown(&another.until(b'N').unwrap()).contains("waiting for approval"));
    shop.agent.send(&update(20)).unwrap();
    assert!(shown(&shop.agent.until(b'N').unwrap()).contains("waiting for approval"));
}
