//! Recordings: replayed and verified through the API and offline; every look through the API is recorded;
//! one changed byte is found.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where it is allowed")]

mod support;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use countersign_common::Digest;
use countersign_common::Facts;
use countersign_common::command::Command;
use countersign_common::facts::{Action, Operation};
use countersign_common::id::{CommandId, NodeId, RoleName};
use countersign_common::time::SystemClock;
use countersign_controlplane::sessions::Session;
use countersign_controlplane::store::{Store as _, Transaction};
use countersign_recording::history::{Chapter, Page};
use countersign_recording::{
    ArchiveStore, Archiver, Begin, Ended, Ending, FactsJson, Opened, Record, SigningKey, Stream, VerdictWord,
};
use support::{Cli, Server};

/// Records one read of a session.
async fn record(server: &Server, session: &Session) {
    let clock = std::sync::Arc::new(SystemClock);
    let opened = Opened {
        session: session.id,
        principal: (*session.principal).clone(),
        target: session.target.clone(),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        client: "127.0.0.1:40000".into(),
        node: NodeId::generate(),
        bundle: "0123456789abcdef".into(),
    };
    let mut stream = Stream::open(server.journal.clone(), clock, opened).unwrap();
    let id = CommandId::generate();
    let command = Command { form: "query".into(), text: "SELECT 1".into(), parameters: Vec::new() };
    let facts = Facts { operations: vec![Operation::new(Action::Select)], ..Facts::nothing() };
    let begin = Begin {
        id,
        command: Cow::Owned(command),
        facts: FactsJson::of(&facts),
        verdict: VerdictWord::Allow,
        policies: Cow::Owned(Vec::new()),
        bundle: "0123456789abcdef".into(),
        digest: Some(Digest::of(b"x")),
        trace: None,
    };
    stream.append(&Record::Begin(begin)).unwrap();
    let end = Ended { id, outcome: Ending::Completed("SELECT 1".into()), rows: 1, bytes: 20, answer: None };
    stream.append(&Record::End(end)).unwrap();
    stream.close("client left").unwrap();
    let journal = server.journal.clone();
    tokio::task::spawn_blocking(move || journal.close()).await.unwrap().unwrap();
    server.published().await;
}

async fn recorded() -> (Server, Session) {
    let server = Server::start().await;
    let session = server.session().await;
    record(&server, &session).await;
    (server, session)
}

fn newest_checkpoint(server: &Server) -> String {
    let text = std::fs::read_to_string(server.data.path().join("recordings/checkpoints.jsonl")).unwrap();
    text.lines().last().unwrap().to_owned()
}

