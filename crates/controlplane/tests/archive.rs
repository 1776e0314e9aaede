//! Archives, in a folder and on a real S3 server: put once, read whole, and each thing that can be wrong told as what it is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

#[path = "../../recording/tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::id::NodeId;
use countersign_controlplane::archive::{Credentials, KnownArchiveError, S3Options, settle};
use countersign_controlplane::store::{EmbeddedStore, Store};
use countersign_recording::history::{Chapter, Day, Page, verify_folder};
use countersign_recording::*;
use countersign_testkit::{Certificates, Cut, Fault, FaultProxy, S3, S3Options as Started, free_port};
use support::*;

const FOREVER: Duration = Duration::from_secs(1 << 30);

fn options(s3: &S3, prefix: &str) -> S3Options {
    S3Options {
        bucket: S3::BUCKET.into(),
        prefix: prefix.into(),
        region: "us-east-1".into(),
        endpoint: Some(s3.endpoint()),
        path_style: true,
        ca_file: None,
        credentials: Credentials::File(s3.credentials(S3::KEY, S3::SECRET).unwrap()),
    }
}

/// One archive, opened as often as one likes.
enum Kind<'a> {
    Folder(&'a Path),
    S3(&'a S3, &'a Path),
}

impl Kind<'_> {
    /// With a copy of its own.
    fn open(&self, prefix: &str) -> ArchiveStore {
        match self {
            Self::Folder(root) => ArchiveStore::folder(&root.join(prefix)).unwrap(),
            Self::S3(s3, copies) => {
                let copy = tempfile::tempdir_in(copies).unwrap().keep();
                options(s3, prefix).open(copy).unwrap()
            }
        }
    }
}

fn report(dir: &Path) -> Report {
    Verifier::new(&key().public()).verify_all(&Log::find(&[dir.to_owned()]).unwrap()).unwrap()
}

fn replayed(dir: &Path) -> Vec<Vec<u8>> {
    let lines = SessionLines::open(&Log::find(&[dir.to_owned()]).unwrap(), SESSION).unwrap();
    lines.map(|line| line.unwrap().text).collect()
}

fn texts(lines: &[Sent]) -> Vec<Vec<u8>> {
    lines.iter().map(|(_, _, text)| text.clone()).collect()
}

fn chapter() -> Chapter {
    Chapter { installation: "ab".repeat(16), name: "approvals".into() }
}

fn day() -> Day {
    "2026-11-22".parse().unwrap()
}

fn page(entry: Vec<u8>) -> Page {
    Page { number: 0, day: day(), prev: Page::NO_PREVIOUS, entries: vec![entry] }
}

/// What every archive does.
async fn does_its_part(kind: &Kind<'_>) {
    what_is_archived_is_read_elsewhere(kind).await;
    of_many_that_put_one_wins(kind).await;
    large_objects_are_whole(kind).await;
    it_is_known_by_its_id(kind).await;
}

async fn what_is_archived_is_read_elsewhere(kind: &Kind<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let journal = keeping(dir.path());
    let ledger = Ledger::resume(Arc::clone(&journal));
    let lines = Outbox::of_reads(12);
    send(&ledger.link(GATEWAY), &lines[..20]);
    let archiver = || Archiver::new(kind.open("read"), Arc::clone(&journal), Duration::ZERO).unwrap();
    let mut first = archiver();
    let round = first.round().await.unwrap();
    assert!(!round.archived.is_empty() && round.archived == round.removed, "{round:?}");
    let elsewhere = kind.open("read");
    assert_eq!(replayed(&elsewhere.refresh().await.unwrap()), texts(&lines[..20]));
    // One that begins anew goes on, and the copy does.
    send(&ledger.link(GATEWAY), &lines[20..]);
    let mut second = archiver();
    second.round().await.unwrap();
    assert_eq!(second.round().await.unwrap(), Round::default());
    journal.close().unwrap();
    second.last_round().await.unwrap();
    let folder = elsewhere.refresh().await.unwrap();
    assert_eq!(replayed(&folder), texts(&lines));
    let report = report(&folder);
    assert_eq!((report.faults, report.records, report.sealed), (vec![], lines.len() as u64, true));
}

