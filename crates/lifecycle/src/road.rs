//! The story of a command: judged, recorded, cleared or refused.

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

/// What stays the same for all commands of one connection.
#[derive(Debug)]
pub struct Road {
    /// This start of this gateway; it owns what it redeems.
    pub node: NodeId,
    /// The session that the connection belongs to.
    pub session: SessionId,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// Of what.
    pub target: Arc<Target>,
    /// With which role there.
    pub role: RoleName,
    /// In which database.
    pub database: String,
    /// Who judges.
    pub judge: Arc<dyn Judge>,
    /// Who keeps approvals.
    pub approvals: Arc<dyn Approvals>,
    /// Where records go.
    pub recorder: Recorder,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What stops the connection.
    pub stop: watch::Receiver<Stop>,
    /// Where the approver's page is, when there is one.
    pub url: Option<Arc<str>>,
}

/// The advice for a command to which no approval can be bound.
const UNBINDABLE: &str = "Not executed, and nobody was asked: people cannot be shown all that the statement would do. Send it \
     in smaller or simpler parts.";

/// What an operation counts in [`size_of`]: judging it takes as long as recording so many bytes.
const OPERATION_BYTES: usize = 256;

/// How the road ended for one command.
#[derive(Debug)]
#[must_use]
pub enum Passage {
    /// It may go: send the first, keep the second until the target has answered.
    Go(Cleared, Running),
    /// It may not; tell the client in its own protocol.
    Refused(Refusal),
    /// It may not, and there is nobody left to tell.
    Left,
    /// Nothing is decided or recorded: its facts rest on definitions that have changed. Describe it and run it again.
    Outdated,
}

/// Takes one command down the road as far as its release: judges it, records that, waits for people
/// where the verdict says so.
///
/// # Cancel safety
/// Not cancel safe: dropped in the middle of a redeem it leaves the command in doubt (never run twice).
/// The connection's task runs it to its end.
pub async fn run<E: Exchange>(road: &Road, mut exchange: E) -> Passage {
    if let Some(refusal) = road.revoked() {
        return refused(refusal);
    }
    let turn = heavy::turn(size_of(&exchange)).await;
    let ruling = match turn.run(|| trace::judge().in_scope(|| road.rule(&exchange))) {
        Ok(ruling) => ruling,
        // INVARIANT: I8. Nobody to judge means no.
        Err(error) => return refused(unavailable(&error)),
    };
    if let Verdict::Allow(duties) | Verdict::Hold(_, duties) = &ruling.verdict {
        exchange.note_duties(duties);
    }
    if matches!(ruling.verdict, Verdict::Hold(..)) {
        // Boxed, as few are held.
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
        // INVARIANT: I5, I8. What cannot be recorded does not run.
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
        // Boxed, so that the connections that never wait do not carry the memory of waiting.
        Verdict::Hold(terms, duties) => {
            let digest = digest.unwrap_or_else(|| road.digest(&exchange));
            let hold = Hold { road, exchange, begun, digest, duties, bundle: ruling.bundle, settled: false };
            Box::pin(hold.take_through(terms).instrument(span)).await
        }
    }
}

/// How much there is to judge and to record, in bytes; each operation counts as much as it takes to judge.
fn size_of(exchange: &impl Exchange) -> usize {
    let command = exchange.command();
    let values =
        command.parameters.iter().filter_map(|parameter| parameter.value.as_ref()).map(|value| value.len());
    let operations = exchange.described().facts.operations.len() * OPERATION_BYTES;
    command.text.len() + values.sum::<usize>() + operations
}

impl Road {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What an approval of this command would be bound to (I2).
    pub(crate) fn digest(&self, exchange: &impl Exchange) -> Digest {
        command::digest(exchange.command(), &exchange.context(), &self.principal, self.session)
    }

    /// Where people look at this request: its place in the approver's page.
    pub(crate) fn url(&self, id: ApprovalId) -> Option<String> {
        self.url.as_deref().map(|page| format!("{}/#/requests/{id}", page.trim_end_matches('/')))
    }

    /// The refusal of everything, once the session is revoked. Asked again after each wait: the stop button stops
    /// whatever has not been sent.
    pub(crate) fn revoked(&self) -> Option<Refusal> {
        match &*self.stop.borrow() {
            // INVARIANT: I3.
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

    /// Waits until the begin record is as durable as it must be before a byte goes upstream.
    async fn recorded_first(&self, changes: bool, begun: &Begun) -> Result<(), Unavailable> {
        // INVARIANT: I5. What changes nothing goes up at once; its answer waits for the record instead.
        if !changes && !self.target.recording.reads_synced {
            return Ok(());
        }
        self.recorder.synced(begun.position).instrument(trace::record()).await?;
        // INVARIANT: I8. It has waited meanwhile. Of a plain read that goes on in isolation its ruling has decided.
        if changes { self.judge.may_release() } else { Ok(()) }
    }

    fn refuse(&self, begun: &Begun, refusal: Refusal) -> Passage {
        self.recorder.end_refused(begun.command, refusal.state);
        refused(refusal)
    }
}

/// The end of the road for a command that may not go.
pub(crate) fn refused(refusal: Refusal) -> Passage {
    metrics::refused(refusal.state);
    Passage::Refused(refusal)
}

/// The refusal for what cannot be judged, recorded or asked at the moment.
pub(crate) fn unavailable(error: &Unavailable) -> Refusal {
    Refusal::new(State::Unavailable, error.0.clone())
}
