//! Records on Redis Streams: nothing that was acknowledged is lost, whatever becomes of Redis, and everything is archived
//! once it is there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::*;
use countersign_common::principal::{Kind, Principal};
use countersign_common::time::SystemClock;
use countersign_common::{Command, Facts, Secret};
use countersign_controlplane::journal::{Drain, Drained, RedisJournal, RedisJournalOptions, SyncedBy};
use countersign_controlplane::redis::{Heard, Redis, RedisError, RedisOptions, RedisTls};
use countersign_recording::*;
use countersign_testkit as testkit;
use tokio::sync::watch;

const SESSION: SessionId = SessionId::from_u128(1);
const STREAM: &str = "{cs:journal:0}";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn local(dir: &Path) -> Arc<LocalJournal> {
    let sink = Box::new(CheckpointFile::open(dir, key()).unwrap());
    let options = Options { left_open: LeftOpen::Keep, ..Options::default() };
    Arc::new(LocalJournal::open(dir, options, Arc::new(SystemClock), sink).unwrap())
}

/// A control-plane node: its journal, the files behind it, and those that it drains into.
struct Node {
    dir: tempfile::TempDir,
    redis: Arc<Redis>,
    files: Arc<LocalJournal>,
    journal: Arc<RedisJournal>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(redis: RedisOptions, synced_by: SyncedBy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = Arc::new(Redis::new(redis));
        let files = local(&dir.path().join("files"));
        let retry_after = Duration::from_millis(50);
        let options = RedisJournalOptions { synced_by, retry_after, ..RedisJournalOptions::default() };
        let journal = RedisJournal::new(Arc::clone(&redis), Arc::clone(&files), options);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(Arc::clone(&journal).run(stopped));
        Self { dir, redis, files, journal, stop, running }
    }

    fn stream(&self) -> Stream {
        open_stream(Arc::clone(&self.journal) as _)
    }

    async fn synced(&self, position: Position) {
        within(self.journal.synced(position)).await.unwrap();
    }

    async fn entries(&self) -> usize {
        self.redis.entries(STREAM, None, 100_000).await.map_or(0, |entries| entries.len())
    }

    fn drain(&self, archive: &Path) -> (Drain, Arc<LocalJournal>) {
        let journal = local(&self.dir.path().join("drained"));
        let archive = ArchiveStore::folder(archive).unwrap();
        let archiver = Archiver::new(archive, Arc::clone(&journal), Duration::from_secs(3600)).unwrap();
        (Drain::new(Arc::clone(&self.redis), STREAM.into(), Arc::clone(&journal), archiver), journal)
    }

