//! Refusals, in their place in the order of answers; and what is skipped behind them.

use bytes::{Bytes, BytesMut};
use countersign_common::facts::Flag;
use countersign_common::refusal::{Refusal, State};

use super::Session;
use super::expect::Expect;
use super::flow::Broken;
use super::pending::Pending;
use crate::codec::backend::TransactionStatus;
use crate::codec::build::Severity;
use crate::codec::frontend::Subject;
use crate::codec::{Error, Frontend, SqlState, build};
use crate::exchange::Unit;
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

    /// Refuses a command. Where it may be no more than a mistake (a text that does not parse, a name that nobody has), the
    /// server is shown the text, so that the client gets the server's own error; the refusal if it finds none.
    pub(super) fn refuse_command(&mut self, refusal: &Refusal, form: Form, unit: &Unit) {
        // Parsing takes locks: while somebody's lock keeps a definition from being read, the client would wait for it.
        let is_free = self.flow.catalogue().unread().is_empty();
        let probe = (refusal.state == State::Blocked && is_free).then(|| probe(unit)).flatten();
        self.pending = Pending::default();
        let saying = reply::refusal(refusal);
        match probe {
            Some(probe) if self.flow.upstream.is_some() => self.provoke(Some(probe), saying, form),
            Some(_) | None => self.fail(saying, form),
        }
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
            return self.provoke(None, saying, form);
        }
        // Nothing of this batch is upstream: what waited was never made.
        self.forget_batch();
        self.flow.say(saying);
        match form {
            Form::Query => self.flow.say_ready(),
            Form::Extended => self.failed_locally = true,
        }
    }

    /// Makes the server fail: by the client's own text, if it is wrong, and else by what is no SQL.
    fn provoke(&mut self, probe: Option<BytesMut>, saying: Bytes, form: Form) {
        let is_probed = probe.is_some();
        let mut frames = probe.unwrap_or_default();
        // INVARIANT: I2. It runs nothing, whatever the client has put under any name.
        if build::parse(&mut frames, PROVOKED, PROVOKED, &[]).is_ok() {
            if is_probed {
                self.flow.expected.push(Expect::Probed);
            }
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

/// The name of the statement by which the server is asked what is wrong with a text.
const PROBE: &[u8] = b"countersign probe";

/// Parse and Close of a refused text that may be a mistake. They run nothing: clients may send them at any time.
fn probe(unit: &Unit) -> Option<BytesMut> {
    let reading = unit.reading.as_ref()?;
    let mistaken = |flag: &Flag| matches!(flag, Flag::Unparsed | Flag::Unresolved);
    let may_be_mistaken =
        unit.described.facts.operations.iter().any(|operation| operation.flags.iter().any(mistaken));
    // Parse takes one statement: of several the server would say that they are too many.
    if !may_be_mistaken || reading.statements() > 1 {
        return None;
    }
    let types: &[u32] = unit.portal.as_ref().map_or(&[], |(_, portal)| &portal.statement.types);
    let mut frames = BytesMut::new();
    build::parse(&mut frames, PROBE, &unit.command.text, types).ok()?;
    build::close(&mut frames, Subject::Statement(PROBE)).ok()?;
    Some(frames)
}
