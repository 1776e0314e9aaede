//! A history, told command by command and approval by approval, for the invariants to be checked on.

use std::collections::BTreeMap;

use countersign_common::approval::{Approval, Evidence};
use countersign_common::command::{Command, digest};
use countersign_common::id::{ApprovalId, CommandId, SessionId, StreamId};
use countersign_common::refusal::Refusal;
use countersign_common::{Digest, Timestamp};
use countersign_lifecycle::ports::Stop;
use countersign_recording::{Ending, Record, VerdictWord};

use crate::client::context;
use crate::history::{Entry, Event, Number, Sent};
use crate::world::World;

/// One command, from its arrival to its end. Moments are places in the history.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) sent: Sent,
    pub(crate) sent_at: Timestamp,
    pub(crate) over_at: Option<Timestamp>,
    pub(crate) verdict: Option<VerdictWord>,
    pub(crate) begun: Option<Begun>,
    pub(crate) redeemed: Option<Approval>,
    pub(crate) redeem_recorded: Option<u64>,
    pub(crate) released: Option<CommandId>,
    /// Since when it had to come to an end: its session was stopped, or its client cancelled.
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) released_when_revoked: bool,
    pub(crate) released_alone: bool,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) ran: bool,
    /// How far the journal had accepted when the first bytes of the answer left.
    pub(crate) accepted_when_answered: Option<u64>,
    pub(crate) refusal: Option<(Refusal, Timestamp)>,
    pub(crate) asked: u32,
    /// How many end records it had when the connection was done with it.
    pub(crate) endings_when_over: Option<usize>,
    /// The connection was done with it.
    pub(crate) done: bool,
    pub(crate) context_changed: bool,
    pub(crate) drifted: bool,
    pub(crate) fault: bool,
    pub(crate) killed: bool,
    /// What it needs in order to go could not be had.
    pub(crate) not_prepared: bool,
    /// By what the target would remember it, when that was made.
    pub(crate) prepared: Option<Option<String>>,
    /// How far the journal had synced when its approval was asked for, and what was ready by then.
    pub(crate) asked_to_use: Option<(u64, Option<Option<String>>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) position: u64,
    pub(crate) digest: Option<Digest>,
    pub(crate) endings: Vec<Ending>,
}

/// What the target received of one command.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) bytes: Vec<u8>,
    /// The digest of exactly these bytes with the meaning that they had there.
    pub(crate) digest: Digest,
    /// How far the journal had synced when the first byte came.
    pub(crate) synced: u64,
    pub(crate) place: usize,
}

/// One revision of an approval, with its place in the history.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) place: usize,
    pub(crate) at: Timestamp,
    pub(crate) approval: Approval,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) stories: BTreeMap<Number, Story>,
    /// Every revision of every approval.
    pub(crate) approvals: BTreeMap<ApprovalId, Vec<Revision>>,
    /// Whether each transaction that was opened for a command, and is over, was committed.
    pub(crate) committed: BTreeMap<String, bool>,
    pub(crate) journal_failed: bool,
}

/// What is known while the history is read.
#[derive(Default)]
struct Reading {
    account: Account,
    current: BTreeMap<StreamId, Number>,
    commands: BTreeMap<CommandId, Number>,
    revoked: Vec<SessionId>,
    accepted: u64,
    synced: u64,
}

impl Account {
    pub(crate) fn of(world: &World, history: &[Entry]) -> Self {
        let mut reading = Reading::default();
        for (place, entry) in history.iter().enumerate() {
            reading.take(world, place, entry);
        }
        reading.account
    }

    pub(crate) fn last(&self, id: ApprovalId) -> Option<&Approval> {
        self.approvals.get(&id).and_then(|revisions| revisions.last()).map(|one| &one.approval)
    }

    /// Whether it has been known for so long to have ended that nobody may take it for open any more.
    pub(crate) fn long_ended(&self, id: Option<ApprovalId>, at: Timestamp, slack_ms: u64) -> bool {
        let revisions = id.and_then(|id| self.approvals.get(&id)).into_iter().flatten();
        let mut ended = revisions.filter(|one| !one.approval.state.is_open());
        ended.any(|one| one.at.until(at).as_millis() > u128::from(slack_ms))
    }

    /// Whether the target has undone the transaction of a command.
    pub(crate) fn is_undone(&self, approval: &Approval) -> bool {
        match &approval.evidence {
            Evidence::Presented(evidence) => self.committed.get(evidence) == Some(&false),
            Evidence::None => false,
        }
    }

    /// Whether the approval ever stood like this.
    pub(crate) fn ever(&self, id: Option<ApprovalId>, like: impl Fn(&Approval) -> bool) -> bool {
        id.and_then(|id| self.approvals.get(&id)).is_some_and(|all| all.iter().any(|one| like(&one.approval)))
    }
}

