//! A recording in several locations, as written by the nodes of a control plane: read as one, and I12 holds all the
//! same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use countersign_common::Digest;
use countersign_recording::*;
use support::*;

/// Creates the nodes of a control plane, each with the lines that it was sent, in order.
fn nodes(shares: &[&[Sent]]) -> Vec<tempfile::TempDir> {
    shares
        .iter()
        .map(|lines| {
            let dir = tempfile::tempdir().unwrap();
            let journal = keeping(dir.path());
            send(&Ledger::resume(journal.clone()).link(GATEWAY), lines);
            journal.close().unwrap();
            dir
        })
        .collect()
}

fn logs(nodes: &[tempfile::TempDir]) -> Vec<Log> {
    nodes.iter().map(|dir| Log::at(dir.path())).collect()
}

fn report(nodes: &[tempfile::TempDir]) -> Report {
    Verifier::new(&key().public()).verify_all(&logs(nodes)).unwrap()
}

fn problems(nodes: &[tempfile::TempDir]) -> Vec<Problem> {
    report(nodes).faults.into_iter().map(|fault| fault.problem).collect()
}

fn replayed(nodes: &[tempfile::TempDir]) -> Vec<Vec<u8>> {
    SessionLines::open(&logs(nodes), SESSION).unwrap().map(|line| line.unwrap().text).collect()
}

fn texts(lines: &[Sent]) -> Vec<Vec<u8>> {
    lines.iter().map(|(_, _, text)| text.clone()).collect()
}

/// Rewrites the segments of a node from these lines, as its owner could.
fn forge(dir: &Path, lines: &[Sent]) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            fs::remove_file(path).unwrap();
        }
    }
    let journal = keeping(dir);
    for (stream, seq, line) in lines {
        let effect = Skim::of(line).unwrap().effect;
        let record = Encoded { line, hash: Digest::of(line), stream: *stream, seq: *seq, effect };
        journal.append(record).unwrap();
    }
    journal.close().unwrap();
}

#[test]
fn a_stream_in_parts_reads_as_one_whatever_order_the_places_are_named_in() {
    let lines = Outbox::of_reads(6);
    // Failed over twice, to a second node and back; some acknowledgements were lost.
    let first = [&lines[..7], &lines[11..]].concat();
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let journal = keeping(dirs[0].path());
    let ledger = Ledger::resume(journal.clone());
    send(&ledger.link(GATEWAY), &first[..7]);
    send(&ledger.link(GATEWAY), &first[7..]);
    journal.close().unwrap();
    let journal = keeping(dirs[1].path());
    send(&Ledger::resume(journal.clone()).link(GATEWAY), &lines[5..13]);
    journal.close().unwrap();

    for nodes in [[&dirs[0], &dirs[1]], [&dirs[1], &dirs[0]]] {
        let logs = nodes.map(|dir| Log::at(dir.path()));
        let report = Verifier::new(&key().public()).verify_all(&logs).unwrap();
        assert_eq!(report.faults, vec![]);
        assert_eq!((report.records, report.repeated), (lines.len() as u64, 4));
        assert_eq!((report.logs, report.streams.len(), report.streams[0].closed), (2, 1, true));
        let lines_read = SessionLines::open(&logs, SESSION).unwrap().map(|line| line.unwrap().text);
        assert_eq!(lines_read.collect::<Vec<_>>(), texts(&lines));
        assert_eq!(Replay::of(&logs, SESSION).unwrap().map(Result::unwrap).count(), lines.len());
    }
    // A single location does not have all records, which is detected.
    assert!(!report(&dirs[..1]).is_sound());
    assert!(!report(&dirs[1..]).is_sound());
}

#[test]
fn i12_complete_a_record_that_is_in_no_place_is_found() {
    let lines = Outbox::of_reads(4);
    for dropped in 0..lines.len() {
        let nodes = nodes(&[&[], &[]]);
        let kept: Vec<_> = lines.iter().filter(|line| line.1 != dropped as u64).cloned().collect();
        for cut in 0..kept.len() {
            // Each part on one node, with an overlap of one line.
            forge(nodes[0].path(), &kept[..=cut]);
            forge(nodes[1].path(), &kept[cut..]);
            // A stream that lacks only its end is open; the checkpoint kept elsewhere detects that.
            let open = dropped == lines.len() - 1;
            let found = problems(&nodes).iter().any(|p| matches!(p, Problem::ChainBroken { .. }));
            assert_eq!(found, !open, "record {dropped} dropped, cut behind {cut}");
        }
    }
}

