//! Until when the gateway may judge alone (I8): while a control-plane node that reaches its store has answered a question
//! that was put within the bundle lease, and the clocks agree.
//!
//! The lease counts from the *question*. An answer that lay in a buffer while the process was stopped, or while the network
//! stood still, says nothing about now; and the clock that it is measured by goes on while the machine sleeps.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_lifecycle::ports::{Judge, Question, Ruling, Unavailable};
use countersign_runtime::awake::since_boot;
use parking_lot::Mutex;

use super::options::LinkOptions;

/// How often a node is asked; more often where the lease is short.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// How often it is asked at least within a lease.
const ASKED_IN_A_LEASE: u32 = 5;

/// Questions that may be open; older ones are not worth an answer any more.
const OPEN_MAX: usize = 8;

/// The bundle lease. Read on every command.
#[derive(Debug)]
pub(super) struct Lease {
    /// When it runs out, in milliseconds since the machine was started; zero: there has been none.
    until_ms: AtomicU64,
    length_ms: AtomicU64,
    clocks_differ: AtomicBool,
    clocks: Mutex<Clocks>,
    asked: Mutex<Asked>,
}

/// How this machine's clock stands to the control plane's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Clocks {
    #[default]
    Agree,
    /// People should know.
    Drift,
    /// Nothing is judged.
    Differ,
}

impl Clocks {
    fn of(difference: Duration, options: &LinkOptions) -> Self {
        if difference > options.clock_difference_max {
            Self::Differ
        } else if difference > options.clock_difference_warned {
            Self::Drift
        } else {
            Self::Agree
        }
    }
}

/// The questions that are open.
#[derive(Debug, Default)]
struct Asked {
    last: u64,
    last_at: Option<Duration>,
    open: VecDeque<Open>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    /// Since the machine was started.
    at: Duration,
    /// The same moment by the clock on the wall.
    clock: Timestamp,
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
            until_ms: AtomicU64::new(0),
            length_ms: AtomicU64::new(0),
            clocks_differ: AtomicBool::new(false),
            clocks: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// For how long a sign of life is good.
    pub(super) fn lasts(&self, length: Duration) {
        self.length_ms.store(millis(length), Ordering::Release);
    }

    /// Whether it is time to ask again.
    pub(super) fn is_to_ask(&self) -> bool {
        let length = Duration::from_millis(self.length_ms.load(Ordering::Acquire));
        let pause = ASK_EVERY.min(length / ASKED_IN_A_LEASE);
        self.asked.lock().last_at.is_none_or(|last| since_boot().saturating_sub(last) >= pause)
    }

    /// A node is asked now; the number of the question.
    pub(super) fn ask(&self, clock: Timestamp) -> u64 {
        let mut asked = self.asked.lock();
        let at = since_boot();
        asked.last += 1;
        asked.last_at = Some(at);
        let number = asked.last;
        asked.open.push_back(Open { number, at, clock });
        if asked.open.len() > OPEN_MAX {
            asked.open.pop_front();
        }
        number
    }

    /// A node has heard this question, reaches its store, and read its clock then.
    // INVARIANT: I8. From the question on, not from the answer.
    pub(super) fn heard(&self, number: u64, theirs: Timestamp, now: Timestamp, options: &LinkOptions) {
        let Some(question) = self.asked.lock().take(number) else { return };
        let until = millis(question.at) + self.length_ms.load(Ordering::Acquire);
        self.until_ms.fetch_max(until, Ordering::AcqRel);
        self.compare_clocks(theirs, question.clock, now, options);
    }

    /// Whether one was ever granted.
    pub(super) fn was_granted(&self) -> bool {
        self.until_ms.load(Ordering::Acquire) > 0
    }

    /// Compares the clocks: the node read its own between these two moments of ours. Said when it becomes another story.
    pub(super) fn compare_clocks(
        &self,
        theirs: Timestamp,
        asked: Timestamp,
        answered: Timestamp,
        options: &LinkOptions,
    ) {
        let difference = theirs.until(asked).max(answered.until(theirs));
        let found = Clocks::of(difference, options);
        if std::mem::replace(&mut *self.clocks.lock(), found) == found {
            return;
        }
        self.clocks_differ.store(found == Clocks::Differ, Ordering::Release);
        match found {
            Clocks::Agree => tracing::info!("this machine's clock agrees with the control plane's"),
            Clocks::Drift => {
                tracing::warn!(?difference, "this machine's clock differs from the control plane's");
            }
            // INVARIANT: I8. Without agreeing clocks no deadline means anything.
            Clocks::Differ => tracing::error!(
                ?difference,
                "this machine's clock differs from the control plane's; commands are refused"
            ),
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
        let (now, until) = (millis(since_boot()), self.until_ms.load(Ordering::Acquire));
        Duration::from_millis(until.saturating_sub(now))
    }

    fn standing(&self) -> Standing {
        if self.clocks_differ.load(Ordering::Acquire) {
            return Standing::ClocksDiffer;
        }
        let (now, until) = (millis(since_boot()), self.until_ms.load(Ordering::Acquire));
        if now < until { Standing::Held } else { Standing::Out(Duration::from_millis(now - until)) }
    }
}

impl Asked {
    /// The question of this number; it and those before it are closed. `None`: it is too old, or there was none.
    fn take(&mut self, number: u64) -> Option<Open> {
        while self.open.front()?.number < number {
            self.open.pop_front();
        }
        if self.open.front()?.number == number { self.open.pop_front() } else { None }
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
            standing => Err(why_not(standing)),
        }
    }

