//! Questions that are answered once. A question that is not answered on one link is asked on the next, under the same id.

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::gateway_frame::Frame;
use countersign_common::trace::TraceParent;
use countersign_lifecycle::ports::Unavailable;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::state::Outbox;

/// Open questions at once; beyond it a question is refused (I8).
const OPEN_MAX: usize = 16 << 10;

/// The open questions.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: u64,
    open: FxHashMap<u64, Open>,
}

struct Open {
    call: Call,
    /// The trace that it is part of.
    trace: Option<TraceParent>,
    /// Whether it was ever put on a link: then it may have been acted upon.
    sent: bool,
    answer: oneshot::Sender<Answer>,
}

/// A question may carry a client's token: it is not printed.
impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Calls {
    /// Asks.
    ///
    /// # Errors
    /// When too many questions are open.
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

    /// An answer came. One that nobody waits for any more is ignored.
    pub(super) fn answer(&mut self, id: u64, answer: Answer) {
        if let Some(open) = self.open.remove(&id) {
            // Whoever asked may have left in this very moment.
            let _ = open.answer.send(answer);
        }
    }

    /// Nobody waits any more; says whether the question was ever put on a link.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        self.open.remove(&id).is_some_and(|open| open.sent)
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Asks all open questions on another link, in the order in which they came up.
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
