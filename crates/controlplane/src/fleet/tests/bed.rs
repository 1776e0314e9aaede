//! One store, and control-plane nodes on it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::id::NodeId;
use countersign_common::time::{Clock, ManualClock, SystemClock};
use countersign_recording::{CheckpointFile, LeftOpen, LocalJournal, SigningKey};
use futures::StreamExt as _;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::approvals::APPROVALS;
use crate::bundles::{Compile, Files};
use crate::fleet::authority::AuthorityFiles;
use crate::fleet::intake::LedgerIntake;
use crate::fleet::{Fleet, FleetListener, FleetOptions};
use crate::hints::Hints;
use crate::store::{
    Change, Changes, EmbeddedStore, Entry, Kept, LeaseId, Outcome, Page, Revision, Store, StoreError,
    Transaction,
};
use crate::testing::{START, Scratch, StubArchive, StubCompiler, bundle, subject};
use crate::{ControlPlane, Options};

/// One store, and what all its nodes share.
pub(super) struct Bed {
    pub(super) dir: TempDir,
    pub(super) authority: AuthorityFiles,
    pub(super) store: Arc<Flaky>,
    /// How its nodes, from here on, give each other hints.
    pub(super) hints: Option<Arc<dyn Hints>>,
    /// What time it is for its nodes, from here on.
    pub(super) clock: Arc<dyn Clock>,
    /// How long gateways' certificates are valid, from here on.
    pub(super) certificate_ttl: Duration,
    /// What compiles bundles, and the first one, from here on.
    pub(super) compiler: Arc<dyn Compile>,
    pub(super) bundle: Files,
    nodes: u32,
}

/// A store that does not answer while it is told not to.
#[derive(Debug)]
pub(super) struct Flaky {
    store: Arc<dyn Store>,
    pub(super) silent: Arc<AtomicBool>,
    /// Tells of no change of an approval while it is set.
    pub(super) mute: Arc<AtomicBool>,
    /// Lists nothing, and lets nobody follow, while it is set; single keys are read and written.
    pub(super) blind: Arc<AtomicBool>,
}

impl Flaky {
    fn heard(&self) -> Result<&dyn Store, StoreError> {
        if self.silent.load(Ordering::SeqCst) { Err(StoreError::Closed) } else { Ok(&*self.store) }
    }
}

#[async_trait]
impl Store for Flaky {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.heard()?.get(key).await
    }

    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        if self.blind.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        self.heard()?.range(prefix, after, limit).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        self.heard()?.transact(transaction).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        let (changes, silent) = (self.heard()?.watch(prefix, after).await?, Arc::clone(&self.silent));
        let (mute, blind) = (Arc::clone(&self.mute), Arc::clone(&self.blind));
        let told = move |change: &Result<Change, StoreError>| {
            let of_approval = change.as_ref().is_ok_and(|change| change.key().starts_with(APPROVALS));
            std::future::ready(!(of_approval && mute.load(Ordering::SeqCst)))
        };
        // An open watch breaks, too: nothing more is heard on it.
        let is_over = move || silent.load(Ordering::SeqCst) || blind.load(Ordering::SeqCst);
        let heard = move |change| if is_over() { Err(StoreError::Closed) } else { change };
        Ok(changes.filter(told).map(heard).boxed())
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.heard()?.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Kept, StoreError> {
        self.heard()?.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.heard()?.revoke(lease).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.heard()?.revision().await
    }
}

/// A control-plane node that runs.
pub(super) struct Running {
    pub(super) scratch: Scratch,
    pub(super) fleet: Arc<Fleet>,
    pub(super) address: SocketAddr,
    pub(super) recordings: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Bed {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path().join("control.redb")).await.unwrap();
        Self::over(dir, Arc::new(store))
    }

    pub(super) fn over(dir: TempDir, store: Arc<dyn Store>) -> Self {
        let authority = AuthorityFiles::in_directory(dir.path());
        authority.create(&SystemClock).unwrap();
        let store =
            Arc::new(Flaky { store, silent: Arc::default(), mute: Arc::default(), blind: Arc::default() });
        let (clock, certificate_ttl) = (Arc::new(SystemClock), Duration::from_secs(24 * 3600));
        let (compiler, bundle) = (Arc::new(StubCompiler), bundle("hold dba 1"));
        Self { dir, authority, store, hints: None, clock, certificate_ttl, compiler, bundle, nodes: 0 }
    }

    /// A node with the usual settings, but nodes that nobody hears of are lost after two seconds.
    pub(super) async fn node(&mut self) -> Running {
        self.nodes += 1;
        let clock = Arc::clone(&self.clock);
        let data = self.dir.path().join(format!("node-{}", self.nodes));
        let options = Options {
            data: data.clone(),
            node: NodeId::generate(),
            clock: Arc::clone(&clock),
            compiler: Arc::clone(&self.compiler),
            archive: Arc::new(StubArchive),
            history: Default::default(),
            administrators: Default::default(),
        };
        let control = ControlPlane::over(Arc::clone(&self.store) as _, options).await.unwrap();
        if control.bundles().current().is_none() {
            control.apply_bundle(self.bundle.clone(), &subject("operator")).await.unwrap();
        }
        let recordings = data.join("recordings");
        let sink = CheckpointFile::open(&recordings, SigningKey::from_seed(&[7; 32]).unwrap()).unwrap();
        let settings = countersign_recording::Options {
            left_open: LeftOpen::Keep,
            ..countersign_recording::Options::default()
        };
        let journal = LocalJournal::open(&recordings, settings, Arc::clone(&clock), Box::new(sink)).unwrap();
        let intake = Arc::new(LedgerIntake::new(Arc::new(journal), clock));
        let authority = self.authority.read_or_create(&SystemClock).unwrap();
        let mut options = FleetOptions::new(format!("control-{}", self.nodes), authority, intake);
        options.hints.clone_from(&self.hints);
        options.certificate_ttl = self.certificate_ttl;
        options.node_ttl = Duration::from_secs(2);
        options.bundle_lease = Duration::from_secs(6);
        let fleet = Fleet::open(Arc::clone(&control), options).await.unwrap();
        let listener = FleetListener::bind(Arc::clone(&fleet), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, (stop, stopped)) = (listener.address(), watch::channel(false));
        let serving = listener.serve(stopped.clone());
        let tasks = vec![
            tokio::spawn(Arc::clone(&control).run(stopped.clone())),
            tokio::spawn(Arc::clone(&fleet).run(stopped)),
            tokio::spawn(async move { serving.await.unwrap() }),
        ];
        let scratch =
            Scratch { control, clock: Arc::new(ManualClock::at(START)), dir: tempfile::tempdir().unwrap() };
        Running { scratch, fleet, address, recordings, stop, tasks }
    }
}

impl Running {
    /// Ends it in good order; returns when it has.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.fleet.goodbye().await;
    }

    /// As a power cut would: its links break, and nobody says goodbye.
    pub(super) fn kill(self) {
        for task in &self.tasks {
            task.abort();
        }
        for link in self.fleet.links().all() {
            link.end(crate::fleet::links::Wish::Superseded);
        }
    }

    /// What the node of a gateway shows.
    pub(super) fn node(&self, id: NodeId) -> Option<crate::fleet::Node> {
        self.fleet.list().into_iter().find(|node| node.id == id)
    }
}

/// Waits until something holds; the test fails when it does not within ten seconds.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
