//! A control plane that follows a script: a few nodes over one truth, which die, lose answers and say things twice as
//! the dice fall. What it keeps, and what it checks, is what the real one promises.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as Gateway;
use countersign_api::{duration_to_wire, timestamp_to_wire};
use countersign_common::Timestamp;
use countersign_common::approval::{Approval, Event, Evidence, Outcome, State, Vote, step};
use countersign_common::id::{ApprovalId, NodeId, SessionId, Subject};
use countersign_common::principal::{Kind, Principal};
use countersign_common::time::{Clock as _, SystemClock};
use countersign_testkit::Dice;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, mpsc};
use tonic::Streaming;

use crate::words;

/// How often a frame of the gateway makes its node do something bad, of a hundred.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Die before it is acted upon.
    pub(crate) die_before: u64,
    /// Die after it was acted upon, the answer unsent.
    pub(crate) die_after: u64,
    /// Answer twice.
    pub(crate) twice: u64,
    /// Say that nobody can tell, although it was acted upon.
    pub(crate) cannot_tell: u64,
}

/// What all nodes share.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) truth: Mutex<Truth>,
    news: broadcast::Sender<Frame>,
    /// Rung when all links break.
    breaks: broadcast::Sender<()>,
    /// Rung when one has broken.
    gone: Notify,
}

#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) approvals: BTreeMap<ApprovalId, Approval>,
    attempts: HashMap<String, u64>,
    /// How often each approval was redeemed.
    pub(crate) redeemed: HashMap<ApprovalId, u32>,
    /// Every record by its position, whichever node took it.
    pub(crate) records: BTreeMap<u64, v1::RecordLine>,
    pub(crate) synced: u64,
    pub(crate) hellos: Vec<v1::Hello>,
    /// The first position of each link's first records.
    pub(crate) began_at: Vec<u64>,
    pub(crate) attached: HashSet<String>,
    pub(crate) cancels: Vec<v1::RouteCancel>,
    pub(crate) testified: Vec<v1::Testified>,
    /// The cancel requests that were carried out.
    pub(crate) carried: Vec<u64>,
    pub(crate) taken: Vec<v1::BundleTaken>,
    pub(crate) draining: bool,
    pub(crate) goodbyes: u32,
    /// What went against the protocol.
    pub(crate) violations: Vec<String>,
    pub(crate) faults: Faults,
    pub(crate) dice: Dice,
    /// Whether nodes say that they are alive.
    pub(crate) alive: bool,
    /// The last question whether anybody is there, and on the how many-th link it came.
    heard: u64,
    pub(crate) heard_on_link: usize,
    /// Whether a new link ends the one before it, as the store's news do, before it is welcomed; how often it did.
    pub(crate) supersedes: bool,
    pub(crate) superseded: usize,
    /// Whether records are acknowledged, and whether they are synced.
    pub(crate) acknowledges: bool,
    pub(crate) syncs: bool,
    /// Whether calls are answered.
    pub(crate) answers: bool,
    /// Whether new requests are approved at once.
    pub(crate) approves: bool,
    /// Whether links are taken at all.
    pub(crate) open: bool,
    pub(crate) lease: Duration,
    pub(crate) clock_ahead: Duration,
    lost: HashSet<String>,
}

