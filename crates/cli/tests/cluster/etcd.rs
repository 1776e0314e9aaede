//! The loss of etcd's members.

use countersign_testkit::{Part, eventually};

use crate::stage::{SOON, Stage, insert};

#[test]
fn one_dead_member_is_not_noticed_by_clients() {
    let mut stage = Stage::new();
    let mut client = stage.client();
    stage.approved_insert("before");
    let leader = stage.cluster.etcd().leader().unwrap();
    // The leader, and one who only follows.
    for member in [leader, (leader + 1) % 3] {
        stage.cluster.kill(Part::Etcd(member)).unwrap();
        for number in 0..3 {
            assert_eq!(client.run("SELECT 1").unwrap().unwrap(), "SELECT 1");
            stage.approved_insert(&format!("without-{member}-{number}"));
        }
        stage.cluster.start_again(Part::Etcd(member)).unwrap();
    }
    assert_eq!(stage.rows().len(), 7);
}

#[test]
fn i8_without_a_majority_nothing_risky_runs_and_it_recovers_by_itself() {
    let mut stage = Stage::new();
    stage.approved_insert("before");
    let mut client = stage.client();
    let mut waiting = stage.client();
    waiting.send_insert("waiting");
    let ticket = waiting.ticket();
    for member in [0, 1] {
        stage.cluster.kill(Part::Etcd(member)).unwrap();
    }
    // It may be refused at once, or after the time in which an answer was waited for.
    let refused = client.run(&insert("risky")).unwrap().unwrap_err();
    assert_eq!(refused.sqlstate, "55G05", "{refused:?}");
    assert!(refused.says_not_executed(), "{refused:?}");
    assert!(stage.cluster.approve(&ticket).is_err(), "approved without a majority");
    assert_eq!(stage.rows(), ["before"]);

    stage.cluster.etcd().restart_without_waiting(0).unwrap();
    stage.cluster.start_again(Part::Etcd(1)).unwrap();
    eventually("the approval to be possible", SOON, || Ok(stage.cluster.approve(&ticket).ok())).unwrap();
    // The connection may have waited it out, or was told to come back.
    let outcome = waiting.outcome().unwrap();
    if let Err(refused) = outcome {
        assert!(refused.says_not_executed(), "{refused:?}");
        let mut again = stage.client();
        again.send_insert("waiting");
        again.expect_ran();
    }
    stage.approved_insert("after");
    assert_eq!(stage.rows(), ["after", "before", "waiting"]);
}
