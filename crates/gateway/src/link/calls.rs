//! Calls to the control plane, each with one answer. A call that is not answered on one link is repeated on the next
//! one with the same id.

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::gateway_frame::Frame;
use countersign_common::trace::TraceParent;
use countersign_lifecycle::ports::Unavailable;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::state::Outbox;

/// Maximum number of open calls; further ones are refused (I8).
const OPEN_MAX: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Calls {
    last: u64,
    open: FxHashMap<u64, Open>,
}

struct Open {
    call: Call,
    /// Trace that the call belongs to.
    trace: Option<TraceParent>,
    /// `true` once the call was put on a link; it may then have taken effect.
    sent: bool,
    answer: oneshot::Sender<Answer>,
}

/// Omits the call, which may contain a client's token.
impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Calls {
    /// Sends a call.
    ///
    /// # Errors
    /// [`Unavailable`] if too many calls are open.
    pub(super) fn ask(
        &mut self,
        call: Call,
        trace: Option<TraceParent>,
        outbox: &mut Outbox,
    ) -> Result<(u64, oneshot::Receiver<Answer>), Unavailable> {
        if self.open.len() >= OPEN_MAX {
            return Err(Unavailable("too many questions to the control plane are open".into()));
        }
        self.last += 1;
        let (answer, answered) = oneshot::channel();
        let sent = outbox.push(frame(self.last, &call, trace));
        self.open.insert(self.last, Open { call, trace, sent, answer });
        Ok((self.last, answered))
    }

    /// Delivers an answer. An answer that no caller waits for is ignored.
    pub(super) fn answer(&mut self, id: u64, answer: Answer) {
        if let Some(open) = self.open.remove(&id) {
            // The caller may have given up at this moment.
            let _ = open.answer.send(answer);
        }
    }

    /// Removes a call whose caller has given up. Returns `true` if it was ever put on a link.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        self.open.remove(&id).is_some_and(|open| open.sent)
    }

    /// Number of calls without an answer.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Repeats all open calls on a new link, in their original order.
    pub(super) fn tell_all(&mut self, outbox: &mut Outbox) {
        let mut open: Vec<_> = self.open.iter_mut().collect();
        open.sort_unstable_by_key(|(id, _)| **id);
        for (id, open) in open {
            open.sent = true;
            outbox.push(frame(*id, &open.call, open.trace));
        }
    }
}

fn frame(id: u64, call: &Call, trace: Option<TraceParent>) -> Frame {
    let traceparent = trace.map(|trace| trace.to_string());
    Frame::Call(v1::Call { id, call: Some(call.clone()), traceparent })
}