#[test]
fn i12_complete_a_fork_between_two_places_is_found() {
    let lines = Outbox::of_reads(3);
    // The end record of the first read, with its answer.
    let at = 3;
    let mut forked = lines[at].clone();
    forked.2 = String::from_utf8(forked.2).unwrap().replace("[redacted]", "[seen]").into();
    assert_ne!(forked, lines[at]);
    let nodes = nodes(&[&[], &[]]);
    forge(nodes[0].path(), &lines);
    forge(nodes[1].path(), std::slice::from_ref(&forked));
    let (expected, found) = (Digest::of(&lines[at].2), Digest::of(&forked.2));
    assert_eq!(problems(&nodes), vec![Problem::Forked { expected, found }]);
}

#[test]
fn i12_complete_records_that_changed_their_order_in_a_place_are_found() {
    let lines = Outbox::of_reads(2);
    for at in 1..lines.len() {
        let mut swapped = lines.clone();
        swapped.swap(at - 1, at);
        let nodes = nodes(&[&[]]);
        forge(nodes[0].path(), &swapped);
        assert!(problems(&nodes).contains(&Problem::Reordered), "{at}");
    }
}

#[test]
fn i12_complete_what_is_cut_off_from_one_of_two_places_is_found() {
    let lines = Outbox::of_reads(6);
    let nodes = nodes(&[&lines[..9], &lines[6..]]);
    assert_eq!(problems(&nodes), vec![]);
    for dir in &nodes {
        for path in segments(dir.path()) {
            let original = fs::read(&path).unwrap();
            for end in (0..original.len()).step_by(7) {
                fs::write(&path, &original[..end]).unwrap();
                assert!(!report(&nodes).is_sound(), "{} cut at {end}", path.display());
            }
            fs::remove_file(&path).unwrap();
            assert!(!report(&nodes).is_sound(), "{} removed", path.display());
            fs::write(&path, &original).unwrap();
        }
    }
    assert_eq!(problems(&nodes), vec![]);
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains("segment-")).collect()
}

#[test]
fn a_fault_says_in_which_place_it_is() {
    let lines = Outbox::of_reads(4);
    let nodes = nodes(&[&lines[..5], &lines[5..]]);
    let path = segments(nodes[1].path()).into_iter().min().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("SELECT email", "SELECT phone", 1)).unwrap();
    let faults = report(&nodes).faults;
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|fault| fault.to_string().starts_with(&*nodes[1].path().to_string_lossy())));
}

#[test]
fn each_place_is_vouched_for_by_its_own_key_and_by_no_other() {
    let lines = Outbox::of_reads(2);
    let nodes = nodes(&[&lines, &[]]);
    let other = SigningKey::from_seed(&[8; 32]).unwrap();
    fs::remove_dir_all(nodes[1].path()).unwrap();
    let sink =
        Box::new(CheckpointFile::open(nodes[1].path(), SigningKey::from_seed(&[8; 32]).unwrap()).unwrap());
    LocalJournal::open(nodes[1].path(), Options::default(), clock(), sink).unwrap().close().unwrap();
    let logs = logs(&nodes);
    let verifier = Verifier::new(&key().public());
    assert!(!verifier.verify_all(&logs).unwrap().is_sound());
    assert!(verifier.or(&other.public()).verify_all(&logs).unwrap().is_sound());
}

#[test]
fn what_a_replay_gives_of_a_broken_recording_is_all_that_is_there() {
    let lines = Outbox::of_reads(4);
    let dirs = nodes(&[&lines[..4], &lines[8..]]);
    assert_eq!(replayed(&dirs), [texts(&lines[..4]), texts(&lines[8..])].concat());
}
