//! What the control plane does for one command, as part of that command's trace: what gateways ask, and what people
//! decide. The spans carry ids and words of ours, never text of a statement, a name or a secret.
//!
//! ```text
//! ask       └─ control.hold ─┬─ control.decide    a person says yes or no, at whichever node
//! redeem    └─ control.redeem
//! evidence  └─ control.evidence
//! report    └─ control.report
//! hold      └─ control.withdraw
//! ```
//! What a gateway does not trace is not traced here either.

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_common::approval::Vote;
use countersign_common::id::ApprovalId;
use countersign_common::trace::TraceParent;
use countersign_runtime::telemetry::TRACE_TARGET;
use countersign_runtime::trace_context::go_on;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

/// One step of a command here, under a name that does not change.
macro_rules! step {
    ($parent:expr, $name:literal) => {{
        let span = info_span!(
            target: TRACE_TARGET,
            parent: None,
            $name,
            otel.kind = "server",
            countersign.approval = Empty,
            countersign.answer = Empty,
            countersign.vote = Empty,
        );
        go_on(&span, $parent);
        span
    }};
}

/// What a gateway asks.
pub(crate) fn call(call: &v1::Call) -> Span {
    let Some(parent) = call.traceparent.as_deref().and_then(|text| text.parse().ok()) else {
        return Span::none();
    };
    match &call.call {
        Some(Call::Hold(_)) => step!(parent, "control.hold"),
        Some(Call::Redeem(_)) => step!(parent, "control.redeem"),
        Some(Call::Report(_)) => step!(parent, "control.report"),
        Some(Call::Withdraw(_)) => step!(parent, "control.withdraw"),
        Some(Call::OpenSession(_) | Call::Cancel(_)) | None => Span::none(),
    }
}

/// What it is answered.
pub(crate) fn answered(span: &Span, answer: &Answer) {
    let word = match answer {
        Answer::Approval(approval) => {
            span.record("countersign.approval", approval.id.as_str());
            "approval"
        }
        Answer::NotTaken(_) => "not_taken",
        Answer::Unavailable(_) => "unavailable",
        Answer::SessionOpened(_) | Answer::NotAdmitted(_) | Answer::Done(_) => "done",
    };
    span.record("countersign.answer", word);
}

/// A person says yes or no to a command that was held as part of this trace.
pub(crate) fn decide(held_in: Option<TraceParent>, id: ApprovalId, vote: Vote) -> Span {
    let Some(parent) = held_in else { return Span::none() };
    let span = step!(parent, "control.decide");
    span.record("countersign.approval", display(id));
    span.record(
        "countersign.vote",
        match vote {
            Vote::Approve => "approve",
            Vote::Deny => "deny",
        },
    );
    span
}
