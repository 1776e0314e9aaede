//! A small recording to test on: two streams of one session, one of another.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of tests, where these are allowed")]

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign_common::approval::Vote;
use countersign_common::command::Parameter;
use countersign_common::id::*;
use countersign_common::principal::{Kind, Principal};
use countersign_common::refusal::State;
use countersign_common::time::ManualClock;
use countersign_common::{Command, Digest, Facts, Timestamp};
use countersign_recording::*;

pub fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)))
}

pub fn journal(dir: &Path, options: Options) -> Arc<LocalJournal> {
    let sink = Box::new(CheckpointFile::open(dir, key()).unwrap());
    Arc::new(LocalJournal::open(dir, options, clock(), sink).unwrap())
}

pub fn opened(session: SessionId) -> Opened {
    Opened {
        session,
        principal: Principal {
            subject: Subject::new("agent-7").unwrap(),
            kind: Kind::Agent,
            groups: [GroupName::new("agents").unwrap()].into(),
            on_behalf_of: vec![Subject::new("alice").unwrap()],
        },
        target: TargetName::new("shop").unwrap(),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        client: "127.0.0.1:50000".into(),
        node: NodeId::from_u128(9),
        bundle: BundleVersion::from("b1"),
    }
}

pub fn begin(id: CommandId, text: &str, verdict: VerdictWord) -> Record<'static> {
    let value = Some(b"42".to_vec().into());
    let command = Command {
        form: "execute".into(),
        text: text.as_bytes().to_vec().into(),
        parameters: vec![Parameter { type_name: "23".into(), binary: false, value, omitted: None }],
    };
    Record::Begin(Begin {
        id,
        digest: (verdict == VerdictWord::Hold).then(|| Digest::of(text.as_bytes())),
        trace: None,
        command: Cow::Owned(command),
        facts: FactsJson::of(&Facts::nothing()),
        verdict,
        policies: Cow::Owned(vec![PolicyId::new("writes-need-dba").unwrap()]),
        bundle: BundleVersion::from("b1"),
    })
}

pub fn end(id: CommandId, outcome: Ending) -> Record<'static> {
    Record::End(Ended { id, outcome, rows: 1, bytes: 10, answer: None })
}

pub fn stream(journal: &Arc<LocalJournal>, session: SessionId) -> Stream {
    Stream::open(Arc::clone(journal) as Arc<dyn Journal>, clock(), opened(session)).unwrap()
}

/// A statement that is answered, and ends the transaction that it opened.
pub fn read(stream: &mut Stream, id: CommandId) {
    stream.append(&begin(id, "SELECT email FROM customers WHERE id = $1", VerdictWord::Allow)).unwrap();
    let mut capture = Capture::new(100);
    capture.wire(b"D0123456789");
    capture.row([Some(b"1".as_slice()), Some("[redacted]".as_bytes()), None].into_iter());
    let Captured { rows, bytes, answer } = capture.finish();
    let ended = TransactionEnded { since: id, outcome: TransactionOutcome::Committed };
    stream.transaction_ended(ended).unwrap();
    let outcome = Ending::Completed("SELECT 1".into());
    stream.append(&Record::End(Ended { id, outcome, rows, bytes, answer })).unwrap();
}

/// A write that waits, is approved and runs; its answer stands with its end, as it is written now.
pub fn write(stream: &mut Stream, id: CommandId, approval: ApprovalId) {
    let text = "DELETE FROM orders\u{202E} WHERE id = $1";
    stream.append(&begin(id, text, VerdictWord::Hold)).unwrap();
    let expires_at = Timestamp::from_micros(1_700_000_900_000_000);
    stream.append(&Record::Hold(Held { id, approval, need: "0 of 1 (dba)".into(), expires_at })).unwrap();
    stream
        .append(&Record::Decision(Decided {
            id,
            approval,
            approver: Subject::new("dora").unwrap(),
            vote: Vote::Approve,
            reason: Some("seen it".into()),
            method: "token".into(),
            at: Timestamp::from_micros(1_700_000_100_000_000),
        }))
        .unwrap();
    let digest = Digest::of(text.as_bytes());
    stream.append(&Record::Redeemed(Redeemed { id, approval, fence: 3, digest })).unwrap();
    let mut capture = Capture::new(100);
    capture.wire(b"C\0\0\0\rDELETE 1\0");
    let Captured { rows, bytes, answer } = capture.finish();
    let outcome = Ending::Completed("DELETE 1".into());
    stream.append(&Record::End(Ended { id, outcome, rows, bytes, answer })).unwrap();
}

