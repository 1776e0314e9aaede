//! I12: an offline verifier finds any changed, dropped, reordered or cut-off record.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_common::id::{ApprovalId, CommandId};
use countersign_common::{Digest, refusal::State};
use countersign_recording::*;
use proptest::prelude::*;
use support::*;

fn report(dir: &Path) -> Report {
    verify(dir, &key().public()).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    files
}

fn recording() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    small_recording(dir.path());
    dir
}

/// Applies a change to a file, and says whether the verifier sees it; puts the file back.
fn is_seen(dir: &Path, path: &Path, original: &[u8], changed: &[u8]) -> bool {
    fs::write(path, changed).unwrap();
    let seen = !report(dir).is_sound();
    fs::write(path, original).unwrap();
    seen
}

#[test]
fn a_recording_that_nobody_touched_is_whole() {
    let dir = recording();
    let report = report(dir.path());
    assert_eq!(report.faults, vec![]);
    assert!(report.sealed && report.segments >= 3, "{report:?}");
    assert_eq!((report.uncovered_lines, report.torn_bytes, report.streams.len()), (0, 0, 3));
    assert!(report.streams.iter().all(|stream| stream.closed && stream.running == 0));
    let text = report.to_string();
    assert!(text.starts_with("consistent: 19 records of 3 streams in "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn i12_complete_every_flip_of_every_byte_is_found() {
    let dir = recording();
    for path in files(dir.path()) {
        let original = fs::read(&path).unwrap();
        let mut changed = original.clone();
        for index in 0..original.len() {
            for flip in [0x01, 0x20, 0x80] {
                changed[index] ^= flip;
                assert!(
                    is_seen(dir.path(), &path, &original, &changed),
                    "{} byte {index} ({:?}) flipped by {flip:#x}",
                    path.display(),
                    char::from(original[index])
                );
                changed[index] = original[index];
            }
        }
    }
}

#[test]
fn i12_complete_every_dropped_doubled_or_swapped_line_is_found() {
    let dir = recording();
    for path in files(dir.path()) {
        let original = fs::read(&path).unwrap();
        let lines: Vec<_> = original.split_inclusive(|&b| b == b'\n').collect();
        for one in 0..lines.len() {
            let mut dropped = lines.clone();
            dropped.remove(one);
            assert!(is_seen(dir.path(), &path, &original, &dropped.concat()), "line {one} dropped");
            let mut doubled = lines.clone();
            doubled.insert(one, lines[one]);
            assert!(is_seen(dir.path(), &path, &original, &doubled.concat()), "line {one} doubled");
            for other in 0..one {
                let mut swapped = lines.clone();
                swapped.swap(one, other);
                assert!(
                    is_seen(dir.path(), &path, &original, &swapped.concat()),
                    "{one} and {other} swapped"
                );
            }
        }
    }
}

#[test]
fn i12_complete_every_cut_is_found() {
    let dir = recording();
    for path in files(dir.path()) {
        let original = fs::read(&path).unwrap();
        for end in 0..original.len() {
            assert!(
                is_seen(dir.path(), &path, &original, &original[..end]),
                "{} cut at {end}",
                path.display()
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(!report(dir.path()).is_sound(), "{} removed", path.display());
        fs::write(&path, &original).unwrap();
    }
    assert!(report(dir.path()).is_sound());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn i12_complete_any_splice_is_found(file: prop::sample::Index, at: prop::sample::Index, cut in 0usize..200,
                                        put in prop::collection::vec(any::<u8>(), 0..50)) {
        thread_local!(static DIR: tempfile::TempDir = recording());
        DIR.with(|dir| {
            let files = files(dir.path());
            let path = &files[file.index(files.len())];
            let original = fs::read(path).unwrap();
            let at = at.index(original.len());
            let end = (at + cut).min(original.len());
            let changed = [&original[..at], &put, &original[end..]].concat();
            prop_assume!(changed != original);
            prop_assert!(is_seen(dir.path(), path, &original, &changed));
            Ok(())
        })?;
    }
}

#[test]
fn a_stream_taken_out_with_its_segments_digests_mended_is_found_by_the_checkpoint() {
    // The attacker owns the disk but not the key: the segment is written anew without the last record of
    // a stream, with a footer that fits.
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    read(&mut stream(&journal, SESSION), CommandId::from_u128(1));
    journal.close().unwrap();
    let path = dir.path().join("segment-00000000.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let kept = &lines[..lines.len() - 2];
    let hashes: Vec<u8> = kept.iter().flat_map(|line| *Digest::of(line.as_bytes()).as_bytes()).collect();
    let footer = format!(
        "{{\"v\":1,\"footer\":{{\"lines\":{},\"digest\":\"{}\",\"at\":1700000000000000}}}}",
        kept.len(),
        Digest::of(&hashes)
    );
    fs::write(&path, format!("{}\n{footer}\n", kept.join("\n"))).unwrap();
    let problems: Vec<_> = report(dir.path()).faults.into_iter().map(|fault| fault.problem).collect();
    assert!(problems.iter().any(|p| matches!(p, Problem::CutOff { .. })), "{problems:?}");
    assert!(problems.iter().any(|p| matches!(p, Problem::StreamCutOff { .. })), "{problems:?}");
}

#[test]
fn what_is_taken_out_with_its_checkpoints_is_found_by_a_checkpoint_kept_elsewhere() {
    let dir = recording();
    let checkpoints = dir.path().join("checkpoints.jsonl");
    let text = fs::read_to_string(&checkpoints).unwrap();
    let newest = SignedCheckpoint::parse(text.lines().last().unwrap().as_bytes(), &key().public()).unwrap();
    assert!(newest.checkpoint.closed);
    let public = key().public();
    let whole = Verifier::new(&public).anchored_by(newest.clone()).verify(dir.path()).unwrap();
    assert_eq!(whole.verdict(), Verdict::Whole, "{whole}");

    // A recording that ended earlier, all in order: nothing in it shows that more had been there.
    let short = tempfile::tempdir().unwrap();
    journal(short.path(), Options::default()).close().unwrap();
    let alone = verify(short.path(), &public).unwrap();
    assert_eq!(
        (alone.is_sound(), alone.verdict()),
        (true, Verdict::Consistent),
        "nothing says that it is all"
    );
    // It is another log, and says so under the name of the one that was anchored.
    let anchored = |dir: &Path| Verifier::new(&public).anchored_by(newest.clone()).verify(dir).unwrap();
    let sees =
        |report: &Report, what: fn(&Problem) -> bool| report.faults.iter().any(|fault| what(&fault.problem));
    assert!(sees(&anchored(short.path()), |p| matches!(p, Problem::LogMissing { .. })));
    fs::copy(dir.path().join("id"), short.path().join("id")).unwrap();
    assert!(sees(&anchored(short.path()), |p| matches!(p, Problem::AnotherLog { .. })));
    // The same log, as it was earlier: the first checkpoint is the newest.
    let first = text.lines().find(|line| line.contains("\"seq\":0,")).unwrap();
    fs::write(&checkpoints, format!("{first}\n")).unwrap();
    for segment in &files(dir.path())[2..] {
        fs::remove_file(segment).unwrap();
    }
    let path = &files(dir.path())[1];
    let header = fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned();
    fs::write(path, format!("{header}\n")).unwrap();
    assert_eq!(report(dir.path()).faults, vec![]);
    let report = anchored(dir.path());
    assert!(sees(&report, |p| matches!(p, Problem::AnchorMissing { .. })), "{report}");
    assert!(sees(&report, |p| matches!(p, Problem::CutOff { .. })), "{report}");
}

#[test]
fn checkpoints_by_another_key_vouch_for_nothing() {
    let dir = recording();
    let other = SigningKey::from_seed(&[8; 32]).unwrap().public();
    let report = verify(dir.path(), &other).unwrap();
    assert!(matches!(report.faults[0].problem, Problem::CheckpointBroken { number: 0, .. }));
}

#[test]
fn a_fault_says_where_it_is_and_what_was_expected() {
    let dir = recording();
    let path = &files(dir.path())[1];
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().position(|line| line.contains("\"begin\"")).unwrap() + 1;
    fs::write(path, text.replacen("SELECT email", "SELECT phone", 1)).unwrap();
    let report = report(dir.path());
    let broken = report.faults.iter().find(|f| matches!(f.problem, Problem::ChainBroken { .. })).unwrap();
    assert!(broken.line > Some(line as u64), "the record after the changed one does not follow from it");
    assert!(broken.to_string().starts_with("segment 0 line "), "{broken}");
    assert!(broken.stream.is_some() && broken.seq.is_some());
    let sees = |what: fn(&Problem) -> bool| report.faults.iter().any(|fault| what(&fault.problem));
    assert!(sees(|p| matches!(p, Problem::SegmentChanged { .. })), "the footer does not fit");
    assert!(sees(|p| matches!(p, Problem::SegmentsUnlinked { .. })), "the next segment does not fit");
}

#[test]
fn a_fault_in_one_session_is_not_told_of_another_unless_it_concerns_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut good = stream(&journal, SESSION);
    read(&mut good, CommandId::from_u128(1));
    let mut bad = stream(&journal, countersign_common::id::SessionId::from_u128(5));
    let id = CommandId::from_u128(2);
    bad.append(&begin(id, "DELETE", VerdictWord::Hold)).unwrap();
    bad.append(&end(id, Ending::Completed("DELETE 1".into()))).unwrap();
    drop((good, bad));
    journal.close().unwrap();
    let public = key().public();
    assert!(verify_session(dir.path(), &public, SESSION).unwrap().is_sound());
    assert!(!verify(dir.path(), &public).unwrap().is_sound());
}

/// The problems of a recording of one stream, written by `story`.
fn problems(story: impl FnOnce(&mut Stream)) -> Vec<Problem> {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut stream = stream(&journal, SESSION);
    story(&mut stream);
    stream.close("client left").unwrap();
    journal.close().unwrap();
    report(dir.path()).faults.into_iter().map(|fault| fault.problem).collect()
}

#[test]
fn i12_complete_a_held_command_that_ran_without_its_countersign_is_found() {
    let command = CommandId::from_u128(1);
    for outcome in [Ending::Completed("DELETE 1".into()), Ending::Failed("23503".into())] {
        let found = problems(|stream| {
            stream.append(&begin(command, "DELETE", VerdictWord::Hold)).unwrap();
            stream.append(&end(command, outcome)).unwrap();
        });
        assert_eq!(found, vec![Problem::NoCountersign { command }]);
    }
    let found = problems(|stream| {
        stream.append(&begin(command, "DELETE", VerdictWord::Hold)).unwrap();
        stream.append(&end(command, Ending::Refused(State::Denied))).unwrap();
    });
    assert_eq!(found, vec![]);
}

#[test]
fn i12_complete_an_approval_redeemed_for_other_bytes_or_twice_is_found() {
    let (first, second) = (CommandId::from_u128(1), CommandId::from_u128(2));
    let approval = ApprovalId::from_u128(1);
    let digest = Digest::of(b"DELETE");
    let found = problems(|stream| {
        for id in [first, second] {
            stream.append(&begin(id, "DELETE", VerdictWord::Hold)).unwrap();
            stream.append(&Record::Redeemed(Redeemed { id, approval, fence: 1, digest })).unwrap();
            stream.append(&end(id, Ending::Completed("DELETE 1".into()))).unwrap();
        }
    });
    assert_eq!(found, vec![Problem::RedeemedTwice { command: second }]);
    let redeemed = Digest::of(b"SELECT");
    let found = problems(|stream| {
        stream.append(&begin(first, "DELETE", VerdictWord::Hold)).unwrap();
        let record = Redeemed { id: first, approval, fence: 1, digest: redeemed };
        stream.append(&Record::Redeemed(record)).unwrap();
        stream.append(&end(first, Ending::Completed("DELETE 1".into()))).unwrap();
    });
    assert_eq!(found, vec![Problem::WrongCountersign { command: first, redeemed }]);
}

#[test]
fn i12_complete_a_blocked_command_that_ran_is_found() {
    let command = CommandId::from_u128(1);
    let found = problems(|stream| {
        stream.append(&begin(command, "DROP", VerdictWord::Block)).unwrap();
        stream.append(&end(command, Ending::Completed("DROP TABLE".into()))).unwrap();
    });
    assert_eq!(found, vec![Problem::BlockedRan { command }]);
}

#[test]
fn an_open_stream_is_open_and_not_broken() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut stream = stream(&journal, SESSION);
    stream.append(&begin(CommandId::from_u128(1), "SELECT 1", VerdictWord::Allow)).unwrap();
    wait(journal.synced(stream.last())).unwrap();
    // The first checkpoint follows the first sync.
    let report = loop {
        let report = report(dir.path());
        if report.checkpoints > 0 && report.records == 2 {
            break report;
        }
        std::thread::yield_now();
    };
    assert_eq!(report.faults, vec![]);
    let open: BTreeSet<_> = report.streams.iter().map(|s| (s.closed, s.running)).collect();
    assert_eq!(open, [(false, 1)].into());
}

#[test]
fn checkpoints_that_were_kept_elsewhere_are_read_as_they_were_copied() {
    let dir = recording();
    let text = fs::read(dir.path().join("checkpoints.jsonl")).unwrap();
    let verifier = Verifier::new(&key().public());
    let all = verifier.anchors_in(&text).unwrap();
    assert!(all.len() > 3);
    // One line alone, with or without its end; a copy that ends within a line.
    let last = &all.last().unwrap().line;
    assert_eq!(verifier.anchors_in(last).unwrap(), all[all.len() - 1..]);
    assert_eq!(verifier.anchors_in(&[&last[..], b"\n"].concat()).unwrap(), all[all.len() - 1..]);
    assert_eq!(verifier.anchors_in(&text[..text.len() - 20]).unwrap(), all[..all.len() - 1]);
    assert!(verifier.anchors_in(b"").unwrap().is_empty());
    assert!(verifier.anchors_in(&last[..last.len() - 20]).is_err());
    assert!(verifier.anchors_in(b"nothing\n").is_err());
    // The newest has to be signed; those before it are compared, which finds what was changed.
    let other = Verifier::new(&SigningKey::from_seed(&[8; 32]).unwrap().public());
    assert!(other.anchors_in(&text).is_err());
    let changed = String::from_utf8(text).unwrap().replacen("\"lines\":1,", "\"lines\":2,", 1);
    let changed = verifier.anchors_in(changed.as_bytes()).unwrap();
    let verifier = changed.into_iter().fold(verifier, Verifier::anchored_by);
    let report = verifier.verify(dir.path()).unwrap();
    let differs = |fault: &Fault| matches!(fault.problem, Problem::AnchorContradicted { number: 0, .. });
    assert!(report.faults.iter().any(differs), "{report}");
}

#[test]
fn a_log_in_which_nothing_was_recorded_is_missed_by_nobody() {
    let (dir, idle) = (recording(), tempfile::tempdir().unwrap());
    let _open = journal(idle.path(), Options::default());
    let verifier = Verifier::new(&key().public());
    let kept = |dir: &Path| fs::read(dir.join("checkpoints.jsonl")).unwrap();
    let anchors = [verifier.anchors_in(&kept(dir.path())), verifier.anchors_in(&kept(idle.path()))];
    let anchors = anchors.map(Result::unwrap);
    let verifier = anchors.concat().into_iter().fold(verifier, Verifier::anchored_by);
    let report = verifier.verify(dir.path()).unwrap();
    assert_eq!((report.verdict(), report.heads.len()), (Verdict::Whole, 2), "{report}");
    // One record in it, and it is.
    let dir = recording();
    let other = Verifier::new(&key().public()).anchors_in(&kept(dir.path())).unwrap();
    let report = other.into_iter().fold(verifier, Verifier::anchored_by).verify(idle.path()).unwrap();
    assert!(
        report.faults.iter().any(|fault| matches!(fault.problem, Problem::LogMissing { .. })),
        "{report}"
    );
}
