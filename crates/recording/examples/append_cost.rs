//! What recording costs a command: `cargo run --release --example append_cost -p countersign-recording`.
//! Prints nanoseconds of a begin record (small statement, cached facts), of the end record, and of
//! begin + accepted + end on one thread, on the file system of the current directory.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use countersign_common::id::{BundleVersion, CommandId, NodeId, RoleName, SessionId, Subject, TargetName};
use countersign_common::principal::Kind;
use countersign_common::time::SystemClock;
use countersign_common::{Command, Facts, Principal};
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
    let command = Command { form: "query".into(), text, parameters: Vec::new() };
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
        node: NodeId::generate(),
        bundle: BundleVersion::from("0123456789abcdef"),
    })
}
