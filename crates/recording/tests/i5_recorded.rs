//! I5: acknowledged records survive the process, and every begun command ends once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use countersign_common::id::{CommandId, SessionId};
use countersign_recording::*;
use support::*;

const CHILD_DIR: &str = "RECORDING_TEST_CHILD_DIR";
const CHILD_WAIT: &str = "RECORDING_TEST_CHILD_WAIT";

/// Not a separate test: the child process of the tests below. It appends forever and prints the acknowledged numbers.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let synced = std::env::var(CHILD_WAIT).is_ok_and(|wait| wait == "synced");
    let journal = journal(Path::new(&dir), Options { segment_bytes_max: 50_000, ..Options::default() });
    let mut stream = stream(&journal, SESSION);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for number in 1u128.. {
        let id = CommandId::from_u128(number);
        let position = stream.append(&begin(id, "SELECT 1", VerdictWord::Allow)).unwrap();
        if synced {
            runtime.block_on(journal.synced(position)).unwrap();
        } else {
            runtime.block_on(journal.accepted(position)).unwrap();
        }
        println!("ack {number}");
        if number % 3 != 0 {
            stream.append(&end(id, Ending::Completed("SELECT 1".into()))).unwrap();
        }
    }
}

fn spawn(dir: &Path, wait: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_appends_until_it_is_killed", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_WAIT, wait)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child after this number of acknowledgements. Returns the last number that it printed.
fn kill_after(mut child: Child, acks: u128) -> u128 {
    let mut last = 0;
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(number) = line.split("ack ").nth(1).and_then(|n| n.trim().parse().ok()) else { continue };
        last = number;
        if last >= acks && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    last
}

fn begun(dir: &Path) -> BTreeMap<CommandId, u32> {
    let mut ends = BTreeMap::new();
    for envelope in Replay::open(dir, SESSION).unwrap() {
        match envelope.unwrap().record {
            Record::Begin(begin) => assert_eq!(ends.insert(begin.id, 0), None),
            Record::End(ended) => *ends.get_mut(&ended.id).unwrap() += 1,
            _ => {}
        }
    }
    ends
}

fn nothing_acknowledged_is_lost(wait: &str, kills: [u128; 4]) {
    for acks in kills {
        let dir = tempfile::tempdir().unwrap();
        let last = kill_after(spawn(dir.path(), wait), acks);
        assert!(last >= acks);
        let before = begun(dir.path());
        let missing: Vec<_> =
            (1..=last).filter(|&n| !before.contains_key(&CommandId::from_u128(n))).collect();
        assert_eq!(missing, Vec::<u128>::new());

        journal(dir.path(), Options::default()).close().unwrap();
        let report = verify(dir.path(), &key().public()).unwrap();
        assert_eq!(report.faults, vec![]);
        assert!(report.streams.iter().all(|stream| stream.closed), "streams of the dead are ended");
        // Zero if it died between sealing one segment and starting the next.
        assert!(report.recoveries <= 1);
        assert!(begun(dir.path()).values().all(|&ends| ends == 1), "every begun command ends once");
    }
}

#[test]
fn i5_recorded_what_was_accepted_outlives_a_kill_9() {
    nothing_acknowledged_is_lost("accepted", [1, 50, 400, 2000]);
}

#[test]
fn i5_recorded_what_was_synced_outlives_a_kill_9() {
    nothing_acknowledged_is_lost("synced", [1, 20, 100, 300]);
}

#[test]
fn a_line_torn_anywhere_is_put_aside_and_the_recording_stays_whole() {
    let source = tempfile::tempdir().unwrap();
    let journal_before = journal(source.path(), Options::default());
    let mut one = stream(&journal_before, SESSION);
    let id = CommandId::from_u128(1);
    let position = one.append(&begin(id, "SELECT 1", VerdictWord::Allow)).unwrap();
    wait(journal_before.accepted(position)).unwrap();
    let bytes = std::fs::read(source.path().join("segment-00000000.jsonl")).unwrap();
    let header_bytes = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
    for end in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment-00000000.jsonl");
        std::fs::write(&path, &bytes[..end]).unwrap();
        journal(dir.path(), Options::default()).close().unwrap();
        let report = verify(dir.path(), &key().public()).unwrap();
        assert_eq!(report.faults, vec![], "torn at {end}");
        let whole = bytes[..end].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        assert_eq!(report.recovered_bytes, (end - whole) as u64, "torn at {end}");
        let torn = std::fs::read(path.with_extension("torn")).unwrap_or_default();
        assert_eq!(torn, bytes[whole..end], "nothing is thrown away");
        assert_eq!(report.streams.len(), usize::from(whole > header_bytes), "torn at {end}");
    }
}

