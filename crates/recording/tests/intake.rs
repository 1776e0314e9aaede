//! A control-plane node takes in each line of a gateway once, in its place, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use countersign_common::id::{CommandId, NodeId, StreamId};
use countersign_recording::*;
use support::*;

fn ledger(dir: &Path) -> (Arc<LocalJournal>, Arc<Ledger>) {
    let journal = keeping(dir);
    let ledger = Ledger::resume(Arc::clone(&journal));
    (journal, ledger)
}

fn take(intake: &Intake, line: &Sent) -> Result<Taken, IntakeError> {
    intake.take(line.0, line.1, &line.2)
}

/// Number of lines in the recording, and of those stored more than once.
fn kept(dir: &Path) -> (usize, u64) {
    let report = verify(dir, &key().public()).unwrap();
    assert_eq!(report.faults, vec![]);
    (report.records as usize, report.repeated)
}

#[test]
fn lines_that_come_again_are_known_and_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ledger) = ledger(dir.path());
    let lines = Outbox::of_reads(4);
    assert_eq!(send(&ledger.link(GATEWAY), &lines[..9]), 0);
    // A new link that repeats from the middle; and another one after the end.
    assert_eq!(send(&ledger.link(GATEWAY), &lines[3..]), 6);
    assert_eq!(send(&ledger.link(GATEWAY), &lines), lines.len());
    journal.close().unwrap();
    assert_eq!(kept(dir.path()), (lines.len(), 0));
}

#[test]
fn i12_complete_nobody_goes_on_with_the_stream_of_another_gateway_in_its_middle() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ledger) = ledger(dir.path());
    let lines = Outbox::of_reads(2);
    let foreign = Err(IntakeError::Foreign { stream: lines[3].0 });
    // Nothing of the stream is here: its beginning is on another node.
    assert_eq!(take(&ledger.link(NodeId::generate()), &lines[3]), foreign);
    take(&ledger.link(GATEWAY), &lines[3]).unwrap();
    assert_eq!(take(&ledger.link(NodeId::generate()), &lines[4]), foreign);
    // After a restart the stream is known, but its owner is not.
    journal.close().unwrap();
    drop((journal, ledger));
    let (_journal, ledger) = crate::ledger(dir.path());
    assert_eq!(take(&ledger.link(NodeId::generate()), &lines[4]), foreign);
    take(&ledger.link(GATEWAY), &lines[4]).unwrap();
}

#[test]
fn a_line_that_comes_again_is_vouched_for_only_as_far_as_the_one_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, ledger) = ledger(dir.path());
    let lines = Outbox::of_reads(2);
    let first = ledger.link(GATEWAY);
    let newest = lines.iter().map(|line| take(&first, line).unwrap().position).max().unwrap();
    let again = take(&ledger.link(GATEWAY), &lines[0]).unwrap();
    assert_eq!((again.position, again.again), (newest, true));
}

#[test]
fn a_gap_is_refused_within_a_link_and_not_between_links() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, ledger) = ledger(dir.path());
    let lines = Outbox::of_reads(4);
    let stream = lines[0].0;
    let link = ledger.link(GATEWAY);
    // The first records of the stream are on another node.
    send(&link, &lines[5..8]);
    assert_eq!(take(&link, &lines[9]), Err(IntakeError::Gap { stream, expected: 8, found: 9 }));
    send(&link, &lines[8..9]);
    // The gateway was linked to another node in between.
    let back = ledger.link(GATEWAY);
    send(&back, &lines[11..12]);
    assert_eq!(take(&back, &lines[13]), Err(IntakeError::Gap { stream, expected: 12, found: 13 }));
    // An interrupted repetition leaves a gap, too.
    let again = ledger.link(GATEWAY);
    send(&again, &lines[5..6]);
    assert_eq!(take(&again, &lines[12]), Err(IntakeError::Gap { stream, expected: 6, found: 12 }));
}

