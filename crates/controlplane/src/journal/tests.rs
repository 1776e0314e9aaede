//! Checkpoints outside of the files that they speak of: the store, this node's copy, an anchor.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use countersign_common::Timestamp;
use countersign_common::time::SystemClock;
use countersign_recording::{
    CheckpointFile, Cosignature, LocalJournal, Newest, Options, PublicKey, SignedCheckpoint, SigningKey,
};
use parking_lot::Mutex;

use super::{
    AnchorEndpoint, AnchorPlace, Anchoring, Checkpoints, NotAdmitted, PublishError, Publisher, fetch_anchor,
};
use crate::audit::Looked;
use crate::store::Transaction;
use crate::testing::{START, Scratch, subject};

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// Opens a journal, and says what its newest checkpoint is.
fn open(dir: &Path) -> (LocalJournal, Newest) {
    let sink = CheckpointFile::open(dir, key()).unwrap();
    let newest = sink.newest();
    let journal = LocalJournal::open(dir, Options::default(), Arc::new(SystemClock), Box::new(sink)).unwrap();
    (journal, newest)
}

/// Every checkpoint of a journal that was opened and closed so often.
fn checkpoints(dir: &Path, starts: usize) -> Vec<SignedCheckpoint> {
    for _ in 0..starts {
        open(dir).0.close().unwrap();
    }
    let text = std::fs::read(dir.join("checkpoints.jsonl")).unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| SignedCheckpoint::parse(line, &key().public()).unwrap()).collect()
}

async fn anchored(checkpoints: &Checkpoints) -> Vec<(Vec<u8>, bool)> {
    let anchors = checkpoints.anchors().await.unwrap();
    anchors.into_iter().map(|anchor| (anchor.line, anchor.must)).collect()
}

#[tokio::test]
async fn the_store_keeps_the_newest_checkpoint_and_takes_none_that_does_not_fit() {
    let (scratch, dir) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let kept = scratch.control.checkpoints();
    let signed = checkpoints(dir.path(), 2);
    assert!(signed.len() > 3);
    for one in &signed {
        kept.publish(one).await.unwrap();
        kept.publish(one).await.unwrap();
        assert_eq!(anchored(kept).await, [(one.line.to_vec(), true)]);
    }
    // An older copy of the files is gone on with, or two writers have the log.
    for one in &signed[..signed.len() - 1] {
        let refused = kept.publish(one).await;
        assert!(matches!(refused, Err(PublishError::Contradicted { .. })), "{refused:?}");
    }
    let last = signed.last().unwrap();
    assert_eq!(anchored(kept).await, [(last.line.to_vec(), true)]);
}

#[tokio::test]
async fn what_was_deleted_in_the_store_or_set_back_this_node_has_still_seen() {
    let (scratch, dir) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let signed = checkpoints(dir.path(), 2);
    let (first, last) = (&signed[0], signed.last().unwrap());
    let log = &last.checkpoint.log;
    let kept = scratch.control.checkpoints();
    kept.publish(last).await.unwrap();
    kept.reload().await.unwrap();
    let key = format!("/cs/checkpoints/newest/{log}");
    let store = Arc::clone(scratch.control.store());
    store.transact(Transaction::new().delete(&key)).await.unwrap();
    kept.reload().await.unwrap();
    assert_eq!(anchored(kept).await, [(last.line.to_vec(), true)]);
    // Set back to an older one, which the log has, too: both are asked for.
    kept.publish(first).await.unwrap();
    kept.reload().await.unwrap();
    let both: BTreeSet<_> = anchored(kept).await.into_iter().map(|(line, _)| line).collect();
    assert_eq!(both, [first.line.to_vec(), last.line.to_vec()].into());
    drop(store);
    // The next start knows it as well.
    let again = scratch.restart().await;
    let both: BTreeSet<_> =
        anchored(again.control.checkpoints()).await.into_iter().map(|(line, _)| line).collect();
    assert_eq!(both, [first.line.to_vec(), last.line.to_vec()].into());
}

