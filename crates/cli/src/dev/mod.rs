//! `countersign dev`: gateway and control plane in one process, with a data directory of its own, to try
//! things out. What it judges by is a folder that is read again when it changes, or the built-in bundle.
//!
//! - [`options`]: the command line, and the targets it names.
//! - [`bundle`]: the bundle in force, and how a change of its folder, or an `apply`, takes its place.
//! - [`gateway`]: the one place where the gateway is started; [`embedded`]: its ports, filled by direct calls.

mod bundle;
mod embedded;
mod gateway;
mod options;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use countersign_common::id::NodeId;
use countersign_common::time::{Clock, SystemClock};
use countersign_controlplane::ControlPlane;
use countersign_controlplane::grpc::ServeError;
use countersign_controlplane::history::HistoryOptions;
use countersign_controlplane::journal::{Anchoring, Publisher};
use countersign_controlplane::sessions::Administrators;
use countersign_masking::HashKey;
use countersign_policy::CurrentBundle;
use countersign_recording::{CheckpointFile, LocalJournal, Newest};
use countersign_runtime::health::Health;
use countersign_runtime::signal::Signals;
use countersign_runtime::telemetry::Otlp;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use self::options::DevOptions;

use self::bundle::Source;
use self::gateway::{Gateway, Parts};
use crate::commands::Surroundings;
use crate::commands::controlplane::{announce_failed, bind, checkpoint_key, open};
use crate::data::{Announced, DataDir};
use crate::error::{CliError, Exit};
use crate::node::hash_key;
use crate::node::listener::Listener;
use crate::node::ops::Operations;
use crate::node::{LocalArchive, PolicyCompiler, anchor, recordings};

/// What is said when it is ready.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    /// Where clients connect.
    postgres: String,
    /// Where the commands connect.
    api: &'a str,
    /// Where operators look.
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<String>,
    data: &'a Path,
}

/// Runs until SIGTERM or SIGINT, then drains.
pub(crate) async fn run(options: DevOptions, around: &Surroundings) -> Result<(), CliError> {
    let otlp = Otlp::of(options.otlp.clone(), "countersign", options.trace_share.0);
    let mut operations = Operations::begin(around.output, otlp.as_ref())?;
    let mut signals =
        Signals::listen().map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))?;
    let prepared = Prepared::new(&options, around).await?;
    let mut running = Box::pin(prepared.start(&options)).await?;
    operations.watch_store(&running.control);
    running.report_to(&operations.health);
    // Only now: before it serves, nobody is told that it is ready.
    let ops = operations.listen(options.listen_ops).await?;
    running.say_ready(&options, ops, around)?;
    let ended = running.until_told(&mut signals).await;
    operations.health.drain();
    tokio::select! {
        drained = running.drain() => drained?,
        _ = signals.next() => return Err(CliError::failed("ended by a second signal while draining")),
    }
    operations.end().await;
    ended
}

/// Everything that can be wrong with what was given has been found; nobody is served yet.
struct Prepared {
    data: DataDir,
    source: Source,
    compiler: Arc<PolicyCompiler>,
    listener: Listener,
    control: Arc<ControlPlane>,
    current: Arc<CurrentBundle>,
    journal: Arc<LocalJournal>,
    newest: Newest,
    hash_key: Arc<HashKey>,
    clock: Arc<dyn Clock>,
}

