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

/// A command that was let go and has not ended. It ends exactly once: by [`Running::end`], or, when the
/// connection's task is lost with it, by being dropped, which records that nobody knows.
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

/// The approval that a command used up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redeemed {
    pub(crate) approval: ApprovalId,
    pub(crate) fence: u64,
}

/// How a command that was let go ended, as the protocol saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End<'a> {
    /// The target ran it; with what it said, such as `UPDATE 3`.
    Completed(&'a str),
    /// It has no effect: the target failed it with this code, or it broke before it could be asked to commit.
    Failed(&'a str),
    /// It went up, and the connection broke before the answer came.
    Lost,
    /// It was never sent, or the target skipped it after an earlier failure.
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

    /// Its id in the records.
    #[must_use]
    pub const fn command(&self) -> CommandId {
        self.begun.command
    }

    /// What it does.
    #[must_use]
    pub const fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// What its verdict obliges to: what to mask.
    #[must_use]
    pub const fn duties(&self) -> &Duties {
        &self.duties
    }

    /// The approval that it used up, if it was countersigned.
    #[must_use]
    pub fn ticket(&self) -> Option<ApprovalId> {
        self.redeemed.map(|redeemed| redeemed.approval)
    }

    /// Waits until its begin record is accepted: before that, no byte of its answer may reach the client.
    ///
    /// # Errors
    /// When it cannot be recorded; then the answer must not be given.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    // INVARIANT: I5.
    pub async fn accepted(&mut self) -> Result<(), Unavailable> {
        self.onward.answer();
        self.recorder.accepted(self.begun.position).await
    }

    /// Clears more bytes of this same command: the data of a COPY that it opened, the next part of a portal that
    /// was suspended. What goes up is noted in the record.
    pub fn goes_on(&mut self, bytes: Bytes) -> Cleared {
        if let Some(capture) = &mut self.output {
            capture.wire(&bytes);
        }
        Cleared::command(bytes)
    }

    /// What notes the answer as it is released to the client, after masking.
    pub fn capture(&mut self) -> Option<&mut Capture> {
        self.output.as_mut()
    }

    /// Records at once how it ended; what is returned reports that for a countersigned command. When that has been
    /// awaited, the client may be told.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped it has recorded the end but may not have reported it; the approval then stays redeemed
    /// until the control plane finds its owner lost.
    pub fn end(mut self, end: End<'_>) -> impl Future<Output = ()> + use<> {
        self.finish(&end);
        // Boxed, and nothing else is kept: most commands have nothing to report, and every connection would carry it.
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
    /// Leaves the approval alone: whoever owned it is gone, and the control plane will put it in doubt.
    fn drop(&mut self) {
        if !self.ended {
            self.finish(&End::Lost);
        }
    }
}
