//! A trace from one process to the next, and from one span of ours to those within it. What is exported, and what
//! those that are exported may carry, is [`crate::telemetry`]'s; which commands are traced at all, [`crate::sampling`]'s.

use countersign_common::trace::{TraceId, TraceParent};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::telemetry::TRACE_TARGET;

/// Whether this is a span of a trace that is exported. Looks, and allocates nothing.
#[must_use]
pub fn is_traced(span: &Span) -> bool {
    !span.is_disabled() && span.metadata().is_some_and(|metadata| metadata.target() == TRACE_TARGET)
}

/// What `make` makes, where the present span is traced; else a span that is nothing: a part without its whole would be
/// a trace of its own.
#[must_use]
pub fn part(make: impl FnOnce() -> Span) -> Span {
    if is_traced(&Span::current()) { make() } else { Span::none() }
}

/// What to send along so that the other side goes on with the trace of `span`; `None` when it is not traced.
#[must_use]
pub fn parent_of(span: &Span) -> Option<TraceParent> {
    if !is_traced(span) {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    let trace = TraceId::from_bytes(context.trace_id().to_bytes())?;
    TraceParent::new(trace, context.span_id().to_bytes(), context.is_sampled())
}

/// The same for the present span.
#[must_use]
pub fn present() -> Option<TraceParent> {
    parent_of(&Span::current())
}

/// Makes `span`, which has not been entered yet, part of the trace that another process sent along.
pub fn go_on(span: &Span, parent: TraceParent) {
    if is_traced(span) {
        let parent = opentelemetry::Context::new().with_remote_span_context(remote(parent));
        // It fails when the span has begun: then it stays where it is.
        let _ = span.set_parent(parent);
    }
}

/// Notes in `span` that it also has to do with another trace.
pub fn link(span: &Span, other: TraceParent) {
    if is_traced(span) {
        span.add_link(remote(other));
    }
}

/// Which traces are recorded was decided where they began ([`crate::sampling`]): whatever is sent along here is.
fn remote(parent: TraceParent) -> SpanContext {
    SpanContext::new(
        opentelemetry::trace::TraceId::from_bytes(*parent.trace().as_bytes()),
        SpanId::from_bytes(parent.span()),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}
