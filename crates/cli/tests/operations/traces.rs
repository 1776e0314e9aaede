//! One command is one trace, through all processes that have a part in it; what is exported, and what is not.

use countersign_testkit::{Bundle, Fleet, Postgres, PostgresOptions, Terms, shop};

use super::receiver::{Receiver, Trace};
use super::{ADD, Stage, psql};

/// What a held command goes through in one process, in alphabetical order.
const STEPS: [&str; 13] = [
    "answer",
    "ask",
    "command",
    "control.decide",
    "forward",
    "hold",
    "judge",
    "prepare",
    "read",
    "record",
    "redeem",
    "report",
    "resolve",
];

/// The one trace of a command that was held.
fn held(traces: &[Trace]) -> &Trace {
    let held: Vec<_> = traces.iter().filter(|trace| trace.names().contains(&"hold".to_owned())).collect();
    assert_eq!(held.len(), 1, "{traces:#?}");
    held[0]
}

#[test]
fn one_command_is_one_trace_without_its_text() {
    let receiver = Receiver::start();
    let mut stage = Stage::with(&["--otlp", receiver.url()]);
    assert!(stage.psql("SELECT id FROM customers").wait().unwrap().success());
    let waiting = stage.psql(ADD);
    let id = stage.gateway.pending_one().unwrap();
    stage.gateway.approve(&id).unwrap();
    assert!(waiting.wait_with_output().unwrap().status.success());
    // The last traces are sent when the process ends.
    stage.gateway.stop().unwrap();

    let traces = receiver.traces();
    assert_eq!(traces.len(), 2, "one trace a command: {traces:#?}");
    let held = held(&traces);
    assert_eq!(held.names(), STEPS);
    assert_eq!(held.parent("command"), None);
    assert_eq!(held.parent("control.decide"), Some(("countersign", "ask")));
    let parts = STEPS.iter().filter(|name| !["command", "control.decide"].contains(name));
    for name in parts {
        assert_eq!(held.parent(name), Some(("countersign", "command")), "{name}");
    }
    assert_eq!(held.attribute("countersign.approval").as_deref(), Some(id.as_str()));
    assert_eq!(held.attribute("countersign.outcome").as_deref(), Some("completed"));
    assert_eq!(held.attribute("countersign.verdict").as_deref(), Some("hold"));
    let all = format!("{traces:?}").to_lowercase();
    for secret in ["update ", "select ", "customers", "credit_cents", "agent-7", &stage.token.to_lowercase()]
    {
        assert!(!all.contains(secret), "`{secret}` in {traces:#?}");
    }
}

#[test]
fn what_waits_for_people_is_traced_in_the_client_s_own_trace_where_nothing_else_is_traced() {
    const CLIENT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let receiver = Receiver::start();
    let mut stage = Stage::with(&["--otlp", receiver.url(), "--trace-share", "0"]);
    let sent = format!("/*traceparent='00-{CLIENT}-00f067aa0ba902b7-00'*/");
    assert!(stage.psql(&format!("SELECT id FROM customers {sent}")).wait().unwrap().success());
    assert!(!stage.psql(&format!("DROP TABLE payments {sent}")).wait().unwrap().success());
    let waiting = stage.psql(&format!("{ADD} {sent}"));
    let id = stage.gateway.pending_one().unwrap();
    stage.gateway.approve(&id).unwrap();
    assert!(waiting.wait_with_output().unwrap().status.success());
    let session = stage.gateway.cli_as_operator(&["sessions", "ls"]).unwrap();
    let session = session["sessions"][0]["id"].as_str().unwrap().to_owned();
    let operator = stage.gateway.operator().unwrap();
    let replay =
        stage.gateway.command_for_people(&operator, &["replay", &session]).unwrap().output().unwrap();
    stage.gateway.stop().unwrap();

    let traces = receiver.traces();
    assert_eq!(traces.len(), 1, "{traces:#?}");
    let held = held(&traces);
    assert_eq!(held.id, CLIENT);
    assert_eq!(hex::encode(&held.span("command").span.parent_span_id), "00f067aa0ba902b7");
    // Its record names the trace, those of the others name none.
    let replay = String::from_utf8(replay.stdout).unwrap();
    assert_eq!(replay.matches(&format!(", trace {CLIENT}")).count(), 1, "{replay}");
}

#[test]
fn a_command_that_goes_through_a_gateway_and_a_control_plane_is_one_trace() {
    const GATEWAY: &str = "countersign-gateway";
    const CONTROL: &str = "countersign-controlplane";
    let receiver = Receiver::start();
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    let mut options = bundle.dev();
    options.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT".into(), receiver.url().into()));
    let mut fleet = Fleet::start(options, 1).unwrap();
    let token = fleet.control().token("agent-7", "agent", &["agents"]).unwrap();
    let waiting = psql(fleet.dsn(0, "shop", &token, shop::DATABASE).unwrap(), ADD);
    let id = fleet.control().pending_one().unwrap();
    fleet.control().approve(&id).unwrap();
    assert!(waiting.wait_with_output().unwrap().status.success());
    fleet.stop_gateway(0).unwrap();
    fleet.control_mut().stop().unwrap();

    let traces = receiver.traces();
    assert_eq!(traces.len(), 1, "{traces:#?}");
    let held = held(&traces);
    assert_eq!((held.span("command").service.as_str(), held.parent("command")), (GATEWAY, None));
    let parts = [
        (GATEWAY, "ask", (GATEWAY, "command")),
        (CONTROL, "control.hold", (GATEWAY, "ask")),
        (CONTROL, "control.decide", (CONTROL, "control.hold")),
        (GATEWAY, "hold", (GATEWAY, "command")),
        (GATEWAY, "prepare", (GATEWAY, "command")),
        (GATEWAY, "redeem", (GATEWAY, "command")),
        (CONTROL, "control.redeem", (GATEWAY, "redeem")),
        (GATEWAY, "forward", (GATEWAY, "command")),
        (GATEWAY, "answer", (GATEWAY, "command")),
        (CONTROL, "control.report", (GATEWAY, "report")),
    ];
    for (service, name, parent) in parts {
        assert_eq!(held.span(name).service, service, "{name}");
        assert_eq!(held.parent(name), Some(parent), "{name}");
    }
    let begins = |name: &str| held.span(name).span.start_time_unix_nano;
    let order = ["command", "ask", "hold", "prepare", "redeem", "forward", "answer"];
    assert!(order.is_sorted_by_key(|name| begins(name)), "{held:#?}");
}
