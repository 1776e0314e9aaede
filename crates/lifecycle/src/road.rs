//! The command pipeline up to the release: judge, record, hold if required, clear or refuse.

use std::sync::Arc;

use countersign_common::id::{ApprovalId, NodeId, RoleName, SessionId};
use countersign_common::refusal::{Refusal, State};
use countersign_common::time::Clock;
use countersign_common::{Digest, Principal, Target, Timestamp, Verdict, command};
use countersign_runtime::heavy;
use tokio::sync::watch;
use tracing::field::display;
use tracing::{Instrument as _, Span};

use crate::Cleared;
use crate::exchange::{Exchange, NotBound};
use crate::hold::Hold;
use crate::ports::{Approvals, Judge, Question, Ruling, Stop, Unavailable};
use crate::recorder::{Begun, Recorder};
use crate::running::Running;
use crate::{metrics, trace};

/// Everything the command pipeline needs that is constant for one client connection.
#[derive(Debug)]
pub struct Road {
    /// Incarnation of this gateway. It owns the approvals that it redeems.
    pub node: NodeId,
    /// Session that the connection belongs to.
    pub session: SessionId,
    /// Requester of all commands on this connection.
    pub principal: Arc<Principal>,
    /// Target that the connection was opened for.
    pub target: Arc<Target>,
    /// Login role on the target, not a Cedar group.
    pub role: RoleName,
    /// Database on the target, by name.
    pub database: String,
    /// Judges every command with the current bundle.
    pub judge: Arc<dyn Judge>,
    /// Access to approvals in the control plane.
    pub approvals: Arc<dyn Approvals>,
    /// The hash chain of this connection.
    pub recorder: Recorder,
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// Signals revocation and drain. Checked after every wait, because either may happen while a command is held.
    pub stop: watch::Receiver<Stop>,
    /// Base URL of the approver's page; `None` if no page is configured.
    pub url: Option<Arc<str>>,
}

/// Advice for a command to which no approval can be bound.
const UNBINDABLE: &str = "Not executed, and no approval was requested: approvers cannot be shown everything that the statement \
     would do. Send it in smaller or simpler parts.";

/// Weight of one operation in [`size_of`]: judging it takes as long as recording this many bytes.
const OPERATION_BYTES: usize = 256;

/// Result of the pipeline for one command.
#[derive(Debug)]
#[must_use]
pub enum Passage {
    /// The command may be sent: send the first, and keep the second until the target has answered.
    Go(Cleared, Running),
    /// The command must not be sent. The protocol reports the refusal to the client.
    Refused(Refusal),
    /// The command must not be sent, and the client has disconnected.
    Left,
    /// The facts rest on catalogue definitions that have changed. Nothing was decided or recorded; describe and run
    /// it again.
    Outdated,
}

/// Takes one command through the pipeline up to its release: judges it, records the verdict, and holds it if the
/// verdict says so.
///
/// # Cancel safety
/// Not cancel safe: if dropped during a redeem, it leaves the command in doubt (never run twice). The connection's
/// task runs it to completion.
pub async fn run<E: Exchange>(road: &Road, mut exchange: E) -> Passage {
    if let Some(refusal) = road.revoked() {
        return refused(refusal);
    }
    let turn = heavy::turn(size_of(&exchange)).await;
    let ruling = match turn.run(|| trace::judge().in_scope(|| road.rule(&exchange))) {
        Ok(ruling) => ruling,
        // INVARIANT: I8. Without a judge, every command is refused.
        Err(error) => return refused(unavailable(&error)),
    };
    if let Verdict::Allow(duties) | Verdict::Hold(_, duties) = &ruling.verdict {
        exchange.note_duties(duties);
    }
    if matches!(ruling.verdict, Verdict::Hold(..)) {
        // Boxed, because few commands are held.
        match Box::pin(exchange.bind()).await {
            Ok(()) => {}
            Err(NotBound::Outdated) => return Passage::Outdated,
            Err(NotBound::Unavailable(why)) => return refused(unavailable(&Unavailable(why))),
            // INVARIANT: I2. People are shown all that runs, or nobody is asked.
            Err(NotBound::Unbindable(why)) => {
                return refused(Refusal::new(State::Blocked, why).with_advice(UNBINDABLE));
            }
        }
    }
    let span = match ruling.verdict {
        Verdict::Hold(..) => trace::held(&exchange),
        Verdict::Allow(_) | Verdict::Block(_) => Span::current(),
    };
    span.record("countersign.session", display(road.session));
    span.record("countersign.verdict", trace::verdict(&ruling.verdict));
    metrics::judged(&ruling.verdict, &exchange.described().facts);
    let digest = matches!(ruling.verdict, Verdict::Hold(..)).then(|| road.digest(&exchange));
    let trace = trace::id(&span);
    let begin = || road.recorder.begin(exchange.command(), exchange.described(), &ruling, digest, trace);
    let begun = turn.run(begin);
    drop(turn);
    let begun = match begun {
        Ok(begun) => begun,
        // INVARIANT: I5, I8. A command that cannot be recorded does not run.
        Err(error) => return refused(unavailable(&error)),
    };
    span.record("countersign.command", display(begun.command));
    if let Verdict::Allow(duties) | Verdict::Hold(_, duties) = &ruling.verdict
        && let Some(refusal) = exchange.cannot_bear(duties)
    {
        return road.refuse(&begun, refusal);
    }
    match ruling.verdict {
        Verdict::Allow(duties) => {
            if let Err(error) = road.recorded_first(exchange.changes(), &begun).await {
                return road.refuse(&begun, unavailable(&error));
            }
            if let Some(refusal) = road.revoked().or_else(|| exchange.use_up(&duties)) {
                return road.refuse(&begun, refusal);
            }
            let facts = Arc::clone(&exchange.described().facts);
            let running = Running::new(road, begun, facts, duties, None);
            Passage::Go(Cleared::command(exchange.into_wire()), running)
        }
        Verdict::Block(reason) => road.refuse(&begun, Refusal::new(State::Blocked, reason.text)),
        // Boxed, so that a connection without held commands does not pay for the memory of a hold.
        Verdict::Hold(terms, duties) => {
            let digest = digest.unwrap_or_else(|| road.digest(&exchange));
            let hold = Hold { road, exchange, begun, digest, duties, bundle: ruling.bundle, settled: false };
            Box::pin(hold.take_through(terms).instrument(span)).await
        }
    }
}

