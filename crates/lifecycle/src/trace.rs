//! One command, one trace: from the client's message to the answer's last byte. The spans here are all that is ever
//! exported. They carry ids, classes and words of ours, never text of a statement, a parameter or a secret.
//!
//! ```text
//! command ─┬─ read      the statement is read; one that was prepared was read then
//!          ├─ resolve   what its names mean
//!          ├─ judge     policy
//!          ├─ record    until the begin record is as durable as it must be before bytes go up
//!          ├─ hold      until people have decided, or the client's patience ends
//!          ├─ redeem    the approval is used up
//!          ├─ forward   from the release until the target begins to answer
//!          └─ answer    until the target has ended, masked and recorded
//! ```
//!
//! Without an exporter a span costs a look at a flag.

use countersign_common::Verdict;
use countersign_runtime::telemetry::TRACE_TARGET;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::running::End;

/// The span of a whole command; the others are made while it is entered. A trace that the client sent along goes on
/// with `countersign_runtime::trace_context::go_on`.
#[must_use]
pub fn command(protocol: &'static str) -> Span {
    info_span!(
        target: TRACE_TARGET,
        parent: None,
        "command",
        otel.kind = "server",
        db.system.name = protocol,
        countersign.session = Empty,
        countersign.command = Empty,
        countersign.verdict = Empty,
        countersign.approval = Empty,
        countersign.outcome = Empty,
    )
}

/// Reading a statement.
#[must_use]
pub fn read() -> Span {
    info_span!(target: TRACE_TARGET, "read")
}

/// Finding out what the names in it mean, from the target where they are not known yet.
#[must_use]
pub fn resolve() -> Span {
    info_span!(target: TRACE_TARGET, "resolve")
}

pub(crate) fn judge() -> Span {
    info_span!(target: TRACE_TARGET, "judge")
}

pub(crate) fn record() -> Span {
    info_span!(target: TRACE_TARGET, "record")
}

pub(crate) fn hold() -> Span {
    info_span!(target: TRACE_TARGET, "hold")
}

pub(crate) fn redeem() -> Span {
    info_span!(target: TRACE_TARGET, "redeem")
}

/// The word for a verdict on the command's span.
pub(crate) const fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow(_) => "allow",
        Verdict::Block(_) => "block",
        Verdict::Hold(..) => "hold",
    }
}

/// The way of a command that was let go. Empty, and as small as a pointer, where nobody traces.
#[derive(Debug)]
pub(crate) struct Onward(Option<Box<Spans>>);

#[derive(Debug)]
struct Spans {
    command: Span,
    /// Where it is: `forward`, then `answer`.
    at: Span,
    answering: bool,
}

impl Onward {
    /// It is released now, by the command whose span is entered.
    pub(crate) fn forward() -> Self {
        let at = info_span!(target: TRACE_TARGET, "forward", otel.kind = "client");
        Self((!at.is_disabled()).then(|| Box::new(Spans { command: Span::current(), at, answering: false })))
    }

    /// The target has begun to answer.
    pub(crate) fn answer(&mut self) {
        if let Some(spans) = &mut self.0
            && !spans.answering
        {
            spans.answering = true;
            spans.at = info_span!(target: TRACE_TARGET, parent: &spans.command, "answer");
        }
    }

    /// It ended so.
    pub(crate) fn end(&mut self, end: &End<'_>) {
        if let Some(spans) = self.0.take() {
            spans.command.record("countersign.outcome", outcome(end));
        }
    }
}

const fn outcome(end: &End<'_>) -> &'static str {
    match end {
        End::Completed(_) => "completed",
        End::Failed(_) => "failed",
        End::Lost => "lost",
        End::NotRun => "not_run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "a measurement, for a quiet machine and a release build"]
    fn the_spans_of_a_command_that_nobody_traces_cost_less_than_100_ns() {
        let start = std::time::Instant::now();
        for _ in 0..1_000_000 {
            command("postgresql").in_scope(|| {
                read().in_scope(|| {});
                judge().in_scope(|| {});
                Span::current().record("countersign.verdict", "allow");
                let mut onward = Onward::forward();
                onward.answer();
                onward.end(&End::Completed("SELECT 1"));
            });
        }
        let each = start.elapsed() / 1_000_000;
        println!("{each:?} a command");
        assert!(each.as_nanos() < 100);
    }
}
