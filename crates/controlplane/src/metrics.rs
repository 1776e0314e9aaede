//! What the control plane counts.

use std::sync::LazyLock;
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::approval::{Approval, State};
use countersign_common::error::{Report as _, Retry};
use countersign_common::metric::Metric;
use metrics::{Counter, Histogram, counter, gauge, histogram};

use crate::store::StoreError;

const APPROVALS: Metric = Metric::counter(
    "countersign_approvals_total",
    &["state"],
    "Steps of approvals, by the state that they led to: pending counts what people were asked",
);
const DECISION: Metric = Metric::histogram(
    "countersign_decision_seconds",
    &["decision"],
    "From asking people until they had all agreed, or one had said no",
);
const SESSIONS: Metric =
    Metric::counter("countersign_sessions_opened_total", &[], "Sessions opened for a token on a target");
const STORE: Metric =
    Metric::histogram("countersign_store_seconds", &["call"], "How long the store took for a call");
const STORE_ERRORS: Metric =
    Metric::counter("countersign_store_errors_total", &["call", "kind"], "Calls to the store that failed");
const WATCH_RESTARTS: Metric = Metric::counter(
    "countersign_watch_restarts_total",
    &[],
    "How often following the store's changes ended, so that everything was read again",
);

const VERDICTS_SAMPLED: Metric = Metric::counter(
    "countersign_verdicts_sampled_total",
    &[],
    "Commands that gateways decided alone and the control plane judged again",
);
const VERDICT_DIFFERENCES: Metric = Metric::counter(
    "countersign_verdict_differences_total",
    &[],
    "How often a gateway decided, or said whose session it is, otherwise than the control plane: look at that gateway",
);
const LINKS: Metric = Metric::gauge("countersign_links", &[], "Gateways that have their link to this node");
const HINTS_GIVEN: Metric = Metric::counter(
    "countersign_hints_given_total",
    &[],
    "Hints of decisions that this node gave other control-plane nodes",
);
const HINTS_LOST: Metric = Metric::counter(
    "countersign_hints_lost_total",
    &[],
    "Hints that could not be given: the decision is seen some milliseconds later",
);
const HINTS_TAKEN: Metric = Metric::counter(
    "countersign_hints_taken_total",
    &["done"],
    "Hints that came, by what was done: read (the store was read), passed_over (nobody waits here, or known already), malformed",
);
const HINTS_UP: Metric = Metric::gauge(
    "countersign_hints_up",
    &[],
    "1 while this node hears hints, 0 while Redis is away; not there without `redis`",
);
const JOURNAL_REDIS_UP: Metric = Metric::gauge(
    "countersign_journal_redis_up",
    &[],
    "1 while Redis takes records, 0 while they go to this node's files alone; not there without `journal: redis`",
);
const JOURNAL_FALLBACK: Metric = Metric::counter(
    "countersign_journal_fallback_records_total",
    &[],
    "Records that went to this node's files alone, because Redis was away",
);
const ARCHIVE_FAILURES: Metric = Metric::counter(
    "countersign_archive_failures_total",
    &[],
    "Rounds of archiving, or of draining Redis, that failed: what they left stays where it is until one does not",
);
const HISTORY_WAITING: Metric = Metric::gauge(
    "countersign_history_waiting",
    &["chapter"],
    "What has been kept long enough and stays in the store: approvals, audit events. Without `archive` it grows for ever; 8192 means at least as many",
);
const HISTORY_FAILURES: Metric = Metric::counter(
    "countersign_history_failures_total",
    &[],
    "Rounds of archiving what has ended that failed: nothing was deleted that the archive has not",
);
const NODES_LOST: Metric =
    Metric::counter("countersign_nodes_gone_total", &[], "Nodes of the fleet that were lost, or have ended");

