//! The records that gateways send.

use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_common::command::Command;
use countersign_common::id::{CommandId, NodeId, RoleName, SessionId};
use countersign_common::time::SystemClock;
use countersign_recording::{
    Begin, Encoded, FactsJson, Journal, JournalError, Opened, Position, Record, SigningKey, Stream,
    VerdictWord, Verifier,
};
use parking_lot::Mutex;
use tonic::Code;

use super::bed::{Bed, eventually};
use super::gateway::{Linked, Member};
use crate::testing::{agent, target};

/// A journal that keeps its lines for the link.
#[derive(Debug, Default)]
struct Lines(Mutex<Vec<v1::RecordLine>>);

impl Journal for Lines {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        let mut lines = self.0.lock();
        lines.push(v1::RecordLine {
            stream_id: record.stream.to_string(),
            sequence: record.seq,
            line: record.line.to_vec().into(),
            session_proof: Default::default(),
        });
        Ok(Position(lines.len() as u64))
    }

    fn poll_accepted(&self, _: Position, _: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_synced(&self, _: Position, _: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        Poll::Ready(Ok(()))
    }
}

fn opened(node: NodeId) -> Opened {
    Opened {
        session: SessionId::generate(),
        principal: agent(),
        target: target("shop"),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        client: "127.0.0.1:1".into(),
        node,
        bundle: "b".into(),
    }
}

/// The records of a connection on which one command has begun, of a session that was opened at the gateway.
fn recorded(link: &Linked) -> (Vec<v1::RecordLine>, Stream) {
    let opened = opened(link.id);
    let proof = link.record_proof(opened.session, &opened.principal, &opened.target);
    recorded_with(opened, proof)
}

/// The same of any opening record, with any proof.
fn recorded_with(opened: Opened, proof: Vec<u8>) -> (Vec<v1::RecordLine>, Stream) {
    let lines = Arc::new(Lines::default());
    let mut stream = Stream::open(Arc::clone(&lines) as _, Arc::new(SystemClock), opened).unwrap();
    let command = Command { form: "query".into(), text: "SELECT 1".into(), parameters: Vec::new() };
    let begin = Begin {
        id: CommandId::generate(),
        command: std::borrow::Cow::Owned(command),
        facts: FactsJson::of(&countersign_common::Facts::nothing()),
        verdict: VerdictWord::Allow,
        policies: Default::default(),
        bundle: "b".into(),
        digest: None,
        trace: None,
    };
    stream.append(&Record::Begin(begin)).unwrap();
    let mut taken = lines.0.lock().clone();
    taken[0].session_proof = proof.into();
    (taken, stream)
}

fn records(first: u64, lines: &[v1::RecordLine], wanted: u64) -> FromGateway {
    FromGateway::Records(v1::RecordLines {
        first_position: first,
        lines: lines.to_vec(),
        wanted_synced: wanted,
    })
}

fn kept(frame: Frame) -> Option<v1::RecordsKept> {
    match frame {
        Frame::RecordsKept(kept) => Some(kept),
        _ => None,
    }
}

#[tokio::test]
async fn i5_records_are_acknowledged_when_they_are_kept_and_repeated_ones_are_kept_once() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    let (lines, _stream) = recorded(&link);
    link.send(records(1, &lines, 2)).await;
    let mut told = link.wait_for(kept).await;
    while told.synced < 2 {
        assert!(told.accepted >= told.synced);
        told = link.wait_for(kept).await;
    }
    // On the next link they come again.
    let mut link = member.link_as(&node, link.id).await;
    link.send(records(1, &lines, 2)).await;
    while link.wait_for(kept).await.synced < 2 {}
}

#[tokio::test]
async fn i12_a_gap_or_another_gateways_stream_ends_the_link_and_is_not_kept() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let link = member.link(&node).await;
    let (lines, _stream) = recorded(&link);
    link.send(records(1, &lines[..1], 0)).await;
    link.send(records(3, &lines[1..], 0)).await;
    assert_eq!(link.end().await.1.unwrap().code(), Code::InvalidArgument);
    let link = member.link(&node).await;
    let foreign = opened(NodeId::generate());
    let proof = link.record_proof(foreign.session, &foreign.principal, &foreign.target);
    let (foreign, _stream) = recorded_with(foreign, proof);
    link.send(records(1, &foreign, 2)).await;
    let (frames, status) = link.end().await;
    assert_eq!(status.unwrap().code(), Code::InvalidArgument);
    // Nor is there a position after the last one.
    let beyond = member.link(&node).await;
    let (lines, _stream) = recorded(&beyond);
    beyond.send(records(u64::MAX, &lines, 0)).await;
    assert_eq!(beyond.end().await.1.unwrap().code(), Code::InvalidArgument);
    assert!(!frames.into_iter().any(|frame| kept(frame).is_some_and(|kept| kept.accepted >= 1)));
}

