//! The end of a session, at whatever gateway its connections are.

use crate::stage::{Stage, insert};

#[test]
fn i3_what_a_revoked_session_has_open_ends_and_nothing_of_it_runs_afterwards() {
    let stage = Stage::new();
    // At two gateways: the balancer spreads them.
    let (mut idle, mut waiting) = (stage.client(), stage.client());
    assert_eq!(idle.run("SELECT 1").unwrap().unwrap(), "SELECT 1");
    waiting.send_insert("revoked");
    let ticket = waiting.ticket();
    let listed = stage.operator(&["sessions", "ls"]);
    let session = listed["sessions"][0]["id"].as_str().unwrap().to_owned();
    stage.operator(&["sessions", "revoke", &session, "--reason", "test"]);

    // Its request ends with it: nobody can agree any more.
    let refused = waiting.outcome().unwrap().unwrap_err();
    assert!(refused.says_not_executed() || refused.sqlstate.starts_with("57P"), "{refused:?}");
    assert!(stage.cluster.approve(&ticket).is_err(), "a request outlived its session");
    // Whether the word reached this connection before the command or the command came first: it does not run.
    if let Ok(outcome) = idle.run(&insert("afterwards")) {
        outcome.unwrap_err();
    }
    assert_eq!(stage.rows(), [""; 0]);
    assert!(crate::client::Client::login(&stage.agent).is_err(), "the token still opens a session");
}