    /// Ends in order; where its own files are.
    async fn end(self) -> (tempfile::TempDir, PathBuf) {
        self.stop.send_replace(true);
        within(self.running).await.unwrap();
        self.files.close().unwrap();
        let files = self.dir.path().join("files");
        (self.dir, files)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

fn open_stream(journal: Arc<dyn Journal>) -> Stream {
    let opened = Opened {
        session: SESSION,
        principal: Principal {
            subject: Subject::new("agent-7").unwrap(),
            kind: Kind::Agent,
            groups: [].into(),
            on_behalf_of: vec![],
        },
        target: TargetName::new("shop").unwrap(),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        client: "127.0.0.1:1".into(),
        node: NodeId::from_u128(1),
        bundle: "b1".into(),
    };
    Stream::open(journal, Arc::new(SystemClock), opened).unwrap()
}

fn read(stream: &mut Stream) -> Position {
    try_read(stream).unwrap()
}

fn try_read(stream: &mut Stream) -> Result<Position, StreamError> {
    let id = CommandId::generate();
    let command = Command { form: "query".into(), text: b"SELECT 1".to_vec().into(), parameters: vec![] };
    let begin = Begin {
        id,
        command: Cow::Owned(command),
        facts: FactsJson::of(&Facts::nothing()),
        verdict: VerdictWord::Allow,
        policies: Cow::Owned(vec![]),
        bundle: "b1".into(),
        digest: None,
        trace: None,
    };
    stream.append(&Record::Begin(begin))?;
    let outcome = Ending::Completed("SELECT 1".into());
    stream.append(&Record::End(Ended { id, outcome, rows: 1, bytes: 20, answer: None }))
}

fn report(dirs: &[&Path]) -> Report {
    let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    Verifier::new(&key().public()).verify_all(&Log::find(&dirs).unwrap()).unwrap()
}

fn recorded(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("segment-"))
        .map(|path| std::fs::read_to_string(path).unwrap().matches("\"record\":").count())
        .sum()
}

fn server(synced: bool) -> testkit::Redis {
    testkit::Redis::start(&testkit::RedisOptions { synced, ..Default::default() }).unwrap()
}

fn at(server: &testkit::Redis) -> RedisOptions {
    RedisOptions::new(vec![server.endpoint()])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_has_synced_is_archived_and_then_trimmed() {
    let server = server(true);
    let node = Node::start(at(&server), SyncedBy::Fsync);
    let mut stream = node.stream();
    for _ in 0..100 {
        read(&mut stream);
    }
    node.synced(stream.close("client left").unwrap()).await;
    assert_eq!(node.entries().await, 202);

    let archive = tempfile::tempdir().unwrap();
    let (mut drain, _journal) = node.drain(archive.path());
    assert_eq!(drain.round().await.unwrap(), Drained { records: 202, strange: 0 });
    assert_eq!(node.entries().await, 0);
    assert_eq!(drain.round().await.unwrap(), Drained::default());
    let report = report(&[archive.path()]);
    assert_eq!((report.faults, report.records), (vec![], 202));
    // Redis vouched for all of it: nothing was kept twice.
    let (_dir, files) = node.end().await;
    assert_eq!(recorded(&files), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_loses_nothing_and_is_used_again_when_it_is_back() {
    let mut server = server(true);
    let node = Node::start(at(&server), SyncedBy::Fsync);
    let mut stream = node.stream();
    for round in 0..6 {
        for _ in 0..50 {
            read(&mut stream);
        }
        // Killed while a call may be under way, and back two rounds later.
        match round % 3 {
            0 => server.kill().unwrap(),
            2 => server.restart().unwrap(),
            _ => {}
        }
        node.synced(read(&mut stream)).await;
    }
    // It is asked again a while after its failure.
    within(async { while !is_used(&node, &mut stream).await {} }).await;
    node.synced(stream.close("client left").unwrap()).await;

    let archive = tempfile::tempdir().unwrap();
    let (mut drain, _journal) = node.drain(archive.path());
    assert!(drain.round().await.unwrap().records > 0);
    let (_dir, files) = node.end().await;
    assert!(recorded(&files) > 0, "what redis did not take is here");
    let report = report(&[&files, archive.path()]);
    assert_eq!(report.faults, vec![]);
    assert!(report.records > 6 * 51 * 2 && report.streams[0].closed);
}

/// Whether what is recorded now comes to Redis.
async fn is_used(node: &Node, stream: &mut Stream) -> bool {
    let before = node.entries().await;
    node.synced(read(stream)).await;
    node.entries().await > before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_says_so_and_takes_records_again_when_there_is_room() {
    let server = server(true);
    let dir = tempfile::tempdir().unwrap();
    let files = local(&dir.path().join("files"));
    let bytes_max = 4096;
    let options = RedisJournalOptions {
        synced_by: SyncedBy::Fsync,
        queue_bytes_max: bytes_max,
        ..RedisJournalOptions::default()
    };
    let journal = RedisJournal::new(Arc::new(Redis::new(at(&server))), Arc::clone(&files), options);
    let mut stream = open_stream(Arc::clone(&journal) as _);
    // Nothing is kept until it runs.
    let error = loop {
        if let Err(error) = try_read(&mut stream) {
            break error;
        }
    };
    assert!(matches!(error, StreamError::Journal(JournalError::Full { bytes_max: 4096 })), "{error:?}");
    assert_eq!(error.to_string(), "records come faster than they are kept: as many wait as may (4096 bytes)");
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Arc::clone(&journal).run(stopped));
    within(journal.synced(journal.appended())).await.unwrap();
    let mut next = open_stream(Arc::clone(&journal) as _);
    within(journal.synced(read(&mut next))).await.unwrap();
    stop.send_replace(true);
    within(running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_from_the_start_the_nodes_own_files_do_it() {
    let nowhere = RedisOptions::new(vec![format!("localhost:{}", testkit::free_port().unwrap())]);
    let node = Node::start(nowhere, SyncedBy::Fsync);
    let mut stream = node.stream();
    let accepted = read(&mut stream);
    within(node.journal.accepted(accepted)).await.unwrap();
    node.synced(stream.close("client left").unwrap()).await;
    let (_dir, files) = node.end().await;
    assert_eq!((report(&[&files]).faults, recorded(&files)), (vec![], 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_does_not_sync_is_synced_here_before_it_is_said_to_be() {
    let server = server(false);
    for synced_by in [
        SyncedBy::Nothing,
        SyncedBy::Fsync,
        SyncedBy::Replicas { count: 1, within: Duration::from_millis(20) },
    ] {
        let node = Node::start(at(&server), synced_by);
        let stream = node.stream();
        node.synced(stream.last()).await;
        assert_eq!(recorded(&node.dir.path().join("files")), 1, "{synced_by:?}");
        drop(stream);
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_has_counts_as_synced_where_that_is_asked_for() {
    let server = server(false);
    let replica_of = Some(server.port());
    let _replica =
        testkit::Redis::start(&testkit::RedisOptions { replica_of, ..Default::default() }).unwrap();
    // The replica follows after a moment.
    let patient = Redis::new(RedisOptions { response_timeout: Duration::from_secs(20), ..at(&server) });
    patient.publish("x", b"").await.unwrap();
    assert_eq!(patient.wait_for_replicas(1, Duration::from_secs(10)).await, Ok(1));
    let options = RedisOptions { response_timeout: Duration::from_secs(20), ..at(&server) };
    let node = Node::start(options, SyncedBy::Replicas { count: 1, within: Duration::from_secs(10) });
    let stream = node.stream();
    node.synced(stream.last()).await;
    assert_eq!(recorded(&node.dir.path().join("files")), 0);
    drop(stream);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_two_nodes_send_are_there_once_and_a_fork_shows() {
    let server = server(true);
    let (one, other) = (Node::start(at(&server), SyncedBy::Fsync), Node::start(at(&server), SyncedBy::Fsync));
    let mut stream = one.stream();
    read(&mut stream);
    one.synced(read(&mut stream)).await;
    let entries = one.redis.entries(STREAM, None, 10).await.unwrap();
    assert_eq!(entries.len(), 5);
    let send = |line: Vec<u8>| {
        let skim = Skim::of(&line).unwrap();
        let hash = countersign_common::Digest::of(&line);
        let (stream, seq, effect) = (skim.stream, skim.seq, skim.effect);
        other.journal.append(Encoded { line: &line, hash, stream, seq, effect }).unwrap()
    };
    // A gateway that failed over sends its last records again, to another node.
    let again = entries.iter().map(|entry| send(entry.value.clone())).max().unwrap();
    other.synced(again).await;
    assert_eq!(one.entries().await, 5);
    let forged = String::from_utf8(entries[4].value.clone()).unwrap().replace("SELECT 1", "SELECT 2");
    other.synced(send(forged.into_bytes())).await;
    assert_eq!(one.entries().await, 5);

    let archive = tempfile::tempdir().unwrap();
    let (mut drain, _journal) = one.drain(archive.path());
    drain.round().await.unwrap();
    let (_dir, files) = other.end().await;
    let problems: Vec<_> = report(&[archive.path(), &files]).faults.into_iter().map(|f| f.problem).collect();
    // The signed tip of the stream is that of one side of the fork, so the other side contradicts it.
    assert!(problems.iter().any(|problem| matches!(problem, Problem::Forked { .. })), "{problems:?}");
    let explained =
        |problem: &Problem| matches!(problem, Problem::Forked { .. } | Problem::TipContradicted { .. });
    assert!(problems.iter().all(explained), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_breaks_off_before_the_archive_has_it_is_done_again() {
    let server = server(true);
    let node = Node::start(at(&server), SyncedBy::Fsync);
    let stream = node.stream();
    node.synced(stream.close("client left").unwrap()).await;
    let archive = tempfile::tempdir().unwrap();
    let (mut drain, journal) = node.drain(archive.path());
    // The archive's folder of this log is a file: nothing can be put into it.
    let folder = archive.path().join(std::fs::read_to_string(journal.dir().join("id")).unwrap().trim());
    std::fs::write(&folder, "").unwrap();
    assert!(drain.round().await.is_err());
    assert_eq!(node.entries().await, 2);
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(drain.round().await.unwrap().records, 2);
    let report = report(&[archive.path()]);
    assert_eq!((report.faults, report.records, report.repeated), (vec![], 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_by_tls_as_the_acl_user_or_not_at_all() {
    // As the product's main does, first thing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certificates = testkit::Certificates::make("nobody").unwrap();
    let options = testkit::RedisOptions {
        user: Some(("countersign", "right")),
        tls: Some(&certificates),
        ..Default::default()
    };
    let server = testkit::Redis::start(&options).unwrap();
    let with = |password: &str, tls: bool| RedisOptions {
        username: Some("countersign".into()),
        password: Some(Secret::new(password.to_owned())),
        tls: if tls { RedisTls::Authority(certificates.ca()) } else { RedisTls::Off },
        ..at(&server)
    };
    assert_eq!(Redis::new(with("right", true)).publish("x", b"").await, Ok(()));
    let refused = Redis::new(with("wrong", true)).publish("x", b"").await.unwrap_err();
    assert!(matches!(refused, RedisError::Refused(_)), "{refused:?}");
    assert!(!refused.to_string().contains("wrong "), "{refused}");
    assert!(Redis::new(with("right", false)).publish("x", b"").await.is_err());
    let stranger = testkit::Certificates::make("nobody").unwrap();
    let options = RedisOptions { tls: RedisTls::Authority(stranger.ca()), ..with("right", true) };
    assert!(Redis::new(options).publish("x", b"").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_is_told_when_it_may_have_missed_something() {
    let mut server = server(false);
    let redis = Redis::new(at(&server));
    let (mut heard, listening) = redis.subscribe(vec!["hints".into()]);
    tokio::spawn(listening);
    let told = |payload: &[u8]| Heard::Message { channel: "hints".into(), payload: payload.to_vec() };
    assert_eq!(within(heard.recv()).await, Some(Heard::Gap));
    redis.publish("hints", b"one").await.unwrap();
    assert_eq!(within(heard.recv()).await, Some(told(b"one")));
    server.restart().unwrap();
    assert!(matches!(within(heard.recv()).await, Some(Heard::Down(_))));
    assert_eq!(within(heard.recv()).await, Some(Heard::Gap));
    within(async { while redis.publish("hints", b"two").await.is_err() {} }).await;
    assert_eq!(within(heard.recv()).await, Some(told(b"two")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_that_sentinels_name_is_followed_when_it_changes() {
    let mut master = server(false);
    let replica_of = Some(master.port());
    let _replica =
        testkit::Redis::start(&testkit::RedisOptions { replica_of, ..Default::default() }).unwrap();
    let sentinels = testkit::Sentinels::start(&master).unwrap();
    let mut options = RedisOptions::new(sentinels.endpoints());
    options.sentinel_master = Some(testkit::Sentinels::MASTER.into());
    options.response_timeout = Duration::from_secs(20);
    let redis = Redis::new(options);
    redis.publish("x", b"").await.unwrap();
    let (mut heard, listening) = redis.subscribe(vec!["hints".into()]);
    tokio::spawn(listening);
    let told = |payload: &[u8]| Heard::Message { channel: "hints".into(), payload: payload.to_vec() };
    assert_eq!(within(heard.recv()).await, Some(Heard::Gap));
    redis.publish("hints", b"one").await.unwrap();
    assert_eq!(within(heard.recv()).await, Some(told(b"one")));
    assert_eq!(redis.wait_for_replicas(1, Duration::from_secs(10)).await, Ok(1));
    master.kill().unwrap();
    // A write, which only a master takes.
    let written = async { while redis.trim("nothing", "1-1").await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), written).await.unwrap();
    // Hints go by the new one, too: who listened is told that it may have missed some, and hears the next.
    let again = async {
        while heard.recv().await != Some(Heard::Gap) {}
        redis.publish("hints", b"two").await.unwrap();
        while heard.recv().await != Some(told(b"two")) {}
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_reach_whoever_listens_at_another_node_of_a_redis_cluster() {
    let ports = [testkit::free_port().unwrap(), testkit::free_port().unwrap()];
    let node = |port: u16| {
        let options = testkit::RedisOptions { cluster_port: Some(port), ..Default::default() };
        testkit::Redis::start(&options).unwrap()
    };
    let (one, other) = (node(ports[0]), node(ports[1]));
    one.meet(&other, ports[1]).unwrap();
    let (mut heard, listening) = Redis::new(at(&other)).subscribe(vec!["hints".into()]);
    tokio::spawn(listening);
    assert_eq!(within(heard.recv()).await, Some(Heard::Gap));
    let from = Redis::new(at(&one));
    // Until the nodes know each other, what one is told stays there.
    let told = async {
        loop {
            from.publish("hints", b"look").await.unwrap();
            tokio::select! {
                heard = heard.recv() => return heard,
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    };
    let hint = Heard::Message { channel: "hints".into(), payload: b"look".to_vec() };
    assert_eq!(within(told).await, Some(hint));
}