async fn of_many_that_put_one_wins(kind: &Kind<'_>) {
    let stores: Vec<_> = (0..8).map(|_| kind.open("race")).collect();
    let put = stores.iter().enumerate().map(|(number, store)| async move {
        let page = page(format!("{{\"by\":{number}}}").into_bytes());
        (store.put_page(&chapter(), &page).await, page)
    });
    let mut won = Vec::new();
    for (put, page) in futures::future::join_all(put).await {
        match put {
            Ok(()) => won.push(page),
            Err(error) => assert!(matches!(error, ArchiveStoreError::Conflict { .. }), "{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(stores[0].page(&chapter(), &day(), 0).await.unwrap(), won.pop());
    // An answer that came to nobody: the same again is content.
    let there = stores[0].page(&chapter(), &day(), 0).await.unwrap().unwrap();
    stores[1].put_page(&chapter(), &there).await.unwrap();

    let (gateway, logs) = (NodeId::generate(), Log::find(&[]).unwrap());
    let propose = |at| Abandoned::survey(&logs, gateway, Timestamp::from_micros(at)).unwrap();
    let agree = stores.iter().zip(1..).map(|(store, at)| async move { store.agree(&propose(at)).await });
    let agreed: Vec<_> = futures::future::try_join_all(agree).await.unwrap();
    assert!(agreed.iter().all(|one| *one == agreed[0]), "{agreed:?}");
    assert_eq!(stores[0].agreed(gateway).await.unwrap().as_ref(), agreed.first());
}

async fn large_objects_are_whole(kind: &Kind<'_>) {
    let store = kind.open("large");
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(b' '..=b'~')).take(24 << 20).collect();
    let page = page(noise);
    store.put_page(&chapter(), &page).await.unwrap();
    store.seal_page(&chapter(), &page, &key()).await.unwrap();
    assert!(store.page(&chapter(), &day(), 0).await.unwrap().is_some_and(|there| there == page));
    assert_eq!(store.page(&chapter(), &day(), 1).await.unwrap(), None);
    assert_eq!(store.days(&chapter()).await.unwrap(), [day()]);
    assert_eq!(store.pages_of(&chapter(), &day()).await.unwrap(), [0]);
}

async fn it_is_known_by_its_id(kind: &Kind<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(dir.path().join("s")).await.unwrap());
    let first = settle(&*store, kind.open("mine"), "control-1").await.unwrap();
    let second = settle(&*store, kind.open("mine"), "control-2").await.unwrap();
    assert_eq!(first.id().await.unwrap(), second.id().await.unwrap());
    kind.open("other").id().await.unwrap();
    for wrong in ["other", "empty"] {
        let refused = settle(&*store, kind.open(wrong), "control-2").await.map(drop).unwrap_err();
        assert!(matches!(&refused, KnownArchiveError::Another { by, .. } if by == "control-1"), "{refused}");
    }
    // Nothing was put where nothing belongs, and nothing is.
    let known = first.id().await.unwrap();
    let empty = kind.open("empty").expecting(known);
    assert!(matches!(
        empty.put_page(&chapter(), &page(vec![b'1'])).await,
        Err(ArchiveStoreError::Another { .. })
    ));
    assert!(matches!(empty.refresh().await, Err(ArchiveStoreError::Another { .. })));
    kind.open("empty").id().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_a_folder_does_its_part() {
    let root = tempfile::tempdir().unwrap();
    does_its_part(&Kind::Folder(root.path())).await;
    assert_eq!(verify_folder(&root.path().join("large"), &[key().public()]).unwrap()[0].faults, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_on_an_s3_server_does_its_part() {
    let (s3, copies) = (S3::start(&Started::default()).unwrap(), tempfile::tempdir().unwrap());
    does_its_part(&Kind::S3(&s3, copies.path())).await;
}

/// What is said to whoever has set it up, and whether it may be better later.
async fn refused(options: &S3Options) -> (String, bool) {
    let dir = tempfile::tempdir().unwrap();
    let error = options.open(dir.path().to_owned()).unwrap().id().await.map(str::to_owned).unwrap_err();
    for secret in [S3::SECRET, "another+secret"] {
        assert!(!format!("{error} {error:?} {options:?}").contains(secret), "{error:?}");
    }
    (error.to_string(), error.is_away())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_as_what_it_is() {
    let s3 = S3::start(&Started::default()).unwrap();
    let right = options(&s3, "p");
    let key_of = |key: &str, secret: &str| Credentials::File(s3.credentials(key, secret).unwrap());
    let mut said = Vec::new();
    for wrong in [
        S3Options { credentials: key_of(S3::KEY, "another+secret"), ..right.clone() },
        S3Options { credentials: key_of("NOBODYSKEY", S3::SECRET), ..right.clone() },
        S3Options { credentials: key_of(S3::READER, S3::SECRET), ..right.clone() },
        S3Options { credentials: Credentials::File("/nowhere/credentials".into()), ..right.clone() },
        S3Options { bucket: "nowhere".into(), credentials: key_of(S3::ROOT, S3::SECRET), ..right.clone() },
    ] {
        let (text, is_away) = refused(&wrong).await;
        assert!(!is_away, "{text}");
        said.push(text);
    }
    let nobody = format!("http://127.0.0.1:{}", free_port().unwrap());
    let (text, is_away) = refused(&S3Options { endpoint: Some(nobody), ..right.clone() }).await;
    assert!(is_away, "{text}");
    said.push(text);
    let expected = [
        "the secret access key is not the one of this access key (SignatureDoesNotMatch)",
        "the access key is not known there (InvalidAccessKeyId)",
        "access is denied; the key needs GetObject, PutObject and ListBucket (AccessDenied)",
        "`/nowhere/credentials` cannot be read",
        "there is no such bucket (NoSuchBucket)",
        "it cannot be reached: Connection refused",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}");
    }
    let dir = tempfile::tempdir().unwrap();
    right.open(dir.path().to_owned()).unwrap().id().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_tls_is_believed_only_by_its_authority() {
    let (ours, theirs) = (Certificates::make("us").unwrap(), Certificates::make("them").unwrap());
    let s3 = S3::start(&Started { tls: Some(&ours) }).unwrap();
    let right = S3Options { ca_file: Some(ours.ca()), ..options(&s3, "p") };
    let dir = tempfile::tempdir().unwrap();
    let store = right.open(dir.path().to_owned()).unwrap();
    store.put_page(&chapter(), &page(vec![b'1'])).await.unwrap();
    let (text, is_away) = refused(&S3Options { ca_file: Some(theirs.ca()), ..right.clone() }).await;
    assert!(text.contains("it cannot be spoken to: invalid peer certificate"), "{text}");
    assert!(!is_away);
    let plain = S3Options { endpoint: Some(s3.endpoint().replace("https", "http")), ..right };
    let (text, _) = refused(&plain).await;
    assert!(text.contains("the archive fails"), "{text}");
}

/// A node with an archiver that goes through `endpoint`.
struct Recorder {
    _dir: tempfile::TempDir,
    journal: Arc<LocalJournal>,
    archiver: Archiver,
    link: Intake,
}

impl Recorder {
    fn new(options: &S3Options, copy: PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = keeping(dir.path());
        let link = Ledger::resume(Arc::clone(&journal)).link(GATEWAY);
        let archive = options.open(copy).unwrap();
        let archiver = Archiver::new(archive, Arc::clone(&journal), FOREVER).unwrap();
        Self { _dir: dir, journal, archiver, link }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_loses_nothing_and_is_gone_on_with() {
    let mut s3 = S3::start(&Started::default()).unwrap();
    let (options, copies) = (options(&s3, "p"), tempfile::tempdir().unwrap());
    let mut node = Recorder::new(&options, copies.path().join("1"));
    let lines = Outbox::of_reads(9);
    send(&node.link, &lines[..9]);
    node.archiver.round().await.unwrap();
    s3.kill().unwrap();
    send(&node.link, &lines[9..18]);
    for _ in 0..2 {
        let error = node.archiver.round().await.unwrap_err();
        assert!(error.is_away(), "{error}");
    }
    s3.restart().unwrap();
    send(&node.link, &lines[18..]);
    node.archiver.round().await.unwrap();
    node.journal.close().unwrap();
    node.archiver.last_round().await.unwrap();
    let elsewhere = options.open(copies.path().join("2")).unwrap().refresh().await.unwrap();
    assert_eq!(replayed(&elsewhere), texts(&lines));
    assert_eq!(report(&elsewhere).faults, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_whose_answer_is_lost_is_found_to_be_done() {
    let s3 = S3::start(&Started::default()).unwrap();
    let address: SocketAddr = s3.endpoint().trim_start_matches("http://").parse().unwrap();
    let way = FaultProxy::start(address, 1).unwrap();
    let direct = options(&s3, "p");
    let through = S3Options { endpoint: Some(format!("http://{}", way.address())), ..direct.clone() };
    let copies = tempfile::tempdir().unwrap();
    let mut node = Recorder::new(&through, copies.path().join("1"));
    // The archive is known, the connections are there.
    node.archiver.round().await.unwrap();
    let lines = Outbox::of_reads(2);
    send(&node.link, &lines);
    let before = direct.open(copies.path().join("2")).unwrap();
    let replayed_now = async || replayed(&before.refresh().await.unwrap());
    assert_eq!(replayed_now().await, Vec::<Vec<u8>>::new());
    way.set(Fault { cut: Some(Cut::ToClient), ..Fault::default() });
    let mut archiver = node.archiver;
    let round = tokio::spawn(async move { archiver.round().await.map(|_| archiver) });
    while replayed_now().await.is_empty() {
        assert!(!round.is_finished(), "it has had no answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    way.heal();
    way.reset();
    let mut archiver = match round.await.unwrap() {
        Ok(archiver) => archiver,
        // By the next round at the latest.
        Err(error) => {
            assert!(error.is_away(), "{error}");
            Archiver::new(through.open(copies.path().join("3")).unwrap(), Arc::clone(&node.journal), FOREVER)
                .unwrap()
        }
    };
    archiver.round().await.unwrap();
    assert_eq!(replayed_now().await, texts(&lines));
    assert_eq!(report(&before.refresh().await.unwrap()).faults, vec![]);
}