impl Plane {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let truth = Truth {
            approvals: BTreeMap::new(),
            attempts: HashMap::new(),
            redeemed: HashMap::new(),
            records: BTreeMap::new(),
            synced: 0,
            hellos: Vec::new(),
            began_at: Vec::new(),
            attached: HashSet::new(),
            cancels: Vec::new(),
            testified: Vec::new(),
            carried: Vec::new(),
            taken: Vec::new(),
            draining: false,
            goodbyes: 0,
            violations: Vec::new(),
            faults: Faults::default(),
            dice: Dice::new(seed),
            alive: true,
            heard: 0,
            heard_on_link: 0,
            supersedes: false,
            superseded: 0,
            acknowledges: true,
            syncs: true,
            answers: true,
            approves: true,
            open: true,
            lease: Duration::from_secs(15),
            clock_ahead: Duration::ZERO,
            lost: HashSet::new(),
        };
        Arc::new(Self {
            truth: Mutex::new(truth),
            news: broadcast::channel(4096).0,
            breaks: broadcast::channel(1).0,
            gone: Notify::new(),
        })
    }

    /// Says something on every link.
    pub(crate) fn say(&self, frame: Frame) {
        let _ = self.news.send(frame);
    }

    /// All links break.
    pub(crate) fn break_links(&self) {
        let _ = self.breaks.send(());
    }

    /// Declares a start of the gateway lost.
    pub(crate) fn lose(&self, node: NodeId) {
        self.truth.lock().lost.insert(node.to_string());
        self.say(leave(false, true, "its lease ran out"));
    }

    /// Marks the owner of a redeemed command lost.
    pub(crate) fn give_up(&self, id: ApprovalId) {
        let mut truth = self.truth.lock();
        let State::Redeemed { fence, .. } = truth.approvals[&id].state else { panic!("not redeemed") };
        let _ = truth.step(&id.to_string(), &Event::OwnerLost { fence });
    }

    /// Somebody approves what waits.
    pub(crate) fn approve(&self, id: ApprovalId) {
        let mut truth = self.truth.lock();
        truth.decide(id);
        let approval = truth.approvals.get(&id).unwrap().into();
        drop(truth);
        self.say(Frame::Approval(approval));
    }

    /// One link, until it ends or the node dies.
    pub(crate) async fn serve(
        self: Arc<Self>,
        mut incoming: Streaming<v1::LinkRequest>,
        out: mpsc::Sender<Result<v1::LinkResponse, tonic::Status>>,
    ) {
        let (mut news, mut breaks) = (self.news.subscribe(), self.breaks.subscribe());
        let Some(hello) = hello(&mut incoming).await else { return };
        if self.truth.lock().lost.contains(&hello.node) {
            let _ = send(&out, vec![leave(false, true, "its lease ran out")]).await;
            return;
        }
        let bundle = (hello.bundle_version != words::bundle().0).then(words::bundle_push);
        let node: NodeId = hello.node.parse().unwrap();
        let mut first = vec![Frame::Welcome(self.welcome())];
        first.extend(bundle);
        let number = {
            let mut truth = self.truth.lock();
            truth.hellos.push(hello);
            truth.hellos.len()
        };
        if self.truth.lock().supersedes {
            // Only those before it: this one listens from here on.
            self.break_links();
            breaks = self.breaks.subscribe();
            self.truth.lock().superseded += 1;
            self.gone.notified().await;
        }
        let mut link = Link { plane: Arc::clone(&self), node, began: false, number };
        if send(&out, first).await.is_err() {
            return;
        }
        let mut alive = tokio::time::interval(Duration::from_millis(20));
        loop {
            let said = tokio::select! {
                message = incoming.message() => match message {
                    Ok(Some(message)) => link.hear(message),
                    _ => return,
                },
                _ = breaks.recv() => return self.gone.notify_one(),
                Ok(frame) = news.recv() => Said { frames: vec![frame], dies: false },
                _ = alive.tick() => Said { frames: link.tick(), dies: false },
            };
            if !said.frames.is_empty() && send(&out, said.frames).await.is_err() || said.dies {
                return;
            }
        }
    }

    fn welcome(&self) -> v1::Welcome {
        let truth = self.truth.lock();
        v1::Welcome {
            node: NodeId::generate().to_string(),
            bundle_lease: Some(duration_to_wire(truth.lease)),
            route: 7,
            time: Some(timestamp_to_wire(SystemClock.now().after(truth.clock_ahead))),
            speaks: countersign_api::LINK_SPEAKS,
            cancel_secret: vec![7; 32],
        }
    }
}

pub(crate) fn leave(drain: bool, lost: bool, reason: &str) -> Frame {
    Frame::Leave(v1::Leave { drain, lost, reason: reason.into(), ..v1::Leave::default() })
}

async fn hello(incoming: &mut Streaming<v1::LinkRequest>) -> Option<v1::Hello> {
    let message = incoming.message().await.ok()??;
    match message.frames.into_iter().next()?.frame? {
        Gateway::Hello(hello) => Some(hello),
        _ => None,
    }
}

async fn send(
    out: &mpsc::Sender<Result<v1::LinkResponse, tonic::Status>>,
    frames: Vec<Frame>,
) -> Result<(), ()> {
    let frames = frames.into_iter().map(|frame| v1::ControlFrame { frame: Some(frame) }).collect();
    out.send(Ok(v1::LinkResponse { frames })).await.map_err(drop)
}

/// What a node says, and whether it dies after that.
struct Said {
    frames: Vec<Frame>,
    dies: bool,
}

