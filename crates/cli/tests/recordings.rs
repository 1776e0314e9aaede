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
use countersign_recording::history::{Chapter, Page};
use countersign_recording::{
    ArchiveStore, Archiver, Begin, Ended, Ending, FactsJson, Opened, Record, SigningKey, Stream, VerdictWord,
};
use support::{Cli, Server, steady};

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
}

async fn recorded() -> (Server, Session) {
    let server = Server::start().await;
    let session = server.session().await;
    record(&server, &session).await;
    (server, session)
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
    let everywhere = [
        "audit verify".to_owned(),
        format!("audit verify {}", session.id),
        format!("audit verify {} --offline", session.id),
        format!("audit verify {}", server.data.path().display()),
        format!("audit verify {}", server.data.path().join("recordings").display()),
    ];
    for line in &everywhere {
        let whole = server.operator().run(line).await;
        assert!(whole.ok().starts_with("Whole: "), "{line}: {}", whole.stdout());
    }
    let json = server.operator().run("audit verify --output json").await.json();
    assert_eq!(steady(&json.to_string()), r#"{"whole":true,"records":4,"faults":[]}"#);

    tamper(&server);
    for line in &everywhere {
        let broken = server.operator().run(line).await;
        assert_eq!(broken.exit(), 5, "{line}");
        assert!(broken.stdout().contains("segment 0 line"), "{line}: {}", broken.stdout());
        assert!(broken.stderr().contains("CS0012"), "{line}: {}", broken.stderr());
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
    let whole = server.operator().run(&format!("audit verify {data} {root}")).await;
    assert!(whole.ok().starts_with("Whole: "), "{}", whole.stdout());
    let one = server.operator().run(&format!("audit verify {} {data} {root}", session.id)).await;
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
    let line = format!("audit verify {} --key {}", root.path().display(), key.public());
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
