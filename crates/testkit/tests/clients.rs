//! The client programs play their ordinary work against a plain PostgreSQL: what they say there is what
//! the gateway's tests compare with.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::{Client, ClientKind, Postgres, PostgresOptions, ordinary_work};
use serde_json::Value;

/// All answers and notices of one driver, by the name of what it was told.
fn play(kind: ClientKind) -> Vec<(&'static str, Value)> {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let mut client = Client::start(kind, &server.dsn()).unwrap();
    let mut answers = Vec::new();
    for (name, op) in ordinary_work() {
        answers.push((name, client.ask(&op).unwrap()));
    }
    assert!(client.notices.iter().any(|notice| notice["message"] == "hello 7"), "{:?}", client.notices);
    answers
}

/// Every driver succeeds and fails where PostgreSQL does, whatever form its answers have.
fn check(kind: ClientKind) {
    let answers = play(kind);
    let failing: Vec<(&str, &str)> = answers
        .iter()
        .filter_map(|(name, answer)| Some((*name, answer.get("error")?["sqlstate"].as_str().unwrap_or("?"))))
        .collect();
    let mut expected = vec![
        ("a transaction that fails", "23505"),
        ("a syntax error", "42601"),
        ("an unknown table", "42P01"),
        ("a bad cast", "22P02"),
        ("a division by zero in the middle", "22012"),
        ("an error between statements", "22012"),
        ("a pipeline that breaks", "22012"),
        ("a constraint", "23505"),
        ("a cancelled statement", "57014"),
        ("COPY in that fails", "22P02"),
        ("COPY out that fails", "22012"),
    ];
    if kind == ClientKind::Node {
        // It tells of each run of a pipeline by itself.
        expected.retain(|(name, _)| *name != "a pipeline that breaks");
    }
    if kind == ClientKind::Asyncpg {
        // It cannot do without a command tag.
        expected.splice(0..0, [("an empty query", "?"), ("only a comment", "?")]);
    }
    assert_eq!(failing, expected);
    let answer = |wanted: &str| answers.iter().find(|(name, _)| *name == wanted).unwrap().1.to_string();
    assert!(answer("what is left").contains("two!"), "{}", answer("what is left"));
    assert!(answer("a large value up and down").contains(r#""length":2600001"#));
    let notification = answer("the notification");
    assert!(notification.contains("ding") && notification.contains("\"own\":true"), "{notification}");
    assert!(answer("after a cancel").contains("still here"));
    assert!(answer("COPY out").contains("md5"));
}

#[test]
fn psycopg_does_its_ordinary_work() {
    check(ClientKind::Psycopg);
}

#[test]
fn asyncpg_does_its_ordinary_work() {
    check(ClientKind::Asyncpg);
}

#[test]
fn node_postgres_does_its_ordinary_work() {
    check(ClientKind::Node);
}

#[test]
fn jdbc_does_its_ordinary_work() {
    check(ClientKind::Jdbc);
}

#[test]
fn the_same_work_on_two_servers_gives_the_same_answers() {
    assert_eq!(play(ClientKind::Psycopg), play(ClientKind::Psycopg));
}
