//! One command, one trace: from the client's message to the answer's last byte. The spans here are all that a gateway
//! exports. They carry ids, classes and words of ours, never text of a statement, a parameter or a secret.
//!
//! ```text
//! command ─┬─ read      the statement is read; one that was prepared was read then
//!          ├─ resolve   what its names mean
//!          ├─ judge     policy
//!          ├─ record    until the begin record is as durable as it must be before bytes go up
//!          ├─ ask       people are asked: the control plane goes on from here
//!          ├─ hold      until people have decided, or the client's patience ends
//!          ├─ prepare   a connection to the target is taken again, and what it will remember the command by is made
//!          ├─ redeem    the approval is used up
//!          ├─ forward   from the release until the target begins to answer
//!          ├─ answer    until the target has ended, masked and recorded
//!          └─ report    the control plane is told how it ended
//! ```
//!
//! Which commands are traced from their beginning is a matter of chance (`countersign_runtime::sampling`); what waits
//! for people always is, from its verdict on. A command that is not traced allocates nothing here.

use countersign_common::Verdict;
use countersign_common::trace::{TraceId, TraceParent};
use countersign_runtime::sampling;
use countersign_runtime::telemetry::TRACE_TARGET;
use countersign_runtime::trace_context::{go_on, is_traced, parent_of, part};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::exchange::Exchange;
use crate::running::End;

/// The span of a whole command, if it is traced from its beginning; the others are made while it is entered. `sent`
/// finds the trace that the client sent along, if so.
#[must_use]
pub fn command(protocol: &'static str, sent: impl FnOnce() -> Option<TraceParent>) -> Span {
    if sampling::takes() { whole(protocol, sent) } else { Span::none() }
}

/// The same whatever chance says, for a command that is found to wait for people ([`crate::Exchange::span`]).
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

/// The span of a command that waits for people: the present one, or where it has none yet, a new one.
pub(crate) fn held(exchange: &impl Exchange) -> Span {
    let span = Span::current();
    if is_traced(&span) { span } else { exchange.span() }
}

/// The trace of a command, for its record.
pub(crate) fn id(span: &Span) -> Option<TraceId> {
    parent_of(span).map(|parent| parent.trace())
}

/// Reading a statement.
#[must_use]
pub fn read() -> Span {
    part(|| info_span!(target: TRACE_TARGET, "read"))
}

/// Finding out what the names in it mean, from the target where they are not known yet.
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
        let at = part(|| info_span!(target: TRACE_TARGET, "forward", otel.kind = "client"));
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

    /// The control plane is told how it ended.
    pub(crate) fn report(&self) -> Span {
        let span = |spans: &Spans| info_span!(target: TRACE_TARGET, parent: &spans.command, "report", otel.kind = "client");
        self.0.as_deref().map_or_else(Span::none, span)
    }

    /// It ended so. The command's span ends with this.
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

    /// What the road does with spans for one read.
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
        // From here on traces are exported, but of no read.
        let otlp = Otlp { endpoint: "http://127.0.0.1:1".into(), service: "countersign-test", share: 0.0 };
        let _telemetry = telemetry::init(LogFormat::Human, Some(&otlp)).unwrap();
        one_read();
        assert_eq!(allocation_counter::measure(|| (0..100).for_each(|_| one_read())).count_total, 0);
        // What waits for people is traced all the same, and its parts with it.
        assert!(allocation_counter::measure(|| drop(whole("postgresql", || None))).count_total > 0);
        let held = whole("postgresql", || None);
        assert!(is_traced(&held) && id(&held).is_some());
        held.in_scope(|| assert!(is_traced(&hold()) && is_traced(&redeem())));
    }
}
