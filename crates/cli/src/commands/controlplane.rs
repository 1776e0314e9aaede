//! `countersign controlplane`: a control plane as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign_controlplane::{ControlPlane, Options};
use countersign_recording::SigningKey;
use countersign_runtime::signal::Signals;
use countersign_runtime::tls;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Surroundings;
use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::config::Document;
use crate::node::listener::Listener;
use crate::node::ops::Operations;
use crate::node::{LocalArchive, PolicyCompiler};

/// Where it listens when the configuration does not say.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7443);

/// Where operators look when the configuration does not say.
const LISTEN_OPS_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9443);

/// `listen_ops`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "an address such as 127.0.0.1:9443, or off")]
enum ListenOps {
    On(SocketAddr),
    Off(Off),
}

/// `off`, which some readers of YAML take for a truth value.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Off {
    Off,
}

/// An address that was asked for is listened on or nothing starts; the default may be taken, by another control plane
/// on this machine most likely.
async fn listen_ops(
    operations: &mut Operations,
    wanted: Option<ListenOps>,
) -> Result<Option<SocketAddr>, CliError> {
    match wanted {
        Some(ListenOps::On(address)) => operations.listen(Some(address)).await,
        Some(ListenOps::Off(Off::Off)) => Ok(None),
        None => Ok(operations.listen(Some(LISTEN_OPS_DEFAULT)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "nothing is shown to operators; give `listen_ops`");
            None
        })),
    }
}

/// How it is configured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration file (YAML); `docs/cli.md` has its keys.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// The configuration file.
#[derive(Debug)]
struct Config {
    /// `listen`: address of the gRPC API. Default 127.0.0.1:7443. Without `tls` on loopback only.
    listen: SocketAddr,
    /// `tls`: certificate and key of the API.
    tls: Option<TlsFiles>,
    /// `data`: the data directory.
    data: DataDir,
    /// `listen_ops`: address of `/livez`, `/readyz` and `/metrics`, plain HTTP. Default 127.0.0.1:9443; `off`: none.
    listen_ops: Option<ListenOps>,
    /// `otlp`: the OTLP receiver of traces (gRPC, no TLS). Default: that of `OTEL_EXPORTER_OTLP_ENDPOINT`, else none.
    otlp: Option<String>,
}

/// `tls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    /// Certificate chain, PEM.
    certificate_file: PathBuf,
    /// Its key, PEM.
    key_file: PathBuf,
}

impl Config {
    fn read(file: &std::path::Path) -> Result<Self, CliError> {
        let mut document = Document::read(file)?;
        let listen = document.optional("listen").unwrap_or(LISTEN_DEFAULT);
        let tls = document.optional("tls");
        let listen_ops = document.optional("listen_ops");
        let otlp = document.optional("otlp");
        let data: Option<PathBuf> = document.required("data");
        document.finish()?;
        // Missing only with a fault, which `finish` has returned.
        Ok(Self { listen, tls, data: DataDir::of(data.as_deref()), listen_ops, otlp })
    }

    fn tls(&self) -> Result<Option<Arc<ServerConfig>>, CliError> {
        let Some(files) = &self.tls else { return Ok(None) };
        let config = tls::server_config(&files.certificate_file, &files.key_file, &[b"h2"]);
        config.map(Some).map_err(|error| CliError::report(Exit::Unsound, "`tls`", &error))
    }
}

/// What is said when it is ready.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    api: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<String>,
    data: &'a std::path::Path,
}

pub(crate) async fn run(arguments: &Arguments, around: &Surroundings) -> Result<(), CliError> {
    let config = Config::read(&arguments.config)?;
    let mut operations = Operations::begin(around.output, config.otlp.clone())?;
    let mut signals =
        Signals::listen().map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))?;
    config.data.create()?;
    let key = checkpoint_key(&config.data)?;
    let archive = LocalArchive::new(config.data.recordings(), key.public());
    let listener = bind(config.listen, config.tls()?).await?;
    let options = Options::new(config.data.path(), Arc::new(PolicyCompiler::default()), Arc::new(archive));
    let control = open(options).await?;
    operations.watch_store(&control);
    let (stop, stopped) = watch::channel(false);
    let url = listener.url();
    let keeping = tokio::spawn(Arc::clone(&control).run(stopped.clone()));
    let mut serving = tokio::spawn(listener.serve(control, stopped));
    let announced = config.data.announce(&url).map_err(announce_failed)?;
    let ops = listen_ops(&mut operations, config.listen_ops).await?;
    let ops = ops.map(|address| format!("http://{address}"));
    let ready = Ready { event: "ready", api: &url, ops, data: config.data.path() };
    around.output.event(&ready, || format!("The control plane listens on {url}."))?;
    let served = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "draining");
            operations.health.drain();
            stop.send_replace(true);
            tokio::select! {
                served = &mut serving => served,
                _ = signals.next() => return Err(CliError::failed("ended by a second signal while draining")),
            }
        }
        served = &mut serving => served,
    };
    drop(announced);
    stop.send_replace(true);
    // What it does is safe to stop at any point: every step is one transaction.
    let _ = keeping.await;
    operations.end().await;
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::because(Exit::Failed, "the API stopped", &error)),
        Err(error) => Err(CliError::because(Exit::Failed, "the API stopped", &error)),
    }
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
    ControlPlane::open(options).await.map_err(|error| {
        CliError::because(Exit::Failed, "the control plane cannot open", &error)
            .help("if another process has the data directory open, end it or choose another with --data")
    })
}

pub(crate) fn announce_failed(error: std::io::Error) -> CliError {
    CliError::failed(format!("the address cannot be written to the data directory: {error}"))
}