impl Prepared {
    async fn new(options: &DevOptions, around: &Surroundings) -> Result<Self, CliError> {
        let source = Source::of(options)?;
        let data = around.data();
        data.create()?;
        let compiler = Arc::new(PolicyCompiler::with_targets(options.targets(&data)?));
        let first = source.read(&compiler, around.output)?;
        let listener = bind(options.listen_api, None).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key = checkpoint_key(&data)?;
        let archive = Arc::new(LocalArchive::new(data.recordings(), key.public()));
        let public = key.public();
        let hash_key = Arc::new(hash_key::load_or_create(&data)?);
        let control = open(countersign_controlplane::Options {
            data: data.path().to_owned(),
            node: NodeId::generate(),
            clock: Arc::clone(&clock),
            // A stored bundle may name a `--target` that this start lacks: then there is none until the next line but one.
            compiler: Arc::clone(&compiler) as _,
            archive,
            // One process to try things out: nothing is taken away.
            history: HistoryOptions::default(),
            administrators: Administrators {
                services: options.administrator_services.iter().cloned().collect(),
            },
        })
        .await?;
        recordings::admit(&control, &data, &public, true, &options.accept_loss).await?;
        let (journal, newest) = open_journal(&data, key, &clock)?;
        let journal = Arc::new(journal);
        let current = bundle::put_in_force(first, &control).await?;
        Ok(Self { data, source, compiler, listener, control, current, journal, newest, hash_key, clock })
    }

    async fn start(self, options: &DevOptions) -> Result<Running, CliError> {
        let Self { data, source, compiler, listener, control, current, journal, newest, hash_key, clock } =
            self;
        let anchoring = anchor::begin(options.anchor.clone())?;
        let publisher = Publisher::begin(
            Arc::clone(control.checkpoints()),
            journal.dir().to_owned(),
            newest,
            anchoring.as_ref().map(Anchoring::sender),
        );
        let (stop, stopped) = watch::channel(false);
        let api = listener.url();
        let gateway = gateway::start(Parts {
            listen_postgres: options.listen_postgres,
            tls: options.tls()?,
            control: Arc::clone(&control),
            current: Arc::clone(&current),
            journal: Arc::clone(&journal),
            hash_key,
            clock,
            node: control.node(),
            page: api.as_str().into(),
            stop: stopped.clone(),
        })
        .await?;
        Ok(Running {
            keeping: tokio::spawn(Arc::clone(&control).run(stopped.clone())),
            following: tokio::spawn(bundle::follow(Arc::clone(&control), current, Arc::clone(&compiler))),
            reloading: tokio::spawn(source.reload(Arc::clone(&control), compiler)),
            serving: tokio::spawn(listener.serve(Arc::clone(&control), None, stopped)),
            announced: Some(data.announce(&api).map_err(announce_failed)?),
            stop,
            api,
            data,
            gateway,
            control,
            journal,
            publisher,
            anchoring,
        })
    }
}

/// Everything runs.
struct Running {
    api: String,
    data: DataDir,
    control: Arc<ControlPlane>,
    journal: Arc<LocalJournal>,
    publisher: Publisher,
    anchoring: Option<Anchoring>,
    gateway: Gateway,
    announced: Option<Announced>,
    stop: watch::Sender<bool>,
    /// Deadlines and changes of the control plane.
    keeping: JoinHandle<()>,
    /// The gateway's bundle follows the control plane's.
    following: JoinHandle<()>,
    /// The control plane's bundle follows the folder.
    reloading: JoinHandle<()>,
    /// The API.
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// From here on it is ready while it records and nothing that must not end has ended.
    fn report_to(&self, health: &Health) {
        let journal = Arc::clone(&self.journal);
        health.register("recording", move || match journal.failure() {
            None => Ok(()),
            Some(_) => Err("has failed; commands are refused until the process is started anew".into()),
        });
    }

    fn say_ready(
        &self,
        options: &DevOptions,
        ops: Option<SocketAddr>,
        around: &Surroundings,
    ) -> Result<(), CliError> {
        let postgres = self.gateway.address.to_string();
        let ops = ops.map(|address| format!("http://{address}"));
        let ready = Ready { event: "ready", postgres, api: &self.api, ops, data: self.data.path() };
        around.output.event(&ready, || options.welcome(&ready, &self.control))
    }

    /// Waits for a signal, or for the end of something that must not end.
    async fn until_told(&mut self, signals: &mut Signals) -> Result<(), CliError> {
        tokio::select! {
            signal = signals.next() => {
                tracing::info!(signal, "draining; a second signal ends at once");
                Ok(())
            }
            served = &mut self.serving => Err(CliError::failed(format!("the API stopped: {served:?}"))),
            () = self.gateway.ended() => Err(CliError::failed("the gateway stopped")),
        }
    }

