//! A fleet of processes: a control plane, gateways, PostgreSQL behind them and psql before them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign_testkit::{Bundle, Dsn, Fleet, Postgres, PostgresOptions, Terms, eventually, shop};

struct Stage {
    // In the order in which they have to end.
    fleet: Fleet,
    server: Postgres,
    _bundle: Bundle,
    token: String,
}

impl Stage {
    fn new(gateways: usize) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        let fleet = Fleet::start(bundle.dev(), gateways).unwrap();
        let token = fleet.control().token("agent-7", "agent", &["agents"]).unwrap();
        Self { fleet, server, _bundle: bundle, token }
    }

    fn at(&self, gateway: usize) -> Dsn {
        self.fleet.dsn(gateway, "shop", &self.token, shop::DATABASE).unwrap()
    }

    fn credit(&self) -> i64 {
        self.server.sql("SELECT credit_cents FROM customers WHERE id = 1").unwrap().parse().unwrap()
    }
}

fn psql(dsn: &Dsn, sql: &str) -> Child {
    Command::new("psql")
        .args(["-X", "-A", "-t", "-h", &dsn.host, "-p", &dsn.port.to_string()])
        .args(["-U", &dsn.user, "-d", &dsn.database, "-c", sql])
        .env("PGPASSWORD", &dsn.password)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const ADD: &str = "UPDATE customers SET credit_cents = credit_cents + 100 WHERE id = 1";

#[test]
fn a_held_command_outlives_its_gateway_and_runs_once_through_another_one() {
    let mut stage = Stage::new(2);
    let before = stage.credit();
    let first = psql(&stage.at(0), ADD);
    let id = stage.fleet.control().pending_one().unwrap();
    stage.fleet.kill_gateway(0).unwrap();
    assert!(!said(first).contains("UPDATE 1"));
    let second = psql(&stage.at(1), ADD);
    stage.fleet.control().approve(&id).unwrap();
    let said = said(second);
    assert!(said.contains("UPDATE 1"), "{said}");
    assert_eq!(stage.credit(), before + 100);
}

#[test]
fn a_held_command_outlives_a_restart_of_the_control_plane() {
    let mut stage = Stage::new(1);
    let before = stage.credit();
    let waiting = psql(&stage.at(0), ADD);
    let id = stage.fleet.control().pending_one().unwrap();
    stage.fleet.control_mut().kill().unwrap();
    stage.fleet.control_mut().start_again().unwrap();
    stage.fleet.control().approve(&id).unwrap();
    let said = said(waiting);
    assert!(said.contains("UPDATE 1"), "{said}\n{}", stage.fleet.gateway_log(0));
    assert_eq!(stage.credit(), before + 100);
}

#[test]
fn a_gateway_that_is_told_to_end_gives_those_that_wait_their_ticket() {
    let mut stage = Stage::new(1);
    let waiting = psql(&stage.at(0), ADD);
    let id = stage.fleet.control().pending_one().unwrap();
    stage.fleet.stop_gateway(0).unwrap();
    let said = said(waiting);
    assert!(said.contains("pending") && said.contains(&id), "{said}");
    // It joined once: its certificate lets it in again.
    stage.fleet.start_gateway_again(0).unwrap();
    let read = psql(&stage.at(0), "SELECT count(*) FROM customers");
    assert_eq!(self::said(read).trim(), "300");
}

#[test]
fn i8_closed_without_a_control_plane_nothing_is_run() {
    let mut stage = Stage::new(1);
    let before = stage.credit();
    stage.fleet.control_mut().kill().unwrap();
    let refused = said(psql(&stage.at(0), ADD));
    assert!(!refused.contains("UPDATE"), "{refused}");
    assert_eq!(stage.credit(), before);
    stage.fleet.control_mut().start_again().unwrap();
    let dsn = stage.at(0);
    eventually("served again", Duration::from_secs(30), || {
        Ok((said(psql(&dsn, "SELECT count(*) FROM customers")).trim() == "300").then_some(()))
    })
    .unwrap();
}

#[test]
fn a_revoked_gateway_is_out_with_all_that_it_was_about_and_another_goes_on() {
    let mut stage = Stage::new(2);
    let before = stage.credit();
    let operator = |stage: &Stage, words: &[&str]| stage.fleet.control().cli_as_operator(words).unwrap();
    let gateways = |stage: &Stage| -> Vec<String> {
        let listed = operator(stage, &["fleet", "nodes"]);
        let nodes = listed["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == "gateway");
        nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(gateways(&stage), ["gateway-0", "gateway-1"]);
    let waiting = psql(&stage.at(0), ADD);
    let id = stage.fleet.control().pending_one().unwrap();
    let revoked = operator(&stage, &["fleet", "revoke", "gateway-0", "--reason", "stolen"]);
    assert_eq!((&revoked["name"], &revoked["reason"]), (&"gateway-0".into(), &"stolen".into()));
    let cut_off = said(waiting);
    assert!(!cut_off.contains("UPDATE 1"), "{cut_off}");
    // Its request goes on elsewhere.
    let second = psql(&stage.at(1), ADD);
    stage.fleet.control().approve(&id).unwrap();
    let ran = said(second);
    assert!(ran.contains("UPDATE 1"), "{ran}");
    assert_eq!(stage.credit(), before + 100);

    // It ends by itself, and does not get ready again; after a restart of the control plane neither.
    assert_eq!(stage.fleet.gateway_ends(0).unwrap(), 3, "{}", stage.fleet.gateway_log(0));
    let stays_out = |stage: &mut Stage| {
        let refused = stage.fleet.start_gateway_again(0).unwrap_err();
        assert!(format!("{refused:#}").contains("revoked"), "{refused:#}");
        assert_eq!(gateways(stage), ["gateway-1"]);
    };
    stays_out(&mut stage);
    stage.fleet.control_mut().kill().unwrap();
    stage.fleet.control_mut().start_again().unwrap();
    eventually("the other one to be linked", Duration::from_secs(30), || {
        Ok((gateways(&stage) == ["gateway-1"]).then_some(()))
    })
    .unwrap();
    stays_out(&mut stage);
    let listed = operator(&stage, &["fleet", "nodes", "--revoked"]);
    assert_eq!(listed["revoked"][0]["gateway"], revoked["gateway"]);
}

#[test]
fn what_a_fleet_did_is_recorded_whole() {
    let stage = Stage::new(2);
    for gateway in 0..2 {
        assert_eq!(said(psql(&stage.at(gateway), "SELECT count(*) FROM customers")).trim(), "300");
    }
    let sessions = stage.fleet.control().cli_as_operator(&["sessions", "ls"]).unwrap();
    let session = sessions["sessions"][0]["id"].as_str().unwrap().to_owned();
    eventually("both commands to be recorded", Duration::from_secs(10), || {
        let verified = stage.fleet.control().cli_as_operator(&["audit", "verify", &session])?;
        let records = verified["records"].as_u64().unwrap_or_default();
        Ok((verified["whole"] == true && records >= 8).then_some(()))
    })
    .unwrap();
}
