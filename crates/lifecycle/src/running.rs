//! A command between its release and its end.

use std::sync::Arc;

use countersign_common::Facts;
use countersign_common::approval::Outcome;
use countersign_common::id::{ApprovalId, CommandId};
use countersign_common::time::Clock;
use countersign_common::verdict::Duties;

use crate::ports::{Approvals, Testimony, Unavailable};
use crate::recorder::{Begun, Output, Recorder};
use crate::road::Road;

/// A command that was let go and has not ended. It ends exactly once: by [`Running::end`], or, when the
/// connection's task is lost with it, by being dropped, which records that nobody knows.
#[derive(Debug)]
#[must_use = "a command that was let go has to be ended"]
pub struct Running {
    begun: Begun,
    facts: Arc<Facts>,
    duties: Duties,
    redeemed: Option<Redeemed>,
    output: Output,
    recorder: Recorder,
    approvals: Arc<dyn Approvals>,
    clock: Arc<dyn Clock>,
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
    /// The target failed it, with this code; it has no effect.
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
            output: Output::new(road.target.recording.output_bytes_max),
            recorder: road.recorder.clone(),
            approvals: Arc::clone(&road.approvals),
            clock: Arc::clone(&road.clock),
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

    /// Waits until its begin record is accepted: before that, no byte of its answer may reach the client.
    ///
    /// # Errors
    /// When it cannot be recorded; then the answer must not be given.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    // INVARIANT: I5.
    pub async fn accepted(&self) -> Result<(), Unavailable> {
        self.recorder.accepted(self.begun.position).await
    }

    /// Notes a part of the answer as it is released to the client, after masking.
    pub fn output(&mut self, released: &[u8], rows: u64) {
        self.output.add(released, rows);
    }

    /// Notes a part of a stream that the command opened (COPY FROM STDIN) before it goes up.
    pub fn input(&mut self, bytes: &[u8]) {
        self.output.add_input(bytes);
    }

    /// Records how it ended and, for a countersigned command, reports it. When that returns, the client may
    /// be told.
    pub async fn end(mut self, end: End<'_>) {
        self.ended = true;
        self.recorder.end(&self.begun, &self.output, &end, self.clock.now());
        if let Some(Redeemed { approval, fence }) = self.redeemed {
            self.approvals.report(approval, fence, testimony(&end)).await;
        }
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
            self.recorder.end(&self.begun, &self.output, &End::Lost, self.clock.now());
        }
    }
}
