//! What the tests share: a control plane in this process with the policies of a small shop, and the real
//! binary as people run it against it.

#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests, where these are allowed"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign_cli::node::{LocalArchive, PolicyCompiler};
use countersign_common::command::{self, Command as Statement, Context, Parameter};
use countersign_common::facts::{Action, Operation};
use countersign_common::id::{ApprovalId, GroupName, RoleName, Subject, TargetName};
use countersign_common::principal::Kind;
use countersign_common::time::SystemClock;
use countersign_common::{Facts, Principal, Secret};
use countersign_controlplane::approvals::{Held, HoldRequest};
use countersign_controlplane::journal::{Anchor, Publisher};
use countersign_controlplane::sessions::{IssueToken, Session};
use countersign_controlplane::store::EmbeddedStore;
use countersign_controlplane::{ControlPlane, Options};
use countersign_policy::Bundle;
use countersign_recording::{CheckpointFile, LocalJournal, SigningKey};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

const POLICIES: &str = r#"
@id("agents-write")
permit (principal in Group::"agents", action in Action::"write", resource);
@id("writes-need-dba")
@approval("two-dbas")
@reason("writes need two dbas")
forbid (principal, action in Action::"write", resource);
"#;

const CHAINS: &str =
    "chains:\n  two-dbas:\n    timeout: 1h\n    stages:\n      - groups: [dba, leads]\n        quorum: 2\n";

const TARGETS: &str =
    "targets:\n  shop:\n    url: postgres://app@127.0.0.1:5432/shop\n    environment: production\n";

/// The files of the shop's bundle.
pub(crate) fn bundle() -> BTreeMap<String, Vec<u8>> {
    [("policies.cedar", POLICIES), ("chains.yaml", CHAINS), ("targets.yaml", TARGETS)]
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        .into()
}

