//! `countersign controlplane`: a control plane as a process of its own, with the listener of its fleet.

mod archive;
mod config;
mod fleet;
mod ops;
mod records;
mod redis;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign_controlplane::archive::settle;
use countersign_controlplane::grpc::ServeError;
use countersign_controlplane::history::{HistoryArchive, HistoryOptions};
use countersign_controlplane::journal::publish_key;
use countersign_controlplane::store::{EmbeddedStore, EtcdStore, Store};
use countersign_controlplane::{ControlPlane, Options};
use countersign_recording::{ArchiveStore, SigningKey};
use countersign_runtime::signal::Signals;
use countersign_runtime::telemetry::Otlp;
use rustls::ServerConfig;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use self::config::{Config, StoreConfig};
use self::ops::listen_ops;
use super::Surroundings;
use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::listener::Listener;
use crate::node::ops::Operations;
use crate::node::recordings::{self, AcceptLoss};
use crate::node::{LocalArchive, PolicyCompiler};

/// Where it listens when the configuration does not say.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7443);

/// How often it is looked whether the fleet's listener has stopped.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How it is configured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration file (YAML); `docs/cli.md` has its keys.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    accept_loss: AcceptLoss,
}

/// What is said when it is ready.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    api: &'a str,
    /// Where gateways link; nothing without `listen_fleet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<String>,
    data: &'a std::path::Path,
}

pub(crate) async fn run(arguments: &Arguments, around: &Surroundings) -> Result<(), CliError> {
    let config = Config::read(&arguments.config)?;
    // Traces begin at gateways; which of them are followed was decided there.
    let otlp = Otlp::of(config.otlp.clone(), "countersign-controlplane", 0.0);
    let mut operations = Operations::begin(around.output, otlp.as_ref())?;
    let mut signals =
        Signals::listen().map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))?;
    let running = Box::pin(Running::start(&config, &arguments.accept_loss, &operations)).await?;
    let announced = config.data.announce(&running.url).map_err(announce_failed)?;
    let ops = listen_ops(&mut operations, config.listen_ops).await?;
    running.say_ready(ops, &config, around)?;
    let ended = Box::pin(running.until_told(&mut signals, &operations)).await;
    drop(announced);
    operations.end().await;
    ended
}

/// Everything runs.
struct Running {
    url: String,
    stop: watch::Sender<bool>,
    /// The API.
    serving: JoinHandle<Result<(), ServeError>>,
    /// Deadlines and changes.
    keeping: JoinHandle<()>,
    fleet: Option<fleet::Running>,
}

impl Running {
    async fn start(
        config: &Config,
        accept_loss: &AcceptLoss,
        operations: &Operations,
    ) -> Result<Self, CliError> {
        config.data.create()?;
        let authority = config.fleet.as_ref().map(fleet::authority).transpose()?;
        let key = Arc::new(checkpoint_key(&config.data)?);
        let store = open_store(config).await?;
        let archived = open_archive(config, store.as_deref()).await?;
        let archive = readable(config, &key, archived.clone(), store.clone()).await?;
        let listener = bind(config.listen, config.tls()?).await?.reached_at(config.public_url.clone());
        let history = archived.clone().map(|store| HistoryArchive { store, key: Arc::clone(&key) });
        let options = Options {
            history: HistoryOptions { approvals_kept: config.approvals_kept, archive: history },
            administrators: config.administrators.clone(),
            ..Options::new(config.data.path(), Arc::new(PolicyCompiler::default()), Arc::new(archive))
        };
        let control = open_on(store.clone(), options).await?;
        operations.watch_store(&control);
        let (stop, stopped) = watch::channel(false);
        let fleet = match (&config.fleet, authority, store) {
            (Some(fleet), Some(authority), Some(store)) => {
                let (control, stop, archive) = (Arc::clone(&control), stopped.clone(), archived);
                let alone = matches!(config.store, StoreConfig::Embedded);
                recordings::admit(&control, &config.data, &key.public(), alone, accept_loss).await?;
                let parts = fleet::Parts { config, fleet, store, archive, control, stop };
                Some(fleet::start(parts, authority).await?)
            }
            _ => None,
        };
        let of = fleet.as_ref().map(|running| Arc::clone(&running.fleet));
        Ok(Self {
            url: listener.url(),
            stop,
            keeping: tokio::spawn(Arc::clone(&control).run(stopped.clone())),
            serving: tokio::spawn(listener.serve(control, of, stopped)),
            fleet,
        })
    }

    fn say_ready(
        &self,
        ops: Option<SocketAddr>,
        config: &Config,
        around: &Surroundings,
    ) -> Result<(), CliError> {
        let fleet = self.fleet.as_ref().map(|fleet| fleet.address.as_str());
        let ops = ops.map(|address| format!("http://{address}"));
        let ready = Ready { event: "ready", api: &self.url, fleet, ops, data: config.data.path() };
        around.output.event(&ready, || match fleet {
            Some(fleet) => format!("The control plane listens on {}, for gateways on {fleet}.", self.url),
            None => format!("The control plane listens on {}.", self.url),
        })
    }