/// Estimates the work of judging and recording a command, in bytes; each operation has a fixed weight.
fn size_of(exchange: &impl Exchange) -> usize {
    let command = exchange.command();
    let values =
        command.parameters.iter().filter_map(|parameter| parameter.value.as_ref()).map(|value| value.len());
    let operations = exchange.described().facts.operations.len() * OPERATION_BYTES;
    command.text.len() + values.sum::<usize>() + operations
}

impl Road {
    /// Current time of the gateway's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Digest that an approval of this command binds (I2).
    pub(crate) fn digest(&self, exchange: &impl Exchange) -> Digest {
        command::digest(exchange.command(), &exchange.context(), &self.principal, self.session)
    }

    /// URL of a request on the approver's page.
    pub(crate) fn url(&self, id: ApprovalId) -> Option<String> {
        self.url.as_deref().map(|page| format!("{}/#/requests/{id}", page.trim_end_matches('/')))
    }

    /// Returns a refusal if the session is revoked. Checked after each wait: the kill switch stops every command that
    /// has not been sent.
    pub(crate) fn revoked(&self) -> Option<Refusal> {
        match &*self.stop.borrow() {
            // INVARIANT: I3. A revoked session runs nothing.
            Stop::Revoked(why) => Some(Refusal::new(State::Denied, why.clone())),
            Stop::Drain | Stop::None => None,
        }
    }

    fn rule(&self, exchange: &impl Exchange) -> Result<Ruling, Unavailable> {
        self.judge.judge(&Question {
            principal: &self.principal,
            target: &self.target,
            role: &self.role,
            database: &self.database,
            facts: &exchange.described().facts,
            changes: exchange.changes(),
            in_transaction: exchange.in_transaction(),
        })
    }

    /// Waits until the begin record is as durable as it must be before a byte is sent to the target.
    async fn recorded_first(&self, changes: bool, begun: &Begun) -> Result<(), Unavailable> {
        // INVARIANT: I5. A command that changes nothing is sent at once; its answer waits for the record instead.
        if !changes && !self.target.recording.reads_synced {
            return Ok(());
        }
        self.recorder.synced(begun.position).instrument(trace::record()).await?;
        // INVARIANT: I8. The lease may have expired during the sync. For a plain read, the ruling has already decided
        // whether it may run in isolation.
        if changes { self.judge.may_release() } else { Ok(()) }
    }

    fn refuse(&self, begun: &Begun, refusal: Refusal) -> Passage {
        self.recorder.end_refused(begun.command, refusal.state);
        refused(refusal)
    }
}

/// Counts and returns the refusal of a command.
pub(crate) fn refused(refusal: Refusal) -> Passage {
    metrics::refused(refusal.state);
    Passage::Refused(refusal)
}

/// Refusal for a command that cannot be judged, recorded or held at the moment.
pub(crate) fn unavailable(error: &Unavailable) -> Refusal {
    Refusal::new(State::Unavailable, error.0.clone())
}
