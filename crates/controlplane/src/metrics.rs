//! What the control plane counts.

#![allow(clippy::cast_precision_loss, reason = "a gauge is a float; counts and revisions are far below 2^53")]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_common::Timestamp;
use countersign_common::approval::{Approval, State};
use countersign_common::error::{Report as _, Retry};
use countersign_common::metric::Metric;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::store::{Revision, StoreError};

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

const REQUESTS_LIMITED: Metric = Metric::counter(
    "countersign_requests_limited_total",
    &["limit"],
    "Commands that nobody was asked about because too many requests were open; limit: session, subject, target",
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
const GATEWAY_DIFFERENCES: Metric = Metric::counter(
    "countersign_gateway_differences_total",
    &["what"],
    "How often a gateway stated something about a held command that is not so: its facts, its terms, its digest, its role or database; look at that gateway",
);
const HELD_FACTS: Metric = Metric::counter(
    "countersign_held_facts_total",
    &["catalogue", "gateway"],
    "Held commands whose facts were found here; catalogue: agreed, claimed, unknown; gateway: agrees, stricter, understated, unverified",
);
const CATALOGUES_TAKEN: Metric = Metric::counter(
    "countersign_catalogues_uploaded_total",
    &["result"],
    "Catalogues that gateways uploaded; result: taken, refused",
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
const HINTS_DISCONNECTS: Metric = Metric::counter(
    "countersign_hints_disconnects_total",
    &[],
    "How often this node lost the connection over which it hears hints",
);
const OPEN_APPROVALS: Metric = Metric::gauge(
    "countersign_open_approvals",
    &["state"],
    "Approvals that have not ended, by state: pending, approved, redeemed, in_doubt; all of the cluster, so the same at every node",
);
const SESSIONS_STORED: Metric = Metric::gauge(
    "countersign_sessions",
    &[],
    "Sessions in the store: open ones, and ended ones that are not swept yet; all of the cluster, so the same at every node",
);
const NODES: Metric = Metric::gauge(
    "countersign_nodes",
    &["kind"],
    "Nodes that are alive, by kind: gateway, control_plane; all of the fleet, so the same at every node",
);
const OTHER_BUNDLE: Metric = Metric::gauge(
    "countersign_gateways_other_bundle",
    &[],
    "Gateways that judge by another bundle than the current one; all of the fleet, so the same at every node",
);
const STORE_REVISION: Metric =
    Metric::gauge("countersign_store_revision", &[], "The store's newest revision, asked every five seconds");
const WATCH_REVISION: Metric = Metric::gauge(
    "countersign_watch_revision",
    &[],
    "Up to which revision this node has followed the store's changes. Behind the store's where others write to the same etcd, too",
);
const MEMBER_UP: Metric = Metric::gauge(
    "countersign_etcd_member_up",
    &["member"],
    "1 while the member of etcd answers this node, else 0; members by their place in `endpoints`, from 1",
);
const ARCHIVED: Metric = Metric::gauge(
    "countersign_archive_last_success_timestamp_seconds",
    &["from"],
    "When all that was sealed until then was last brought to the archive, in seconds since 1970; from: files, redis",
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
const CHECKPOINT_PUBLISHED: Metric = Metric::gauge(
    "countersign_checkpoint_published_timestamp_seconds",
    &[],
    "When the newest checkpoint was signed that the store has of this node's recordings",
);
const CHECKPOINTS_NOT_PUBLISHED: Metric = Metric::counter(
    "countersign_checkpoint_publish_failures_total",
    &[],
    "Attempts to put a checkpoint into the store that failed: what was recorded since could be taken away unnoticed",
);
const CHECKPOINTS_CONTRADICTED: Metric = Metric::counter(
    "countersign_checkpoint_contradictions_total",
    &[],
    "How often the store's newest checkpoint of a log did not fit what this node has or has seen: verify the recordings",
);
const ANCHORED: Metric = Metric::gauge(
    "countersign_anchored_timestamp_seconds",
    &[],
    "When the newest checkpoint was signed that the anchor has taken",
);
const ANCHOR_FAILURES: Metric = Metric::counter(
    "countersign_anchor_failures_total",
    &[],
    "Attempts to bring a checkpoint to the anchor that failed: until one succeeds, the anchor vouches for less",
);
const STORE_MISSING: Metric = Metric::gauge(
    "countersign_store_missing",
    &["what"],
    "Approvals and sessions that this node has seen in the store and that were deleted there by nobody who may: verify the recordings",
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
    GATEWAY_DIFFERENCES,
    HELD_FACTS,
    CATALOGUES_TAKEN,
    LINKS,
    NODES_LOST,
    REQUESTS_LIMITED,
    HINTS_GIVEN,
    HINTS_LOST,
    HINTS_TAKEN,
    HINTS_UP,
    JOURNAL_REDIS_UP,
    JOURNAL_FALLBACK,
    ARCHIVE_FAILURES,
    HINTS_DISCONNECTS,
    OPEN_APPROVALS,
    SESSIONS_STORED,
    NODES,
    OTHER_BUNDLE,
    STORE_REVISION,
    WATCH_REVISION,
    MEMBER_UP,
    ARCHIVED,
    HISTORY_WAITING,
    HISTORY_FAILURES,
    CHECKPOINT_PUBLISHED,
    CHECKPOINTS_NOT_PUBLISHED,
    CHECKPOINTS_CONTRADICTED,
    ANCHORED,
    ANCHOR_FAILURES,
    STORE_MISSING,
];

static OPENED: LazyLock<Counter> = LazyLock::new(|| counter!(SESSIONS.name));
static WATCHED: LazyLock<Gauge> = LazyLock::new(|| gauge!(WATCH_REVISION.name));
static RESTARTED: LazyLock<Counter> = LazyLock::new(|| counter!(WATCH_RESTARTS.name));

/// An approval took a step, or began.
pub(crate) fn stepped(approval: &Approval, now: Timestamp) {
    counter!(APPROVALS.name, "state" => approval.state.as_str()).increment(1);
    if matches!(approval.state, State::Approved | State::Denied) {
        let seconds = approval.created_at.until(now).as_secs_f64();
        histogram!(DECISION.name, "decision" => approval.state.as_str()).record(seconds);
    }
}

/// Nobody was asked, because too many requests were open already.
pub(crate) fn request_limited(limit: &'static str) {
    counter!(REQUESTS_LIMITED.name, "limit" => limit).increment(1);
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

/// A gateway stated something about a held command that is not so.
pub(crate) fn gateway_differs(what: &'static str) {
    counter!(GATEWAY_DIFFERENCES.name, "what" => what).increment(1);
}

/// The facts of a held command were found here.
pub(crate) fn held_facts(catalogue: &'static str, gateway: &'static str) {
    counter!(HELD_FACTS.name, "catalogue" => catalogue, "gateway" => gateway).increment(1);
}

/// A gateway uploaded a catalogue.
pub(crate) fn catalogue_uploaded(taken: bool) {
    let result = if taken { "taken" } else { "refused" };
    counter!(CATALOGUES_TAKEN.name, "result" => result).increment(1);
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

/// All that was sealed is in the archive.
pub(crate) fn archived(from: &'static str) {
    gauge!(ARCHIVED.name, "from" => from).set(unix_seconds());
}

/// The connection over which hints come was lost.
pub(crate) fn hints_disconnected() {
    counter!(HINTS_DISCONNECTS.name).increment(1);
}

/// An approval that stood so far elsewhere stands there now; `None`: it was not known.
pub(crate) fn approval_stands(before: Option<&State>, now: &State) {
    if let Some(before) = before {
        approval_forgotten(before);
    }
    if !now.is_terminal() {
        gauge!(OPEN_APPROVALS.name, "state" => now.as_str()).increment(1.0);
    }
}

/// An approval that stood there is not known any more.
pub(crate) fn approval_forgotten(state: &State) {
    if !state.is_terminal() {
        gauge!(OPEN_APPROVALS.name, "state" => state.as_str()).decrement(1.0);
    }
}

/// So many sessions are stored.
pub(crate) fn sessions_stored(count: usize) {
    gauge!(SESSIONS_STORED.name).set(count as f64);
}

/// So many nodes are alive, and so many of the gateways among them judge by another bundle than the current one.
pub(crate) fn fleet(gateways: usize, control_planes: usize, other_bundle: usize) {
    gauge!(NODES.name, "kind" => "gateway").set(gateways as f64);
    gauge!(NODES.name, "kind" => "control_plane").set(control_planes as f64);
    gauge!(OTHER_BUNDLE.name).set(other_bundle as f64);
}

/// The store's newest revision.
pub(crate) fn store_revision(revision: Revision) {
    gauge!(STORE_REVISION.name).set(revision.0 as f64);
}

/// All changes up to here are taken over.
pub(crate) fn watched(revision: Revision) {
    WATCHED.set(revision.0 as f64);
}

/// Whether a member of etcd answers; members are counted from 0 here.
pub(crate) fn member_up(member: usize, up: bool) {
    gauge!(MEMBER_UP.name, "member" => (member + 1).to_string()).set(if up { 1.0 } else { 0.0 });
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
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

/// The store has a checkpoint of this node that was signed then.
pub(crate) fn checkpoint_published(at: Timestamp) {
    gauge!(CHECKPOINT_PUBLISHED.name).set(seconds_of(at));
}

/// A checkpoint was not put into the store.
pub(crate) fn checkpoint_not_published() {
    counter!(CHECKPOINTS_NOT_PUBLISHED.name).increment(1);
}

/// The store's newest checkpoint of a log does not fit.
pub(crate) fn checkpoint_contradicted() {
    counter!(CHECKPOINTS_CONTRADICTED.name).increment(1);
}

/// The anchor has a checkpoint that was signed then.
pub(crate) fn anchored(at: Timestamp) {
    gauge!(ANCHORED.name).set(seconds_of(at));
}

/// The anchor did not take a checkpoint.
pub(crate) fn anchor_failed() {
    counter!(ANCHOR_FAILURES.name).increment(1);
}

/// So many approvals, or sessions, are missing from the store.
pub(crate) fn store_missing(what: &'static str, count: usize) {
    gauge!(STORE_MISSING.name, "what" => what).set(count as f64);
}

fn seconds_of(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
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
