//! A process that sends its traces nowhere makes no spans: each would cost time on the road of every command, and memory
//! for as long as a command waits. A process of its own, as logs are set up once in each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use countersign_runtime::telemetry::{LogFormat, TRACE_TARGET, init};
use tracing::{Level, info_span, span};

#[test]
fn spans_are_not_made_where_nobody_traces() {
    let telemetry = init(LogFormat::Json, None).unwrap();
    assert!(info_span!(target: TRACE_TARGET, "command").is_disabled(), "a span of the road");
    assert!(span!(target: "h2::proto", Level::TRACE, "reserve").is_disabled(), "a span of a library");
    assert!(!info_span!(target: "countersign", "of the log").is_disabled(), "what a log line may quote");
    telemetry.end();
}