    /// Waits for a signal, or for the end of something that must not end; then drains.
    async fn until_told(mut self, signals: &mut Signals, operations: &Operations) -> Result<(), CliError> {
        let fleet_ended = async {
            match &mut self.fleet {
                Some(fleet) => {
                    while !fleet.serving.is_finished() {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "draining"),
            served = &mut self.serving => return served_badly(served),
            () = fleet_ended => tracing::error!("the fleet's listener stopped"),
        }
        operations.health.drain();
        tokio::select! {
            drained = self.drain() => drained,
            _ = signals.next() => Err(CliError::failed("ended by a second signal while draining")),
        }
    }

    /// The API and the links of gateways end at the same time; then what keeps them.
    async fn drain(self) -> Result<(), CliError> {
        self.stop.send_replace(true);
        let served = served_badly(self.serving.await);
        let drained = match self.fleet {
            Some(fleet) => fleet.drained().await,
            None => Ok(()),
        };
        // What it does is safe to stop at any point: every step is one transaction.
        let _ = self.keeping.await;
        served.and(drained)
    }
}

fn served_badly(served: Result<Result<(), ServeError>, JoinError>) -> Result<(), CliError> {
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::because(Exit::Failed, "the API stopped", &error)),
        Err(error) => Err(CliError::because(Exit::Failed, "the API stopped", &error)),
    }
}

/// The store that several processes know of; `None`: one control plane alone, which opens its own.
async fn open_store(config: &Config) -> Result<Option<Arc<dyn Store>>, CliError> {
    Ok(match &config.store {
        StoreConfig::Embedded if config.fleet.is_none() => None,
        StoreConfig::Embedded => {
            let opened = EmbeddedStore::open(config.data.path().join("control.redb")).await;
            Some(Arc::new(opened.map_err(|error| cannot_open(&error))?))
        }
        StoreConfig::Etcd(etcd) => {
            let opened = EtcdStore::open(etcd.clone()).await;
            Some(Arc::new(opened.map_err(|error| CliError::report(Exit::Failed, "`store`", &error))?))
        }
    })
}

/// The archive, where there is one: that of the whole control plane.
async fn open_archive(config: &Config, store: Option<&dyn Store>) -> Result<Option<ArchiveStore>, CliError> {
    let Some(archive) = config.records.archive(&config.data)? else { return Ok(None) };
    let failed = |error: &dyn std::error::Error| CliError::because(Exit::Failed, "`archive`", error);
    let Some(store) = store else {
        return match archive.id().await.map(drop) {
            Err(error) if !error.is_away() => Err(failed(&error)),
            _ => Ok(Some(archive)),
        };
    };
    let name = config.fleet.as_ref().map_or("", |fleet| fleet.name.as_str());
    settle(store, archive, name).await.map(Some).map_err(|error| failed(&error))
}

/// The recordings that this node can read: its own, and the archive's. Its key is told to the others, theirs to it.
async fn readable(
    config: &Config,
    key: &SigningKey,
    archived: Option<ArchiveStore>,
    store: Option<Arc<dyn Store>>,
) -> Result<LocalArchive, CliError> {
    let mut archive =
        LocalArchive::new(config.data.recordings(), key.public()).with_drained(config.data.drained());
    if let Some(archived) = archived {
        archive = archive.with_archive(archived);
    }
    let Some(store) = store else { return Ok(archive) };
    let name = config.fleet.as_ref().map_or("", |fleet| fleet.name.as_str());
    let published = publish_key(&*store, &key.public(), name).await;
    published.map_err(|error| CliError::report(Exit::Failed, "`store`", &error))?;
    Ok(archive.with_keys_of(store))
}

/// Opens the control plane on its store. With a fleet, who of an earlier time is lost shows by the nodes' leases;
/// without one, everybody of an earlier time is.
async fn open_on(store: Option<Arc<dyn Store>>, options: Options) -> Result<Arc<ControlPlane>, CliError> {
    match store {
        None => open(options).await,
        Some(store) => ControlPlane::over(store, options).await.map_err(|error| cannot_open(&error)),
    }
}

fn cannot_open(error: &dyn std::error::Error) -> CliError {
    CliError::because(Exit::Failed, "the control plane cannot open", error)
        .help("if another process has the data directory open, end it or choose another with --data")
}

/// The key that signs checkpoints, its public half written beside it for auditors.
pub(crate) fn checkpoint_key(data: &DataDir) -> Result<SigningKey, CliError> {
    let failed = |path: &std::path::Path, error: std::io::Error| {
        CliError::failed(format!("the key `{}` cannot be used: {error}", path.display()))
    };
    let path = data.checkpoint_key();
    let key = SigningKey::load_or_create(&path).map_err(|error| failed(&path, error))?;
    let public = data.checkpoint_public_key();
    crate::data::write_private(&public, format!("{}\n", key.public()).as_bytes())
        .map_err(|error| failed(&public, error))?;
    Ok(key)
}

pub(crate) async fn bind(listen: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Result<Listener, CliError> {
    Listener::bind(listen, tls).await.map_err(|error| {
        CliError::failed(format!("cannot listen on {listen}: {error}"))
            .help("choose another address, or port 0 for any that is free")
    })
}

pub(crate) async fn open(options: Options) -> Result<Arc<ControlPlane>, CliError> {
    ControlPlane::open(options).await.map_err(|error| cannot_open(&error))
}

pub(crate) fn announce_failed(error: std::io::Error) -> CliError {
    CliError::failed(format!("the address cannot be written to the data directory: {error}"))
}
