//! With a bundle that allows everything a driver sees what it would see without the gateway.

use countersign_testkit::{Client, ClientKind, Dsn, Postgres, PostgresOptions};
use serde_json::Value;

use crate::stage::Stage;

/// Plays the same work to the server and through the gateway, each with a fresh shop.
pub(crate) fn ordinary_work(kind: ClientKind) {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let stage = Stage::allow_all();
    let direct = play(kind, &server.dsn());
    let through = play(kind, &stage.agent);
    for ((name, expected), (_, got)) in direct.iter().zip(&through) {
        assert_eq!(got, expected, "{name}");
    }
    assert_eq!(through.len(), direct.len());
}

/// All answers by the name of what was asked; the notices last.
fn play(kind: ClientKind, dsn: &Dsn) -> Vec<(&'static str, Value)> {
    let mut client = Client::start(kind, dsn).unwrap();
    let mut answers: Vec<_> = countersign_testkit::ordinary_work()
        .into_iter()
        .map(|(name, op)| (name, client.ask(&op).unwrap()))
        .collect();
    answers.push(("the notices", Value::Array(client.notices.clone())));
    answers
}