    /// First no new commands, then the sessions' ends, then the API, at last the seal of the recording:
    /// what still happens is recorded.
    async fn drain(mut self) -> Result<(), CliError> {
        drop(self.announced.take());
        self.stop.send_replace(true);
        self.gateway.drained().await;
        if !self.serving.is_finished() {
            // How it ended does not matter any more; it ends within ten seconds.
            let _ = (&mut self.serving).await;
        }
        let _ = (&mut self.keeping).await;
        self.following.abort();
        self.reloading.abort();
        let closed = close_journal(self.journal).await;
        // The last checkpoint leaves the files that it speaks of.
        self.publisher.end().await;
        if let Some(anchoring) = self.anchoring {
            anchoring.end().await;
        }
        closed
    }
}

fn open_journal(
    data: &DataDir,
    key: countersign_recording::SigningKey,
    clock: &Arc<dyn Clock>,
) -> Result<(LocalJournal, Newest), CliError> {
    let dir = data.recordings();
    let opened = CheckpointFile::open(&dir, key).and_then(|sink| {
        let (newest, options) = (sink.newest(), countersign_recording::Options::default());
        Ok((LocalJournal::open(&dir, options, Arc::clone(clock), Box::new(sink))?, newest))
    });
    opened.map_err(|error| {
        CliError::new(
            Exit::Failed,
            format!("the recordings in `{}` cannot be opened: {error}", dir.display()),
        )
        .help("if another process has the data directory open, end it or choose another with --data")
    })
}

/// Seals the recording. It waits for the disk, so not on a thread that others need.
async fn close_journal(journal: Arc<LocalJournal>) -> Result<(), CliError> {
    let closed = tokio::task::spawn_blocking(move || journal.close()).await;
    match closed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::because(Exit::Failed, "the recording could not be sealed", &error)),
        Err(error) => Err(CliError::because(Exit::Failed, "the recording could not be sealed", &error)),
    }
}

impl DevOptions {
    /// What people read when it is ready: what holds, and what to try.
    fn welcome(&self, ready: &Ready<'_>, control: &Arc<ControlPlane>) -> String {
        let mut text = String::from("Countersign is ready.\n");
        text.push_str(&format!("  PostgreSQL    {}\n", ready.postgres));
        text.push_str(&format!("  page, API     {}\n", ready.api));
        if let Some(ops) = &ready.ops {
            text.push_str(&format!("  operators     {ops}/metrics\n"));
        }
        text.push_str(&format!("  data          {}\n", ready.data.display()));
        if let Some(bundle) = control.bundles().current() {
            text.push_str(&format!("  bundle        {}\n", bundle.version));
        }
        text.push_str(self.rules());
        text.push_str(&self.what_to_try(ready));
        text
    }

    /// What the built-in bundle does; nothing when there is another.
    fn rules(&self) -> &'static str {
        if self.config.is_some() { "" } else { bundle::BUILT_IN_RULES }
    }

    fn what_to_try(&self, ready: &Ready<'_>) -> String {
        let flag = match DataDir::of(None).path() == ready.data {
            true => String::new(),
            false => format!(" --data {}", ready.data.display()),
        };
        let (host, port) = ready.postgres.rsplit_once(':').unwrap_or((&ready.postgres, "15432"));
        let target = self.first_target().map_or_else(|| "TARGET".into(), |target| target.to_string());
        format!(
            "\nTry, in another terminal:\n  \
             AGENT=$(countersign{flag} token issue --subject agent-7 --kind agent --group agents)\n  \
             PGPASSWORD=$AGENT psql -h {host} -p {port} -U {target}\n  \
             countersign{flag} requests watch\n  \
             export COUNTERSIGN_TOKEN=$(countersign{flag} token issue --subject alice --kind human --group approvers)\n  \
             countersign{flag} approve apr_…\n  \
             or open {api} in a browser and sign in with alice's token.\n",
            api = ready.api,
        )
    }
}
