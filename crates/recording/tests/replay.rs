//! A session reads back as it was recorded, for people and for programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use countersign_recording::*;
use support::*;

#[test]
fn a_session_reads_back_from_all_its_streams_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    small_recording(dir.path());
    let records: Vec<_> = Replay::open(dir.path(), SESSION).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 5 + 7);
    let begun: Vec<_> = records
        .iter()
        .filter_map(|e| match &e.record {
            Record::Begin(begin) => Some(begin.command.text_lossy().into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(begun.len(), 2, "the other session's statements are not in it: {begun:?}");
}

#[test]
fn the_text_tells_the_story_and_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    small_recording(dir.path());
    let text: String = Replay::open(dir.path(), SESSION)
        .unwrap()
        .map(|envelope| {
            let envelope = envelope.unwrap();
            render_text(&envelope).replace(&envelope.stream.to_string(), "str_…")
        })
        .collect();
    insta::assert_snapshot!(text);
}

#[test]
fn a_record_reads_back_with_the_very_bytes_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut stream = stream(&journal, SESSION);
    let id = countersign_common::id::CommandId::from_u128(1);
    let text = b"SELECT '\xff\x00'".to_vec();
    let command =
        countersign_common::Command { form: "query".into(), text: text.clone().into(), parameters: vec![] };
    let Record::Begin(begin) = begin(id, "", VerdictWord::Allow) else { panic!() };
    stream.append(&Record::Begin(Begin { command: std::borrow::Cow::Borrowed(&command), ..begin })).unwrap();
    drop(stream);
    journal.close().unwrap();
    let mut replay = Replay::open(dir.path(), SESSION).unwrap();
    let found = replay.find_map(|e| match e.unwrap().record {
        Record::Begin(begin) => Some(begin.command.into_owned().text),
        _ => None,
    });
    assert_eq!(found, Some(text.into()));
}

#[test]
fn the_end_of_a_transaction_reads_back_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), Options::default());
    let mut stream = stream(&journal, SESSION);
    let since = countersign_common::id::CommandId::from_u128(1);
    stream.append(&begin(since, "BEGIN", VerdictWord::Allow)).unwrap();
    stream.append(&end(since, Ending::Completed("BEGIN".into()))).unwrap();
    stream.transaction_ended(TransactionEnded { since, outcome: TransactionOutcome::RolledBack }).unwrap();
    stream.close("client left").unwrap();
    journal.close().unwrap();
    let text: String =
        Replay::open(dir.path(), SESSION).unwrap().map(|envelope| render_text(&envelope.unwrap())).collect();
    assert!(verify(dir.path(), &key().public()).unwrap().is_sound());
    let told = format!("rolled back: nothing that ran in it lasts (since {since})");
    assert!(text.contains(&told), "{text}");
    let lines = SessionLines::all(&[Log::at(dir.path())]).unwrap();
    let effects: Vec<_> = lines.map(|line| Skim::of(&line.unwrap().text).unwrap().effect).collect();
    assert_eq!(
        effects,
        [Effect::Opens, Effect::Begins(since), Effect::Ends(since), Effect::Continues, Effect::Closes]
    );
}
