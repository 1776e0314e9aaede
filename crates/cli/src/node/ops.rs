//! What every process of ours has for operators: logs, traces, metrics, and the listener that shows them.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_common::metric::Metric;
use countersign_controlplane::ControlPlane;
use countersign_runtime::health::Health;
use countersign_runtime::metrics::Metrics;
use countersign_runtime::ops::Ops;
use countersign_runtime::telemetry::{self, LogFormat, Otlp, Telemetry};
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::error::{CliError, Exit};
use crate::node::config::Document;
use crate::output::Output;

/// All metrics of all components, whichever of them a process has.
pub const METRICS: &[&[Metric]] = &[
    countersign_gateway::metrics::ALL,
    countersign_gateway::POSTGRES_METRICS,
    countersign_lifecycle::metrics::ALL,
    countersign_recording::metrics::ALL,
    countersign_controlplane::metrics::ALL,
];

/// Where operators look when the configuration does not say.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9443);

/// What a configuration file says about what operators see.
#[derive(Debug)]
pub(crate) struct OpsConfig {
    /// `listen_ops`: address of `/livez`, `/readyz` and `/metrics`, plain HTTP. Default 127.0.0.1:9443; `off`: none.
    listen: Option<ListenOps>,
    /// `otlp`: the OTLP receiver of traces (gRPC, no TLS). Default: that of `OTEL_EXPORTER_OTLP_ENDPOINT`, else none.
    pub(crate) otlp: Option<String>,
}

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

impl OpsConfig {
    /// Takes its keys from a configuration file.
    pub(crate) fn read(document: &mut Document) -> Self {
        Self { listen: document.optional("listen_ops"), otlp: document.optional("otlp") }
    }

    /// Listens for operators. An address that was asked for is listened on or nothing starts; the default may be
    /// taken, by another process of ours on this machine most likely.
    pub(crate) async fn listen(&self, operations: &mut Operations) -> Result<Option<SocketAddr>, CliError> {
        match self.listen {
            Some(ListenOps::On(address)) => operations.listen(Some(address)).await,
            Some(ListenOps::Off(Off::Off)) => Ok(None),
            None => Ok(operations.listen(Some(LISTEN_DEFAULT)).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "nothing is shown to operators; give `listen_ops`");
                None
            })),
        }
    }
}

/// A process as operators see it.
#[derive(Debug)]
pub(crate) struct Operations {
    telemetry: Telemetry,
    metrics: Metrics,
    /// What decides whether it is ready.
    pub(crate) health: Health,
    serving: Option<JoinHandle<()>>,
}

impl Operations {
    /// Sets logs, traces and metrics up. First of all that a process does: what starts earlier is not counted.
    ///
    /// # Errors
    /// When they cannot be set up.
    pub(crate) fn begin(output: Output, otlp: Option<String>) -> Result<Self, CliError> {
        let format = if output.is_json() { LogFormat::Json } else { LogFormat::Human };
        let telemetry = telemetry::init(format, Otlp::of(otlp).as_ref());
        let telemetry = telemetry
            .map_err(|error| CliError::because(Exit::Usage, "logs and traces cannot be set up", &error))?;
        let metrics = Metrics::begin(METRICS);
        let metrics = metrics.map_err(|error| CliError::because(Exit::Failed, "no metrics", &error))?;
        Ok(Self { telemetry, metrics, health: Health::new(), serving: None })
    }

    /// Listens for operators, where an address is given; says which address it became.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(crate) async fn listen(
        &mut self,
        address: Option<SocketAddr>,
    ) -> Result<Option<SocketAddr>, CliError> {
        let Some(address) = address else { return Ok(None) };
        let ops = Ops::bind(address).await.map_err(|error| {
            CliError::failed(format!("cannot listen for operators on {address}: {error}"))
                .help("choose another address, or port 0 for any that is free")
        })?;
        let address = ops.address();
        self.serving = Some(tokio::spawn(ops.serve(self.health.clone(), self.metrics.clone())));
        Ok(Some(address))
    }

    /// From here on it is ready only while what this control plane knows follows its store.
    pub(crate) fn watch_store(&self, control: &Arc<ControlPlane>) {
        let control = Arc::clone(control);
        self.health.register("store", move || match control.follows_the_store() {
            true => Ok(()),
            false => Err("cannot be followed; what it holds is read again".into()),
        });
    }

    /// Sends the last traces and stops listening. The last that a process does.
    pub(crate) async fn end(self) {
        // It waits for the receiver, so not on a thread that others need.
        let _ = tokio::task::spawn_blocking(|| self.telemetry.end()).await;
        if let Some(serving) = self.serving {
            serving.abort();
        }
    }
}