struct Link {
    plane: Arc<Plane>,
    node: NodeId,
    began: bool,
    /// The how many-th link it is.
    number: usize,
}

impl Link {
    fn hear(&mut self, message: v1::LinkRequest) -> Said {
        let plane = Arc::clone(&self.plane);
        let mut truth = plane.truth.lock();
        let mut frames = Vec::new();
        for frame in message.frames {
            let faults = truth.faults;
            if truth.dice.chance(faults.die_before) {
                return Said { frames, dies: true };
            }
            let answers = self.take(frame.frame.unwrap(), &mut truth);
            if truth.dice.chance(faults.die_after) {
                return Said { frames, dies: true };
            }
            if truth.dice.chance(faults.twice) {
                frames.extend(answers.clone());
            }
            frames.extend(answers);
        }
        Said { frames, dies: false }
    }

    fn tick(&mut self) -> Vec<Frame> {
        let mut truth = self.plane.truth.lock();
        let mut said = Vec::new();
        if truth.acknowledges {
            said.push(truth.kept());
        }
        said
    }

    fn take(&mut self, frame: Gateway, truth: &mut Truth) -> Vec<Frame> {
        match frame {
            Gateway::Hello(_) => truth.violations.push("a second hello".into()),
            Gateway::Call(call) => {
                let answer = truth.answer(call.call.unwrap(), self.node);
                if !truth.answers {
                    return Vec::new();
                }
                let percent = truth.faults.cannot_tell;
                let answer =
                    if truth.dice.chance(percent) { Answer::Unavailable("dice".into()) } else { answer };
                return vec![Frame::Answer(v1::Answer { id: call.id, answer: Some(answer) })];
            }
            Gateway::Records(lines) => {
                if !std::mem::replace(&mut self.began, true) {
                    truth.began_at.push(lines.first_position);
                }
                truth.keep(lines);
                return if truth.acknowledges { vec![truth.kept()] } else { Vec::new() };
            }
            Gateway::Follow(follow) => {
                let id: ApprovalId = follow.approval_id.parse().unwrap();
                let approval = truth.approvals.get(&id);
                let newer = approval.filter(|approval| approval.revision > follow.seen_revision);
                return newer.map(|approval| Frame::Approval(approval.into())).into_iter().collect();
            }
            Gateway::Listening(listening) => {
                truth.heard = listening.number;
                truth.heard_on_link = self.number;
                return if truth.alive { vec![truth.alive()] } else { Vec::new() };
            }
            Gateway::Attach(attach) => {
                if attach.proofs.iter().any(|proof| proof != words::PROOF) {
                    truth.violations.push("attached without its proof".into());
                }
                truth.attached.extend(attach.session_ids);
            }
            Gateway::Detach(detach) => truth.attached.retain(|id| !detach.session_ids.contains(id)),
            Gateway::BundleTaken(taken) => truth.taken.push(taken),
            Gateway::Testified(testified) => truth.testified.push(testified),
            Gateway::CancelCarried(carried) => truth.carried.push(carried.id),
            Gateway::Draining(draining) => truth.draining = draining.draining,
            Gateway::Goodbye(_) => truth.goodbyes += 1,
            Gateway::Unfollow(_) => {}
        }
        Vec::new()
    }
}

impl Truth {
    /// INVARIANT of the records: they come in order, without a gap, and a repeated one is the same.
    fn keep(&mut self, lines: v1::RecordLines) {
        for (position, line) in (lines.first_position..).zip(lines.lines) {
            let last = self.records.last_key_value().map_or(0, |(last, _)| *last);
            match self.records.get(&position) {
                Some(known) if *known != line => {
                    self.violations.push(format!("{position} is another record"))
                }
                None if position != last + 1 => self.violations.push(format!("{position} follows {last}")),
                _ => drop(self.records.insert(position, line)),
            }
        }
    }

    /// The answer to the last question whether anybody is there.
    pub(crate) fn alive(&self) -> Frame {
        let time = Some(timestamp_to_wire(SystemClock.now().after(self.clock_ahead)));
        Frame::Alive(v1::Alive { heard: self.heard, time })
    }

    fn kept(&mut self) -> Frame {
        let accepted = self.records.last_key_value().map_or(0, |(last, _)| *last);
        if self.syncs {
            self.synced = accepted;
        }
        Frame::RecordsKept(v1::RecordsKept { accepted, synced: self.synced })
    }