/// Changes one byte of a statement in the recording.
fn tamper(server: &Server) {
    let segment: PathBuf = server.data.path().join("recordings/segment-00000000.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replacen("SELECT 1", "SELECT 2", 1)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_the_same_online_and_offline_and_only_the_look_online_is_recorded() {
    let (server, session) = recorded().await;
    let online = server.operator().run(&format!("replay {}", session.id)).await.ok();
    assert!(online.contains("command   SELECT 1") && online.contains("agent-7"), "{online}");
    let offline = server.operator().run(&format!("replay {} --offline", session.id)).await.ok();
    assert_eq!(online, offline);
    let looks = server.control.audit().events(10).await.unwrap();
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0].session, Some(session.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_of_a_replay_are_the_recorded_bytes() {
    let (server, session) = recorded().await;
    let segment = server.data.path().join("recordings/segment-00000000.jsonl");
    let recorded = std::fs::read_to_string(segment).unwrap();
    let lines: Vec<_> = recorded.lines().filter(|line| line.contains("\"record\":")).collect();
    assert_eq!(lines.len(), 4);
    for how in ["--format jsonl", "--output json", "--format jsonl --offline"] {
        let replayed = server.operator().run(&format!("replay {} {how}", session.id)).await.ok();
        assert_eq!(replayed.lines().collect::<Vec<_>>(), lines, "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_complete_a_whole_recording_verifies_and_a_changed_byte_is_found() {
    let (server, session) = recorded().await;
    // The control plane has the newest checkpoint in its store, an auditor has one of his own.
    let anchor = server.data.path().join("anchor");
    std::fs::write(&anchor, newest_checkpoint(&server)).unwrap();
    let anchor = anchor.display();
    let whole = [
        "audit verify".to_owned(),
        format!("audit verify {}", session.id),
        format!("audit verify --anchor {anchor}"),
        format!("audit verify {} --offline --anchor {anchor}", session.id),
    ];
    for line in &whole {
        let whole = server.operator().run(line).await;
        assert!(whole.ok().starts_with("Whole: "), "{line}: {}", whole.stdout());
    }
    // The files alone say no more than that they are consistent, and up to which checkpoint.
    let alone = [
        format!("audit verify {} --offline", session.id),
        format!("audit verify {}", server.data.path().display()),
        format!("audit verify {}", server.data.path().join("recordings").display()),
    ];
    for line in &alone {
        let consistent = server.operator().run(line).await;
        assert_eq!(consistent.exit(), 7, "{line}: {}", consistent.stdout());
        assert!(consistent.stdout().starts_with("Not proven whole: "), "{line}: {}", consistent.stdout());
        assert!(
            consistent.stdout().contains("consistent up to checkpoint "),
            "{line}: {}",
            consistent.stdout()
        );
    }
    let json = server.operator().run("audit verify --output json").await.json();
    assert_eq!(
        (&json["whole"], &json["verdict"], &json["records"]),
        (&true.into(), &"whole".into(), &4.into())
    );
    assert_eq!(json["logs"][0]["anchored"]["checkpoint"], json["logs"][0]["newest"]["checkpoint"], "{json}");
    let json = server.operator().run("audit verify --offline --output json").await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout()).unwrap();
    assert_eq!((&json["whole"], &json["verdict"]), (&false.into(), &"consistent".into()));

    tamper(&server);
    for line in whole.iter().chain(&alone) {
        let broken = server.operator().run(line).await;
        assert_eq!(broken.exit(), 5, "{line}");
        assert!(broken.stdout().contains("segment 0 line"), "{line}: {}", broken.stdout());
        assert!(broken.stderr().contains("CS0012"), "{line}: {}", broken.stderr());
    }
}

/// What an attacker may do to the files of a control plane that stands still, or runs.
#[tokio::test(flavor = "multi_thread")]
async fn i12_complete_what_is_taken_away_with_its_checkpoints_is_found_by_the_store() {
    let (server, session) = recorded().await;
    let recordings = server.data.path().join("recordings");
    let lines = ["audit verify".to_owned(), format!("audit verify {}", session.id)];
    // Everything: the records, the checkpoints, the log's name.
    let aside = server.data.path().join("aside");
    std::fs::rename(&recordings, &aside).unwrap();
    std::fs::create_dir(&recordings).unwrap();
    for line in &lines {
        let broken = server.operator().run(line).await;
        assert_eq!(broken.exit(), 5, "{line}: {}", broken.stdout());
        assert!(broken.stdout().contains("is not here"), "{line}: {}", broken.stdout());
    }
    std::fs::remove_dir(&recordings).unwrap();
    std::fs::rename(&aside, &recordings).unwrap();
    // What was recorded after the first checkpoint, with the checkpoints that speak of it.
    let cut = |file: &str, lines: usize| {
        let path = recordings.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let kept: String = text.lines().take(lines).map(|line| format!("{line}\n")).collect();
        std::fs::write(path, kept).unwrap();
    };
    cut("checkpoints.jsonl", 1);
    cut("segment-00000000.jsonl", 1);
    // The files alone are consistent: that is all they can say.
    assert_eq!(server.operator().run("audit verify --offline").await.exit(), 7);
    for line in &lines {
        let broken = server.operator().run(line).await;
        assert_eq!(broken.exit(), 5, "{line}: {}", broken.stdout());
        assert!(broken.stdout().contains("cut off"), "{line}: {}", broken.stdout());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_stops_at_the_first_record_that_does_not_fit() {
    let (server, session) = recorded().await;
    tamper(&server);
    for how in ["", "--format jsonl", "--output json", "--offline", "--offline --format jsonl"] {
        let replayed = server.operator().run(&format!("replay {} {how}", session.id)).await;
        assert_eq!(replayed.exit(), 5, "{how}: {}", replayed.stdout());
        assert!(replayed.stderr().contains("does not fit"), "{how}: {}", replayed.stderr());
        // The opening record was not touched, and is shown; what was changed is not.
        assert!(replayed.stdout().contains("agent-7"), "{how}: {}", replayed.stdout());
        assert!(!replayed.stdout().contains("SELECT 2"), "{how}: {}", replayed.stdout());
    }
    let from = server.data.path().display();
    let replayed = server.operator().run(&format!("replay {} --from {from}", session.id)).await;
    assert_eq!(replayed.exit(), 5, "{}", replayed.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_in_the_store_is_missed_by_lists_and_by_verification() {
    let (server, session) = recorded().await;
    let held = server.held(&session, "DELETE FROM carts").await;
    let listed = server.operator().run("sessions ls --output json").await.json();
    assert_eq!(listed.get("missing"), None, "{listed}");
    let held = held.approval.id;
    let key = |kind: &str, bytes: [u8; 16], id: String| format!("/cs/{kind}/{:02x}/{id}", bytes[15]);
    for key in [
        key("sessions", session.id.to_bytes(), session.id.to_string()),
        key("approvals", held.to_bytes(), held.to_string()),
    ] {
        assert!(server.store.get(&key).await.unwrap().is_some(), "{key}");
        server.store.transact(Transaction::new().delete(&key)).await.unwrap();
    }
    while server.control.missing().await.unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let listed = server.operator().run("sessions ls --output json").await.json();
    assert_eq!(listed["missing"][0]["id"], session.id.to_string(), "{listed}");
    let listed = server.operator().run("requests ls --output json").await.json();
    assert_eq!(listed["missing"][0]["id"], held.to_string(), "{listed}");
    let text = server.operator().run("requests ls").await;
    assert!(text.ok().contains("Missing from the store: apr_"), "{}", text.stdout());
    let broken = server.operator().run("audit verify").await;
    assert_eq!(broken.exit(), 5, "{}", broken.stdout());
    for missing in [session.id.to_string(), held.to_string()] {
        assert!(broken.stdout().contains(&missing), "{missing}: {}", broken.stdout());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_without_the_right_key_or_recording_is_no_success() {
    let (server, _) = recorded().await;
    let dir = server.data.path().join("recordings");
    let other_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let forged = Cli::new().arg("audit").arg("verify").arg(&dir).arg("--key").arg(other_key).run("").await;
    assert_eq!(forged.exit(), 5, "{}", forged.stderr());
    let unknown = "ses_00000000000000000000000001";
    for line in [
        format!("replay {unknown}"),
        format!("replay {unknown} --offline"),
        format!("audit verify {unknown}"),
        format!("audit verify {unknown} --offline"),
        "audit verify /nonexistent".to_owned(),
    ] {
        assert_eq!(server.operator().run(&line).await.exit(), 4, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_look_at_recordings() {
    let (server, session) = recorded().await;
    let bob = server.person("bob", &["dba"]).await;
    assert_eq!(bob.run(&format!("replay {}", session.id)).await.exit(), 3);
    assert_eq!(bob.run("audit verify").await.exit(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_lies_in_several_places_verifies_and_replays_as_one() {
    let (server, session) = recorded().await;
    let before = server.operator().run(&format!("replay {} --offline", session.id)).await.ok();
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let mut archiver = Archiver::new(archive, server.journal.clone(), Duration::ZERO).unwrap();
    assert_eq!(archiver.last_round().await.unwrap().removed, [0]);

    let (data, root) = (server.data.path().display(), root.path().display());
    let anchor = server.data.path().join("anchor");
    std::fs::write(&anchor, newest_checkpoint(&server)).unwrap();
    let anchor = format!("--anchor {}", anchor.display());
    let whole = server.operator().run(&format!("audit verify {data} {root} {anchor}")).await;
    assert!(whole.ok().starts_with("Whole: "), "{}", whole.stdout());
    let one = server.operator().run(&format!("audit verify {} {data} {root} {anchor}", session.id)).await;
    assert!(one.ok().contains("4 records"), "{}", one.stdout());
    let part = server.operator().run(&format!("audit verify {data}")).await;
    assert_eq!(part.exit(), 5, "{}", part.stdout());
    let replayed = server.operator().run(&format!("replay {} --from {data} --from {root}", session.id)).await;
    assert_eq!(replayed.ok(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_complete_offline_what_has_ended_is_verified_with_the_recordings_of_an_archive() {
    let (server, _) = recorded().await;
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    Archiver::new(archive.clone(), server.journal.clone(), Duration::ZERO)
        .unwrap()
        .last_round()
        .await
        .unwrap();
    let chapter = Chapter { installation: "ab".repeat(16), name: "approvals".into() };
    let key = SigningKey::load_or_create(&server.data.path().join("keys/checkpoint.key")).unwrap();
    let mut prev = Page::NO_PREVIOUS;
    for number in 0..2 {
        let entries = vec![br#"{"approval":{},"details":{}}"#.to_vec()];
        let page = Page { number, day: "2026-11-22".parse().unwrap(), prev, entries };
        archive.put_page(&chapter, &page).await.unwrap();
        archive.seal_page(&chapter, &page, &key).await.unwrap();
        prev = page.digest(&chapter).unwrap();
    }
    let anchor = root.path().join("anchor.jsonl");
    std::fs::write(&anchor, newest_checkpoint(&server)).unwrap();
    let (root_of, anchor) = (root.path().display(), anchor.display());
    let line = format!("audit verify {root_of} --key {} --anchor {anchor}", key.public());
    let whole = server.operator().run(&line).await;
    assert!(whole.ok().contains("History of approvals (abab"), "{}", whole.stdout());
    assert!(whole.stdout().contains("2 entries on 2 pages.\n"), "{}", whole.stdout());
    let day = root.path().join("history").join("ab".repeat(16)).join("approvals/2026-11-22");
    std::fs::remove_file(day.join("0000000000.jsonl.zst")).unwrap();
    let broken = server.operator().run(&line).await;
    assert_eq!(broken.exit(), 5, "{}", broken.stdout());
    assert!(broken.stdout().contains("history of approvals: page 0"), "{}", broken.stdout());
    let json = server.operator().run(&format!("{line} --output json")).await;
    assert!(json.stdout().contains("\"whole\": false"), "{}", json.stdout());
}
