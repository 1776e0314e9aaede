//! A gateway that is lost for good: every command that it began ends exactly once, regardless of which nodes have its
//! records and how many of them end its streams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign_common::Timestamp;
use countersign_common::id::{CommandId, NodeId};
use countersign_recording::*;
use support::*;

const AT: Timestamp = Timestamp::from_micros(1_700_000_500_000_000);

/// Two reads, and two commands that run when the gateway dies.
fn broken_off() -> Vec<Sent> {
    let mut lines = Outbox::of(|stream| {
        read(stream, CommandId::from_u128(1));
        stream.append(&begin(CommandId::from_u128(2), "SELECT 2", VerdictWord::Allow)).unwrap();
        read(stream, CommandId::from_u128(3));
        stream.append(&begin(CommandId::from_u128(4), "SELECT 4", VerdictWord::Allow)).unwrap();
    });
    // Without the records that the stream writes when it is dropped.
    lines.truncate(9);
    lines
}

struct Node {
    dir: tempfile::TempDir,
    journal: Arc<LocalJournal>,
    ledger: Arc<Ledger>,
}

fn node(sent: &[Sent]) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let journal = keeping(dir.path());
    let ledger = Ledger::resume(Arc::clone(&journal));
    send(&ledger.link(GATEWAY), sent);
    journal.flush().unwrap();
    Node { dir, journal, ledger }
}

fn logs(nodes: &[Node]) -> Vec<Log> {
    nodes.iter().map(|node| Log::at(node.dir.path())).collect()
}

fn survey(nodes: &[Node]) -> Abandoned {
    nodes.iter().for_each(|node| node.ledger.refuse(GATEWAY));
    Abandoned::survey(&logs(nodes), GATEWAY, AT).unwrap()
}

/// Number of end records of each begun command.
fn ends(nodes: &[Node]) -> BTreeMap<CommandId, u32> {
    let mut ends = BTreeMap::new();
    for envelope in Replay::of(&logs(nodes), SESSION).unwrap() {
        match envelope.unwrap().record {
            Record::Begin(begin) => drop(ends.insert(begin.id, 0)),
            Record::End(ended) => *ends.get_mut(&ended.id).unwrap() += 1,
            _ => {}
        }
    }
    ends
}

#[test]
fn i5_recorded_whoever_ends_the_streams_of_a_lost_gateway_every_command_ends_once() {
    let lines = broken_off();
    // Either node is the one that continues, both have some lines, and the closing node has not seen all of them.
    for (first, second) in [(0..5, 3..9), (0..9, 0..2), (0..9, 9..9)] {
        for closers in [vec![0], vec![1], vec![0, 1], vec![1, 0, 1]] {
            let nodes = [node(&lines[first.clone()]), node(&lines[second.clone()])];
            let abandoned = survey(&nodes);
            assert_eq!(abandoned.streams.len(), 1);
            assert_eq!((abandoned.streams[0].count, abandoned.streams[0].running.len()), (9, 2));
            for closer in closers {
                assert!(abandoned.end(&*nodes[closer].journal).unwrap().is_some());
            }
            nodes.iter().for_each(|node| node.journal.close().unwrap());
            let report = Verifier::new(&key().public()).verify_all(&logs(&nodes)).unwrap();
            assert_eq!(report.faults, vec![]);
            assert!(report.streams[0].closed);
            assert!(ends(&nodes).values().all(|&ends| ends == 1), "{:?}", ends(&nodes));
        }
    }
}

#[test]
fn streams_that_ended_and_those_of_other_gateways_are_left_alone() {
    let nodes = [node(&Outbox::of_reads(1)), node(&broken_off())];
    nodes.iter().for_each(|node| node.ledger.refuse(GATEWAY));
    let other = Abandoned::survey(&logs(&nodes), NodeId::from_u128(10), AT).unwrap();
    assert_eq!((other.streams, other.parted), (vec![], vec![]));
    let abandoned = survey(&nodes);
    assert_eq!(abandoned.streams.len(), 1);
    // A stream that was ended is found ended, so that it is not ended twice.
    abandoned.end(&*nodes[0].journal).unwrap();
    nodes[0].journal.flush().unwrap();
    assert_eq!(survey(&nodes).streams, vec![]);
}

