//! Latencies as percentiles, and what `/proc` tells of a process.

use std::time::Duration;

use anyhow::{Context, Result};
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

/// The CPU time that a process has used so far.
pub(crate) fn cpu(id: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("the process has ended")?;
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux reports in hundredths of a second on every platform that we run on (USER_HZ).
    Ok(Duration::from_millis(ticks * 10))
}

/// Of several processes together.
pub(crate) fn cpu_of(ids: &[u32]) -> Result<Duration> {
    ids.iter().map(|id| cpu(*id)).sum()
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")
}

/// How many files this process may open; each session needs one.
pub(crate) fn files_max() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit")?;
    // Soft, then hard; a process may raise its own to the hard one.
    line.split_whitespace().nth(1).context("no hard limit")?.parse().context("the limit is no number")
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

    #[test]
    fn this_process_has_memory_and_files() {
        assert!(resident_kib(std::process::id()).unwrap() > 100);
        assert!(files_max().unwrap() > 10);
    }
}
