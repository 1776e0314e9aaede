//! Refusals, in their place in the order of answers; and what is skipped behind them.

use bytes::{Bytes, BytesMut};
use countersign_common::refusal::Refusal;

use super::Session;
use super::expect::Expect;
use super::flow::Broken;
use super::pending::Pending;
use crate::codec::backend::TransactionStatus;
use crate::codec::build::Severity;
use crate::codec::{Error, Frontend, SqlState, build};
use crate::reply;

/// No SQL: reading it fails in every state of a transaction, and shows in the target's log why. Named, because
/// an unnamed Parse would cost the client its unnamed statement.
pub(super) const PROVOKED: &[u8] = b"refused by countersign";

/// What a refused command was part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Query,
    Extended,
}

impl Session {
    /// Refuses a command in its place in the order of answers. Inside a transaction, or behind commands of the
    /// same batch, the server is made to fail too: a client that was told of an error must not find half
    /// of its work committed.
    pub(super) fn refuse(&mut self, refusal: &Refusal, form: Form) {
        self.pending = Pending::default();
        self.fail(reply::refusal(refusal), form);
    }

    /// A message that does not hold what its kind has to hold. As with the server, it fails its batch or is a string that
    /// fails, and the connection goes on: where it ends was told by its length. Not a byte of it goes upstream.
    pub(super) async fn malformed(&mut self, tag: u8, error: Error) -> Result<(), Broken> {
        let form = match tag {
            b'Q' | b'F' => Form::Query,
            b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => Form::Extended,
            _ => return Err(Broken::ClientProtocol(error)),
        };
        if self.is_skipping() {
            return Ok(());
        }
        if self.is_copying() {
            return Err(Broken::ClientProtocol(error));
        }
        self.flush_pending().await?;
        if !self.is_skipping() {
            let text = error.to_string();
            self.fail(reply::error(Severity::Error, SqlState::PROTOCOL_VIOLATION, &text), form);
        }
        Ok(())
    }

    /// Says why, and makes the server fail too where something of the transaction is upstream.
    fn fail(&mut self, saying: Bytes, form: Form) {
        let touched =
            self.batch_sent || self.flow.status != TransactionStatus::Idle || !self.flow.expected.is_empty();
        if self.flow.upstream.is_some() && touched {
            let mut frames = BytesMut::new();
            // INVARIANT: I2. It runs nothing, whatever the client has put under any name.
            if build::parse(&mut frames, PROVOKED, PROVOKED, &[]).is_ok() {
                self.flow.expected.push(Expect::Provoked(saying));
                if form == Form::Query {
                    build::bare(&mut frames, b'S');
                }
                self.flow.send_ours(frames);
            }
            self.batch_sent = true;
            match form {
                Form::Query => {
                    self.flow.expected.push(Expect::Sync);
                    self.batch_is_over();
                }
                Form::Extended => self.failed_locally = true,
            }
            return;
        }
        // Nothing of this batch is upstream: what waited was never made.
        self.forget_batch();
        self.flow.say(saying);
        match form {
            Form::Query => self.flow.say_ready(),
            Form::Extended => self.failed_locally = true,
        }
    }

    /// After an error everything is skipped up to the next Sync, by the server and so by us.
    pub(super) fn skip(&mut self, message: &Frontend<'_>, frame: Bytes) -> Result<(), Broken> {
        match message {
            Frontend::Terminate => self.goodbye = true,
            Frontend::Sync => {
                self.pending = Pending::default();
                self.flow.skipping = false;
                if std::mem::take(&mut self.failed_locally) && !self.batch_sent {
                    self.forget_batch();
                    self.flow.say_ready();
                } else {
                    // INVARIANT: I2. Names that are on their way stay unsettled until this Sync is answered.
                    self.send_sync(frame);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn forget_batch(&mut self) {
        self.flow.statements.forget_batch();
        self.flow.portals.forget_batch();
    }
}