/// Makes an opening record a lie; the proof that goes with it. The links are the liar's and another gateway's.
type Lie = fn(&Linked, &Linked, &mut Opened) -> Vec<u8>;

/// A gateway that lies: it records sessions that were never opened there, or as somebody else's.
#[tokio::test]
async fn i12_a_session_is_recorded_only_where_it_was_proven_and_as_its_own_principal() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let (member, other) = (Member::join(&node, "liar").await, Member::join(&node, "gateway-2").await);
    let lies: [(&str, Lie); 6] = [
        ("no proof", |_, _, _| Vec::new()),
        ("the proof that it may speak for it", |link, _, opened| link.proof(&opened.session.to_string())),
        ("another gateway's proof", |_, other, opened| {
            other.record_proof(opened.session, &opened.principal, &opened.target)
        }),
        ("another session", |link, _, opened| {
            let proof = link.record_proof(opened.session, &opened.principal, &opened.target);
            opened.session = SessionId::generate();
            proof
        }),
        ("another principal", |link, _, opened| {
            let proof = link.record_proof(opened.session, &opened.principal, &opened.target);
            opened.principal.on_behalf_of.push(crate::testing::subject("alice"));
            proof
        }),
        ("another target", |link, _, opened| {
            let proof = link.record_proof(opened.session, &opened.principal, &opened.target);
            opened.target = target("bank");
            proof
        }),
    ];
    let others = other.link(&node).await;
    for (lie, tell) in lies {
        let link = member.link(&node).await;
        let mut opened = opened(link.id);
        let proof = tell(&link, &others, &mut opened);
        let session = opened.session.to_string();
        let (lines, _stream) = recorded_with(opened, proof);
        link.send(records(1, &lines, 2)).await;
        let (frames, status) = link.end().await;
        let status = status.unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{lie}");
        assert!(status.message().contains("without a proof"), "{lie}: {status}");
        assert!(!frames.into_iter().any(|frame| kept(frame).is_some_and(|kept| kept.accepted >= 1)), "{lie}");
        assert!(!read(&node.recordings).contains(&session), "{lie}");
    }
    // The same gateway is taken at its word where it tells the truth.
    let mut link = member.link(&node).await;
    let (lines, _stream) = recorded(&link);
    link.send(records(1, &lines, 2)).await;
    while link.wait_for(kept).await.synced < 2 {}
}

/// What the control plane itself opens at a gateway, it takes the records of, for exactly whom it was opened.
#[tokio::test]
async fn a_session_that_was_opened_over_the_link_comes_with_the_proof_to_record_it() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    let secret = node.scratch.token(&agent()).await.expose().clone();
    let open = v1::OpenSession { token: secret, target: "shop".into() };
    let answer = link.call(v1::call::Call::OpenSession(open)).await;
    let v1::answer::Answer::SessionOpened(session) = answer else { panic!("not opened: {answer:?}") };
    let told = session.session.unwrap();
    let (session_id, principal) = (told.id.parse().unwrap(), told.principal.unwrap().try_into().unwrap());
    let opened = Opened { session: session_id, principal, ..opened(link.id) };
    let (lines, _stream) = recorded_with(opened, session.record_proof);
    link.send(records(1, &lines, 2)).await;
    while link.wait_for(kept).await.synced < 2 {}
}

#[tokio::test]
async fn i5_what_a_lost_gateway_had_begun_ends_as_lost_and_the_recording_verifies() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    let (lines, _stream) = recorded(&link);
    link.send(records(1, &lines, 2)).await;
    while link.wait_for(kept).await.synced < 2 {}
    drop(link);
    let recordings = node.recordings.clone();
    eventually("the stream is ended", async || read(&recordings).contains("the gateway was lost")).await;
    assert!(read(&recordings).contains("\"outcome\":\"lost\""));
    node.stop().await;
    let key = SigningKey::from_seed(&[7; 32]).unwrap().public();
    let report = Verifier::new(&key).verify(&recordings).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

fn read(dir: &std::path::Path) -> String {
    let files = std::fs::read_dir(dir).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    files
        .filter_map(|path| std::fs::read(path).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}
