//! Metrics of a process: collected from its start and rendered for Prometheus on request. The components describe
//! their metrics in their own `metrics.rs`. Handles are created once; an update costs an atomic addition.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_common::metric::{Kind, Metric};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

const RELOADS: Metric = Metric::counter(
    "countersign_listener_certificate_reloads_total",
    &["outcome"],
    "Changes of the files of a listener's certificate, by what came of them: `renewed`, or `unusable`, and the old one stays",
);

/// All metrics that this crate itself updates.
pub const ALL: &[Metric] = &[RELOADS];

/// Result of a change of a listener's certificate files.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reload {
    /// The new certificate is presented.
    Renewed,
    /// The old certificate stays in use.
    Unusable,
}

pub(crate) fn reloaded(outcome: Reload) {
    let outcome = match outcome {
        Reload::Renewed => "renewed",
        Reload::Unusable => "unusable",
    };
    metrics::counter!(RELOADS.name, "outcome" => outcome).increment(1);
}

/// Upper bounds of histogram buckets, in seconds: from a sync on a fast disk to an hour of human decision.
const SECONDS: [f64; 18] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0,
    900.0, 3600.0,
];

/// Interval at which pending measurements are moved to their buckets. Without it they accumulate until the next
/// scrape.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// All metrics of a process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Starts to collect, for the whole process. Call it before the components start, because a handle created
    /// earlier counts nothing. `described` lists all metrics of all components in this process. A second call returns
    /// the same collector.
    ///
    /// # Errors
    /// [`MetricsError`] if another library of this process already collects metrics.
    pub fn begin(described: &[&[Metric]]) -> Result<Self, MetricsError> {
        static BEGUN: Mutex<Option<Metrics>> = Mutex::new(None);
        let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = match begun.take() {
            Some(metrics) => metrics,
            None => Self(PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?),
        };
        described.iter().copied().flatten().for_each(describe);
        *begun = Some(metrics.clone());
        Ok(metrics)
    }

    /// Renders all metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Bounds the memory of measurements; runs until aborted.
    ///
    /// # Cancel safety
    /// Cancel safe at any point.
    pub async fn upkeep(self) {
        let mut tick = tokio::time::interval(UPKEEP_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// Reason why metrics cannot be collected.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be collected")]
pub struct MetricsError(#[from] BuildError);

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
        Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
}

/// Guard that adds one to a gauge while it exists. Stored as a field of the counted value, so that the gauge falls
/// with it.
#[derive(Debug)]
pub struct Level(&'static metrics::Gauge);

impl Level {
    /// Increments the gauge until the guard is dropped.
    #[must_use]
    pub fn raise(gauge: &'static metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const LEVEL: Metric = Metric::gauge("countersign_test_level", &[], "how many there are");
    static GAUGE: LazyLock<metrics::Gauge> = LazyLock::new(|| metrics::gauge!(LEVEL.name));

    #[test]
    fn a_gauge_falls_with_what_it_counts() {
        let metrics = Metrics::begin(&[&[LEVEL]]).unwrap();
        let (one, other) = (Level::raise(&GAUGE), Level::raise(&GAUGE));
        assert!(metrics.render().contains("countersign_test_level 2"), "{}", metrics.render());
        drop((one, other));
        assert!(metrics.render().contains("countersign_test_level 0"), "{}", metrics.render());
        assert!(metrics.render().contains("# HELP countersign_test_level how many there are"));
    }
}
