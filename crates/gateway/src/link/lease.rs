//! The bundle lease (I8): the gateway may judge alone while a control-plane node that reaches its store has answered
//! a question asked within the lease, and while the clocks agree.
//!
//! The lease counts from the *question*. An answer that was buffered while the process was suspended, or while the
//! network stalled, says nothing about the present. The clock that measures the lease continues while the machine is
//! suspended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_lifecycle::ports::{Judge, Question, Ruling, Unavailable};
use countersign_runtime::awake::since_boot;
use parking_lot::Mutex;

use super::options::LinkOptions;

/// Interval of the questions to a node; shorter for a short lease.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Minimum number of questions within a lease.
const ASKED_IN_A_LEASE: u32 = 5;

/// Maximum number of open questions; answers to older ones are worthless.
const OPEN_MAX: usize = 8;

/// The bundle lease. Read for every command.
#[derive(Debug)]
pub(super) struct Lease {
    /// Expiry, in milliseconds since boot; zero if there has been no lease.
    until_ms: AtomicU64,
    length_ms: AtomicU64,
    clocks_differ: AtomicBool,
    clocks: Mutex<Clocks>,
    asked: Mutex<Asked>,
}

/// Agreement of this machine's clock with the control plane's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Clocks {
    #[default]
    Agree,
    /// The difference is logged as a warning.
    Drift,
    /// Nothing is judged until the lease is renewed.
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

#[derive(Debug, Default)]
struct Asked {
    last: u64,
    last_at: Option<Duration>,
    open: VecDeque<Open>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    /// Time since boot.
    at: Duration,
    /// Wall-clock time of the same moment.
    clock: Timestamp,
}

/// State of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The gateway may judge.
    Held,
    /// Expired for this duration, or never granted.
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

    /// Sets the duration of the lease.
    pub(super) fn lasts(&self, length: Duration) {
        self.length_ms.store(millis(length), Ordering::Release);
    }

    /// Returns `true` if the next question is due.
    pub(super) fn is_to_ask(&self) -> bool {
        let length = Duration::from_millis(self.length_ms.load(Ordering::Acquire));
        let pause = ASK_EVERY.min(length / ASKED_IN_A_LEASE);
        self.asked.lock().last_at.is_none_or(|last| since_boot().saturating_sub(last) >= pause)
    }

    /// Registers a question asked now, and returns its number.
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

    /// Processes the answer of a node that heard this question, reaches its store, and read its clock then.
    // INVARIANT: I8. The lease counts from the question, not from the answer.
    pub(super) fn heard(&self, number: u64, theirs: Timestamp, now: Timestamp, options: &LinkOptions) {
        let Some(question) = self.asked.lock().take(number) else { return };
        let until = millis(question.at) + self.length_ms.load(Ordering::Acquire);
        self.until_ms.fetch_max(until, Ordering::AcqRel);
        self.compare_clocks(theirs, question.clock, now, options);
    }

    /// Returns `true` if a lease was ever granted.
    pub(super) fn was_granted(&self) -> bool {
        self.until_ms.load(Ordering::Acquire) > 0
    }

    /// Compares the clocks: the node read its clock between `asked` and `answered` of ours. Logged only when the
    /// result changes.
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
            // INVARIANT: I8. Without agreeing clocks, deadlines are meaningless.
            Clocks::Differ => tracing::error!(
                ?difference,
                "this machine's clock differs from the control plane's; commands are refused"
            ),
        }
    }

    /// Checks if the gateway may judge.
    ///
    /// # Errors
    /// The reason why not, for operators.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.standing() {
            Standing::Held => Ok(()),
            Standing::Out(since) => Err(format!("no control plane that reaches its store, for {since:?}")),
            Standing::ClocksDiffer => Err("the control plane's clock differs too much".into()),
        }
    }

    /// Remaining time if no further answer arrives; zero if the gateway must not judge.
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
    /// Removes the question with this number and all older ones. `None` if it is too old or does not exist.
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

/// Judge that refuses when the lease has expired.
#[derive(Debug)]
pub(super) struct LeasedJudge<J> {
    pub(super) judge: J,
    pub(super) lease: Arc<Lease>,
}

impl<J: Judge> Judge for LeasedJudge<J> {
    // INVARIANT: I8. Without a lease, nothing is judged except permitted plain reads.
    fn judge(&self, question: &Question<'_>) -> Result<Ruling, Unavailable> {
        match self.lease.standing() {
            Standing::Held => self.judge.judge(question),
            Standing::Out(since) if goes_on_alone(question, since) => self.judge.judge(question),
            standing => Err(why_not(standing)),
        }
    }

    // INVARIANT: I8. A gateway that was suspended while a command waited must not release it on the strength of an
    // old lease.
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

/// The one exception: plain reads of targets that allow it, for a bounded time. Their records must be accepted
/// nevertheless.
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

    /// Simulates a suspension of the process or the machine.
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
