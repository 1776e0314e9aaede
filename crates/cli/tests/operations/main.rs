//! What operators see of a real `countersign dev` before a real PostgreSQL: metrics, readiness, traces.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, where these are allowed"
)]

mod fleet;
mod receiver;
mod reference;
mod traces;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign_testkit::{
    Bundle, Countersign, DevOptions, Dsn, Postgres, PostgresOptions, Terms, eventually, shop,
};

const ADD: &str = "UPDATE customers SET credit_cents = credit_cents + 100 WHERE id = 1";

/// A shop with `countersign dev` before it, and an agent with a token.
struct Stage {
    gateway: Countersign,
    _server: Postgres,
    _bundle: Bundle,
    token: String,
}

impl Stage {
    fn new() -> Self {
        Self::with(&[])
    }

    /// The same with more arguments.
    fn with(arguments: &[&str]) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        let mut options: DevOptions = bundle.dev();
        options.arguments = vec!["--listen-ops".into(), "127.0.0.1:0".into()];
        options.arguments.extend(arguments.iter().copied().map(Into::into));
        let gateway = Countersign::start(options).unwrap();
        let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
        Self { gateway, _server: server, _bundle: bundle, token }
    }

    fn psql(&self, sql: &str) -> Child {
        self.psql_with(&self.token, sql)
    }

    fn psql_with(&self, token: &str, sql: &str) -> Child {
        psql(self.gateway.dsn("shop", token, shop::DATABASE), sql)
    }

    fn get(&self, path: &str) -> (String, String) {
        get(self.gateway.ops().unwrap(), path)
    }

    fn metrics(&self) -> String {
        self.get("/metrics").1
    }
}

fn psql(dsn: Dsn, sql: &str) -> Child {
    let Dsn { host, port, user, database, password } = dsn;
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", "-h", &host, "-p", &port.to_string(), "-U", &user, "-d", &database]);
    command.args(["-c", sql]).env("PGPASSWORD", password);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Status line and body of a GET.
fn get(url: &str, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The value of a series, as it stands in a scrape.
fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{series}` in:\n{scrape}")).parse().unwrap()
}

#[test]
fn what_happens_to_real_commands_is_counted() {
    let stage = Stage::new();
    assert_eq!(stage.get("/readyz"), ("HTTP/1.1 200 OK".into(), "ready\n".into()));
    assert!(stage.psql("SELECT id FROM customers").wait().unwrap().success());
    assert!(!stage.psql("DROP TABLE payments").wait().unwrap().success());
    assert!(!stage.psql_with("wrong", "SELECT 1").wait().unwrap().success());
    let held = stage.psql(ADD);
    let id = stage.gateway.pending_one().unwrap();
    let waiting = stage.metrics();
    assert_eq!(value(&waiting, "countersign_held"), 1.0);
    // Those that left are counted until their last byte is dealt with.
    let one = || Ok((value(&stage.metrics(), "countersign_connections") == 1.0).then_some(()));
    eventually("one open connection", Duration::from_secs(10), one).unwrap();
    stage.gateway.approve(&id).unwrap();
    assert!(held.wait_with_output().unwrap().status.success());

    let scrape = stage.metrics();
    assert_eq!(value(&scrape, "countersign_held"), 0.0);
    assert_eq!(value(&scrape, r#"countersign_commands_total{verdict="allow",class="read"}"#), 1.0);
    assert_eq!(value(&scrape, r#"countersign_commands_total{verdict="hold",class="write"}"#), 1.0);
    assert_eq!(value(&scrape, r#"countersign_commands_total{verdict="block",class="schema"}"#), 1.0);
    assert_eq!(value(&scrape, r#"countersign_refusals_total{state="blocked"}"#), 1.0);
    assert_eq!(value(&scrape, r#"countersign_logins_total{outcome="accepted"}"#), 3.0);
    assert_eq!(value(&scrape, r#"countersign_logins_total{outcome="token_refused"}"#), 1.0);
    for state in ["pending", "approved", "redeemed", "done"] {
        assert_eq!(value(&scrape, &format!("countersign_approvals_total{{state=\"{state}\"}}")), 1.0);
    }
    assert_eq!(value(&scrape, "countersign_release_seconds_count"), 1.0);
    assert_eq!(value(&scrape, r#"countersign_decision_seconds_count{decision="approved"}"#), 1.0);
    assert!(value(&scrape, "countersign_journal_written_bytes_total") > 0.0);
    assert!(value(&scrape, "countersign_journal_sync_seconds_count") > 0.0);
    assert_eq!(value(&scrape, "countersign_journal_failed"), 0.0);
    assert!(value(&scrape, r#"countersign_store_seconds_count{call="transact"}"#) > 0.0);
    reference::every_series_is_described(&scrape);
    promtool(&scrape);
    assert!(!scrape.contains("customers") && !scrape.contains("agent-7"), "{scrape}");
}

/// Prometheus' own opinion of a scrape.
fn promtool(scrape: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// A control plane of its own, started with these lines in its configuration; its ready line and log.
fn control_plane(lines: &str, look: impl FnOnce(&serde_json::Value)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("control.yaml");
    let data = dir.path().join("data");
    std::fs::write(&config, format!("listen: 127.0.0.1:0\ndata: {}\n{lines}", data.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["controlplane", "--output", "json", "--config"]).arg(&config);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    if let Ok(ready) = serde_json::from_str(&line) {
        look(&ready);
    }
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn a_control_plane_shows_the_same() {
    control_plane("listen_ops: 127.0.0.1:0\n", |ready| {
        let ops = ready["ops"].as_str().unwrap();
        assert_eq!(get(ops, "/readyz"), ("HTTP/1.1 200 OK".into(), "ready\n".into()));
        let scrape = get(ops, "/metrics").1;
        assert!(value(&scrape, r#"countersign_store_seconds_count{call="range"}"#) > 0.0);
        promtool(&scrape);
    });
    control_plane("listen_ops: off\n", |ready| assert_eq!(ready.get("ops"), None));
}

#[test]
fn an_address_for_operators_that_is_taken_is_a_clear_error_when_it_was_asked_for() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = control_plane(&format!("listen_ops: {address}\n"), |ready| panic!("it started: {ready}"));
    assert!(said.contains(&format!("cannot listen for operators on {address}")), "{said}");
    let said = control_plane("listen_ops: perhaps\n", |ready| panic!("it started: {ready}"));
    assert!(said.contains("listen_ops") && said.contains("or off"), "{said}");
}

#[test]
fn nobody_listens_for_operators_unless_asked() {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    let gateway = Countersign::start(bundle.dev()).unwrap();
    assert_eq!(gateway.ops(), None);
}
