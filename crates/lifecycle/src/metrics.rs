//! Metrics of the command pipeline. Handles are created once, so that a command costs an atomic addition and no
//! look-up.

use std::sync::LazyLock;

use countersign_common::approval::Approval;
use countersign_common::facts::Class;
use countersign_common::metric::Metric;
use countersign_common::refusal::State;
use countersign_common::{Facts, Timestamp, Verdict};
use countersign_runtime::metrics::Level;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

const COMMANDS: Metric = Metric::counter(
    "countersign_commands_total",
    &["verdict", "class"],
    "Commands judged, by verdict and by the strongest class of what they do",
);
const REFUSALS: Metric = Metric::counter(
    "countersign_refusals_total",
    &["state"],
    "Commands refused to a client, by the state it was told",
);
const HELD: Metric =
    Metric::gauge("countersign_held", &[], "Commands that wait for people in their connection now");
const RELEASE: Metric = Metric::histogram(
    "countersign_release_seconds",
    &[],
    "From the last decision on a command until it may go to its target, for clients that waited or came back",
);

/// All metrics of this crate.
pub const ALL: &[Metric] = &[COMMANDS, REFUSALS, HELD, RELEASE];

const VERDICTS: [&str; 3] = ["allow", "block", "hold"];

/// Counters indexed by verdict, then by class.
static JUDGED: LazyLock<[[Counter; Class::ALL.len()]; VERDICTS.len()]> = LazyLock::new(|| {
    VERDICTS.map(|verdict| {
        Class::ALL.map(|class| counter!(COMMANDS.name, "verdict" => verdict, "class" => class.as_str()))
    })
});

static WAITING: LazyLock<Gauge> = LazyLock::new(|| gauge!(HELD.name));

static RELEASED: LazyLock<Histogram> = LazyLock::new(|| histogram!(RELEASE.name));

/// Counts a command that was judged.
pub(crate) fn judged(verdict: &Verdict, facts: &Facts) {
    let verdict = match verdict {
        Verdict::Allow(_) => 0,
        Verdict::Block(_) => 1,
        Verdict::Hold(..) => 2,
    };
    let class = facts.operations.iter().map(|operation| operation.action.class()).max();
    let class = class.unwrap_or(Class::Session) as usize;
    if let Some(counter) = JUDGED.get(verdict).and_then(|classes| classes.get(class)) {
        counter.increment(1);
    }
}

/// Counts a refused command. Refusals are rare, so the label is looked up each time.
pub(crate) fn refused(state: State) {
    counter!(REFUSALS.name, "state" => state.as_str()).increment(1);
}

/// Counts a held command until the returned guard is dropped.
pub(crate) fn held() -> Level {
    Level::raise(&WAITING)
}

/// Records the time from the last decision to the release of an approved command.
pub(crate) fn released(approval: &Approval, now: Timestamp) {
    if let Some(last) = approval.decisions.last() {
        RELEASED.record(last.at.until(now).as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_place() {
        assert!(Class::ALL.iter().enumerate().all(|(place, class)| *class as usize == place));
    }

    #[test]
    fn counting_a_command_allocates_nothing() {
        let _metrics = countersign_runtime::metrics::Metrics::begin(&[ALL]).unwrap();
        let verdict = Verdict::Allow(countersign_common::verdict::Duties::default());
        let facts = Facts::nothing();
        let count = || {
            judged(&verdict, &facts);
            drop(held());
        };
        // The first call creates the handles.
        count();
        assert_eq!(allocation_counter::measure(|| (0..1000).for_each(|_| count())).count_total, 0);
    }
}