#[tokio::test]
async fn recordings_that_are_not_what_was_signed_are_not_gone_on_with_until_that_is_on_record() {
    let (scratch, dir) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let (kept, recordings) = (scratch.control.checkpoints(), dir.path().join("recordings"));
    let (public, folders) = (key().public(), [recordings.clone()]);
    let admitted = async || kept.admit(&public, &folders, true).await;
    admitted().await.unwrap();
    let signed = checkpoints(&recordings, 2);
    kept.publish(signed.last().unwrap()).await.unwrap();
    admitted().await.unwrap();
    let log = signed[0].checkpoint.log.clone();

    // An older copy of everything; everything gone; another key.
    let aside = dir.path().join("aside");
    std::fs::rename(&recordings, &aside).unwrap();
    let missing = |refused: Result<(), NotAdmitted>| {
        assert!(matches!(&refused, Err(NotAdmitted::Missing { log: one, .. }) if *one == log), "{refused:?}");
    };
    missing(admitted().await);
    std::fs::create_dir(&recordings).unwrap();
    missing(admitted().await);
    checkpoints(&recordings, 1);
    missing(admitted().await);
    let other = SigningKey::from_seed(&[8; 32]).unwrap().public();
    missing(kept.admit(&other, &folders, true).await);
    // Where others have the store, too, the log of another key is theirs.
    kept.admit(&other, &folders, false).await.unwrap();
    std::fs::remove_dir_all(&recordings).unwrap();
    std::fs::rename(&aside, &recordings).unwrap();
    let path = recordings.join("checkpoints.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{}\n", text.lines().next().unwrap())).unwrap();
    let refused = admitted().await;
    assert!(matches!(&refused, Err(NotAdmitted::NotContinued { .. })), "{refused:?}");

    // It goes on record, once, for this log alone; what is left is kept.
    let operator = subject("operator");
    let unknown = kept.accept_loss(&"0".repeat(32), &folders, &operator, "why not", START).await;
    assert!(unknown.is_err(), "nothing is known of it");
    for _ in 0..2 {
        kept.accept_loss(&log, &folders, &operator, "the disk broke", START).await.unwrap();
    }
    assert!(!recordings.exists() && dir.path().join(format!("recordings.lost-{log}")).is_dir());
    admitted().await.unwrap();
    let lost = kept.lost().await.unwrap();
    assert_eq!(lost[&log].reason, "the disk broke");
    let events = scratch.control.audit().events(10).await.unwrap();
    let accepted: Vec<_> = events.iter().filter(|event| event.action == Looked::AcceptedLoss).collect();
    assert_eq!((accepted.len(), accepted[0].about.as_deref()), (1, Some(log.as_str())));
    // It is asked for no more, and not forgotten.
    let anchors = kept.anchors().await.unwrap();
    assert!(anchors.iter().all(|anchor| !anchor.must && anchor.lost.is_some()), "{anchors:?}");
}

/// An endpoint to which checkpoints are sent. It refuses the first few.
#[derive(Debug)]
struct Endpoint {
    refuses: AtomicU32,
    witness: SigningKey,
    taken: Mutex<Vec<String>>,
    tokens: Mutex<Vec<String>>,
}

