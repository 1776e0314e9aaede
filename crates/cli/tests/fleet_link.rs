//! Both ends of the link, the real ones, in one process over real TLS: a control plane's fleet listener, a gateway that
//! joins it, a PostgreSQL server behind and psql before it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use countersign_cli::node::{LocalArchive, PolicyCompiler};
use countersign_common::Secret;
use countersign_common::approval::{State, Vote};
use countersign_common::id::{GroupName, NodeId, Subject};
use countersign_common::principal::{Kind, Principal};
use countersign_common::time::{Clock, SystemClock};
use countersign_controlplane::approvals::Decide;
use countersign_controlplane::fleet::authority::AuthorityFiles;
use countersign_controlplane::fleet::intake::LedgerIntake;
use countersign_controlplane::fleet::{Fleet, FleetListener, FleetOptions, Uses};
use countersign_controlplane::sessions::{IssueToken, What};
use countersign_controlplane::store::EmbeddedStore;
use countersign_controlplane::{ControlPlane, Options};
use countersign_gateway::identity::{Identity, IdentityOptions};
use countersign_gateway::link::{Link, LinkOptions, Unfinished};
use countersign_gateway::{Gateway, ListenerConfig, Listeners};
use countersign_masking::HashKey;
use countersign_recording::{CheckpointFile, LocalJournal, SigningKey};
use countersign_testkit::{Postgres, PostgresOptions, shop};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A store, what certifies, and a target.
struct Bed {
    dir: tempfile::TempDir,
    store: EmbeddedStore,
    server: Arc<Postgres>,
}

/// A control-plane node.
struct Node {
    control: Arc<ControlPlane>,
    fleet: Arc<Fleet>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn principal(name: &str, kind: Kind, group: &str) -> Principal {
    let groups = [GroupName::new(group).unwrap()].into();
    Principal { subject: subject(name), kind, groups, on_behalf_of: Vec::new() }
}

impl Bed {
    async fn new() -> Self {
        // As the binary does, first of all.
        let _ =
            rustls::crypto::CryptoProvider::install_default(rustls::crypto::aws_lc_rs::default_provider());
        let dir = tempfile::tempdir().unwrap();
        AuthorityFiles::in_directory(dir.path()).create(&SystemClock).unwrap();
        let store = EmbeddedStore::open(dir.path().join("control.redb")).await.unwrap();
        let started = tokio::task::spawn_blocking(|| Postgres::start(PostgresOptions::default()).unwrap());
        std::fs::write(dir.path().join("password"), shop::PASSWORD).unwrap();
        Self { dir, store, server: Arc::new(started.await.unwrap()) }
    }

    /// `examples/bundle`, for the server that runs.
    fn bundle(&self) -> countersign_controlplane::bundles::Files {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bundle");
        let mut files = countersign_controlplane::bundles::Files::new();
        for entry in std::fs::read_dir(example).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(path).unwrap());
        }
        let password = self.dir.path().join("password");
        let targets = format!(
            "targets:\n  shop:\n    url: {}?sslmode=disable\n    environment: production\n    \
             credential: {{ file: {} }}\n",
            self.server.url(),
            password.display()
        );
        files.insert("targets.yaml".into(), targets.into_bytes());
        files
    }

    async fn node(&self, name: &str) -> Node {
        let data = self.dir.path().join(name);
        let recordings = data.join("recordings");
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let archive = Arc::new(LocalArchive::new(&recordings, key.public()));
        let options = Options {
            data,
            node: NodeId::generate(),
            clock: clock(),
            compiler: Arc::new(PolicyCompiler::default()),
            archive,
            history: Default::default(),
            administrators: Default::default(),
        };
        let control = ControlPlane::over(Arc::new(self.store.clone()), options).await.unwrap();
        if control.bundles().current().is_none() {
            control.apply_bundle(self.bundle(), &subject("operator")).await.unwrap();
        }
        let sink = CheckpointFile::open(&recordings, key).unwrap();
        let settings = countersign_recording::Options {
            left_open: countersign_recording::LeftOpen::Keep,
            ..countersign_recording::Options::default()
        };
        let journal = LocalJournal::open(&recordings, settings, clock(), Box::new(sink)).unwrap();
        let intake = Arc::new(LedgerIntake::new(Arc::new(journal), clock()));
        let authority = AuthorityFiles::in_directory(self.dir.path()).read_or_create(&SystemClock).unwrap();
        let options = FleetOptions::new(name, authority, intake);
        let fleet = Fleet::open(Arc::clone(&control), options).await.unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = FleetListener::bind(Arc::clone(&fleet), any).await.unwrap();
        let (address, (stop, stopped)) = (listener.address(), watch::channel(false));
        let serving = listener.serve(stopped.clone());
        let tasks = vec![
            tokio::spawn({
                let (control, stopped) = (Arc::clone(&control), stopped.clone());
                async move { control.run(stopped).await }
            }),
            tokio::spawn(Arc::clone(&fleet).run(stopped)),
            tokio::spawn(async move { drop(serving.await) }),
        ];
        Node { control, fleet, address, stop, tasks }
    }
}

