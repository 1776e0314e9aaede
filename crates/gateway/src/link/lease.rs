//! Until when the gateway may judge alone (I8): while a control-plane node that reaches its store was heard within the
//! bundle lease, and the clocks agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_lifecycle::ports::{Judge, Question, Ruling, Unavailable};
use tokio::time::Instant;

use super::options::LinkOptions;

/// The bundle lease. Read on every command.
#[derive(Debug)]
pub(super) struct Lease {
    started: Instant,
    /// When it runs out, in milliseconds after `started`; zero: there has been none.
    until_ms: AtomicU64,
    length_ms: AtomicU64,
    clocks_differ: AtomicBool,
}

/// Whether the gateway may judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It may.
    Held,
    /// It ran out so long ago, or was never there.
    Out(Duration),
    /// Deadlines cannot be trusted.
    ClocksDiffer,
}

impl Lease {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            until_ms: AtomicU64::new(0),
            length_ms: AtomicU64::new(0),
            clocks_differ: AtomicBool::new(false),
        }
    }

    /// For how long a sign of life is good.
    pub(super) fn lasts(&self, length: Duration) {
        self.length_ms.store(millis(length), Ordering::Release);
    }

    /// A node said that it is alive and reaches its store.
    pub(super) fn renew(&self) {
        let until = millis(self.started.elapsed()) + self.length_ms.load(Ordering::Acquire);
        self.until_ms.fetch_max(until, Ordering::AcqRel);
    }

    /// Whether one was ever granted.
    pub(super) fn was_granted(&self) -> bool {
        self.until_ms.load(Ordering::Acquire) > 0
    }

    /// Compares the clocks: the node read its own between these two moments of ours.
    pub(super) fn compare_clocks(
        &self,
        theirs: Timestamp,
        asked: Timestamp,
        answered: Timestamp,
        options: &LinkOptions,
    ) {
        let difference = theirs.until(asked).max(answered.until(theirs));
        let too_much = difference > options.clock_difference_max;
        self.clocks_differ.store(too_much, Ordering::Release);
        if too_much {
            // INVARIANT: I8. Without agreeing clocks no deadline means anything.
            tracing::error!(
                ?difference,
                "this machine's clock differs from the control plane's; commands are refused"
            );
        } else if difference > options.clock_difference_warned {
            tracing::warn!(?difference, "this machine's clock differs from the control plane's");
        }
    }

    /// Whether the gateway may judge; why not, for operators.
    ///
    /// # Errors
    /// The reason.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.standing() {
            Standing::Held => Ok(()),
            Standing::Out(since) => Err(format!("no control plane that reaches its store, for {since:?}")),
            Standing::ClocksDiffer => Err("the control plane's clock differs too much".into()),
        }
    }

    /// For how long it may if nothing more is heard; zero: it may not.
    pub(super) fn remaining(&self) -> Duration {
        if self.standing() != Standing::Held {
            return Duration::ZERO;
        }
        let (now, until) = (millis(self.started.elapsed()), self.until_ms.load(Ordering::Acquire));
        Duration::from_millis(until.saturating_sub(now))
    }

    fn standing(&self) -> Standing {
        if self.clocks_differ.load(Ordering::Acquire) {
            return Standing::ClocksDiffer;
        }
        let (now, until) = (millis(self.started.elapsed()), self.until_ms.load(Ordering::Acquire));
        if now < until { Standing::Held } else { Standing::Out(Duration::from_millis(now - until)) }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Judges while the lease lasts.
#[derive(Debug)]
pub(super) struct LeasedJudge<J> {
    pub(super) judge: J,
    pub(super) lease: Arc<Lease>,
}

impl<J: Judge> Judge for LeasedJudge<J> {
    // INVARIANT: I8.
    fn judge(&self, question: &Question<'_>) -> Result<Ruling, Unavailable> {
        match self.lease.standing() {
            Standing::Held => self.judge.judge(question),
            Standing::Out(since) if goes_on_alone(question, since) => self.judge.judge(question),
            Standing::Out(_) => {
                Err(Unavailable("the control plane has not been heard of for too long".into()))
            }
            Standing::ClocksDiffer => {
                Err(Unavailable("the clocks of the gateway and the control plane differ too much".into()))
            }
        }
    }
}

/// The one exception: plain reads of targets that choose so, for a bounded time. Their records have to be accepted all
/// the same.
fn goes_on_alone(question: &Question<'_>, since: Duration) -> bool {
    let allowed = question.target.reads_when_isolated;
    question.facts.is_plain_read() && allowed.is_some_and(|allowed| since <= allowed)
}
