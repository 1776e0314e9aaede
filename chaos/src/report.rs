//! What came of a run, for people: how much happened, how it ended, which rules held.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::answer::Answer;
use crate::checker::{Rule, Violation, explained_forks};
use crate::collect::Aftermath;
use crate::history::{Event, VoteOutcome};

/// How many violations of a rule are shown.
const SHOWN_MAX: usize = 5;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How long it took, until all was quiet.
    pub time: Duration,
    /// How many blows were dealt.
    pub blows: usize,
    /// What was left.
    pub aftermath: Aftermath,
    /// What the checker found.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether every rule held.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// What agents were told, and how often.
    fn answers(&self) -> BTreeMap<String, usize> {
        let told = self.aftermath.history.iter().filter_map(|entry| match &entry.event {
            Event::Told { answer, .. } => Some(match answer {
                Answer::Ran => "ran".into(),
                Answer::RolledBack => "rolled back".into(),
                Answer::Refused(refusal) => format!("refused, {}", refusal.state.replace('_', " ")),
                Answer::Failed { sqlstate, .. } => format!("failed, {sqlstate}"),
                Answer::Broken { .. } => "connection broken".into(),
                Answer::Left => "left".into(),
            }),
            _ => None,
        });
        count(told)
    }

    fn votes(&self) -> BTreeMap<String, usize> {
        let told = self.aftermath.history.iter().filter_map(|entry| match &entry.event {
            Event::VoteTold { outcome, .. } => Some(match outcome {
                VoteOutcome::Counted => "counted".into(),
                VoteOutcome::Rejected(_) => "too late or not".into(),
                VoteOutcome::Unknown(_) => "no answer".into(),
            }),
            _ => None,
        });
        count(told)
    }

    /// What the operator did, and how often agents were turned away.
    fn operator(&self) -> BTreeMap<String, usize> {
        let done = self.aftermath.history.iter().filter_map(|entry| match &entry.event {
            Event::Stopped { .. } => Some("agents stopped".into()),
            Event::Applied { strict: true, .. } => Some("strict bundles".into()),
            Event::TurnedAway { .. } => Some("turned away afterwards".into()),
            _ => None,
        });
        count(done)
    }

    fn approvals(&self) -> BTreeMap<String, usize> {
        count(self.aftermath.approvals.iter().map(|approval| format!("{:?}", approval.state)))
    }
}

fn count(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for word in words {
        *counted.entry(word).or_default() += 1;
    }
    counted
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, counted: &BTreeMap<String, usize>) -> fmt::Result {
    let total: usize = counted.values().sum();
    let parts: Vec<String> = counted.iter().map(|(word, times)| format!("{times} {word}")).collect();
    writeln!(f, "{what:10} {total:6}: {}", parts.join(", "))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:.0} s, {} blows", self.seed, self.time.as_secs_f64(), self.blows)?;
        line(f, "commands", &self.answers())?;
        line(f, "votes", &self.votes())?;
        line(f, "approvals", &self.approvals())?;
        line(f, "operator", &self.operator())?;
        writeln!(f, "{:10} {:6}", "rows", self.aftermath.rows.len())?;
        writeln!(f, "{:10} {:6}", "records", self.aftermath.records.len())?;
        writeln!(f, "{:10} {:6} renewed", "certs", self.aftermath.renewed)?;
        writeln!(
            f,
            "{:10} {:6} of nodes that nobody could reach",
            "forks",
            explained_forks(&self.aftermath)
        )?;
        for rule in Rule::ALL {
            let broken: Vec<&Violation> = self.violations.iter().filter(|one| one.rule == rule).collect();
            let word = if broken.is_empty() { "holds " } else { "BROKEN" };
            writeln!(f, "{word} {}", rule.sentence())?;
            for violation in broken.iter().take(SHOWN_MAX) {
                writeln!(f, "       {}", violation.what)?;
            }
            if broken.len() > SHOWN_MAX {
                writeln!(f, "       and {} more", broken.len() - SHOWN_MAX)?;
            }
        }
        Ok(())
    }
}