/// The same in a folder.
pub(crate) fn bundle_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in bundle() {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// A control plane of this process, and what its clients need.
pub(crate) struct Server {
    pub(crate) control: Arc<ControlPlane>,
    pub(crate) journal: Arc<LocalJournal>,
    pub(crate) data: TempDir,
    pub(crate) store: Arc<EmbeddedStore>,
    api: String,
    stop: watch::Sender<bool>,
    _publisher: Publisher,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let recordings = data.path().join("recordings");
        let key = SigningKey::load_or_create(&data.path().join("keys/checkpoint.key")).unwrap();
        std::fs::write(data.path().join("keys/checkpoint.pub"), key.public().to_string()).unwrap();
        let archive = LocalArchive::new(&recordings, key.public());
        let sink = CheckpointFile::open(&recordings, key).unwrap();
        let newest = sink.newest();
        let journal = LocalJournal::open(
            &recordings,
            countersign_recording::Options::default(),
            Arc::new(SystemClock),
            Box::new(sink),
        );
        let mut options = Options::new(data.path(), Arc::new(PolicyCompiler::default()), Arc::new(archive));
        change(&mut options);
        let store = Arc::new(EmbeddedStore::open(data.path().join("control.redb")).await.unwrap());
        let control = ControlPlane::over(Arc::clone(&store) as _, options).await.unwrap();
        let publisher = Publisher::begin(Arc::clone(control.checkpoints()), recordings, newest, None);
        control.apply_bundle(bundle(), &subject("operator")).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        std::fs::write(data.path().join("api"), &api).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (connections, incoming) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if connections.send(Ok::<_, std::io::Error>(tcp)).await.is_err() {
                    return;
                }
            }
        });
        let served = countersign_controlplane::grpc::serve(
            Arc::clone(&control),
            None,
            countersign_controlplane::grpc::Site::plain(),
            ReceiverStream::new(incoming),
            stopped.clone(),
        );
        tokio::spawn(served);
        tokio::spawn(Arc::clone(&control).run(stopped));
        Self { control, journal: Arc::new(journal.unwrap()), data, store, api, stop, _publisher: publisher }
    }

    /// Waits until the store has the last checkpoint of the journal, which was closed.
    pub(crate) async fn published(&self) {
        let closed = |anchor: &Anchor| String::from_utf8_lossy(&anchor.line).contains("\"closed\":true");
        while !self.control.checkpoints().anchors().await.unwrap().iter().any(closed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until an approval that has ended is in the archive and nowhere else.
    pub(crate) async fn retained(&self, id: ApprovalId) {
        let approvals = self.control.approvals();
        while approvals.get(id).await.is_ok() {
            self.control.archive_what_has_ended().await.unwrap();
        }
        assert!(self.control.history().approval(id).await.unwrap().is_some());
    }

    /// The binary, as the operator runs it who has the data directory.
    pub(crate) fn operator(&self) -> Cli {
        Cli::new().arg("--data").arg(self.data.path())
    }

    /// The binary, as a person runs it who has a token.
    pub(crate) async fn person(&self, name: &str, groups: &[&str]) -> Cli {
        let token = self.token(&principal(Kind::Human, name, groups)).await;
        Cli::new().arg("--api").arg(&self.api).env("COUNTERSIGN_TOKEN", token.expose())
    }

    pub(crate) async fn token(&self, who: &Principal) -> Secret<String> {
        let order = IssueToken {
            principal: who.clone(),
            ttl: Duration::from_secs(3600),
            target: None,
            issued_by: subject("operator"),
            issuers: Default::default(),
        };
        self.control.sessions().issue(order).await.unwrap().secret
    }

    /// A session of an agent on behalf of alice.
    pub(crate) async fn session(&self) -> Session {
        let mut agent = principal(Kind::Agent, "agent-7", &["agents"]);
        agent.on_behalf_of = vec![subject("alice")];
        let token = self.token(&agent).await;
        self.control.sessions().open_session(&token, &TargetName::new("shop").unwrap()).await.unwrap()
    }

    /// A write of that session that waits for two of dba or leads.
    pub(crate) async fn held(&self, session: &Session, text: &str) -> Held {
        let files = bundle().into_iter().collect();
        let compiled = Bundle::compile(&files, Vec::new()).unwrap();
        let target = compiled.target(&session.target).unwrap();
        let value = Some(b"42".to_vec().into());
        let statement = Statement {
            form: "query".into(),
            text: text.to_owned().into(),
            parameters: vec![Parameter { type_name: "23".into(), binary: false, value, omitted: None }],
        };
        let context = Context {
            target: session.target.clone(),
            generation: target.generation,
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: BTreeMap::new(),
            transaction: None,
            texts: Vec::new(),
        };
        let mut update = Operation::new(Action::Update);
        update.writes.insert("public.orders".into());
        let request = HoldRequest {
            session: session.id,
            digest: command::digest(&statement, &context, &session.principal, session.id),
            command: statement,
            context,
            facts: Facts { operations: vec![update], ..Facts::nothing() },
            terms: countersign_common::approval::Terms {
                chains: Vec::new(),
                stages: Vec::new(),
                timeout: Duration::from_secs(1),
                policies: Vec::new(),
                reason: String::new(),
            },
            bundle: compiled.version().clone(),
            locks_held: vec!["RowExclusiveLock on public.orders".into()],
        };
        self.control.approvals().hold(request).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

pub(crate) fn principal(kind: Kind, name: &str, groups: &[&str]) -> Principal {
    Principal {
        subject: subject(name),
        kind,
        groups: groups.iter().map(|group| GroupName::new(group).unwrap()).collect(),
        on_behalf_of: Vec::new(),
    }
}

/// The binary with its arguments, in an environment of its own.
#[derive(Clone)]
pub(crate) struct Cli {
    arguments: Vec<std::ffi::OsString>,
    variables: Vec<(String, String)>,
    home: Arc<TempDir>,
}

impl Cli {
    pub(crate) fn new() -> Self {
        Self { arguments: Vec::new(), variables: Vec::new(), home: Arc::new(tempfile::tempdir().unwrap()) }
    }

    pub(crate) fn arg(mut self, argument: impl Into<std::ffi::OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(&self.arguments).args(line.split_whitespace());
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end. Words are separated by spaces.
    pub(crate) async fn run(&self, line: &str) -> Done {
        let mut command = self.command(line);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        Done(ran.unwrap())
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Done(Output);

impl Done {
    pub(crate) fn exit(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// What it printed, when all went well.
    #[track_caller]
    pub(crate) fn ok(&self) -> String {
        assert_eq!(self.exit(), 0, "{}\n{}", self.stdout(), self.stderr());
        self.stdout()
    }

    /// Its document, when all went well.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

/// A text without what is different every time: ids, digests, times.
pub(crate) fn steady(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-:.".contains(*c)).collect();
        if word.is_empty() {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        out.push_str(&steady_word(&word));
        rest = &rest[word.len()..];
    }
    out
}

fn steady_word(word: &str) -> String {
    let ulid = word.split_once('_').filter(|(prefix, body)| prefix.len() == 3 && body.len() == 26);
    let hex = |length: usize| word.len() == length && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let time = word.len() >= 20 && word.starts_with("20") && word.ends_with('Z') && word.contains('T');
    match ulid {
        Some((prefix, _)) => format!("{prefix}_…"),
        None if hex(64) || hex(16) => "<digest>".into(),
        None if time => "<time>".into(),
        None => word.into(),
    }
}

/// Waits until `done` says yes; for what another process does.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not happen");
}

/// A path that nobody has made.
pub(crate) fn nowhere(dir: &Path) -> PathBuf {
    dir.join("nowhere")
}