    // INVARIANT: I8. Whoever was stopped while a command waited does not let it go by what it knew before.
    fn may_release(&self) -> Result<(), Unavailable> {
        match self.lease.standing() {
            Standing::Held => self.judge.may_release(),
            standing => Err(why_not(standing)),
        }
    }
}

fn why_not(standing: Standing) -> Unavailable {
    let why = match standing {
        Standing::ClocksDiffer => "the clocks of the gateway and the control plane differ too much",
        Standing::Held | Standing::Out(_) => "the control plane has not been heard of for too long",
    };
    Unavailable(why.into())
}

/// The one exception: plain reads of targets that choose so, for a bounded time. Their records have to be accepted all
/// the same.
fn goes_on_alone(question: &Question<'_>, since: Duration) -> bool {
    let allowed = question.target.reads_when_isolated;
    !question.changes && allowed.is_some_and(|allowed| since <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(15);

    fn options() -> LinkOptions {
        LinkOptions::new(vec!["unused:1".into()])
    }

    fn now() -> Timestamp {
        Timestamp::from_micros(1_000_000)
    }

    /// The process, or its machine, was stopped for so long.
    fn stopped_for(lease: &Lease, time: Duration) {
        let earlier = |at: Duration| at.checked_sub(time).unwrap_or_default();
        let mut asked = lease.asked.lock();
        asked.open.iter_mut().for_each(|one| one.at = earlier(one.at));
        let until = lease.until_ms.load(Ordering::Acquire);
        lease.until_ms.store(until.saturating_sub(millis(time)).max(1), Ordering::Release);
    }

    #[test]
    fn i8_closed_an_answer_that_lay_about_while_the_gateway_was_stopped_renews_nothing() {
        let lease = Lease::new();
        lease.lasts(LENGTH);
        let first = lease.ask(now());
        lease.heard(first, now(), now(), &options());
        assert_eq!(lease.standing(), Standing::Held);
        let second = lease.ask(now());
        stopped_for(&lease, Duration::from_secs(300));
        assert!(matches!(lease.standing(), Standing::Out(_)));
        lease.heard(second, now(), now(), &options());
        assert!(matches!(lease.standing(), Standing::Out(_)), "it was asked five minutes ago");
        let third = lease.ask(now());
        lease.heard(third, now(), now(), &options());
        assert_eq!(lease.standing(), Standing::Held);
    }

    #[test]
    fn i8_closed_an_answer_to_no_question_or_to_one_that_was_answered_renews_nothing() {
        let lease = Lease::new();
        lease.lasts(LENGTH);
        lease.heard(0, now(), now(), &options());
        lease.heard(7, now(), now(), &options());
        assert!(!lease.was_granted());
        let questions: Vec<u64> = (0..OPEN_MAX + 1).map(|_| lease.ask(now())).collect();
        lease.heard(questions[0], now(), now(), &options());
        assert!(!lease.was_granted(), "too old to be kept");
        lease.heard(questions[3], now(), now(), &options());
        assert!(lease.was_granted());
        stopped_for(&lease, LENGTH);
        lease.heard(questions[3], now(), now(), &options());
        lease.heard(questions[2], now(), now(), &options());
        assert!(matches!(lease.standing(), Standing::Out(_)), "answered, or older than one that was");
    }

    #[test]
    fn i8_closed_a_clock_that_drifts_away_on_a_long_link_is_noticed() {
        let lease = Lease::new();
        lease.lasts(LENGTH);
        let ahead = now().after(Duration::from_secs(120));
        let question = lease.ask(now());
        lease.heard(question, ahead, now(), &options());
        assert_eq!(lease.standing(), Standing::ClocksDiffer);
        let question = lease.ask(now());
        lease.heard(question, now(), now(), &options());
        assert_eq!(lease.standing(), Standing::Held);
    }
}