impl Reading {
    fn take(&mut self, world: &World, place: usize, Entry { at, event }: &Entry) {
        match event {
            Event::Sent(sent) => {
                self.current.insert(sent.stream, sent.number);
                let mut story = Story::new(sent.clone(), *at);
                story.stopped_at = self.revoked.contains(&sent.session).then_some(*at);
                self.account.stories.insert(sent.number, story);
            }
            Event::Written(approval) => {
                let revision = Revision { place, at: *at, approval: (**approval).clone() };
                self.account.approvals.entry(approval.id).or_default().push(revision);
            }
            Event::Appended { position, stream, record } => self.record(*position, *stream, record),
            Event::Accepted(position) => self.accepted = *position,
            Event::Synced(position) => self.synced = *position,
            Event::JournalFailed => self.account.journal_failed = true,
            Event::TransactionOver { evidence, committed } => {
                self.account.committed.insert(evidence.clone(), *committed);
            }
            Event::Stopped { session, stop } => self.stop(*session, stop, *at),
            Event::Upstream { number, bytes, setting } => {
                self.upstream(world, place, *number, bytes, *setting)
            }
            Event::Judged { number, .. }
            | Event::Asked { number }
            | Event::Cancelled { number }
            | Event::ContextChanged { number }
            | Event::NotPrepared { number }
            | Event::Drifted { number }
            | Event::Prepared { number, .. }
            | Event::Redeeming { number }
            | Event::Redeemed { number, .. }
            | Event::Fault { number }
            | Event::Released { number, .. }
            | Event::Ran { number }
            | Event::Answered { number }
            | Event::Refused { number, .. }
            | Event::Left { number }
            | Event::Ended { number }
            | Event::Killed { number } => self.told(*number, *at, event),
        }
    }

    fn told(&mut self, number: Number, at: Timestamp, event: &Event) {
        // A gateway that dies between two commands has none.
        let Some(story) = self.account.stories.get_mut(&number) else { return };
        match event {
            Event::Judged { verdict, .. } => story.verdict = *verdict,
            Event::Asked { .. } => story.asked += 1,
            Event::Cancelled { .. } => story.cancelled_at = Some(at),
            Event::ContextChanged { .. } => story.context_changed = true,
            Event::NotPrepared { .. } => story.not_prepared = true,
            Event::Drifted { .. } => story.drifted = true,
            Event::Prepared { evidence, .. } => story.prepared = Some(evidence.clone()),
            Event::Redeeming { .. } => story.asked_to_use = Some((self.synced, story.prepared.clone())),
            Event::Redeemed { approval, .. } => story.redeemed = Some((**approval).clone()),
            Event::Fault { .. } => story.fault = true,
            Event::Ran { .. } => story.ran = true,
            Event::Released { command, alone, .. } => {
                story.released = Some(*command);
                story.released_alone = *alone;
                story.released_when_revoked = self.revoked.contains(&story.sent.session);
                story.over_at = Some(at);
            }
            Event::Answered { .. } => {
                story.accepted_when_answered = story.accepted_when_answered.or(Some(self.accepted))
            }
            Event::Refused { refusal, .. } => {
                story.refusal = Some(((**refusal).clone(), at));
                story.over(at);
            }
            Event::Killed { .. } => story.killed |= !story.done,
            _ => story.over(at),
        }
    }

    fn stop(&mut self, session: SessionId, stop: &Stop, at: Timestamp) {
        if matches!(stop, Stop::Revoked(_)) {
            self.revoked.push(session);
        }
        for story in self.account.stories.values_mut() {
            if story.sent.session == session && story.over_at.is_none() {
                // A drain that was taken back before the connection looked was never there.
                story.stopped_at = (*stop != Stop::None).then(|| story.stopped_at.unwrap_or(at));
            }
        }
    }

    fn record(&mut self, position: u64, stream: StreamId, record: &Record<'static>) {
        if let Record::Begin(begin) = record {
            let number = self.current[&stream];
            self.commands.insert(begin.id, number);
            let begun = Begun { position, digest: begin.digest, endings: Vec::new() };
            self.account.stories.get_mut(&number).unwrap().begun = Some(begun);
        }
        let Some(number) = record.command().and_then(|id| self.commands.get(&id)) else { return };
        let story = self.account.stories.get_mut(number).unwrap();
        match record {
            Record::Redeemed(_) => story.redeem_recorded = Some(position),
            Record::End(end) => story.begun.as_mut().unwrap().endings.push(end.outcome.clone()),
            _ => {}
        }
    }

    fn upstream(&mut self, world: &World, place: usize, number: Number, bytes: &[u8], setting: u32) {
        let story = self.account.stories.get_mut(&number).unwrap();
        let synced = self.synced;
        let digest_then = Digest::of(b"");
        let up =
            story.upstream.get_or_insert(Upstream { bytes: Vec::new(), digest: digest_then, synced, place });
        up.bytes.extend_from_slice(bytes);
        let command = Command { form: "text".into(), text: up.bytes.clone().into(), parameters: Vec::new() };
        let session = world.sessions.iter().find(|one| one.id == story.sent.session).unwrap();
        up.digest = digest(&command, &context(&world.plan.target, setting), &session.principal, session.id);
    }
}

impl Story {
    fn over(&mut self, at: Timestamp) {
        self.done = true;
        self.over_at = self.over_at.or(Some(at));
        self.endings_when_over = self.begun.as_ref().map(|begun| begun.endings.len());
    }

    const fn new(sent: Sent, sent_at: Timestamp) -> Self {
        Self {
            sent,
            sent_at,
            over_at: None,
            verdict: None,
            begun: None,
            redeemed: None,
            redeem_recorded: None,
            released: None,
            stopped_at: None,
            cancelled_at: None,
            endings_when_over: None,
            released_when_revoked: false,
            released_alone: false,
            upstream: None,
            ran: false,
            accepted_when_answered: None,
            refusal: None,
            asked: 0,
            done: false,
            context_changed: false,
            drifted: false,
            fault: false,
            killed: false,
            not_prepared: false,
            prepared: None,
            asked_to_use: None,
        }
    }
}
