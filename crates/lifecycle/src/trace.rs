//! Spans of the command pipeline: one trace per command, from the client's message to the last byte of the answer.
//! They carry ids, classes and fixed words, never statement text, parameters or secrets. No other spans are exported.
//!
//! ```text
//! command ─┬─ read      the statement is parsed; a prepared one when it is prepared
//!          ├─ resolve   its names are resolved in the catalogue
//!          ├─ judge     policies are evaluated
//!          ├─ record    until the begin record is durable enough to send the command
//!          ├─ ask       the approval is requested; the control plane continues the trace
//!          ├─ hold      until the approval is decided or the wait times out
//!          ├─ prepare   an upstream connection is reacquired and evidence is obtained
//!          ├─ redeem    the approval is redeemed
//!          ├─ forward   from the release until the target begins to answer
//!          ├─ answer    until the target has ended, masked and recorded
//!          └─ report    the outcome is reported to the control plane
//! ```
//!
//! Commands are sampled at random when they begin (`countersign_runtime::sampling`); a held command is always traced,
//! from its verdict on. A command that is not traced allocates nothing here.

use countersign_common::Verdict;
use countersign_common::trace::{TraceId, TraceParent};
use countersign_runtime::sampling;
use countersign_runtime::telemetry::TRACE_TARGET;
use countersign_runtime::trace_context::{go_on, is_traced, parent_of, part};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::exchange::Exchange;
use crate::running::End;

/// Span of a whole command if it is sampled; the child spans are created while it is entered. `sent` returns the
/// trace context that the client sent, if any.
#[must_use]
pub fn command(protocol: &'static str, sent: impl FnOnce() -> Option<TraceParent>) -> Span {
    if sampling::takes() { whole(protocol, sent) } else { Span::none() }
}

/// Like [`command`] without sampling, for a command that turns out to be held ([`crate::Exchange::span`]).
#[must_use]
pub fn whole(protocol: &'static str, sent: impl FnOnce() -> Option<TraceParent>) -> Span {
    let span = info_span!(
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
    );
    if is_traced(&span)
        && let Some(sent) = sent()
    {
        go_on(&span, sent);
    }
    span
}

/// Span of a held command: the current one if it is traced, else a new one.
pub(crate) fn held(exchange: &impl Exchange) -> Span {
    let span = Span::current();
    if is_traced(&span) { span } else { exchange.span() }
}

/// Trace id of a command, for its record.
pub(crate) fn id(span: &Span) -> Option<TraceId> {
    parent_of(span).map(|parent| parent.trace())
}

/// Span for parsing a statement.
#[must_use]
pub fn read() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "read"))
}

/// Span for resolving names, with a catalogue query on the target where they are unknown.
#[must_use]
pub fn resolve() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "resolve"))
}

pub(crate) fn judge() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "judge"))
}

pub(crate) fn record() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "record"))
}

pub(crate) fn ask() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "ask", otel.kind = "client"))
}

pub(crate) fn hold() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "hold"))
}

pub(crate) fn prepare() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "prepare", otel.kind = "client"))
}

pub(crate) fn redeem() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "redeem", otel.kind = "client"))
}

/// Value of the `countersign.verdict` attribute.
pub(crate) const fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow(_) => "allow",
        Verdict::Block(_) => "block",
        Verdict::Hold(..) => "hold",
    }
}

/// Spans of a released command. Empty and pointer-sized if the command is not traced.
#[derive(Debug)]
pub(crate) struct Onward(Option<Box<Spans>>);

#[derive(Debug)]
struct Spans {
    command: Span,
    /// Span of the current phase: `forward`, then `answer`.
    at: Span,
    answering: bool,
}

impl Onward {
    /// Starts the `forward` span of the command whose span is entered.
    pub(crate) fn forward() -> Self {
        let at = part(|| info_span!(target: TRACE_TARGET, "forward", otel.kind = "client"));
        Self((!at.is_disabled()).then(|| Box::new(Spans { command: Span::current(), at, answering: false })))
    }

    /// Ends the `forward` span and starts `answer` at the first call.
    pub(crate) fn answer(&mut self) {
        if let Some(spans) = &mut self.0
            && !spans.answering
        {
            spans.answering = true;
            spans.at = info_span!(target: TRACE_TARGET, parent: &spans.command, "answer");
        }
    }

    /// Span for reporting the outcome to the control plane.
    pub(crate) fn report(&self) -> Span {
        let span = |spans: &Spans| info_span!(target: TRACE_TARGET, parent: &spans.command, "report", otel.kind = "client");
        self.0.as_deref().map_or_else(Span::none, span)
    }

    /// Records the outcome and ends the command's span.
    pub(crate) fn end(&mut self, end: &End<'_>) {
        if let Some(spans) = &mut self.0 {
            spans.command.record("countersign.outcome", outcome(end));
            spans.at = Span::none();
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
    use countersign_runtime::telemetry::{self, LogFormat, Otlp};

    use super::*;

    /// Creates the spans of one read, as the pipeline does.
    fn one_read() {
        command("postgresql", || panic!("nobody looks for a trace that is not recorded")).in_scope(|| {
            read().in_scope(|| {});
            resolve().in_scope(|| {});
            judge().in_scope(|| {});
            Span::current().record("countersign.verdict", "allow");
            assert_eq!(id(&Span::current()), None);
            let mut onward = Onward::forward();
            onward.answer();
            onward.end(&End::Completed("SELECT 1"));
        });
    }

    #[tokio::test]
    async fn a_read_that_is_not_traced_allocates_nothing_whether_others_are_or_not() {
        one_read();
        assert_eq!(allocation_counter::measure(one_read).count_total, 0);
        // Traces are exported from here on, but none of a read.
        let otlp = Otlp { endpoint: "http://127.0.0.1:1".into(), service: "countersign-test", share: 0.0 };
        let _telemetry = telemetry::init(LogFormat::Human, Some(&otlp)).unwrap();
        one_read();
        assert_eq!(allocation_counter::measure(|| (0..100).for_each(|_| one_read())).count_total, 0);
        // A held command is traced all the same, with its child spans.
        assert!(allocation_counter::measure(|| drop(whole("postgresql", || None))).count_total > 0);
        let held = whole("postgresql", || None);
        assert!(is_traced(&held) && id(&held).is_some());
        held.in_scope(|| assert!(is_traced(&hold()) && is_traced(&redeem())));
    }
}
