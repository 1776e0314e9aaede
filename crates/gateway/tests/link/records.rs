//! Records: confirmed ones are kept, unsynced ones are sent again, none is dropped.

use std::time::Duration;

use countersign_common::Digest;
use countersign_common::id::StreamId;
use countersign_lifecycle::ports::Ports;
use countersign_recording::{Effect, Encoded, JournalError, JournalExt as _, Position};

use crate::plane::Plane;
use crate::stage::{Nodes, eventually};

fn append(ports: &Ports, seq: u64, effect: Effect) -> Result<Position, JournalError> {
    let line = format!("record {seq}");
    let line = line.as_bytes();
    let record = Encoded { line, hash: Digest::of(line), stream: StreamId::from_u128(1), seq, effect };
    ports.journal.append(record)
}

fn begins() -> Effect {
    Effect::Begins(countersign_common::id::CommandId::generate())
}

#[tokio::test]
async fn i5_recorded_first_what_is_vouched_for_is_kept_by_the_control_plane() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    plane.truth.lock().syncs = false;
    let position = append(&ports, 0, Effect::Opens).unwrap();
    ports.journal.accepted(position).await.unwrap();
    assert_eq!(plane.truth.lock().records[&position.0].sequence, 0);
    let mut synced = Box::pin(ports.journal.synced(position));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut synced).await;
    assert!(early.is_err(), "it is accepted, not synced");
    plane.truth.lock().syncs = true;
    synced.await.unwrap();
}

#[tokio::test]
async fn after_a_failover_exactly_what_is_not_synced_is_sent_again_to_the_next_node() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 2).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    for seq in 0..10 {
        append(&ports, seq, begins()).unwrap();
    }
    ports.journal.synced(Position(10)).await.unwrap();
    plane.truth.lock().syncs = false;
    for seq in 10..15 {
        append(&ports, seq, begins()).unwrap();
    }
    ports.journal.accepted(Position(15)).await.unwrap();
    plane.truth.lock().acknowledges = false;
    plane.break_links();
    for seq in 15..20 {
        append(&ports, seq, begins()).unwrap();
    }
    eventually("all sent", || plane.truth.lock().records.len() == 20).await;
    {
        let mut truth = plane.truth.lock();
        assert_eq!(truth.hellos.last().unwrap().records_synced, 10);
        assert_eq!(*truth.began_at.last().unwrap(), 11);
        assert_eq!(truth.violations, Vec::<String>::new());
        truth.syncs = true;
        truth.acknowledges = true;
    }
    ports.journal.synced(Position(20)).await.unwrap();
}

#[tokio::test]
async fn i8_closed_what_nobody_acknowledges_is_refused_and_what_runs_still_gets_its_end() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let mut options = nodes.options();
    options.records_bytes_max = 100;
    let link = nodes.link(options);
    let ports = link.ready(None).await;
    plane.truth.lock().acknowledges = false;
    let mut taken = 0;
    while append(&ports, taken, begins()).is_ok() {
        taken += 1;
        assert!(taken < 100, "no bound");
    }
    assert_eq!(append(&ports, taken, begins()), Err(JournalError::Unacknowledged));
    let end = Effect::Ends(countersign_common::id::CommandId::generate());
    append(&ports, taken, end).unwrap();
    plane.truth.lock().acknowledges = true;
    eventually("taken again", || append(&ports, taken + 1, begins()).is_ok()).await;
    eventually("nothing dropped", || plane.truth.lock().records.len() as u64 == taken + 2).await;
    assert_eq!(plane.truth.lock().violations, Vec::<String>::new());
}

#[tokio::test]
async fn i8_closed_a_command_does_not_wait_for_ever_for_its_record() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let mut options = nodes.options();
    options.records_time_max = Duration::from_millis(200);
    let link = nodes.link(options);
    let ports = link.ready(None).await;
    plane.truth.lock().acknowledges = false;
    let position = append(&ports, 0, begins()).unwrap();
    assert_eq!(ports.journal.accepted(position).await, Err(JournalError::Unacknowledged));
    assert_eq!(append(&ports, 1, begins()), Err(JournalError::Unacknowledged));
    plane.truth.lock().acknowledges = true;
    eventually("taken again", || append(&ports, 1, begins()).is_ok()).await;
    ports.journal.synced(Position(2)).await.unwrap();
}

#[tokio::test]
async fn a_record_that_nobody_waits_for_is_kept_all_the_same() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    append(&ports, 0, Effect::Continues).unwrap();
    eventually("kept", || plane.truth.lock().records.len() == 1).await;
}
