//! What is measured: throughput, latencies, the proxy's CPU and memory.

use std::path::Path;

use anyhow::{Result, ensure};

/// What one round gave.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// Transactions a second.
    pub(crate) tps: f64,
    /// Sampled latencies in microseconds, in order of size.
    pub(crate) latencies: Vec<u64>,
    /// CPU of the proxy for one transaction, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    /// Memory of the proxy after the round, in KiB.
    pub(crate) rss_kib: Option<u64>,
}

/// The third field of each line that pgbench has logged in `folder`, sorted.
pub(crate) fn latencies(folder: &Path) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(entry?.path())?;
        found.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()));
    }
    ensure!(!found.is_empty(), "pgbench logged no latency");
    found.sort_unstable();
    Ok(found)
}

/// The value below which this share of the sorted values lies.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or_default() as f64
}

/// The median; of an even number of values the lower of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_medians_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&sorted, 0.5), 51.0);
        assert_eq!(percentile(&sorted, 0.99), 99.0);
        assert_eq!(percentile(&[], 0.99), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([].into_iter()), None);
    }
}