    fn answer(&mut self, call: Call, node: NodeId) -> Answer {
        match call {
            Call::OpenSession(open) if open.token == words::TOKEN => words::session_opened(),
            Call::OpenSession(_) => Answer::NotAdmitted(v1::NotAdmitted {}),
            Call::Hold(hold) => self.hold(&hold),
            Call::Redeem(redeem) => self.redeem(&redeem, node),
            Call::Report(report) => self.report(&report),
            Call::Withdraw(withdraw) => self.step(&withdraw.approval_id, &Event::Withdraw),
            Call::Cancel(cancel) => {
                self.cancels.push(cancel);
                Answer::Done(v1::Done {})
            }
        }
    }

    /// The same digest of the same session joins.
    fn hold(&mut self, hold: &v1::HoldCommand) -> Answer {
        let open =
            self.approvals.values().find(|one| one.state.is_open() && *one.digest.as_bytes() == *hold.digest);
        if let Some(open) = open {
            return Answer::Approval(open.into());
        }
        let approval = words::approval(hold);
        let id = approval.id;
        self.approvals.insert(id, approval);
        if self.approves {
            self.decide(id);
        }
        Answer::Approval(self.approvals.get(&id).unwrap().into())
    }

    fn decide(&mut self, id: ApprovalId) {
        let by = Principal {
            subject: Subject::new("dora").unwrap(),
            kind: Kind::Human,
            groups: words::dba(),
            on_behalf_of: Vec::new(),
        };
        let (reason, method, issuers) = (None, "token".into(), Default::default());
        let event = Event::Decide { by, vote: Vote::Approve, reason, method, issuers };
        let _ = self.step(&id.to_string(), &event);
    }

    /// The same attempt gets the same answer.
    fn redeem(&mut self, redeem: &v1::RedeemApproval, owner: NodeId) -> Answer {
        let id: ApprovalId = redeem.approval_id.parse().unwrap();
        if self.attempts.contains_key(&redeem.attempt_id) {
            return Answer::Approval(self.approvals.get(&id).unwrap().into());
        }
        let digest = countersign_common::Digest::from_bytes(redeem.digest.clone().try_into().unwrap());
        let evidence = match redeem.evidence.as_str() {
            "" => Evidence::None,
            evidence => Evidence::Presented(evidence.to_owned()),
        };
        let event = Event::Redeem { digest, owner, ineligible: Default::default(), evidence };
        let answer = self.step(&redeem.approval_id, &event);
        if let Answer::Approval(_) = answer {
            self.attempts.insert(redeem.attempt_id.clone(), 0);
            *self.redeemed.entry(id).or_default() += 1;
        }
        answer
    }

    fn report(&mut self, report: &v1::ReportCommand) -> Answer {
        use v1::report_command::Testimony;

        let id: ApprovalId = report.approval_id.parse().unwrap();
        let fence = report.fence;
        let event = match report.testimony.clone().unwrap() {
            Testimony::Ended(outcome) => Event::Report { fence, outcome: Outcome::from(outcome) },
            Testimony::NotSent(_) => Event::NotSent { fence },
            Testimony::Unknown(_) => Event::OwnerLost { fence },
        };
        let standing = self.approvals.get(&id).unwrap().clone();
        match (&standing.state, &event) {
            // Said before, and the answer lost.
            (State::Done { outcome }, Event::Report { outcome: again, .. }) if outcome == again => {
                Answer::Approval((&standing).into())
            }
            (State::NotRun { .. }, Event::NotSent { .. }) => Answer::Approval((&standing).into()),
            _ => self.step(&report.approval_id, &event),
        }
    }

    fn step(&mut self, id: &str, event: &Event) -> Answer {
        let id: ApprovalId = id.parse().unwrap();
        let approval = self.approvals.get_mut(&id).unwrap();
        match step(approval, event, Timestamp::from_micros(SystemClock.now().as_micros())) {
            Ok(next) => {
                *approval = next;
                Answer::Approval((&*approval).into())
            }
            Err(rejection) => Answer::NotTaken(v1::NotTaken {
                reason: rejection.to_string(),
                digest_mismatch: rejection == countersign_common::approval::Rejection::DigestMismatch,
                past_deadline: false,
                standing: Some((&*approval).into()),
                limited: false,
            }),
        }
    }

    /// Whether this session is attached.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.attached.contains(&session.to_string())
    }
}
