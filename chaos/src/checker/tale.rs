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
        Self {
            aftermath,
            attempts: attempts.into_values().collect(),
            votes: votes.into_values().collect(),
            taken_back,
            stopped,
        }
    }

    /// Every effect that anybody speaks of.
    pub(super) fn effects(&self) -> BTreeSet<&'a Effect> {
        let sent = self.attempts.iter().filter_map(|attempt| attempt.effect);
        let rows = self.aftermath.rows.iter().map(|row| &row.effect);
        let approved = self.aftermath.approvals.iter().filter_map(|approval| approval.effect.as_ref());
        sent.chain(rows).chain(approved).collect()
    }

    pub(super) fn rows(&self, effect: &Effect) -> Vec<&'a Row> {
        self.aftermath.rows.iter().filter(|row| row.effect == *effect).collect()
    }

    pub(super) fn approvals(&self, effect: &Effect) -> Vec<&'a Approval> {
        let of = |approval: &&Approval| approval.effect.as_ref() == Some(effect);
        self.aftermath.approvals.iter().filter(of).collect()
    }

    pub(super) fn attempts(&self, effect: &Effect) -> Vec<&Attempt<'a>> {
        self.attempts.iter().filter(|attempt| attempt.effect == Some(effect)).collect()
    }

    pub(super) fn approval(&self, ticket: &str) -> Option<&'a Approval> {
        self.aftermath.approvals.iter().find(|approval| approval.id == ticket)
    }

    /// Whether an effect's command stood in a transaction of its client, whose end the approval does not know.
    pub(super) fn in_transaction(&self, effect: &Effect) -> bool {
        self.attempts(effect).iter().any(|attempt| attempt.form.in_transaction())
    }
}
