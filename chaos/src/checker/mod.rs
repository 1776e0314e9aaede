//! Holds the stories against each other: what clients were told, what the database has, how approvals stand,
//! what was recorded. Every check is proven by a planted violation (`tests`).

mod approvals;
mod effects;
mod forks;
mod recorded;
mod stopped;
mod stored;
mod tale;
#[cfg(test)]
mod tests;
mod told;

use std::fmt;

use crate::collect::Aftermath;
use tale::Tale;

/// What may never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A row that nobody countersigned.
    Unapproved,
    /// A row more often than it was countersigned.
    Doubled,
    /// A row after a no.
    NoMeansNo,
    /// Something that ran for somebody who had been stopped, or that a bundle forbade by then.
    RanAfterStop,
    /// A command that is said to have run, without its row.
    EffectLost,
    /// An approval that is gone, or that goes on for ever without being shown as in doubt.
    ApprovalLost,
    /// A vote that was counted and is gone, or that nobody gave.
    VoteFalsified,
    /// A client that was told something else than what is so.
    Untruthful,
    /// A command that began and did not end exactly once, or ran unrecorded.
    RecordsWrong,
    /// A recording that does not verify.
    ChainBroken,
    /// A store that has something else than the control plane shows, or what should have ended.
    StoreWrong,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Unapproved,
        Self::Doubled,
        Self::NoMeansNo,
        Self::RanAfterStop,
        Self::EffectLost,
        Self::ApprovalLost,
        Self::VoteFalsified,
        Self::Untruthful,
        Self::RecordsWrong,
        Self::ChainBroken,
        Self::StoreWrong,
    ];

    /// The rule, as one says it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unapproved => "no unapproved effect",
            Self::Doubled => "no double effect",
            Self::NoMeansNo => "no effect after a no",
            Self::RanAfterStop => {
                "nothing runs for those who were stopped, nor what a bundle forbids by then"
            }
            Self::EffectLost => "what is said to have run has run",
            Self::ApprovalLost => "no lost approval",
            Self::VoteFalsified => "every vote counts, and only votes that were given",
            Self::Untruthful => "clients are told the truth about what ran",
            Self::RecordsWrong => "every begun command is recorded and ended exactly once",
            Self::ChainBroken => "recordings verify",
            Self::StoreWrong => {
                "the store has what the control plane shows, and nothing that should have ended"
            }
        }
    }
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// By what.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.sentence(), self.what)
    }
}

/// Every violation that there is.
#[must_use]
pub fn check(aftermath: &Aftermath) -> Vec<Violation> {
    let tale = Tale::of(aftermath);
    let mut found = effects::check(&tale);
    found.extend(approvals::check(&tale));
    found.extend(told::check(&tale));
    found.extend(recorded::check(&tale));
    found.extend(stopped::check(&tale));
    found.extend(stored::check(&tale));
    found
}

/// How many forks of recordings there are that are known to happen, and were not counted as violations.
#[must_use]
pub fn explained_forks(aftermath: &Aftermath) -> usize {
    let tale = Tale::of(aftermath);
    aftermath.faults.iter().filter(|fault| forks::is_explained(&tale, fault)).count()
}

/// A violation.
fn violation(rule: Rule, what: impl Into<String>) -> Violation {
    Violation { rule, what: what.into() }
}
