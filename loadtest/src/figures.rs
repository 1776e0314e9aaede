//! Latencies as percentiles, and the CPU of several processes.

use std::time::Duration;

use anyhow::Result;
use countersign_testkit::usage;
use hdrhistogram::Histogram;

/// Latencies from a microsecond to an hour, to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, 3_600_000_000, 3)?))
    }

    /// Of all these.
    pub(crate) fn of(all: impl IntoIterator<Item = Duration>) -> Result<Self> {
        let mut latencies = Self::new()?;
        for one in all {
            latencies.add(one);
        }
        Ok(latencies)
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share of all does not exceed, in milliseconds.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }

    /// Points of the distribution for a plot: (milliseconds, share not exceeding).
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let mut seen = 0;
        let all = self.count().max(1) as f64;
        let steps = self.0.iter_recorded().map(|step| {
            seen += step.count_since_last_iteration();
            (step.value_iterated_to() as f64 / 1000.0, seen as f64 / all)
        });
        steps.collect()
    }
}

/// The CPU time that several processes have used so far, together.
pub(crate) fn cpu_of(ids: &[u32]) -> Result<Duration> {
    ids.iter().map(|id| usage::cpu(*id)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let all = Latencies::of((1..=1000).map(Duration::from_millis)).unwrap();
        assert!((all.ms(0.5) - 500.0).abs() < 1.0, "{}", all.ms(0.5));
        assert!((all.ms(0.99) - 990.0).abs() < 1.0);
        let curve = all.curve();
        assert!((curve.last().unwrap().1 - 1.0).abs() < 1e-9);
        assert!(curve.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
