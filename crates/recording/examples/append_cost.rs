//! Measures the cost of recording a command: `cargo run --release --example append_cost -p countersign-recording`.
//! Prints nanoseconds for a begin record (small statement, cached facts), for the end record, and for waiting until a
//! record is accepted, on one thread, on the file system of the current directory; and for taking in the same lines
//! on another node, with the share of hashing them.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use countersign_common::id::{BundleVersion, CommandId, NodeId, RoleName, SessionId, Subject, TargetName};
use countersign_common::principal::Kind;
use countersign_common::time::SystemClock;
use countersign_common::{Command, Digest, Facts, Principal};
use countersign_recording::*;

const ROUNDS: u32 = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir_in(".")?;
    let key = SigningKey::load_or_create(&dir.path().join("key"))?;
    let data = dir.path().join("data");
    let sink = Box::new(CheckpointFile::open(&data, key)?);
    let journal = Arc::new(LocalJournal::open(&data, Options::default(), Arc::new(SystemClock), sink)?);
    let mut stream =
        Stream::open(Arc::clone(&journal) as Arc<dyn Journal>, Arc::new(SystemClock), opened()?)?;
    let text = b"SELECT abalance FROM pgbench_accounts WHERE aid = 4711;".to_vec();
    let command = Command { form: "query".into(), text: text.into(), parameters: Vec::new() };
    let facts = FactsJson::of(&Facts::nothing());
    let (mut begins, mut ends, mut accepts) = (0, 0, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for _ in 0..ROUNDS {
        let id = CommandId::generate();
        let start = Instant::now();
        let position = stream.append(&Record::Begin(Begin {
            id,
            command: Cow::Borrowed(&command),
            facts: facts.clone(),
            verdict: VerdictWord::Allow,
            policies: Cow::Borrowed(&[]),
            bundle: BundleVersion::from("0123456789abcdef"),
            digest: None,
            trace: None,
        }))?;
        begins += start.elapsed().as_nanos();
        let start = Instant::now();
        runtime.block_on(journal.accepted(position))?;
        accepts += start.elapsed().as_nanos();
        let start = Instant::now();
        let outcome = Ending::Completed("SELECT 1".into());
        stream.append(&Record::End(Ended { id, outcome, rows: 1, bytes: 60, answer: None }))?;
        ends += start.elapsed().as_nanos();
    }
    let each = |total: u128| total / u128::from(ROUNDS);
    println!("begin {} ns, accepted {} ns, end {} ns", each(begins), each(accepts), each(ends));
    drop(stream);
    journal.close()?;
    take_in(&data)
}

/// Takes in a recording, line by line.
fn take_in(from: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir_in(".")?;
    let sink = Box::new(CheckpointFile::open(dir.path(), SigningKey::from_seed(&[7; 32])?)?);
    let options = Options { left_open: LeftOpen::Keep, ..Options::default() };
    let journal = Arc::new(LocalJournal::open(dir.path(), options, Arc::new(SystemClock), sink)?);
    let link = Ledger::resume(Arc::clone(&journal)).link(NodeId::from_u128(1));
    let (mut lines, mut took, mut hashed) = (0u32, 0, 0);
    for line in SessionLines::all(&[Log::at(from)])? {
        let line = line?.text;
        let skim = Skim::of(&line)?;
        let start = Instant::now();
        link.take(skim.stream, skim.seq, &line)?;
        took += start.elapsed().as_nanos();
        let start = Instant::now();
        std::hint::black_box(Digest::of(&line));
        hashed += start.elapsed().as_nanos();
        lines += 1;
    }
    let each = |total: u128| total / u128::from(lines);
    println!("taking in {} ns, of which hashing {} ns, on {lines} lines", each(took), each(hashed));
    Ok(())
}

fn opened() -> Result<Opened, countersign_common::id::InvalidId> {
    Ok(Opened {
        session: SessionId::generate(),
        principal: Principal {
            subject: Subject::new("agent")?,
            kind: Kind::Agent,
            groups: std::collections::BTreeSet::new(),
            on_behalf_of: Vec::new(),
        },
        target: TargetName::new("shop")?,
        role: RoleName::new("app")?,
        database: "shop".into(),
        client: "127.0.0.1:1".into(),
        node: NodeId::from_u128(1),
        bundle: BundleVersion::from("0123456789abcdef"),
    })
}
