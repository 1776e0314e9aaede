//! What every process of ours has for operators: logs, traces, metrics, and the listener that shows them.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_common::metric::Metric;
use countersign_controlplane::ControlPlane;
use countersign_runtime::health::Health;
use countersign_runtime::metrics::Metrics;
use countersign_runtime::ops::Ops;
use countersign_runtime::telemetry::{self, LogFormat, Otlp, Telemetry};
use tokio::task::JoinHandle;

use crate::error::{CliError, Exit};
use crate::output::Output;

/// All metrics of all components, whichever of them a process has.
pub const METRICS: &[&[Metric]] = &[
    countersign_runtime::certificate::ALL,
    countersign_runtime::metrics::ALL,
    countersign_gateway::metrics::ALL,
    countersign_gateway::POSTGRES_METRICS,
    countersign_lifecycle::metrics::ALL,
    countersign_recording::metrics::ALL,
    countersign_controlplane::metrics::ALL,
];

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
    pub(crate) fn begin(output: Output, otlp: Option<&Otlp>) -> Result<Self, CliError> {
        let format = if output.is_json() { LogFormat::Json } else { LogFormat::Human };
        let telemetry = telemetry::init(format, otlp);
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
