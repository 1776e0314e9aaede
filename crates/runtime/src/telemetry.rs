//! Logs and traces of a process. Logs go to stderr, for people or as one JSON object per line, filtered by
//! `COUNTERSIGN_LOG`. Traces go to an OTLP receiver if one is configured; [`crate::sampling`] selects the commands.

use std::io::IsTerminal as _;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

/// Environment variable with the log filter, such as `info`, `warn,countersign_controlplane=debug`.
pub const FILTER_VARIABLE: &str = "COUNTERSIGN_LOG";

/// Environment variable that names the OTLP receiver if the configuration does not.
pub const OTLP_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Target of the exported spans. Other spans and events, mostly of libraries, are never exported: only spans with
/// this target are guaranteed to carry no statement text and no secret.
pub const TRACE_TARGET: &str = "countersign::trace";

/// Filter that is used if the variable is not set.
const FILTER_DEFAULT: &str = "info";

/// Format of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people; coloured on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

/// Destination and sampling of traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// URL of the receiver, OTLP over gRPC without TLS: `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Service name of this process in traces: `countersign-gateway`.
    pub service: &'static str,
    /// Share of the commands beginning here that is traced, from 0 to 1. Held commands are always traced, and a trace
    /// that began elsewhere is continued.
    pub share: f64,
}

impl Otlp {
    /// Uses this receiver, else the one in `OTEL_EXPORTER_OTLP_ENDPOINT`. `None` if neither is set.
    #[must_use]
    pub fn of(endpoint: Option<String>, service: &'static str, share: f64) -> Option<Self> {
        let endpoint = endpoint.or_else(|| std::env::var(OTLP_VARIABLE).ok())?;
        (!endpoint.trim().is_empty()).then_some(Self { endpoint, service, share })
    }
}

/// Reason why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be parsed.
    #[error("{FILTER_VARIABLE} cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter for this receiver cannot be built.
    #[error("traces cannot be sent to `{endpoint}`")]
    Exporter {
        /// URL of the receiver.
        endpoint: String,
        /// Error of the exporter.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Logs are already set up in this process.
    #[error("logs are set up already")]
    Twice,
}

/// Handle to be ended with the process, which then sends the last traces.
#[derive(Debug, Default)]
#[must_use = "the last traces are sent when it is ended"]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sends the remaining traces, for at most five seconds. Blocks: do not call it on a thread that others need.
    pub fn end(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sets up logs and traces for the whole process. Call it once, inside the runtime.
///
/// # Errors
/// [`TelemetryError`] if the filter or the receiver's address cannot be parsed, or logs are already set up.
pub fn init(format: LogFormat, otlp: Option<&Otlp>) -> Result<Telemetry, TelemetryError> {
    let provider = otlp.map(provider).transpose()?;
    let logging = logging(format)?;
    let set = match &provider {
        Some(provider) => logging.with(traces(provider)).try_init(),
        None => logging.try_init(),
    };
    set.map_err(|_| TelemetryError::Twice)?;
    crate::sampling::take(otlp.map_or(0.0, |otlp| otlp.share));
    Ok(Telemetry(provider))
}

type Logging = Layered<BoxedLayer<Registry>, Registry>;

/// Subscriber for logs only. An absent layer for traces (`None`) must not be added to it: it has no filter, so every
/// span of the command pipeline would be created and kept for nothing.
fn logging(format: LogFormat) -> Result<Logging, TelemetryError> {
    Ok(Registry::default().with(logs(format)?))
}

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

fn logs<S>(format: LogFormat) -> Result<BoxedLayer<S>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(filter) if !filter.trim().is_empty() => EnvFilter::try_new(filter)?,
        _ => EnvFilter::try_new(FILTER_DEFAULT)?,
    };
    // The pipeline's spans are for traces. In log lines they would be noise, and would cost even without tracing.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != TRACE_TARGET));
    // stdout is for results: a ready line, a document.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(match format {
        LogFormat::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            layer.with_ansi(colours).with_target(false).with_filter(filter).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

fn provider(otlp: &Otlp) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(&otlp.endpoint).build();
    let exporter =
        exporter.map_err(|source| TelemetryError::Exporter { endpoint: otlp.endpoint.clone(), source })?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name(otlp.service).with_attribute(version).build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // `sampling` decided before the span was created.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .build())
}

fn traces<S>(provider: &SdkTracerProvider) -> BoxedLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    // Only spans of the command pipeline, and no events: a log line may quote more than a trace may.
    let only_ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TRACE_TARGET);
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("countersign"));
    layer
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(only_ours)
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_receiver_the_spans_of_the_road_are_not_made() {
        let subscriber = logging(LogFormat::Json).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::info_span!(target: TRACE_TARGET, "command").is_disabled());
            assert!(!tracing::info_span!("of a log line").is_disabled());
        });
    }
}
