//! The chains of the streams, and the story each tells: opened first, closed last, commands that begin,
//! have their countersign where they need it, and end once.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::Digest;
use countersign_common::id::{ApprovalId, CommandId, SessionId, StreamId};

use super::report::{Problem, StreamSummary};
use crate::checkpoint::Tip;
use crate::line::{Envelope, NO_PREVIOUS};
use crate::record::{Begin, Closed, Ended, Record, Redeemed, VerdictWord};

/// All streams of a recording. Memory grows with their number, about 200 bytes each.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: BTreeMap<StreamId, Stream>,
    redeemed: BTreeSet<ApprovalId>,
}

#[derive(Debug)]
struct Stream {
    session: Option<SessionId>,
    next_seq: u64,
    tip: Digest,
    closed: bool,
    running: BTreeMap<CommandId, Running>,
}

/// A command that has not ended.
#[derive(Debug)]
struct Running {
    verdict: VerdictWord,
    digest: Option<Digest>,
    redeemed: bool,
}

impl Streams {
    /// Takes the next record in; says what is wrong with it. `tip` is what was signed of its stream.
    pub(super) fn take(&mut self, envelope: &Envelope, hash: Digest, tip: Option<&Tip>) -> Vec<Problem> {
        let stream = self.streams.entry(envelope.stream).or_insert_with(Stream::new);
        let mut problems = Vec::new();
        stream.link(envelope, hash, &mut problems);
        if let Some(tip) = tip
            && tip.count == envelope.seq.saturating_add(1)
            && tip.hash != hash
        {
            problems.push(Problem::TipContradicted { expected: tip.hash, found: hash });
        }
        stream.follow(&envelope.record, &mut self.redeemed, &mut problems);
        problems
    }

    /// The session of a stream, once its opening record was seen.
    pub(super) fn session(&self, stream: StreamId) -> Option<SessionId> {
        self.streams.get(&stream)?.session
    }

    /// What is wrong with the streams as a whole.
    pub(super) fn finish(&self, tips: &BTreeMap<StreamId, Tip>) -> Vec<(StreamId, Problem)> {
        let mut problems = Vec::new();
        for (id, tip) in tips {
            let found = self.streams.get(id).map_or(0, |stream| stream.next_seq);
            if found < tip.count {
                problems.push((*id, Problem::StreamCutOff { expected: tip.count, found }));
            }
        }
        problems
    }

    pub(super) fn summaries(&self) -> Vec<StreamSummary> {
        let summary = |(&id, stream): (&StreamId, &Stream)| StreamSummary {
            stream: id,
            session: stream.session,
            count: stream.next_seq,
            tip: stream.tip,
            closed: stream.closed,
            running: stream.running.len() as u64,
        };
        self.streams.iter().map(summary).collect()
    }
}

impl Stream {
    const fn new() -> Self {
        Self { session: None, next_seq: 0, tip: NO_PREVIOUS, closed: false, running: BTreeMap::new() }
    }

    fn link(&mut self, envelope: &Envelope, hash: Digest, problems: &mut Vec<Problem>) {
        if envelope.seq != self.next_seq || envelope.prev != self.tip {
            problems.push(Problem::ChainBroken {
                expected_seq: self.next_seq,
                expected_prev: self.tip,
                found_prev: envelope.prev,
            });
        }
        let is_opening = matches!(envelope.record, Record::Opened(_));
        if is_opening != (self.next_seq == 0) {
            problems.push(Problem::OpeningMisplaced);
        }
        if self.closed {
            problems.push(Problem::ClosingWrong { count: self.next_seq });
        }
        // Go on from what is there, so that one fault is told once.
        self.next_seq = envelope.seq.saturating_add(1);
        self.tip = hash;
    }

    fn follow(&mut self, record: &Record<'_>, used: &mut BTreeSet<ApprovalId>, problems: &mut Vec<Problem>) {
        match record {
            Record::Opened(opened) => self.session = Some(opened.session),
            Record::Begin(begin) => self.begin(begin, problems),
            Record::Hold(held) => self.expect_running(held.id, problems),
            Record::Decision(decided) => self.expect_running(decided.id, problems),
            Record::Redeemed(redeemed) => self.redeem(redeemed, used, problems),
            Record::End(ended) => self.end(ended, problems),
            Record::Transaction(_) => {}
            Record::Closed(closed) => self.close(closed, problems),
        }
    }

    fn begin(&mut self, begin: &Begin<'_>, problems: &mut Vec<Problem>) {
        let running = Running { verdict: begin.verdict, digest: begin.digest, redeemed: false };
        if self.running.insert(begin.id, running).is_some() {
            problems.push(Problem::BegunTwice { command: begin.id });
        }
    }

    fn expect_running(&self, command: CommandId, problems: &mut Vec<Problem>) {
        if !self.running.contains_key(&command) {
            problems.push(Problem::NotRunning { command });
        }
    }

    fn redeem(&mut self, redeemed: &Redeemed, used: &mut BTreeSet<ApprovalId>, problems: &mut Vec<Problem>) {
        let command = redeemed.id;
        let Some(running) = self.running.get_mut(&command) else {
            return problems.push(Problem::NotRunning { command });
        };
        running.redeemed = true;
        // INVARIANT: I2, I12 - the digest redeemed is the digest of what began.
        if running.digest != Some(redeemed.digest) {
            problems.push(Problem::WrongCountersign { command, redeemed: redeemed.digest });
        }
        // INVARIANT: I1 - an approval is used up once, in whatever stream.
        if !used.insert(redeemed.approval) {
            problems.push(Problem::RedeemedTwice { command });
        }
    }

    fn end(&mut self, ended: &Ended, problems: &mut Vec<Problem>) {
        match self.running.remove(&ended.id) {
            // An answer was released, so the command has run.
            Some(running) if ended.outcome.has_run() || ended.answer.is_some() => {
                problems.extend(running.may_run(ended.id))
            }
            Some(_) => {}
            None => problems.push(Problem::NotRunning { command: ended.id }),
        }
    }

    fn close(&mut self, closed: &Closed, problems: &mut Vec<Problem>) {
        self.closed = true;
        if closed.count != self.next_seq {
            problems.push(Problem::ClosingWrong { count: self.next_seq });
        }
        for command in std::mem::take(&mut self.running).into_keys() {
            problems.push(Problem::NeverEnded { command });
        }
    }
}

impl Running {
    /// INVARIANT: I12 - what ran had the countersign it needed.
    const fn may_run(&self, command: CommandId) -> Option<Problem> {
        match self.verdict {
            VerdictWord::Allow => None,
            VerdictWord::Block => Some(Problem::BlockedRan { command }),
            VerdictWord::Hold if self.redeemed => None,
            VerdictWord::Hold => Some(Problem::NoCountersign { command }),
        }
    }
}
