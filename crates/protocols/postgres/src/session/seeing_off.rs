//! The end of a connection whose client has left, by Terminate or by closing its sending side: what it sent before is
//! executed and answered as the server does, because the client may still read.

use super::flow::Broken;
use super::{Session, describe};

impl Session {
    /// Gives the client the answers to what it sent. Its sending side is not read any more.
    ///
    /// There is no limit of time: a direct connection has none either, and the connection costs no more than an idle one.
    ///
    /// # Errors
    /// [`Broken::Client`] when the client does not read any more; others as everywhere.
    ///
    /// # Cancel safety
    /// Not cancel safe: end the connection then.
    pub(super) async fn see_off(&mut self, terminated: bool) -> Result<(), Broken> {
        self.send_rest();
        // These first: a pooler before the target gives up what runs when it reads Terminate.
        while self.flow.expected.comes_by_itself() {
            self.answers_move().await?;
        }
        if !self.flow.expected.is_empty() && self.flow.upstream.is_some() {
            self.leave_upstream(terminated).await?;
        }
        self.flow.flush_client().await;
        Ok(())
    }

    /// Sends what waited for a command that never came: the server would have read it, and says what is wrong with it. A
    /// Bind that may run something unknown was to be judged with its Execute, and is left out.
    fn send_rest(&mut self) {
        if !self.is_skipping() {
            self.pending.drop_risky();
            self.send_pending();
        }
    }

    /// Leaves the target as the client has left: what it still answers, to a Flush or to COPY data without an end, it
    /// answers before it closes the connection.
    async fn leave_upstream(&mut self, terminated: bool) -> Result<(), Broken> {
        if terminated {
            self.flow.say_goodbye_upstream();
        } else {
            self.flow.close_upstream().await;
        }
        loop {
            match self.answers_move().await {
                Ok(()) => {}
                Err(Broken::Upstream) => return Ok(()),
                Err(broken) => return Err(broken),
            }
        }
    }

    /// Waits for answers of the target, and takes them.
    async fn answers_move(&mut self) -> Result<(), Broken> {
        if self.flow.client_gone {
            return Err(Broken::Client);
        }
        let mut stop = self.road.stop.clone();
        tokio::select! {
            biased;
            why = describe::revoked(&mut stop) => Err(Broken::Stopped(why)),
            request = self.cancel.asked() => self.cancel_upstream(request).await,
            moved = self.flow.moved_down() => {
                moved?;
                self.flow.take_answers().await
            }
        }
    }
}
