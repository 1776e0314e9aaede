//! The aftermath in the order in which the checks ask for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::Answer;
use crate::collect::{Aftermath, Approval, Row};
use crate::command::{Effect, Form};
use crate::history::{Event, VoteOutcome};

/// One sending of a command.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) number: u64,
    pub(super) who: &'a str,
    /// As whom it was sent.
    pub(super) subject: &'a str,
    /// When, in milliseconds since the run began.
    pub(super) sent_at: u64,
    pub(super) form: Form,
    pub(super) effect: Option<&'a Effect>,
    /// What the agent was told; `None`: its story breaks off.
    pub(super) answer: Option<&'a Answer>,
}

/// One sending of a vote.
#[derive(Debug)]
pub(super) struct Vote<'a> {
    pub(super) who: &'a str,
    pub(super) ticket: &'a str,
    pub(super) yes: bool,
    pub(super) outcome: Option<&'a VoteOutcome>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Tale<'a> {
    pub(super) aftermath: &'a Aftermath,
    pub(super) attempts: Vec<Attempt<'a>>,
    pub(super) votes: Vec<Vote<'a>>,
    pub(super) taken_back: Vec<&'a str>,
    /// Who was stopped, and when that had been acknowledged, in milliseconds since the run began.
    pub(super) stopped: BTreeMap<&'a str, u64>,
    index: Index<'a>,
}

/// Where what belongs together is found, so that a long story takes not much longer to check than a short one each minute.
#[derive(Debug, Default)]
struct Index<'a> {
    rows: BTreeMap<&'a Effect, Vec<&'a Row>>,
    approvals: BTreeMap<&'a Effect, Vec<&'a Approval>>,
    tickets: BTreeMap<&'a str, &'a Approval>,
    /// Places among the attempts.
    attempts: BTreeMap<&'a Effect, Vec<usize>>,
    /// Places among the votes.
    votes: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Tale<'a> {
    pub(super) fn of(aftermath: &'a Aftermath) -> Self {
        let mut attempts: BTreeMap<u64, Attempt<'a>> = BTreeMap::new();
        let mut votes: BTreeMap<u64, Vote<'a>> = BTreeMap::new();
        let mut taken_back = Vec::new();
        let mut stopped = BTreeMap::new();
        for entry in &aftermath.history {
            let who = entry.who.as_str();
            match &entry.event {
                Event::Sent { attempt, subject, form, effect } => {
                    let sent = Attempt {
                        number: *attempt,
                        who,
                        subject,
                        sent_at: entry.at_ms,
                        form: *form,
                        effect: effect.as_ref(),
                        answer: None,
                    };
                    attempts.insert(*attempt, sent);
                }
                Event::Told { attempt, answer } => {
                    if let Some(sent) = attempts.get_mut(attempt) {
                        sent.answer = Some(answer);
                    }
                }
                Event::Voted { vote, ticket, yes } => {
                    votes.insert(*vote, Vote { who, ticket, yes: *yes, outcome: None });
                }
                Event::VoteTold { vote, outcome } => {
                    if let Some(given) = votes.get_mut(vote) {
                        given.outcome = Some(outcome);
                    }
                }
                Event::TakenBack { ticket } => taken_back.push(ticket.as_str()),
                Event::Stopped { subject, acknowledged, .. } => {
                    stopped.entry(subject.as_str()).or_insert(*acknowledged);
                }
                Event::Cancelled { .. }
                | Event::TurnedAway { .. }
                | Event::Stopping { .. }
                | Event::Applying { .. }
                | Event::Applied { .. }
                | Event::Nemesis { .. } => {}
            }
        }
        let attempts: Vec<Attempt<'a>> = attempts.into_values().collect();
        let votes: Vec<Vote<'a>> = votes.into_values().collect();
        let index = Index::of(aftermath, &attempts, &votes);
        Self { aftermath, attempts, votes, taken_back, stopped, index }
    }

    /// Every effect that anybody speaks of.
    pub(super) fn effects(&self) -> BTreeSet<&'a Effect> {
        let sent = self.attempts.iter().filter_map(|attempt| attempt.effect);
        let rows = self.aftermath.rows.iter().map(|row| &row.effect);
        let approved = self.aftermath.approvals.iter().filter_map(|approval| approval.effect.as_ref());
        sent.chain(rows).chain(approved).collect()
    }

    pub(super) fn rows(&self, effect: &Effect) -> Vec<&'a Row> {
        self.index.rows.get(effect).cloned().unwrap_or_default()
    }

    pub(super) fn approvals(&self, effect: &Effect) -> Vec<&'a Approval> {
        self.index.approvals.get(effect).cloned().unwrap_or_default()
    }

    pub(super) fn attempts(&self, effect: &Effect) -> Vec<&Attempt<'a>> {
        let places = self.index.attempts.get(effect).into_iter().flatten();
        places.filter_map(|place| self.attempts.get(*place)).collect()
    }

    /// The votes on an approval.
    pub(super) fn votes_on(&self, ticket: &str) -> impl Iterator<Item = &Vote<'a>> {
        let places = self.index.votes.get(ticket).into_iter().flatten();
        places.filter_map(|place| self.votes.get(*place))
    }

    pub(super) fn approval(&self, ticket: &str) -> Option<&'a Approval> {
        self.index.tickets.get(ticket).copied()
    }

    /// Whether an effect's command stood in a transaction of its client, whose end the approval does not know.
    pub(super) fn in_transaction(&self, effect: &Effect) -> bool {
        self.attempts(effect).iter().any(|attempt| attempt.form.in_transaction())
    }
}

impl<'a> Index<'a> {
    fn of(aftermath: &'a Aftermath, attempts: &[Attempt<'a>], votes: &[Vote<'a>]) -> Self {
        let mut index = Self::default();
        for row in &aftermath.rows {
            index.rows.entry(&row.effect).or_default().push(row);
        }
        for approval in &aftermath.approvals {
            index.tickets.insert(&approval.id, approval);
            if let Some(effect) = &approval.effect {
                index.approvals.entry(effect).or_default().push(approval);
            }
        }
        for (place, attempt) in attempts.iter().enumerate() {
            if let Some(effect) = attempt.effect {
                index.attempts.entry(effect).or_default().push(place);
            }
        }
        for (place, vote) in votes.iter().enumerate() {
            index.votes.entry(vote.ticket).or_default().push(place);
        }
        index
    }
}
