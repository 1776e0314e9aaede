//! Cancel requests of the client: sent on to the target while the command that they mean is there, and never later.

use std::pin::pin;
use std::sync::Arc;

use super::flow::Broken;
use super::{Session, describe};
use crate::cancel_registry::CancelRequest;
use crate::upstream::{CancelToken, UpstreamError};

impl Session {
    /// The client asked to cancel what is running, or what it has just sent: the target is told. The connection on which the client asked is
    /// closed when that is done, and no other command goes up before.
    ///
    /// The target signals its process before it closes the cancel connection. A client that waits for us, as libpq does,
    /// or does not wait, can so never have its next command cancelled.
    ///
    /// # Errors
    /// [`Broken`] when the connection has to end.
    ///
    /// # Cancel safety
    /// Not cancel safe: end the connection then.
    pub(super) async fn cancel_upstream(&mut self, request: CancelRequest) -> Result<(), Broken> {
        if let Some(token) = self.cancellable() {
            if let Err(error) = self.tell_target(token).await? {
                tracing::warn!(%error, "a cancel request did not reach the target");
            }
        } else if !self.flow.expected.has_commands() && self.flow.client_has_sent().await {
            // The command was sent before the request, and this task did not come to it yet.
            self.cancelled = true;
        }
        drop(request);
        Ok(())
    }

    /// A cancel request that comes while a message is being taken in, and waits for the target. It means what runs; when
    /// nothing of the client does, it means the command that is about to be sent.
    ///
    /// # Errors
    /// As [`Self::cancel_upstream`].
    pub(super) async fn cancel_in_intake(&mut self, request: CancelRequest) -> Result<(), Broken> {
        if self.flow.expected.has_commands() {
            return self.cancel_upstream(request).await;
        }
        self.cancelled = true;
        Ok(())
    }

    /// The key of what runs; `None` when nothing of the client does. A target that is asked to cancel a question of our
    /// own would leave us without the answer.
    fn cancellable(&self) -> Option<CancelToken> {
        let open = self.flow.upstream.as_ref().filter(|_| self.flow.expected.has_commands())?;
        open.cancel.clone()
    }

    async fn tell_target(&mut self, token: CancelToken) -> Result<Result<(), UpstreamError>, Broken> {
        let connector = Arc::clone(&self.way.connector);
        let dialling = Box::pin(async move { connector.dial_cancel(&token).await });
        let request = match self.beside_answers(dialling).await? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        // It may have ended while the connection was opened: then there is nothing left to cancel.
        if !self.flow.expected.has_commands() {
            return Ok(Ok(()));
        }
        self.beside_answers(Box::pin(request.deliver())).await
    }

    /// Waits for `what` while answers of the target go to the client, which is not read meanwhile.
    ///
    /// # Errors
    /// [`Broken`] when the connection has to end before.
    ///
    /// # Cancel safety
    /// Not cancel safe: end the connection then.
    pub(super) async fn beside_answers<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Broken> {
        let mut stop = self.road.stop.clone();
        let mut what = pin!(what);
        loop {
            tokio::select! {
                biased;
                why = describe::revoked(&mut stop) => return Err(Broken::Stopped(why)),
                done = &mut what => return Ok(done),
                moved = self.flow.moved_down() => {
                    moved?;
                    self.flow.take_answers().await?;
                }
            }
        }
    }
}
