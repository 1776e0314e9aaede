//! What PostgreSQL listeners count: logins of clients, connections to targets.

use std::sync::LazyLock;

use countersign_common::id::TargetName;
use countersign_common::metric::Metric;
use countersign_runtime::metrics::Level;
use metrics::{Counter, Gauge, counter, gauge};

use crate::handshake::LoginRefused;
use crate::upstream::UpstreamError;

const LOGINS: Metric =
    Metric::counter("countersign_logins_total", &["outcome"], "Logins of clients, by what came of them");
const UPSTREAM: Metric =
    Metric::gauge("countersign_upstream_connections", &[], "Connections to targets that sessions hold now");
const UPSTREAM_OPENED: Metric =
    Metric::counter("countersign_upstream_opened_total", &[], "Connections to targets that were opened");
const UPSTREAM_FAILED: Metric = Metric::counter(
    "countersign_upstream_failures_total",
    &["kind"],
    "Connections to targets that could not be opened, by what failed",
);

const RULES_UNMATCHED: Metric = Metric::gauge(
    "countersign_masking_rules_unmatched",
    &["target"],
    "Masking rules of the target that match nothing in its catalogue and so mask nothing: look at the bundle",
);
pub(crate) const LARGE_MESSAGE_BYTES: Metric = Metric::gauge(
    "countersign_large_message_bytes",
    &[],
    "Bytes that are reserved now for messages of more than 128 KiB, which are read whole to be judged",
);
pub(crate) const LARGE_MESSAGE_WAITS: Metric = Metric::counter(
    "countersign_large_message_waits_total",
    &[],
    "Messages of more than 128 KiB that had to wait for room in `large_message_bytes_max`",
);

/// All of them.
pub const ALL: &[Metric] = &[
    LOGINS,
    UPSTREAM,
    UPSTREAM_OPENED,
    UPSTREAM_FAILED,
    LARGE_MESSAGE_BYTES,
    LARGE_MESSAGE_WAITS,
    RULES_UNMATCHED,
];

static OPEN: LazyLock<Gauge> = LazyLock::new(|| gauge!(UPSTREAM.name));
static ACCEPTED: LazyLock<Counter> = LazyLock::new(|| counter!(LOGINS.name, "outcome" => "accepted"));
static OPENED: LazyLock<Counter> = LazyLock::new(|| counter!(UPSTREAM_OPENED.name));

/// A client was let in.
pub(crate) fn let_in() {
    ACCEPTED.increment(1);
}

/// A client was not let in.
pub(crate) fn shut_out(why: &LoginRefused) {
    counter!(LOGINS.name, "outcome" => outcome(why)).increment(1);
}

/// So many masking rules of a target match nothing.
pub(crate) fn rules_unmatched(target: &TargetName, count: usize) {
    gauge!(RULES_UNMATCHED.name, "target" => target.to_string()).set(count as f64);
}

/// A session holds a connection to its target, for as long as this is held.
pub(crate) fn upstream_held() -> Level {
    Level::raise(&OPEN)
}

/// What came of opening a connection to a target.
pub(crate) fn dialled<T>(result: &Result<T, UpstreamError>) {
    match result {
        Ok(_) => OPENED.increment(1),
        Err(error) => counter!(UPSTREAM_FAILED.name, "kind" => kind(error)).increment(1),
    }
}

const fn outcome(why: &LoginRefused) -> &'static str {
    match why {
        LoginRefused::Token => "token_refused",
        LoginRefused::UnknownTarget => "unknown_target",
        LoginRefused::UnknownRole => "unknown_role",
        LoginRefused::UnknownDatabase { .. } => "unknown_database",
        LoginRefused::Setting(_) => "setting_refused",
        LoginRefused::Unavailable => "unavailable",
        LoginRefused::Upstream(_) => "upstream",
    }
}

const fn kind(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Unreachable { .. } => "unreachable",
        UpstreamError::TimedOut { .. } => "timed_out",
        UpstreamError::TlsSettings(_)
        | UpstreamError::HostName { .. }
        | UpstreamError::TlsRefused
        | UpstreamError::TlsFailed(_) => "tls",
        UpstreamError::CredentialUnreadable { .. }
        | UpstreamError::CredentialMissing
        | UpstreamError::CredentialRefused { .. }
        | UpstreamError::AuthenticationUnsupported { .. }
        | UpstreamError::Scram(_) => "credential",
        UpstreamError::Refused { .. } => "refused",
        UpstreamError::Protocol(_) | UpstreamError::TooLarge { .. } | UpstreamError::Version(_) => "protocol",
        UpstreamError::Broken(_) => "broken",
        UpstreamError::Internal(_) => "internal",
    }
}
