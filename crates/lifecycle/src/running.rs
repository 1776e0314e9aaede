//! A command between its release and its end.

use std::sync::Arc;

use bytes::Bytes;
use countersign_common::Facts;
use countersign_common::approval::Outcome;
use countersign_common::id::{ApprovalId, CommandId};
use countersign_common::verdict::Duties;
use countersign_recording::{Capture, Captured};
use tracing::Instrument as _;

use crate::Cleared;
use crate::ports::{Approvals, Testimony, Unavailable};
use crate::recorder::{Begun, Recorder};
use crate::road::Road;
use crate::trace::Onward;

/// A released command that has not ended. It ends exactly once: by [`Running::end`], or by being dropped together
/// with the connection's task, which records the outcome as unknown.
#[derive(Debug)]
#[must_use = "a command that was let go has to be ended"]
pub struct Running {
    begun: Begun,
    facts: Arc<Facts>,
    duties: Duties,
    redeemed: Option<Redeemed>,
    output: Option<Capture>,
    recorder: Recorder,
    approvals: Arc<dyn Approvals>,
    onward: Onward,
    ended: bool,
}

/// The approval that a command has redeemed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redeemed {
    pub(crate) approval: ApprovalId,
    pub(crate) fence: u64,
}

/// End of a released command, as the protocol saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End<'a> {
    /// The target ran the command and returned this tag, such as `UPDATE 3`.
    Completed(&'a str),
    /// The command has no effect: the target failed it with this code, or the connection broke before the commit was
    /// sent.
    Failed(&'a str),
    /// The command was sent, and the connection broke before the answer.
    Lost,
    /// The command was never sent, or the target skipped it after an earlier failure.
    NotRun,
}

impl Running {
    pub(crate) fn new(
        road: &Road,
        begun: Begun,
        facts: Arc<Facts>,
        duties: Duties,
        redeemed: Option<Redeemed>,
    ) -> Self {
        Self {
            begun,
            facts,
            duties,
            redeemed,
            output: Some(Capture::new(road.target.recording.output_bytes_max)),
            recorder: road.recorder.clone(),
            approvals: Arc::clone(&road.approvals),
            onward: Onward::forward(),
            ended: false,
        }
    }

    /// Identifier of the command in the records.
    #[must_use]
    pub const fn command(&self) -> CommandId {
        self.begun.command
    }

    /// Facts derived from the command.
    #[must_use]
    pub const fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// Obligations of the verdict, such as the columns to mask.
    #[must_use]
    pub const fn duties(&self) -> &Duties {
        &self.duties
    }

    /// The approval that the command redeemed; `None` if it needed none.
    #[must_use]
    pub fn ticket(&self) -> Option<ApprovalId> {
        self.redeemed.map(|redeemed| redeemed.approval)
    }

    /// Waits until the begin record is accepted. Before that, no byte of the answer may reach the client.
    ///
    /// # Errors
    /// [`Unavailable`] if the record cannot be written; the answer must not be sent then.
    ///
    /// # Cancel safety
    /// Cancel safe: it only waits.
    // INVARIANT: I5. A response leaves only after its begin record was accepted.
    pub async fn accepted(&mut self) -> Result<(), Unavailable> {
        self.onward.answer();
        self.recorder.accepted(self.begun.position).await
    }

    /// Clears further bytes of the same command: the data of a COPY that it opened, or the next part of a suspended
    /// portal. The bytes are captured for the record.
    pub fn goes_on(&mut self, bytes: Bytes) -> Cleared {
        if let Some(capture) = &mut self.output {
            capture.wire(&bytes);
        }
        Cleared::command(bytes)
    }

    /// Capture of the answer that is sent to the client, after masking. `None` once the command has ended.
    pub fn capture(&mut self) -> Option<&mut Capture> {
        self.output.as_mut()
    }

    /// Records the end at once. The returned future reports the outcome of an approved command to the control plane;
    /// the protocol answers the client after it completes.
    ///
    /// # Cancel safety
    /// Not cancel safe: a dropped future may leave the outcome unreported. The approval then stays redeemed until the
    /// control plane finds its owner lost.
    pub fn end(mut self, end: End<'_>) -> impl Future<Output = ()> + use<> {
        self.finish(&end);
        // Boxed, and the future keeps nothing else: most commands report nothing, and every connection would carry
        // it.
        let report = self.redeemed.map(|Redeemed { approval, fence }| {
            let (approvals, testimony) = (Arc::clone(&self.approvals), testimony(&end));
            let reporting = async move { approvals.report(approval, fence, testimony).await };
            Box::pin(reporting.instrument(self.onward.report()))
        });
        async move {
            if let Some(report) = report {
                report.await;
            }
        }
    }

    // INVARIANT: I5. Exactly one end record.
    fn finish(&mut self, end: &End<'_>) {
        self.ended = true;
        self.onward.end(end);
        let nothing = || Captured { rows: 0, bytes: 0, answer: None };
        let captured = self.output.take().map_or_else(nothing, Capture::finish);
        self.recorder.end(self.begun.command, captured, end);
    }
}

fn testimony(end: &End<'_>) -> Testimony {
    match end {
        End::Completed(_) => Testimony::Ended(Outcome::Completed),
        End::Failed(code) => Testimony::Ended(Outcome::Failed { code: (*code).to_owned() }),
        End::Lost => Testimony::Unknown,
        End::NotRun => Testimony::NotSent,
    }
}

impl Drop for Running {
    /// Records the command as lost. The approval is not reported: the control plane finds its owner lost and puts it
    /// in doubt.
    fn drop(&mut self) {
        if !self.ended {
            self.finish(&End::Lost);
        }
    }
}