/// All of them.
pub const ALL: &[Metric] = &[
    APPROVALS,
    DECISION,
    SESSIONS,
    STORE,
    STORE_ERRORS,
    WATCH_RESTARTS,
    VERDICTS_SAMPLED,
    VERDICT_DIFFERENCES,
    LINKS,
    NODES_LOST,
    HINTS_GIVEN,
    HINTS_LOST,
    HINTS_TAKEN,
    HINTS_UP,
    JOURNAL_REDIS_UP,
    JOURNAL_FALLBACK,
    ARCHIVE_FAILURES,
    HISTORY_WAITING,
    HISTORY_FAILURES,
];

static OPENED: LazyLock<Counter> = LazyLock::new(|| counter!(SESSIONS.name));
static RESTARTED: LazyLock<Counter> = LazyLock::new(|| counter!(WATCH_RESTARTS.name));

/// An approval took a step, or began.
pub(crate) fn stepped(approval: &Approval, now: Timestamp) {
    counter!(APPROVALS.name, "state" => approval.state.as_str()).increment(1);
    if matches!(approval.state, State::Approved | State::Denied) {
        let seconds = approval.created_at.until(now).as_secs_f64();
        histogram!(DECISION.name, "decision" => approval.state.as_str()).record(seconds);
    }
}

/// A session was opened.
pub(crate) fn session_opened() {
    OPENED.increment(1);
}

/// A gateway's verdict was judged again.
pub(crate) fn verdict_sampled() {
    counter!(VERDICTS_SAMPLED.name).increment(1);
}

/// A gateway decided otherwise, or names a session as somebody else's.
pub(crate) fn verdict_differs() {
    counter!(VERDICT_DIFFERENCES.name).increment(1);
}

/// So many gateways have their link here.
pub(crate) fn links(count: usize) {
    gauge!(LINKS.name).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

/// A node is gone.
pub(crate) fn node_gone() {
    counter!(NODES_LOST.name).increment(1);
}

/// Another node got a hint.
pub(crate) fn hint_given() {
    counter!(HINTS_GIVEN.name).increment(1);
}

/// Hints went nowhere.
pub(crate) fn hints_lost(count: u64) {
    counter!(HINTS_LOST.name).increment(count);
}

/// What was done with a hint.
pub(crate) fn hint_taken(done: &'static str) {
    counter!(HINTS_TAKEN.name, "done" => done).increment(1);
}

/// Whether this node hears hints.
pub(crate) fn hints_heard(up: bool) {
    gauge!(HINTS_UP.name).set(if up { 1.0 } else { 0.0 });
}

/// Whether Redis takes records.
pub(crate) fn journal_redis(up: bool) {
    gauge!(JOURNAL_REDIS_UP.name).set(if up { 1.0 } else { 0.0 });
}

/// So many records are in this node's files alone.
pub(crate) fn journal_fallback(records: u64) {
    counter!(JOURNAL_FALLBACK.name).increment(records);
}

/// A round of archiving failed.
pub(crate) fn archive_failed() {
    counter!(ARCHIVE_FAILURES.name).increment(1);
}

/// So much has been kept long enough, and is in the store.
pub(crate) fn history_waiting(chapter: &'static str, count: usize) {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    gauge!(HISTORY_WAITING.name, "chapter" => chapter).set(count);
}

/// A round of archiving what has ended failed.
pub(crate) fn history_failed() {
    counter!(HISTORY_FAILURES.name).increment(1);
}

/// Following the store begins anew.
pub(crate) fn watch_restarted() {
    RESTARTED.increment(1);
}

/// What a caller can do about it.
fn kind(error: &StoreError) -> &'static str {
    match error.retry() {
        Retry::Unknown => "unknown",
        Retry::Safe => "unavailable",
        Retry::Never => "lasting",
    }
}

/// The calls to a store.
#[derive(Debug)]
pub(crate) struct Calls {
    name: &'static str,
    seconds: Histogram,
}

impl Calls {
    /// Those of this name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, seconds: histogram!(STORE.name, "call" => name) }
    }

    /// One took so long, and ended so.
    pub(crate) fn ended<T>(&self, took: Duration, result: &Result<T, StoreError>) {
        self.seconds.record(took.as_secs_f64());
        if let Err(error) = result {
            counter!(STORE_ERRORS.name, "call" => self.name, "kind" => kind(error)).increment(1);
        }
    }
}
