//! Propagation of traces between processes, and from a span to its children. [`crate::telemetry`] defines the
//! exported spans and their contents; [`crate::sampling`] selects the traced commands.

use countersign_common::trace::{TraceId, TraceParent};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::telemetry::TRACE_TARGET;

/// Returns `true` if the span belongs to an exported trace. Allocates nothing.
#[must_use]
pub fn is_traced(span: &Span) -> bool {
    !span.is_disabled() && span.metadata().is_some_and(|metadata| metadata.target() == TRACE_TARGET)
}

/// Creates a child span with `make` if the current span is traced, else a disabled span: a child without its parent
/// would become a trace of its own.
#[must_use]
pub fn part(make: impl FnOnce() -> Span) -> Span {
    if is_traced(&Span::current()) { make() } else { Span::none() }
}

/// Returns the context to send along, so that the receiver continues the trace of `span`; `None` if it is not traced.
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

/// Like [`parent_of`], for the current span.
#[must_use]
pub fn present() -> Option<TraceParent> {
    parent_of(&Span::current())
}

/// Makes `span`, which must not have been entered yet, a child of the span that another process sent.
pub fn go_on(span: &Span, parent: TraceParent) {
    if is_traced(span) {
        let parent = opentelemetry::Context::new().with_remote_span_context(remote(parent));
        // Fails if the span has already begun; it then keeps its parent.
        let _ = span.set_parent(parent);
    }
}

/// Adds a link from `span` to another trace.
pub fn link(span: &Span, other: TraceParent) {
    if is_traced(span) {
        span.add_link(remote(other));
    }
}

/// Sampling was decided where the trace began ([`crate::sampling`]): a trace that is sent along is always recorded.
fn remote(parent: TraceParent) -> SpanContext {
    SpanContext::new(
        opentelemetry::trace::TraceId::from_bytes(*parent.trace().as_bytes()),
        SpanId::from_bytes(parent.span()),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}
