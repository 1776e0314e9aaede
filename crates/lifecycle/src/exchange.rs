//! The interface that a protocol implements for the command pipeline: one command and the client that sent it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_common::Timestamp;
use countersign_common::approval::Approval;
use countersign_common::command::{Command, Context};
use countersign_common::refusal::Refusal;
use countersign_common::verdict::Duties;
use tracing::Span;

use crate::ports::{HeldCatalogue, Unavailable};
use crate::{Described, trace};

/// One command in the pipeline, implemented by its protocol and driven by [`run`](crate::run).
///
/// Messages to the client are only queued; [`Exchange::stirred`] does the I/O.
#[allow(
    async_fn_in_trait,
    reason = "the road awaits it in place, on the task of its connection; it need not be Send by trait"
)]
pub trait Exchange {
    /// The command with its exact bytes and parameters.
    fn command(&self) -> &Command;

    /// The current context of the command: target, role, settings, transaction so far. The pipeline calls this only
    /// when it needs a digest: when the hold begins, and again right before the command is sent. If the context
    /// changes during the hold ([`Exchange::look`]), the approval no longer covers the command and the command is
    /// refused.
    fn context(&self) -> Context;

    /// The facts of the command and their JSON form.
    fn described(&self) -> &Described;

    /// Returns `true` if running the command changes something: directly, or by committing earlier changes (the
    /// COMMIT of a transaction that has written). A command that changes nothing may be sent before its record is
    /// synced (I5), and may run while the gateway is isolated where the target allows that (I8).
    fn changes(&self) -> bool {
        !self.described().facts.is_plain_read()
    }

    /// Returns `true` if an open transaction keeps its locks while this command waits.
    fn in_transaction(&self) -> bool;

    /// The time limit that the client set for its statements (`statement_timeout`), if any.
    fn patience(&self) -> Option<Duration>;

    /// Notifies the client that its command waits for approval. Called once the hold has begun, and again every
    /// `notice_every`. A protocol without a legal message for this does nothing.
    fn asking(&mut self, asked: &Asked);

    /// Performs I/O on the connection until an event needs [`Exchange::look`].
    ///
    /// # Cancel safety
    /// Implementations must be cancel safe: the pipeline drops and calls this repeatedly.
    async fn stirred(&mut self);

    /// Processes what [`Exchange::stirred`] read. Returns the client's action if it ends the wait. Never cancelled.
    async fn look(&mut self) -> Option<Meanwhile>;

    /// Makes the command ready to be sent: reacquires an upstream connection that was released during the hold, and
    /// obtains the evidence that the target keeps of the command. Called after the approval and before the redeem, so
    /// that an unreachable target does not use an approval up. Sends nothing of the command itself.
    ///
    /// # Errors
    /// [`NotReady`]: the command must not be sent.
    async fn prepare(&mut self) -> Result<(), NotReady> {
        Ok(())
    }

    /// Returns a refusal if this protocol cannot enforce the obligations of the verdict. Checked before approvers are
    /// asked, and again before an approval is redeemed.
    fn cannot_bear(&self, duties: &Duties) -> Option<Refusal> {
        let _ = duties;
        None
    }

    /// Counts the command against the session's limits in the verdict. Returns a refusal if a limit is exhausted.
    /// Called once per command, right before it is sent.
    fn use_up(&mut self, duties: &Duties) -> Option<Refusal> {
        let _ = duties;
        None
    }

    /// Adds what the verdict determined to the command's facts, for records and approvers: how a command uses masked
    /// data depends on what its principal may see.
    fn note_duties(&mut self, duties: &Duties) {
        let _ = duties;
    }

    /// Evidence that can be queried on the target later, such as a transaction id; available after
    /// [`Exchange::prepare`]. `None` if the target keeps none. It is stored with the redemption, so that the target
    /// can be asked after any failure.
    fn evidence(&self) -> Option<String> {
        None
    }

    /// Creates a span for a held command that was not sampled at its beginning. Held commands are always traced.
    fn span(&self) -> Span {
        trace::whole("other_sql", || None)
    }

    /// Collects everything that the approval binds, so that [`Exchange::context`] includes it. Called if the verdict
    /// is to hold, before the begin record is written and before approvers are asked.
    ///
    /// # Errors
    /// [`NotBound`]: no approval is requested.
    async fn bind(&mut self) -> Result<(), NotBound> {
        Ok(())
    }

    /// The definitions that the facts of the command rest on, available from [`Exchange::bind`] on. `None` if the facts
    /// depend on no definitions. The control plane derives the facts again from them.
    fn catalogue(&self) -> Option<Arc<dyn HeldCatalogue>> {
        None
    }

    /// Returns the exact bytes for the target. Called at most once, after the command was cleared.
    fn into_wire(self) -> Bytes;
}

/// Reason why no approval is requested for a command whose verdict is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBound {
    /// The facts rest on catalogue definitions that have changed. The command must be described and judged again.
    Outdated,
    /// The context that the approval would bind cannot be determined at the moment.
    Unavailable(String),
    /// No approval can be bound to all that it would do, whenever it is sent; why.
    Unbindable(String),
}

/// Reason why an approved command is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// The command cannot be sent at the moment. The approval stays usable.
    Unavailable(String),
    /// The session differs from the one that was approved; the text says how. The approval stays, but cannot be used
    /// on this connection until the difference is gone.
    Changed(String),
    /// The catalogue definitions that the facts rest on have changed since the request; the text says how. The
    /// approval is voided.
    Drifted(String),
}

impl From<Unavailable> for NotReady {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.0)
    }
}

/// Contents of a notice to a client whose command is held.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Current state of the approval.
    pub approval: Arc<Approval>,
    /// End of this connection's wait. The client then receives the ticket.
    pub waits_until: Timestamp,
    /// URL of the request on the approver's page.
    pub url: Option<String>,
    /// Number of earlier notices for this hold; `0` for the first.
    pub repeat: u32,
}

/// Client action that ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// The client sent a cancel request; the approval request is withdrawn.
    Cancelled,
    /// The client disconnected or is disconnecting. The target's `on_disconnect` decides whether the request is
    /// withdrawn.
    Left,
}
