//! The budget: what was aimed at, line by line, and what was measured of it.

/// What an aim bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// Not less than this.
    AtLeast(f64),
    /// Not more than this.
    AtMost(f64),
}

/// A line of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    ReadThroughput,
    ReadCpu,
    TwoThroughput,
    TwoCpu,
    OneClient,
    OneClientTwo,
    Prepared,
    Rows,
    RowsDetectors,
    DecisionRedis,
    DecisionNoRedis,
    PausedKib,
    PausedUpstream,
    Failover,
    Lost,
}

/// How it is written in the report.
struct Words {
    what: &'static str,
    unit: &'static str,
    bound: Bound,
}

impl Line {
    pub(crate) const ALL: [Self; 15] = [
        Self::ReadThroughput,
        Self::ReadCpu,
        Self::TwoThroughput,
        Self::TwoCpu,
        Self::OneClient,
        Self::OneClientTwo,
        Self::Prepared,
        Self::Rows,
        Self::RowsDetectors,
        Self::DecisionRedis,
        Self::DecisionNoRedis,
        Self::PausedKib,
        Self::PausedUpstream,
        Self::Failover,
        Self::Lost,
    ];

    const fn words(self) -> Words {
        use Bound::{AtLeast, AtMost};
        let (what, unit, bound) = match self {
            Self::ReadThroughput => {
                ("allowed read, 16 clients, one process: throughput", "× PgBouncer", AtLeast(1.0))
            }
            Self::ReadCpu => ("the same: CPU per command", "× PgBouncer", AtMost(1.1)),
            Self::TwoThroughput => {
                ("gateway and control plane apart: throughput", "× PgBouncer", AtLeast(0.85))
            }
            Self::TwoCpu => ("the same: CPU of both per command", "× PgBouncer", AtMost(1.8)),
            Self::OneClient => {
                ("allowed read, 1 client, one process: p50 above PgBouncer's", "µs", AtMost(15.0))
            }
            Self::OneClientTwo => ("the same, gateway and control plane apart", "µs", AtMost(50.0)),
            Self::Prepared => ("prepared statements, 16 clients: throughput", "× PgBouncer", AtLeast(1.0)),
            Self::Rows => ("1,000-row results, three columns masked: rows/s", "× PgBouncer", AtLeast(1.0)),
            Self::RowsDetectors => {
                ("the same with detectors on every text cell", "× PgBouncer", AtLeast(0.5))
            }
            Self::DecisionRedis => ("decision → bytes upstream, with Redis: p99", "ms", AtMost(5.0)),
            Self::DecisionNoRedis => ("decision → bytes upstream, without Redis: p99", "ms", AtMost(50.0)),
            Self::PausedKib => ("a session that waits: memory of the gateway", "KiB", AtMost(12.0)),
            Self::PausedUpstream => ("connections to the target that waiting sessions keep", "", AtMost(0.0)),
            Self::Failover => {
                ("gateway killed: client has joined its approval elsewhere, p99", "s", AtMost(1.0))
            }
            Self::Lost => ("commands lost or doubled over all kills", "", AtMost(0.0)),
        };
        Words { what, unit, bound }
    }

    pub(crate) const fn what(self) -> &'static str {
        self.words().what
    }

    /// The aim in words: `≤ 5 ms`.
    pub(crate) fn aim(self) -> String {
        let Words { unit, bound, .. } = self.words();
        let text = match bound {
            Bound::AtLeast(least) => format!("≥ {least} {unit}"),
            Bound::AtMost(most) => format!("≤ {most} {unit}"),
        };
        text.trim_end().to_owned()
    }

    fn bound(self) -> Bound {
        self.words().bound
    }

    fn unit(self) -> &'static str {
        self.words().unit
    }
}

/// What was measured for a line.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) line: Line,
    value: f64,
    /// Under which circumstances, where they are not those of the line.
    pub(crate) note: String,
}

impl Finding {
    pub(crate) fn new(line: Line, value: f64, note: impl Into<String>) -> Self {
        Self { line, value, note: note.into() }
    }

    /// Whether the aim is reached.
    pub(crate) fn reached(&self) -> bool {
        match self.line.bound() {
            Bound::AtLeast(least) => self.value >= least,
            Bound::AtMost(most) => self.value <= most,
        }
    }

    /// The value in words: `3.1 ms`.
    pub(crate) fn measured(&self) -> String {
        let value = match self.value {
            value if value.fract() == 0.0 && value.abs() < 1e6 => format!("{value:.0}"),
            value if value.abs() < 10.0 => format!("{value:.2}"),
            value => format!("{value:.0}"),
        };
        format!("{value} {}", self.line.unit()).trim_end().to_owned()
    }

    /// The value without a unit that its aim names already.
    pub(crate) fn value_alone(&self) -> String {
        let measured = self.measured();
        measured.split(' ').next().unwrap_or_default().to_owned()
    }

    /// By how much it is better than its aim: one is just reached, two twice as good. `None` where the aim is nothing at
    /// all.
    pub(crate) fn score(&self) -> Option<f64> {
        match self.line.bound() {
            Bound::AtLeast(least) => Some(self.value / least),
            Bound::AtMost(0.0) => None,
            // At or below nothing is as good as it gets.
            Bound::AtMost(most) => Some(most / self.value.max(most / 1000.0)),
        }
    }
}

impl Finding {
    /// Lower is worse, of findings for one line.
    pub(crate) fn rank(&self) -> f64 {
        self.score().unwrap_or(-self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_reached_from_its_own_side() {
        assert!(Finding::new(Line::ReadThroughput, 1.0, "").reached());
        assert!(!Finding::new(Line::ReadThroughput, 0.99, "").reached());
        assert!(Finding::new(Line::Failover, 0.5, "").reached());
        assert!(!Finding::new(Line::Failover, 1.5, "").reached());
        assert!(Finding::new(Line::Lost, 0.0, "").reached() && !Finding::new(Line::Lost, 1.0, "").reached());
    }

    #[test]
    fn a_score_of_two_is_twice_as_good() {
        assert_eq!(Finding::new(Line::DecisionRedis, 2.5, "").score(), Some(2.0));
        assert_eq!(Finding::new(Line::TwoThroughput, 0.425, "").score(), Some(0.5));
        assert_eq!(Finding::new(Line::Lost, 3.0, "").score(), None);
    }

    #[test]
    fn values_stand_with_their_units() {
        assert_eq!(Line::DecisionRedis.aim(), "≤ 5 ms");
        assert_eq!(Line::Lost.aim(), "≤ 0");
        assert_eq!(Finding::new(Line::DecisionRedis, 3.276, "").measured(), "3.28 ms");
        assert_eq!(Finding::new(Line::PausedKib, 18.25, "").measured(), "18 KiB");
        assert_eq!(Finding::new(Line::Lost, 0.0, "").measured(), "0");
    }
}