impl Node {
    /// Ends it in good order.
    async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.unwrap();
        }
    }

    fn has_the_link(&self) -> bool {
        let here = self.control.node();
        self.fleet.list().iter().any(|node| node.gateway().is_some_and(|gateway| gateway.linked_to == here))
    }

    async fn token(&self) -> String {
        let order = IssueToken {
            principal: principal("agent-7", Kind::Agent, "agents"),
            ttl: Duration::from_secs(3600),
            target: None,
            issued_by: subject("operator"),
            issuers: Default::default(),
        };
        self.control.sessions().issue(order).await.unwrap().secret.expose().clone()
    }

    /// Says yes to the one request that waits.
    async fn approve(&self) {
        let waits = || self.control.approvals().list_going_on().0.into_iter().next();
        eventually("a request waits", || waits().is_some()).await;
        let approval = waits().unwrap().approval.clone();
        let decide = Decide {
            id: approval.id,
            by: principal("dora", Kind::Human, "dba"),
            vote: Vote::Approve,
            reason: None,
            method: "token".into(),
            rendering: approval.rendering,
            issuers: Default::default(),
            only_target: None,
        };
        self.control.approvals().decide(decide).await.unwrap();
    }
}

/// A gateway that has joined and serves.
struct Serving {
    address: SocketAddr,
    link: Link,
    task: JoinHandle<()>,
}

async fn gateway(dir: &Path, nodes: &[&Node]) -> Serving {
    let ttl = Duration::from_secs(60);
    let token = nodes[0].fleet.issue_join_token(ttl, Uses::Once, &subject("operator")).await.unwrap();
    let addresses: Vec<_> = nodes.iter().map(|node| node.address.to_string()).collect();
    let options = IdentityOptions {
        state: dir.join("gateway"),
        name: "gateway-1".into(),
        control_planes: addresses.clone(),
        token: Some(token.secret.expose().parse().unwrap()),
    };
    let identity = Identity::open(options, clock()).await.unwrap();
    let link =
        Link::start(LinkOptions::new(addresses), identity.credentials(), clock(), Unfinished::default());
    let ports = tokio::time::timeout(Duration::from_secs(30), link.ready(None)).await.unwrap();
    let config = ListenerConfig::new("127.0.0.1:0".parse().unwrap(), None);
    let listeners = Listeners::bind(vec![config], 100).await.unwrap();
    let address = listeners.addresses()[0];
    let key = Arc::new(HashKey::new(&Secret::new(vec![7; 32])));
    let gateway = Arc::new(Gateway::new(&listeners, &ports, &key));
    link.serves(Arc::clone(&gateway) as _);
    let task = tokio::spawn(async move {
        gateway.run(listeners, std::future::pending(), Duration::ZERO).await;
    });
    Serving { address, link, task }
}

async fn psql(gateway: SocketAddr, token: &str, sql: &str) -> Output {
    let (token, sql) = (token.to_owned(), sql.to_owned());
    let run = move || {
        Command::new("psql")
            .args(["-X", "-A", "-t", "-h", "127.0.0.1", "-p", &gateway.port().to_string()])
            .args(["-U", "shop", "-d", shop::DATABASE, "-c", &sql])
            .env("PGPASSWORD", token)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(error))
}

async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "never: {what}");
}

const ADD: &str = "UPDATE customers SET credit_cents = credit_cents + 100 WHERE id = 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_serves_psql_over_its_link_and_a_held_write_runs_once_approved() {
    let bed = Bed::new().await;
    let node = bed.node("control-1").await;
    let serving = gateway(bed.dir.path(), &[&node]).await;
    let token = node.token().await;
    let read = psql(serving.address, &token, "SELECT count(*) FROM customers").await;
    assert_eq!(text(&read), "300\n");
    let refused = psql(serving.address, "cst_wrong", "SELECT 1").await;
    assert!(!refused.status.success());
    let (ran, ()) = tokio::join!(psql(serving.address, &token, ADD), node.approve());
    assert!(text(&ran).contains("UPDATE 1"), "{}", text(&ran));
    let all = node.control.approvals().list_all(10, |_| true).await.unwrap().0;
    assert!(matches!(all[0].approval.state, State::Done { .. }), "{:?}", all[0].approval.state);
    serving.task.abort();
    serving.link.close(Duration::from_secs(10)).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_command_outlives_the_control_plane_node_that_was_asked() {
    let bed = Bed::new().await;
    let (one, other) = (bed.node("control-1").await, bed.node("control-2").await);
    let serving = gateway(bed.dir.path(), &[&one, &other]).await;
    let token = one.token().await;
    let asking = {
        let (address, token) = (serving.address, token.clone());
        tokio::spawn(async move { psql(address, &token, ADD).await })
    };
    eventually("it waits", || !one.control.approvals().list_going_on().0.is_empty()).await;
    // Whichever has the link ends; it asks the gateway to go to the other one.
    let one_has_it = one.has_the_link();
    let (ends, stays) = if one_has_it { (one, other) } else { (other, one) };
    ends.end().await;
    stays.approve().await;
    let ran = asking.await.unwrap();
    assert!(text(&ran).contains("UPDATE 1"), "{}", text(&ran));
    let read = psql(serving.address, &token, "SELECT count(*) FROM customers").await;
    assert_eq!(text(&read), "300\n");
    serving.task.abort();
    stays.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_no_means_no_a_revoked_session_ends_within_a_second() {
    let bed = Bed::new().await;
    let node = bed.node("control-1").await;
    let serving = gateway(bed.dir.path(), &[&node]).await;
    let token = node.token().await;
    let asking = {
        let (address, token) = (serving.address, token.clone());
        tokio::spawn(async move { psql(address, &token, ADD).await })
    };
    eventually("it waits", || !node.control.approvals().list_going_on().0.is_empty()).await;
    let what = What::Subject(subject("agent-7"));
    node.control.revoke(&what, &subject("operator"), "the stop button").await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap().unwrap();
    assert!(!stopped.status.success());
    assert!(!text(&stopped).contains("UPDATE 1"));
    serving.task.abort();
    node.end().await;
}
