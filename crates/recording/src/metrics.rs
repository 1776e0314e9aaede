//! Metrics of the journal. Records are counted when a batch is written, not one by one.

use std::sync::LazyLock;
use std::time::Duration;

use countersign_common::metric::Metric;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

const BYTES: Metric = Metric::counter(
    "countersign_journal_written_bytes_total",
    &[],
    "Bytes of records written to the journal",
);
const UNSYNCED: Metric = Metric::gauge(
    "countersign_journal_unsynced_records",
    &[],
    "Records that were appended and not yet synced, when a sync last ended",
);
const SYNC: Metric = Metric::histogram(
    "countersign_journal_sync_seconds",
    &[],
    "How long the disk took for one sync of the journal",
);
const FAILED: Metric = Metric::gauge(
    "countersign_journal_failed",
    &[],
    "1 when recording has failed, so that every command is refused until the process is started anew; else 0",
);

/// All metrics of this crate.
pub const ALL: &[Metric] = &[BYTES, UNSYNCED, SYNC, FAILED];

static WRITTEN: LazyLock<Counter> = LazyLock::new(|| counter!(BYTES.name));
static BEHIND: LazyLock<Gauge> = LazyLock::new(|| gauge!(UNSYNCED.name));
static SYNCED: LazyLock<Histogram> = LazyLock::new(|| histogram!(SYNC.name));
static POISONED: LazyLock<Gauge> = LazyLock::new(|| gauge!(FAILED.name));

/// Marks an opened journal as working.
pub(crate) fn opened() {
    POISONED.set(0.0);
}

/// Counts bytes that were written to the kernel.
pub(crate) fn written(bytes: usize) {
    WRITTEN.increment(bytes as u64);
}

/// Records the duration of a sync and the number of records appended during it.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 records are not behind")]
pub(crate) fn synced(took: Duration, behind: u64) {
    SYNCED.record(took.as_secs_f64());
    BEHIND.set(behind as f64);
}

/// Marks the journal as failed.
pub(crate) fn failed() {
    POISONED.set(1.0);
}