#[test]
fn a_fork_is_refused_wherever_it_begins() {
    let mut lines = Outbox::of_reads(2);
    let stream = lines[0].0;
    let other: Vec<Sent> = lines
        .iter()
        .map(|(stream, seq, line)| {
            let text = String::from_utf8(line.clone()).unwrap();
            (*stream, *seq, text.replace("SELECT email", "SELECT phone").into_bytes())
        })
        .collect();
    for fork in (0..lines.len()).filter(|&at| lines[at] != other[at]) {
        let dir = tempfile::tempdir().unwrap();
        let (_journal, ledger) = ledger(dir.path());
        // As the newest record: it conflicts with one that was already acknowledged.
        let link = ledger.link(GATEWAY);
        send(&link, &lines[..=fork]);
        let forked = IntakeError::Fork { stream, seq: fork as u64 };
        assert_eq!(take(&ledger.link(GATEWAY), &other[fork]), Err(forked));
        // Further back, it is detected when the following lines do not follow from it.
        send(&link, &lines[fork + 1..]);
        let back = ledger.link(GATEWAY);
        take(&back, &other[fork]).unwrap();
        let seq = fork as u64 + 1;
        assert_eq!(take(&back, &lines[fork + 1]), Err(IntakeError::Fork { stream, seq }));
    }
    // As the successor of the stored record.
    let dir = tempfile::tempdir().unwrap();
    let (_journal, ledger) = ledger(dir.path());
    let link = ledger.link(GATEWAY);
    send(&link, &lines[..2]);
    lines[2].2 =
        String::from_utf8(lines[2].2.clone()).unwrap().replacen("\"prev\":\"", "\"prev\":\"0", 1).into();
    assert!(matches!(take(&link, &lines[2]), Err(IntakeError::Malformed(_))));
    let (mut elsewhere, wrong) = (Outbox::of_reads(1).remove(2), lines[0].0);
    elsewhere.2 =
        String::from_utf8(elsewhere.2).unwrap().replace(&elsewhere.0.to_string(), &wrong.to_string()).into();
    assert_eq!(take(&link, &(wrong, 2, elsewhere.2)), Err(IntakeError::Fork { stream, seq: 2 }));
}

#[test]
fn a_stream_opens_first_by_the_gateway_that_sends_it_and_ends_last() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, ledger) = ledger(dir.path());
    let lines = Outbox::of_reads(1);
    let stream = lines[0].0;
    let stranger = ledger.link(NodeId::from_u128(10));
    assert_eq!(take(&stranger, &lines[0]), Err(IntakeError::Foreign { stream }));
    let link = ledger.link(GATEWAY);
    send(&link, &lines);
    assert_eq!(take(&stranger, &lines[1]), Err(IntakeError::Foreign { stream }));
    let mut after = lines[2].clone();
    after.1 = lines.len() as u64;
    after.2 = String::from_utf8(after.2).unwrap().replacen("\"seq\":2", "\"seq\":5", 1).into();
    assert_eq!(take(&link, &after), Err(IntakeError::Ended { stream, seq: 5 }));
    let mislabelled = (StreamId::generate(), 1, lines[1].2.clone());
    assert!(matches!(take(&link, &mislabelled), Err(IntakeError::Mislabelled { line_seq: 1, .. })));
}

#[test]
fn a_gateway_that_was_declared_lost_is_heard_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, ledger) = ledger(dir.path());
    let lines = Outbox::of_reads(1);
    let link = ledger.link(GATEWAY);
    send(&link, &lines[..2]);
    ledger.refuse(GATEWAY);
    for link in [link, ledger.link(GATEWAY)] {
        assert_eq!(take(&link, &lines[2]), Err(IntakeError::Lost { gateway: GATEWAY }));
    }
}

#[test]
fn a_node_that_restarts_goes_on_with_the_streams_of_gateways_that_live() {
    let dir = tempfile::tempdir().unwrap();
    let (long, short) = (Outbox::of_reads(5), Outbox::of_reads(1));
    let (journal, ledger) = ledger(dir.path());
    send(&ledger.link(GATEWAY), &long[..6]);
    send(&ledger.link(GATEWAY), &short);
    journal.close().unwrap();
    drop((journal, ledger));

    let (journal, ledger) = self::ledger(dir.path());
    let link = ledger.link(GATEWAY);
    // Open streams are known, and their lines are taken in once.
    assert_eq!(send(&link, &long[4..]), 2);
    // Ended streams are not known: a resent line is stored again, and read as identical.
    assert_eq!(send(&link, &short[1..]), 0);
    assert_eq!(journal.open_streams(), vec![]);
    journal.close().unwrap();
    let report = verify(dir.path(), &key().public()).unwrap();
    assert_eq!((report.faults, report.streams.len()), (vec![], 2));
    assert!(report.streams.iter().all(|stream| stream.closed));
}

#[test]
fn a_node_that_is_killed_still_knows_what_runs_in_the_streams_it_keeps_open() {
    let lines = Outbox::of(|stream| {
        read(stream, CommandId::from_u128(1));
        stream.append(&begin(CommandId::from_u128(2), "SELECT 1", VerdictWord::Allow)).unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    let (journal, ledger) = ledger(dir.path());
    let link = ledger.link(GATEWAY);
    send(&link, &lines[..5]);
    let open = journal.open_streams();
    assert_eq!((open[0].count, &open[0].running), (5, &vec![CommandId::from_u128(2)]));
    journal.close().unwrap();
    drop((link, journal, ledger));
    assert_eq!(keeping(dir.path()).open_streams(), open);
}
