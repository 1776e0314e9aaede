//! Metrics of a gateway: of its listeners, and of its link to the control plane. Gauges are set by the link's
//! periodic maintenance, every half second.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_common::metric::Metric;
use countersign_runtime::metrics::Level;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

const CONNECTIONS: Metric = Metric::gauge(
    "countersign_connections",
    &[],
    "Connections of clients that are open now, logged in or not",
);
const SESSIONS: Metric =
    Metric::gauge("countersign_attached_sessions", &[], "Sessions that have connections at this gateway");
const LINK_UP: Metric = Metric::gauge(
    "countersign_link_up",
    &[],
    "1 while this gateway has its link to a control-plane node, else 0",
);
const LINK_OPENED: Metric = Metric::counter(
    "countersign_link_opened_total",
    &[],
    "Links to control-plane nodes that were taken into use: one at the start, one more after each that was lost or left",
);
const LINK_REFUSED: Metric = Metric::counter(
    "countersign_link_dial_failures_total",
    &[],
    "Attempts to link to a control-plane node that failed",
);
const ROUND_TRIP: Metric = Metric::histogram(
    "countersign_link_round_trip_seconds",
    &[],
    "From sending records over the link until the control-plane node had accepted all that was sent",
);
const RESENT: Metric = Metric::counter(
    "countersign_link_resent_records_total",
    &[],
    "Records that were sent once more, on another link, because they were not known to be synced",
);
const UNSYNCED: Metric = Metric::gauge(
    "countersign_link_unsynced_records",
    &[],
    "Records that no control-plane node has synced yet; this gateway keeps them",
);
const UNSYNCED_BYTES: Metric = Metric::gauge(
    "countersign_link_unsynced_bytes",
    &[],
    "Bytes of these records; at 64 MiB no new command begins",
);
const OUTGOING: Metric = Metric::gauge(
    "countersign_link_outgoing_frames",
    &[],
    "Frames that wait to be sent over the link, records left out",
);
const CALLS: Metric = Metric::gauge(
    "countersign_link_open_calls",
    &[],
    "Questions to the control plane that are not answered yet",
);
const ERRANDS: Metric = Metric::gauge(
    "countersign_link_open_reports",
    &[],
    "Outcomes and withdrawals that are not delivered yet; they are kept until they are",
);
const LEASE: Metric = Metric::gauge(
    "countersign_bundle_lease_remaining_seconds",
    &[],
    "For how long this gateway may go on judging if it hears nothing more; 0: it refuses commands",
);
const BUNDLE: Metric = Metric::gauge(
    "countersign_bundle_in_force_timestamp_seconds",
    &[],
    "When the bundle that this gateway judges by came into force here, in seconds since 1970",
);
const BUNDLE_FAULTS: Metric = Metric::counter(
    "countersign_bundle_faults_total",
    &[],
    "Bundles that this gateway was given and could not take; the one before stays in force",
);

/// All metrics of this crate.
pub const ALL: &[Metric] = &[
    CONNECTIONS,
    SESSIONS,
    LINK_UP,
    LINK_OPENED,
    LINK_REFUSED,
    ROUND_TRIP,
    RESENT,
    UNSYNCED,
    UNSYNCED_BYTES,
    OUTGOING,
    CALLS,
    ERRANDS,
    LEASE,
    BUNDLE,
    BUNDLE_FAULTS,
];

static OPEN: LazyLock<Gauge> = LazyLock::new(|| gauge!(CONNECTIONS.name));
static ACCEPTED: LazyLock<Histogram> = LazyLock::new(|| histogram!(ROUND_TRIP.name));
static SENT_AGAIN: LazyLock<Counter> = LazyLock::new(|| counter!(RESENT.name));

/// Counts an open connection until the returned guard is dropped.
pub(crate) fn connected() -> Level {
    Level::raise(&OPEN)
}

/// Marks the link as up, and counts it.
pub(crate) fn linked() {
    gauge!(LINK_UP.name).set(1.0);
    counter!(LINK_OPENED.name).increment(1);
}

/// Marks the link as down.
pub(crate) fn unlinked() {
    gauge!(LINK_UP.name).set(0.0);
}

/// Counts a node that did not accept the link.
pub(crate) fn not_linked() {
    counter!(LINK_REFUSED.name).increment(1);
}

/// Records the time from the last send until everything sent was accepted.
pub(crate) fn accepted(after: Duration) {
    ACCEPTED.record(after.as_secs_f64());
}

/// Counts records that are sent again.
pub(crate) fn resent(records: u64) {
    SENT_AGAIN.increment(records);
}

/// Current quantities of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InHand {
    pub(crate) sessions: usize,
    pub(crate) records: usize,
    pub(crate) record_bytes: usize,
    pub(crate) frames: usize,
    pub(crate) calls: usize,
    pub(crate) errands: usize,
    pub(crate) lease: Duration,
}

/// Sets the gauges of a link.
pub(crate) fn in_hand(now: &InHand) {
    gauge!(SESSIONS.name).set(count(now.sessions));
    gauge!(UNSYNCED.name).set(count(now.records));
    gauge!(UNSYNCED_BYTES.name).set(count(now.record_bytes));
    gauge!(OUTGOING.name).set(count(now.frames));
    gauge!(CALLS.name).set(count(now.calls));
    gauge!(ERRANDS.name).set(count(now.errands));
    gauge!(LEASE.name).set(now.lease.as_secs_f64());
}

/// Sets the time of the bundle in force to now.
pub(crate) fn bundle_in_force() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!(BUNDLE.name).set(now.as_secs_f64());
}

/// Counts a bundle that could not be put in force.
pub(crate) fn bundle_fault() {
    counter!(BUNDLE_FAULTS.name).increment(1);
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^53 of these")]
fn count(number: usize) -> f64 {
    number as f64
}
