//! Processes the frames of the control plane.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use countersign_api::v1;
use countersign_api::v1::control_frame::Frame as Control;
use countersign_api::v1::gateway_frame::Frame;
use countersign_api::{parsed, required, timestamp};
use countersign_common::command::Context;
use countersign_common::id::SessionId;
use countersign_lifecycle::ports::Said;
use tokio::task::JoinSet;

use super::approvals::read;
use super::shared::Shared;

/// Maximum number of concurrent outcome queries. Further ones are answered with "cannot tell", and are repeated
/// later.
const TESTIMONIES_MAX: usize = 16;

/// Requests of the control plane about the connections of this gateway.
#[async_trait]
pub trait Connections: Send + Sync + std::fmt::Debug {
    /// Cancels the command that the connection with this key runs. Returns when that is done, or if no connection has
    /// the key; the caller does not learn which.
    async fn cancel(&self, protocol: &str, key: &[u8]);

    /// Asks a target whether a command ran, by the evidence stored with its redemption.
    async fn testify(&self, context: &Context, evidence: &str) -> Said;
}

/// Maximum number of concurrent cancel requests from other gateways; further ones are dropped.
const CANCELS_MAX: usize = 64;

/// Processor of received frames.
#[derive(Debug)]
pub(super) struct Incoming {
    shared: Arc<Shared>,
    connections: Arc<OnceLock<Arc<dyn Connections>>>,
    testimonies: JoinSet<()>,
    cancels: JoinSet<()>,
}

impl Incoming {
    pub(super) fn new(shared: Arc<Shared>, connections: Arc<OnceLock<Arc<dyn Connections>>>) -> Self {
        Self { shared, connections, testimonies: JoinSet::new(), cancels: JoinSet::new() }
    }

    /// Processes one frame.
    ///
    /// # Errors
    /// A violation of the link's protocol; the link must be closed then.
    pub(super) fn take(&mut self, frame: Control) -> Result<(), String> {
        match frame {
            Control::Answer(answer) => {
                let body = answer.answer.ok_or("an answer without content")?;
                self.shared.state.lock().calls.answer(answer.id, body);
            }
            Control::RecordsKept(kept) => {
                self.shared.journal.kept(&kept).map_err(|error| error.to_string())?
            }
            Control::Approval(approval) => {
                let approval = read(approval).map_err(|error| error.to_string())?;
                self.shared.state.lock().follows.tell(approval);
            }
            Control::SessionsEnded(ended) => self.end_sessions(&ended)?,
            Control::Bundle(push) => self.shared.bundles.push(push),
            Control::Alive(alive) => self.alive(&alive)?,
            Control::Cancel(cancel) => self.cancel(cancel),
            Control::Testify(asked) => self.testify(asked)?,
            Control::Welcome(_) => return Err("a second welcome".into()),
            // Handled by the driver.
            Control::Leave(_) => {}
        }
        Ok(())
    }

    /// INVARIANT: I8. The lease is not renewed while a received bundle is not in force yet: a gateway that was
    /// disconnected for long must not continue with the old one.
    fn alive(&self, alive: &v1::Alive) -> Result<(), String> {
        let theirs = timestamp(alive.time, "alive.time").map_err(|error| error.to_string())?;
        if !self.shared.bundles.is_behind() {
            self.shared.lease.heard(alive.heard, theirs, self.shared.clock.now(), &self.shared.options);
        }
        Ok(())
    }

    fn end_sessions(&self, ended: &v1::SessionsEnded) -> Result<(), String> {
        let reason = if ended.reason.is_empty() { "the session has ended" } else { &ended.reason };
        let mut state = self.shared.state.lock();
        for id in &ended.session_ids {
            let id: SessionId =
                parsed(id, "sessions_ended.session_ids").map_err(|error| error.to_string())?;
            state.attached.end(id, reason);
        }
        Ok(())
    }

    /// Carries out a cancel request in a separate task, and reports when that is done.
    fn cancel(&mut self, cancel: v1::CancelPush) {
        while self.cancels.try_join_next().is_some() {}
        let connections = self.connections.get().cloned().filter(|_| self.cancels.len() < CANCELS_MAX);
        let shared = Arc::clone(&self.shared);
        self.cancels.spawn(async move {
            if let Some(connections) = connections {
                connections.cancel(&cancel.protocol, &cancel.key).await;
            }
            // Only a node that sends an id knows the frame.
            if cancel.id != 0 {
                let carried = v1::CancelCarried { id: cancel.id };
                shared.change(|state| state.outbox.push(Frame::CancelCarried(carried)));
            }
        });
    }

    /// Queries the target in a separate task.
    fn testify(&mut self, asked: v1::Testify) -> Result<(), String> {
        let context = required(asked.context, "testify.context").and_then(Context::try_from);
        let context = context.map_err(|error| error.to_string())?;
        while self.testimonies.try_join_next().is_some() {}
        let connections = self.connections.get().cloned();
        let busy = self.testimonies.len() >= TESTIMONIES_MAX;
        let shared = Arc::clone(&self.shared);
        let (approval_id, fence, evidence) = (asked.approval_id, asked.fence, asked.evidence);
        self.testimonies.spawn(async move {
            let said = match connections {
                Some(connections) if !busy => connections.testify(&context, &evidence).await,
                Some(_) => Said::CannotTell("too many targets are being asked".into()),
                None => Said::CannotTell("the gateway serves nobody yet".into()),
            };
            let testified = testified(approval_id, fence, said);
            shared.change(|state| state.outbox.push(Frame::Testified(testified)));
        });
        Ok(())
    }
}

fn testified(approval_id: String, fence: u64, said: Said) -> v1::Testified {
    let (ran, reason) = match said {
        Said::Ran(reason) => (Some(v1::CommandRan::Yes), reason),
        Said::DidNotRun(reason) => (Some(v1::CommandRan::No), reason),
        Said::CannotTell(reason) => (None, reason),
    };
    v1::Testified { approval_id, fence, ran: ran.map(Into::into), reason }
}
