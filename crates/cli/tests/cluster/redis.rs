//! Redis, which carries hints between control-plane nodes and nothing that counts.

use countersign_testkit::{Part, Signal};

use crate::stage::Stage;

#[test]
fn i1_without_redis_a_held_command_still_runs_once() {
    let mut stage = Stage::new();
    let mut before = stage.client();
    before.send_insert("before");
    let asked_before = before.ticket();
    stage.cluster.kill(Part::Redis).unwrap();
    let mut after = stage.client();
    after.send_insert("after");
    let asked_after = after.ticket();

    assert_eq!(stage.pending(2), [asked_before.clone(), asked_after.clone()]);
    assert!(stage.rows().is_empty());
    stage.cluster.approve(&asked_before).unwrap();
    stage.cluster.approve(&asked_after).unwrap();
    before.expect_ran();
    after.expect_ran();
    // Nothing is left that could run a second time.
    assert!(stage.pending(0).is_empty());
    assert_eq!(stage.rows(), ["after", "before"]);
}

#[test]
fn i1_a_redis_that_stands_still_delays_no_held_command_for_good_and_runs_it_once() {
    let mut stage = Stage::new();
    stage.cluster.signal(Part::Redis, Signal::Stop).unwrap();
    stage.approved_insert("while-it-stood-still");
    assert_eq!(stage.rows(), ["while-it-stood-still"]);
}
