//! `countersign controlplane`: a control plane as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign_controlplane::{ControlPlane, Options};
use countersign_recording::SigningKey;
use countersign_runtime::signal::Signals;
use countersign_runtime::telemetry::{self, LogFormat};
use countersign_runtime::tls;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Surroundings;
use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::config::Document;
use crate::node::listener::Listener;
use crate::node::{LocalArchive, PolicyCompiler};

/// Where it listens when the configuration does not say.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7443);

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
        let data: Option<PathBuf> = document.required("data");
        document.finish()?;
        // Missing only with a fault, which `finish` has returned.
        Ok(Self { listen, tls, data: DataDir::of(data.as_deref()) })
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
    data: &'a std::path::Path,
}

pub(crate) async fn run(arguments: &Arguments, around: &Surroundings) -> Result<(), CliError> {
    let config = Config::read(&arguments.config)?;
    log(around)?;
    let mut signals =
        Signals::listen().map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))?;
    config.data.create()?;
    let key = checkpoint_key(&config.data)?;
    let archive = LocalArchive::new(config.data.recordings(), key.public());
    let listener = bind(config.listen, config.tls()?).await?;
    let options = Options::new(config.data.path(), Arc::new(PolicyCompiler::default()), Arc::new(archive));
    let control = open(options).await?;
    let (stop, stopped) = watch::channel(false);
    let url = listener.url();
    let keeping = tokio::spawn(Arc::clone(&control).run(stopped.clone()));
    let mut serving = tokio::spawn(listener.serve(control, stopped));
    let announced = config.data.announce(&url).map_err(announce_failed)?;
    let ready = Ready { event: "ready", api: &url, data: config.data.path() };
    around.output.event(&ready, || format!("The control plane listens on {url}."))?;
    let served = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "draining");
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
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::because(Exit::Failed, "the API stopped", &error)),
        Err(error) => Err(CliError::because(Exit::Failed, "the API stopped", &error)),
    }
}

/// Sets logs up, in the format of the output.
pub(crate) fn log(around: &Surroundings) -> Result<(), CliError> {
    let format = if around.output.is_json() { LogFormat::Json } else { LogFormat::Human };
    telemetry::init(format).map_err(|error| CliError::because(Exit::Usage, "logs cannot be set up", &error))
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
