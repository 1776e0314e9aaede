//! What the road asks of a protocol: one command, and the client at the other end of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_common::Timestamp;
use countersign_common::approval::Approval;
use countersign_common::command::{Command, Context};
use countersign_common::refusal::Refusal;
use countersign_common::verdict::Duties;
use tracing::Span;

use crate::ports::Unavailable;
use crate::{Described, trace};

/// One command on its way, as its protocol sees it. [`run`](crate::run) takes it through the road.
///
/// What is said to the client is only queued; [`Exchange::stirred`] moves the bytes.
#[allow(
    async_fn_in_trait,
    reason = "the road awaits it in place, on the task of its connection; it need not be Send by trait"
)]
pub trait Exchange {
    /// The command: exact bytes and parameters.
    fn command(&self) -> &Command;

    /// What gives the command its meaning now: target, role, settings, transaction so far. Only asked for when the
    /// command needs a digest: when it begins to wait, and once more when it is about to go. If that changes
    /// while it waits ([`Exchange::look`]), it is not what was approved any more and is refused.
    fn context(&self) -> Context;

    /// What the command does.
    fn described(&self) -> &Described;

    /// Whether it changes something when it runs: by itself, or by making lasting what ran before it (the COMMIT of a
    /// transaction that has written). What changes nothing may overlap its record (I5), and go on alone where a
    /// target allows that (I8).
    fn changes(&self) -> bool {
        !self.described().facts.is_plain_read()
    }

    /// Whether running it keeps locks of an open transaction while it waits.
    fn in_transaction(&self) -> bool;

    /// How long the client lets a statement take, when it said so (`statement_timeout`).
    fn patience(&self) -> Option<Duration>;

    /// Tells the client that someone is being asked. Called once the hold has begun, and again every
    /// `notice_every`, as far as the protocol has a legal way to say so.
    fn asking(&mut self, asked: &Asked);

    /// Waits until something has happened on the connection, and moves bytes meanwhile.
    ///
    /// # Cancel safety
    /// Required: dropped and called again, it loses nothing.
    async fn stirred(&mut self);

    /// Takes in what has happened; answers when it ends the wait. Always run to its end.
    async fn look(&mut self) -> Option<Meanwhile>;

    /// Makes sure that the command can go now: a connection that was given back while it waited is taken again, and
    /// whatever the target shall remember it by is made. Called once people have agreed, before the approval is used
    /// up, so that a target that cannot be reached costs nobody their approval. Nothing of the command's bytes goes.
    ///
    /// # Errors
    /// [`NotReady`]; it does not go then.
    async fn prepare(&mut self) -> Result<(), NotReady> {
        Ok(())
    }

    /// The refusal, when the protocol cannot do what the verdict obliges to. Asked before anybody is asked for an
    /// approval, and again before one is used up.
    fn cannot_bear(&self, duties: &Duties) -> Option<Refusal> {
        let _ = duties;
        None
    }

    /// Counts the command against the limits that the verdict sets for its session; the refusal when one is used up. Called
    /// once for each command, right before it goes.
    fn use_up(&mut self, duties: &Duties) -> Option<Refusal> {
        let _ = duties;
        None
    }

    /// Says in the command's facts what the verdict has found out about it, for records and approvers: what a command does
    /// with data depends on what its principal may see.
    fn note_duties(&mut self, duties: &Duties) {
        let _ = duties;
    }

    /// By what the target will remember the command, from [`Exchange::prepare`] on; `None`: by nothing. It is kept with the
    /// redemption, so that the target can be asked whatever follows.
    fn evidence(&self) -> Option<String> {
        None
    }

    /// A span for the command, which was not traced from its beginning and now waits for people: what waits is always
    /// traced.
    fn span(&self) -> Span {
        trace::whole("other_sql", || None)
    }

    /// Finds out everything that an approval of this command is to be bound to, so that [`Exchange::context`] has it.
    /// Called when the verdict is to hold it, before anybody is asked and before it is recorded.
    ///
    /// # Errors
    /// [`NotBound`]; nobody is asked then.
    async fn bind(&mut self) -> Result<(), NotBound> {
        Ok(())
    }

    /// Gives up the exact bytes for the target. Called at most once, when the command has been cleared.
    fn into_wire(self) -> Bytes;
}

/// Why nobody is asked for a command that should be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBound {
    /// Its facts rest on definitions that have changed: it has to be described and judged again.
    Outdated,
    /// What it would be bound to cannot be found out at the moment.
    Unavailable(String),
    /// No approval can be bound to all that it would do, whenever it is sent; why.
    Unbindable(String),
}

/// Why a command does not go although people have agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// It cannot go at the moment; the approval stays.
    Unavailable(String),
    /// Its session is not as it was when people were asked, in words. The approval stays; on this connection it is not
    /// usable while that is so.
    Changed(String),
    /// The definitions that it rests on are not what they were when people were asked, in words. The approval is voided.
    Drifted(String),
}

impl From<Unavailable> for NotReady {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.0)
    }
}

/// What a waiting client is told.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The approval as it stands.
    pub approval: Arc<Approval>,
    /// Until when this connection waits; then it is given the ticket.
    pub waits_until: Timestamp,
    /// Where a person can look at it.
    pub url: Option<String>,
    /// How often it has been told before; `0` the first time.
    pub repeat: u32,
}

/// What ends a wait from the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// The client asked to cancel: the request is withdrawn.
    Cancelled,
    /// The client is gone, or going: the request is kept or withdrawn as the target says.
    Left,
}