#[test]
fn a_stream_of_which_a_part_is_nowhere_stays_open() {
    let lines = broken_off();
    let nodes = [node(&lines[..3]), node(&lines[6..])];
    let abandoned = survey(&nodes);
    assert_eq!((abandoned.streams, abandoned.parted), (vec![], vec![lines[0].0]));
}

#[tokio::test]
async fn nodes_that_saw_different_parts_agree_on_one_end() {
    let lines = broken_off();
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let nodes = [node(&lines[..9]), node(&lines[..5])];
    let seen = |node: &Node| Abandoned::survey(&[Log::at(node.dir.path())], GATEWAY, AT).unwrap();
    assert_eq!(archive.agreed(GATEWAY).await.unwrap(), None);
    let (one, other) = (seen(&nodes[0]), seen(&nodes[1]));
    assert_ne!(one, other);
    assert_eq!(archive.agree(&one).await.unwrap(), one);
    assert_eq!(archive.agree(&other).await.unwrap(), one);
    assert_eq!(archive.agreed(GATEWAY).await.unwrap(), Some(one));
}

#[test]
fn a_stream_that_went_on_and_ended_elsewhere_can_be_let_go() {
    let lines = Outbox::of_reads(2);
    let node = node(&lines[..4]);
    assert_eq!(node.journal.open_streams().len(), 1);
    node.journal.let_go(&[lines[0].0]);
    assert_eq!(node.journal.open_streams(), vec![]);
    // A stream that the next segment does not name is not found after a restart.
    node.journal.seal_and_sync().unwrap();
    node.journal.close().unwrap();
    let Node { dir, journal, ledger } = node;
    drop((journal, ledger));
    assert_eq!(reopened(dir.path()), vec![]);
}

fn reopened(dir: &Path) -> Vec<OpenStream> {
    keeping(dir).open_streams()
}

#[tokio::test]
async fn i5_recorded_the_streams_of_a_lost_gateway_are_ended_through_the_archive_by_whoever_comes() {
    let lines = broken_off();
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let nodes = [node(&lines[..5]), node(&lines[3..9])];
    let link = nodes[0].ledger.link(GATEWAY);
    // Every node refuses the gateway, and archives its records.
    let keep = std::time::Duration::from_secs(3600);
    for node in &nodes {
        node.ledger.refuse(GATEWAY);
        Archiver::new(archive.clone(), node.journal.clone(), keep).unwrap().round().await.unwrap();
    }
    let end = async |node: &Node| {
        let ended = archive.end_lost(&node.ledger, &node.journal, GATEWAY, AT).await.unwrap();
        assert_eq!((ended.streams[0].count, ended.streams[0].running.len()), (9, 2));
        assert_eq!(node.journal.open_streams(), vec![]);
        ended
    };
    let first = end(&nodes[0]).await;
    assert_eq!(end(&nodes[1]).await, first);
    assert_eq!(end(&nodes[0]).await, first);
    assert!(matches!(link.take(lines[5].0, 5, &lines[5].2), Err(IntakeError::Lost { .. })));
    nodes.iter().for_each(|node| node.journal.close().unwrap());
    let report = Verifier::new(&key().public()).verify_all(&logs(&nodes)).unwrap();
    assert_eq!(report.faults, vec![]);
    assert!(report.streams[0].closed && ends(&nodes).values().all(|&ends| ends == 1));
}

#[test]
fn what_was_written_before_the_gateway_began_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment-00000000.jsonl.zst");
    std::fs::write(&path, "whoever reads this fails").unwrap();
    let written = |age: Duration| {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    let survey = |gateway| Abandoned::survey(&[Log::at(dir.path())], gateway, AT);
    let (young, old) = (NodeId::generate(), NodeId::from_u128(1));
    // One day is the margin for differing clocks.
    written(Duration::from_secs(2 * 86_400));
    assert_eq!(survey(young).unwrap().streams, []);
    assert!(survey(old).is_err());
    written(Duration::from_secs(3600));
    assert!(survey(young).is_err());
}
