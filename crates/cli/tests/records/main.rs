//! Records of a cluster: whichever control-plane process dies while records come, what was acknowledged is found and
//! verifies.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod stage;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_testkit::eventually;

use stage::Stage;

/// How many clients read at once.
const CLIENTS: usize = 3;

/// How many reads are answered before the kill, and after it.
const READS: usize = 30;

/// Clients read, and the node that has the gateway's link is killed; the marks of all reads that were answered, and which
/// node that was.
fn read_while_the_linked_node_is_killed(stage: &Stage) -> (Vec<String>, usize) {
    let (answered, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let linked = stage.linked();
    let count = || answered.lock().unwrap().len();
    let read = |client: usize| {
        for number in 0.. {
            if done.load(Ordering::SeqCst) {
                return;
            }
            let mark = format!("mark-{client}-{number}-end");
            if stage.reads(&mark) {
                answered.lock().unwrap().push(mark);
            }
        }
    };
    let wait_for = |wanted: usize| {
        eventually("reads to be answered", Duration::from_secs(60), || Ok((count() >= wanted).then_some(())))
    };
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || read(client));
        }
        let waited = wait_for(READS).and_then(|()| {
            stage.kill(linked);
            wait_for(count() + READS)
        });
        done.store(true, Ordering::SeqCst);
        waited.unwrap();
    });
    (answered.into_inner().unwrap(), linked)
}

#[test]
fn what_a_killed_node_acknowledged_is_found_and_verifies_when_it_is_back() {
    let stage = Stage::new("local");
    let (answered, killed) = read_while_the_linked_node_is_killed(&stage);
    let places = [stage.recordings(0), stage.recordings(1)];
    let (text, _) = stage.found(&places);
    // Before anything is repaired: what was acknowledged is on the disks.
    for mark in &answered {
        assert!(text.contains(mark.as_str()), "{mark} is lost");
    }
    stage.start_again(killed);
    let other = 1 - killed;
    eventually("the other node to see all of it", Duration::from_secs(60), || {
        let verified = stage.cli(other, &["audit", "verify"]);
        let (archived, _) = stage.found(&[stage.archive()]);
        let all = answered.iter().all(|mark| archived.contains(mark.as_str()));
        Ok((all && verified["whole"] == true).then_some(()))
    })
    .unwrap();
}

#[test]
fn with_redis_in_front_a_node_may_be_lost_with_its_disk() {
    let stage = Stage::new("redis");
    let (answered, killed) = read_while_the_linked_node_is_killed(&stage);
    std::fs::remove_dir_all(stage.recordings(killed)).unwrap();
    // The other one is elected when the place of the dead one has run out, drains Redis, and archives that.
    let places = [stage.archive(), stage.recordings(1 - killed)];
    eventually("all of it to be found without the lost node", Duration::from_secs(60), || {
        let (text, _) = stage.found(&places);
        Ok(answered.iter().all(|mark| text.contains(mark.as_str())).then_some(()))
    })
    .unwrap();
    let (_, report) = stage.found(&places);
    let forks = report.faults.iter().filter(|fault| fault.to_string().contains("fork")).count();
    assert_eq!(forks, 0, "{:?}", report.faults);
}

#[test]
fn the_streams_of_a_lost_gateway_are_ended_once_for_all_nodes() {
    let stage = Stage::new("local");
    let mut waiting = stage.asks();
    eventually("the write to wait", Duration::from_secs(20), || {
        let listed = stage.cli(0, &["requests", "ls", "--state", "pending"]);
        Ok(listed["requests"].as_array().is_some_and(|all| !all.is_empty()).then_some(()))
    })
    .unwrap();
    stage.kill_gateway();
    waiting.wait().unwrap();
    eventually("its streams to be ended", Duration::from_secs(60), || {
        let (text, _) = stage.found(&[stage.archive()]);
        Ok(text.contains("the gateway was lost").then_some(()))
    })
    .unwrap();
    for node in 0..2 {
        let verified = stage.cli(node, &["audit", "verify"]);
        assert_eq!(verified["whole"], true, "{verified}");
    }
    let (text, report) = stage.found(&[stage.archive()]);
    assert_eq!(text.matches("the gateway was lost").count(), 1);
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

/// Reads that are answered; their marks.
fn answered(stage: &Stage, name: &str) -> Vec<String> {
    let marks: Vec<_> = (0..5).map(|number| format!("mark-{name}-{number}-end")).collect();
    for mark in &marks {
        assert!(stage.reads(mark), "{mark}");
    }
    marks
}

fn has_all(text: &str, marks: &[String]) -> bool {
    marks.iter().all(|mark| text.contains(mark.as_str()))
}

#[test]
fn every_node_shows_a_recording_whole_as_soon_as_it_was_made_and_an_archive_that_was_away_has_it_all() {
    let stage = Stage::on_s3();
    let mut marks = answered(&stage, "before");
    for node in [0, 1] {
        assert!(has_all(&stage.replayed(node), &marks), "node {node} shows a part");
        let verified = stage.cli(node, &["audit", "verify"]);
        assert_eq!((&verified["whole"], &verified["silent_nodes"]), (&true.into(), &serde_json::Value::Null));
    }
    stage.kill_s3();
    marks.extend(answered(&stage, "away"));
    let mut waiting = stage.asks();
    eventually("the write to wait", Duration::from_secs(20), || {
        let listed = stage.cli(0, &["requests", "ls", "--state", "pending"]);
        Ok(listed["requests"].as_array().is_some_and(|all| !all.is_empty()).then_some(()))
    })
    .unwrap();
    stage.kill_gateway();
    waiting.wait().unwrap();
    stage.start_s3_again();
    for node in [0, 1] {
        eventually("the streams of the lost gateway to be ended", Duration::from_secs(90), || {
            let text = stage.replayed(node);
            Ok((has_all(&text, &marks) && text.contains("the gateway was lost")).then_some(()))
        })
        .unwrap();
        assert_eq!(stage.cli(node, &["audit", "verify"])["whole"], true);
        let (text, report) = stage.found(&[stage.copy(node)]);
        assert!(report.faults.is_empty() && has_all(&text, &marks), "{:?}", report.faults);
        assert_eq!(text.matches("the gateway was lost").count(), 1);
    }
}