#[test]
fn a_journal_that_is_open_is_not_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let _journal = journal(dir.path(), Options::default());
    let sink = Box::new(CheckpointFile::open(tempfile::tempdir().unwrap().path(), key()).unwrap());
    assert!(LocalJournal::open(dir.path(), Options::default(), clock(), sink).is_err());
}

#[test]
fn what_is_accepted_is_ready_at_once_and_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let stream = stream(&journal, SESSION);
    assert_eq!(poll(journal.accepted(stream.last())), Poll::Ready(Ok(())));
    let text = std::fs::read_to_string(dir.path().join("segment-00000000.jsonl")).unwrap();
    assert!(text.contains("\"opened\"") && text.ends_with('\n'));
}

#[test]
fn i5_recorded_what_nobody_waits_for_is_synced_all_the_same() {
    struct Told(std::sync::mpsc::Sender<Tips>);
    impl CheckpointSink for Told {
        fn keep(&mut self, tips: &Tips) -> std::io::Result<()> {
            self.0.send(tips.clone()).map_err(std::io::Error::other)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (told, tips) = std::sync::mpsc::channel();
    let options = Options { checkpoint_every: Duration::ZERO, ..Options::default() };
    let journal = Arc::new(LocalJournal::open(dir.path(), options, clock(), Box::new(Told(told))).unwrap());
    let began = Instant::now();
    let stream = stream(&journal, SESSION);
    let moved = std::iter::from_fn(|| tips.recv_timeout(Duration::from_secs(5)).ok())
        .find(|tips| !tips.changed.is_empty())
        .expect("tips of what was synced");
    assert_eq!(moved.changed[0].stream, stream.id());
    // 50 ms by design; a loaded test machine gets ten times that.
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[test]
fn a_stream_refuses_records_that_do_not_fit_and_appends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut stream = stream(&journal, SESSION);
    let id = CommandId::from_u128(1);
    let done = || end(id, Ending::Completed("SELECT 1".into()));
    assert_eq!(stream.append(&done()), Err(StreamError::NotRunning { id }));
    stream.append(&begin(id, "SELECT 1", VerdictWord::Allow)).unwrap();
    assert_eq!(
        stream.append(&begin(id, "SELECT 1", VerdictWord::Allow)),
        Err(StreamError::BegunTwice { id })
    );
    stream.append(&done()).unwrap();
    assert_eq!(stream.append(&done()), Err(StreamError::NotRunning { id }));
    stream.close("client left").unwrap();
    journal.close().unwrap();
    let report = verify(dir.path(), &key().public()).unwrap();
    assert_eq!((report.faults, report.records), (vec![], 4));
}

#[test]
fn i5_recorded_commands_of_a_stream_that_is_dropped_end_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut stream = stream(&journal, SESSION);
    stream.append(&begin(CommandId::from_u128(1), "SELECT 1", VerdictWord::Allow)).unwrap();
    drop(stream);
    journal.close().unwrap();
    assert_eq!(begun(dir.path()), BTreeMap::from([(CommandId::from_u128(1), 1)]));
    assert!(verify(dir.path(), &key().public()).unwrap().is_sound());
}

#[test]
fn threads_that_hammer_one_journal_leave_a_whole_recording_over_many_segments() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes_max: 100_000, buffer_bytes_max: 5_000, ..Options::default() };
    let journal = journal(dir.path(), options);
    let threads: Vec<_> = (0..4u128)
        .map(|thread| {
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || {
                let mut stream = stream(&journal, SessionId::from_u128(thread));
                for number in 0..300u128 {
                    read(&mut stream, CommandId::from_u128(thread << 32 | number));
                    match number % 50 {
                        0 => wait(journal.synced(stream.last())).unwrap(),
                        _ => wait(journal.accepted(stream.last())).unwrap(),
                    }
                }
                stream.close("client left").unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    journal.close().unwrap();
    let report = verify(dir.path(), &key().public()).unwrap();
    assert_eq!(report.faults, vec![]);
    assert_eq!(report.records, 4 * (300 * 3 + 2));
    assert!(report.segments > 5);
    let counts: BTreeSet<_> = report.streams.iter().map(|stream| stream.count).collect();
    assert_eq!(counts, [902].into());
}
