//! Nodes that stand still in the middle of a client's transaction: records are not kept while they do.

use countersign_testkit::{Part, Signal};

use crate::stage::Stage;

impl Stage {
    fn controls(&mut self, signal: Signal) {
        for number in 0..3 {
            self.cluster.signal(Part::Control(number), signal).unwrap();
        }
    }
}

#[test]
fn i5_a_commit_of_what_was_written_is_not_sent_before_its_own_record_is_kept() {
    let mut stage = Stage::new();
    let mut client = stage.client();
    client.run("BEGIN").unwrap().unwrap();
    client.send_insert("row");
    stage.cluster.approve(&client.ticket()).unwrap();
    client.expect_ran();

    stage.controls(Signal::Stop);
    let refused = client.run("COMMIT").unwrap().unwrap_err();
    assert_eq!(refused.sqlstate, "55G05", "{refused:?}");
    assert!(refused.says_not_executed(), "{refused:?}");
    assert!(stage.rows().is_empty(), "committed, and told the contrary");

    stage.controls(Signal::Continue);
    drop(client);
    stage.approved_insert("after");
    assert_eq!(stage.rows(), ["after"]);
}

#[test]
fn i5_the_answer_of_a_read_whose_record_is_not_kept_is_not_given_and_its_outcome_is_called_unknown() {
    let mut stage = Stage::new();
    let mut client = stage.client();
    client.run("BEGIN").unwrap().unwrap();
    client.run("SELECT 1").unwrap().unwrap();

    stage.controls(Signal::Stop);
    // A transaction that only reads is ended without waiting for a record, but nobody is told of it without one.
    let refused = client.run("COMMIT").unwrap().unwrap_err();
    assert_eq!(refused.sqlstate, "08007", "{refused:?}");
    assert!(client.run("SELECT 1").is_err(), "the connection goes on");

    stage.controls(Signal::Continue);
    let mut client = stage.client();
    assert_eq!(client.run("SELECT 1").unwrap().unwrap(), "SELECT 1");
}