async fn take(
    State(endpoint): State<Arc<Endpoint>>,
    headers: axum::http::HeaderMap,
    body: String,
) -> Result<Vec<u8>, StatusCode> {
    let left = endpoint.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if left.is_ok() {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let token = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    endpoint.tokens.lock().extend(token);
    let digest = countersign_common::Digest::of(body.as_bytes());
    endpoint.taken.lock().push(body);
    Ok(Cosignature::sign(digest, Timestamp::from_micros(5), &endpoint.witness).unwrap())
}

async fn kept(State(endpoint): State<Arc<Endpoint>>) -> String {
    endpoint.taken.lock().iter().map(|line| format!("{line}\n")).collect()
}

async fn endpoint(refuses: u32) -> (Arc<Endpoint>, String) {
    let witness = SigningKey::from_seed(&[9; 32]).unwrap();
    let (taken, tokens) = Default::default();
    let endpoint = Arc::new(Endpoint { refuses: AtomicU32::new(refuses), witness, taken, tokens });
    let router = Router::new().route("/add", post(take).get(kept)).with_state(Arc::clone(&endpoint));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/add", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, url)
}

/// Records nothing, with checkpoints that go to this place; the last of them.
async fn anchor_to(scratch: &Scratch, dir: &Path, place: AnchorPlace) -> SignedCheckpoint {
    let anchoring = Anchoring::begin(place).unwrap();
    let (journal, newest) = open(dir);
    let publisher = Publisher::begin(
        Arc::clone(scratch.control.checkpoints()),
        dir.to_owned(),
        newest.clone(),
        Some(anchoring.sender()),
    );
    tokio::task::spawn_blocking(move || journal.close()).await.unwrap().unwrap();
    let last = newest.borrow().as_deref().unwrap().clone();
    drop(newest);
    publisher.end().await;
    anchoring.end().await;
    last
}

#[tokio::test]
async fn checkpoints_go_to_a_file_outside_as_they_are_signed() {
    let (scratch, dir) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let file = dir.path().join("anchors.jsonl");
    let recordings = dir.path().join("recordings");
    for _ in 0..2 {
        let last = anchor_to(&scratch, &recordings, AnchorPlace::File(file.clone())).await;
        assert!(last.checkpoint.closed);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().last().unwrap().as_bytes(), &last.line[..]);
        assert_eq!(anchored(scratch.control.checkpoints()).await, [(last.line.to_vec(), true)]);
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_asked_again_and_a_witness_has_to_sign() {
    let (scratch, dir) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let (endpoint, url) = endpoint(1).await;
    let token = dir.path().join("token");
    std::fs::write(&token, "sesame\n").unwrap();
    let witness_key = Some(endpoint.witness.public());
    let place = |witness_key: Option<PublicKey>, token_file: Option<PathBuf>| {
        AnchorPlace::Endpoint(AnchorEndpoint { url: url.clone(), ca_file: None, token_file, witness_key })
    };
    let last = anchor_to(&scratch, &dir.path().join("one"), place(witness_key, Some(token))).await;
    assert_eq!(endpoint.taken.lock().last().unwrap().as_bytes(), &last.line[..]);
    assert_eq!(endpoint.tokens.lock().last().unwrap(), "Bearer sesame");
    // What it has is read back as an anchor.
    let text = fetch_anchor(&url, None).await.unwrap();
    assert!(text.ends_with(&[&last.line[..], b"\n"].concat()));

    // One that signs by another key has taken nothing: it is sent until the process ends.
    let before = endpoint.taken.lock().len();
    let other = Some(SigningKey::from_seed(&[8; 32]).unwrap().public());
    anchor_to(&scratch, &dir.path().join("two"), place(other, None)).await;
    let sent = endpoint.taken.lock()[before..].to_vec();
    assert!(sent.len() > 1, "it was not sent again: {}", sent.len());
    assert!(fetch_anchor("http://127.0.0.1:1/add", None).await.is_err());
    assert!(fetch_anchor("file:///etc/passwd", None).await.is_err());
}

#[tokio::test]
async fn an_anchor_that_is_away_keeps_nobody_waiting() {
    let (scratch, dir) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let place = AnchorPlace::File(dir.path().join("nowhere").join("anchors.jsonl"));
    let last = anchor_to(&scratch, &dir.path().join("one"), place).await;
    assert_eq!(
        anchored(scratch.control.checkpoints()).await,
        [(last.line.to_vec(), true)],
        "the store has it"
    );
}