pub const SESSION: SessionId = SessionId::from_u128(100);

/// A recording that was closed in order: some segments, three streams.
pub fn small_recording(dir: &Path) {
    let journal =
        journal(dir, Options { segment_bytes_max: 3000, buffer_bytes_max: 600, ..Options::default() });
    let mut one = stream(&journal, SESSION);
    let mut two = stream(&journal, SESSION);
    let mut other = stream(&journal, SessionId::from_u128(200));
    read(&mut one, CommandId::from_u128(1));
    write(&mut two, CommandId::from_u128(2), ApprovalId::from_u128(1));
    read(&mut other, CommandId::from_u128(3));
    let refused = CommandId::from_u128(4);
    other.append(&begin(refused, "DROP TABLE orders", VerdictWord::Block)).unwrap();
    other.append(&end(refused, Ending::Refused(State::Blocked))).unwrap();
    one.close("client left").unwrap();
    two.close("client left").unwrap();
    other.close("client left").unwrap();
    journal.close().unwrap();
}

/// Waits for a future of the journal on this thread.
pub fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time") })
}

/// Polls once.
pub fn poll<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()))
}

/// One line of a gateway's chain, on its way.
pub type Sent = (StreamId, u64, Vec<u8>);

/// A journal as a gateway of a fleet has it: lines that wait to be sent.
#[derive(Debug, Default)]
pub struct Outbox(std::sync::Mutex<Vec<Sent>>);

impl Outbox {
    /// The lines that one connection writes, from its opening to its end.
    pub fn of(story: impl FnOnce(&mut Stream)) -> Vec<Sent> {
        let outbox = Arc::new(Self::default());
        let journal: Arc<dyn Journal> = outbox.clone();
        let mut stream = Stream::open(journal, clock(), opened(SESSION)).unwrap();
        story(&mut stream);
        stream.close("client left").unwrap();
        std::mem::take(&mut outbox.0.lock().unwrap())
    }

    /// Those of a connection with so many reads: 2 + 3 lines a read.
    pub fn of_reads(reads: u128) -> Vec<Sent> {
        let first = CommandId::generate();
        let id = |read| CommandId::from_u128(u128::from_be_bytes(first.to_bytes()) + read);
        Self::of(|stream| (0..reads).for_each(|number| read(stream, id(number))))
    }
}

impl Journal for Outbox {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        let mut lines = self.0.lock().unwrap();
        lines.push((record.stream, record.seq, record.line.to_vec()));
        Ok(Position(lines.len() as u64))
    }

    fn poll_accepted(&self, _: Position, _: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_synced(&self, _: Position, _: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        Poll::Ready(Ok(()))
    }
}

/// The gateway that all test connections are at.
pub const GATEWAY: NodeId = NodeId::from_u128(9);

/// A control-plane node's journal: streams of gateways stay open.
pub fn keeping(dir: &Path) -> Arc<LocalJournal> {
    journal(dir, Options { left_open: LeftOpen::Keep, segment_bytes_max: 3000, ..Options::default() })
}

/// Sends lines; all have to be taken. How many were there before.
pub fn send(intake: &Intake, lines: &[Sent]) -> usize {
    let take = |(stream, seq, line): &Sent| intake.take(*stream, *seq, line).unwrap().again;
    lines.iter().filter(|line| take(line)).count()
}
