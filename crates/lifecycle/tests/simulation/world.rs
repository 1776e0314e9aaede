//! One simulated world: a plan drawn from a seed, with sessions, bundles, approvers and the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use countersign_common::approval::{Approval, Event as Step, Evidence, Stage, State, Terms, Vote};
use countersign_common::id::{
    ChainName, EnvironmentName, GroupName, NodeId, RoleName, SessionId, Subject, TargetName,
};
use countersign_common::principal::Kind;
use countersign_common::target::{OnDisconnect, RecordingTerms, Role, Tls, TlsMode, Waiting};
use countersign_common::time::Clock;
use countersign_common::{Digest, Principal, Target, Timestamp};
use countersign_lifecycle::ports::{Said, Stop};
use countersign_testkit::Dice;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::history::{Entry, Event};
use crate::ledger::Ledger;
use crate::target::Transactions;

/// Parameters of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Longest delay of a message between a gateway and the control plane, in milliseconds.
    pub(crate) slow_ms: u64,
    /// Longest additional delay of a notification, in milliseconds.
    pub(crate) late_ms: u64,
    /// Longest pause between two syncs of the journal, in milliseconds.
    pub(crate) sync_ms: u64,
    /// Longest time an approver takes, in milliseconds.
    pub(crate) people_ms: u64,
    /// Percentage of messages or answers that are lost.
    pub(crate) lost_percent: u64,
    /// Number of synced records after which the journal fails.
    pub(crate) journal_fails_after: Option<u64>,
    pub(crate) sessions: u64,
    pub(crate) clients: u64,
    pub(crate) requests: u64,
    /// All connections send the same command.
    pub(crate) together: bool,
    pub(crate) target: Arc<Target>,
}

/// Rule of a bundle for one kind of command.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    Allow,
    Block,
    Hold(Arc<Terms>),
}

/// Kinds of commands, as indices of `Bundle::rules`.
pub(crate) const READ: usize = 0;
pub(crate) const WRITE: usize = 1;
pub(crate) const UNKNOWN: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) version: u64,
    /// Rules indexed by kind.
    pub(crate) rules: [Rule; 3],
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) principal: Arc<Principal>,
    stop: Mutex<Stop>,
    /// One sender per connection, so that the connections are notified in a fixed order.
    stops: Mutex<Vec<watch::Sender<Stop>>>,
    /// Set as soon as the control plane knows of the revocation; the gateways are notified later.
    pub(crate) revoked: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) sessions: Vec<Session>,
    pub(crate) ledger: Ledger,
    /// `None` if the bundle lease has expired and no gateway may judge.
    pub(crate) bundle: Mutex<Option<Bundle>>,
    /// Kind of the command of each digest, as known to the control plane.
    pub(crate) kinds: Mutex<BTreeMap<Digest, usize>>,
    pub(crate) dead: Mutex<BTreeSet<NodeId>>,
    pub(crate) transactions: Transactions,
    dice: Mutex<Dice>,
    history: Mutex<Vec<Entry>>,
    start: Instant,
    numbers: AtomicU32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice);
        let sessions = (0..plan.sessions).map(Session::new).collect();
        let bundle = Bundle::draw(&mut dice, 0);
        Arc::new(Self {
            plan,
            sessions,
            ledger: Ledger::default(),
            bundle: Mutex::new(Some(bundle)),
            kinds: Mutex::default(),
            dead: Mutex::default(),
            transactions: Transactions::default(),
            dice: Mutex::new(dice),
            history: Mutex::default(),
            start: Instant::now(),
            numbers: AtomicU32::new(1),
        })
    }

    pub(crate) fn log(&self, event: Event) {
        let at = self.now();
        self.history.lock().push(Entry { at, event });
    }

    pub(crate) fn take_history(&self) -> Vec<Entry> {
        std::mem::take(&mut self.history.lock())
    }

    pub(crate) fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn throw<T>(&self, how: impl FnOnce(&mut Dice) -> T) -> T {
        how(&mut self.dice.lock())
    }

    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.throw(|dice| dice.chance(percent))
    }

    /// Waits for a random time of at most `limit_ms` milliseconds.
    pub(crate) async fn pause(&self, limit_ms: u64) {
        let time = self.throw(|dice| dice.millis(limit_ms));
        tokio::time::sleep(time).await;
    }

    /// Draws the failure of one message.
    pub(crate) fn mishap(&self) -> Mishap {
        match (self.chance(self.plan.lost_percent), self.chance(50)) {
            (false, _) => Mishap::None,
            (true, true) => Mishap::RequestLost,
            (true, false) => Mishap::AnswerLost,
        }
    }

    /// Longest time the pipeline may take besides the wait for approval, in milliseconds.
    pub(crate) const fn slack_ms(&self) -> u64 {
        // A hold takes at most six messages, each read and written again after a conflict. The client's actions are
        // also processed, which takes a while.
        40 * self.plan.slow_ms + 8 * self.plan.sync_ms + self.plan.late_ms + 8000
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(self.start.elapsed())
    }
}

/// Failure of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    None,
    RequestLost,
    AnswerLost,
}

impl Session {
    fn new(index: u64) -> Self {
        let principal = if index == 0 {
            principal("agent-7", Kind::Agent, &["dba"], &["owner"])
        } else {
            principal("alice", Kind::Human, &["dba"], &[])
        };
        Self {
            id: SessionId::from_u128(u128::from(index) + 1),
            principal: Arc::new(principal),
            stop: Mutex::new(Stop::None),
            stops: Mutex::default(),
            revoked: AtomicBool::new(false),
        }
    }
}

impl Session {
    /// Stop signal for one more connection.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Stop> {
        let sender = watch::Sender::new(self.stop.lock().clone());
        let receiver = sender.subscribe();
        self.stops.lock().push(sender);
        receiver
    }
}

impl Plan {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            slow_ms: *dice.pick(&[2, 50, 2000]),
            late_ms: *dice.pick(&[2, 500, 15_000]),
            sync_ms: *dice.pick(&[2, 20, 3000]),
            people_ms: *dice.pick(&[20, 2000, 20_000, 1_000_000]),
            lost_percent: *dice.pick(&[0, 0, 5, 20]),
            journal_fails_after: if dice.chance(15) { Some(dice.below(20)) } else { None },
            sessions: 1 + dice.below(2),
            clients: 1 + dice.below(3),
            requests: 1 + dice.below(3),
            together: dice.chance(30),
            target: Arc::new(target(dice)),
        }
    }
}

fn target(dice: &mut Dice) -> Target {
    let role = RoleName::new("app").unwrap();
    Target {
        name: TargetName::new("shop").unwrap(),
        protocol: "simulated".into(),
        host: "localhost".into(),
        port: 1,
        environment: EnvironmentName::new("production").unwrap(),
        labels: BTreeMap::new(),
        tls: Tls { mode: TlsMode::Disable, ca_file: None, certificate_file: None, key_file: None },
        roles: BTreeMap::from([(role.clone(), Role { user: "app".into(), credential: None })]),
        default_role: role,
        default_database: None,
        databases: std::collections::BTreeSet::new(),
        waiting: Waiting {
            hold: *dice.pick(&[Duration::from_secs(3), Duration::from_secs(60), Duration::from_secs(300)]),
            hold_in_transaction: Duration::from_secs(10),
            notice_every: *dice.pick(&[Duration::from_secs(1), Duration::from_secs(20)]),
            on_disconnect: *dice.pick(&[OnDisconnect::Keep, OnDisconnect::Withdraw]),
        },
        recording: RecordingTerms { reads_synced: dice.chance(20), output_bytes_max: 64 },
        safe_functions: BTreeSet::new(),
        judged_bytes_max: 1 << 20,
        reads_when_isolated: None,
        unmatched_rules: Default::default(),
        notifications: countersign_common::target::Notifications::default(),
        generation: Digest::of(b"shop"),
    }
}

impl Bundle {
    pub(crate) fn draw(dice: &mut Dice, version: u64) -> Self {
        let read = if dice.chance(70) { Rule::Allow } else { Rule::draw(dice) };
        Self { version, rules: [read, Rule::draw(dice), Rule::draw(dice)] }
    }
}

impl Rule {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0 => Self::Block,
            1 | 2 => Self::Allow,
            _ => Self::Hold(Arc::new(terms(dice))),
        }
    }
}

fn terms(dice: &mut Dice) -> Terms {
    let dba = |quorum| Stage { groups: groups(&["dba"]), quorum };
    let security = Stage { groups: groups(&["security"]), quorum: 1 };
    let stages = dice.pick(&[vec![dba(1)], vec![dba(1)], vec![dba(2)], vec![dba(1), security]]).clone();
    Terms {
        chains: vec![ChainName::new("people").unwrap()],
        stages,
        timeout: Duration::from_secs(*dice.pick(&[5, 60, 600])),
        policies: Vec::new(),
        reason: "people have to agree".into(),
    }
}

fn groups(names: &[&str]) -> BTreeSet<GroupName> {
    names.iter().map(|name| GroupName::new(name).unwrap()).collect()
}

fn principal(subject: &str, kind: Kind, names: &[&str], on_behalf_of: &[&str]) -> Principal {
    Principal {
        subject: Subject::new(subject).unwrap(),
        kind,
        groups: groups(names),
        on_behalf_of: on_behalf_of.iter().map(|one| Subject::new(one).unwrap()).collect(),
    }
}

/// Everyone who tries to decide, eligible or not.
pub(crate) fn everyone() -> Vec<Principal> {
    vec![
        principal("bob", Kind::Human, &["dba"], &[]),
        principal("eve", Kind::Human, &["dba", "security"], &[]),
        principal("carol", Kind::Human, &["security"], &[]),
        principal("alice", Kind::Human, &["dba"], &[]),
        principal("dave", Kind::Human, &["sales"], &[]),
        principal("owner", Kind::Human, &["dba"], &[]),
        principal("agent-7", Kind::Agent, &["dba"], &["owner"]),
        principal("agent-8", Kind::Agent, &["dba"], &[]),
        principal("robot", Kind::Service, &["dba"], &[]),
        principal("delegate", Kind::Human, &["dba"], &["owner"]),
    ]
}

/// Approvers decide on open approvals: they approve, deny, vote concurrently, or revoke.
pub(crate) async fn people(world: Arc<World>) {
    let everyone = everyone();
    loop {
        let mut open = world.ledger.all();
        open.retain(|approval| approval.state.is_open());
        if open.is_empty() {
            world.ledger.moved.notified().await;
            continue;
        }
        world.pause(world.plan.people_ms).await;
        let id = world.throw(|dice| dice.pick(&open).id);
        let (one, other) = (vote(&world, &everyone), vote(&world, &everyone));
        match world.throw(|dice| dice.below(20)) {
            0 => drop(world.advance(id, &Step::Revoke { by: Subject::new("bob").unwrap() }).await),
            1..6 => drop(tokio::join!(world.advance(id, &one), world.advance(id, &other))),
            _ => drop(world.advance(id, &one).await),
        }
    }
}

fn vote(world: &World, everyone: &[Principal]) -> Step {
    world.throw(|dice| Step::Decide {
        by: dice.pick(everyone).clone(),
        vote: if dice.chance(85) { Vote::Approve } else { Vote::Deny },
        reason: None,
        method: "token".into(),
        issuers: Default::default(),
    })
}

/// Expires approvals, with a delay; reports lost owners, and queries the target about their commands.
pub(crate) async fn sweeper(world: Arc<World>) {
    loop {
        world.pause(6000).await;
        for approval in world.ledger.all() {
            if approval.state.is_open() && world.now() >= approval.expires_at {
                let _ = world.advance(approval.id, &Step::Expire).await;
            }
            if let State::Redeemed { owner, fence } = approval.state
                && world.dead.lock().contains(&owner)
            {
                let _ = world.advance(approval.id, &Step::OwnerLost { fence }).await;
            }
            if let Some(resolve) = testimony(&world, &approval) {
                let _ = world.advance(approval.id, &resolve).await;
            }
        }
    }
}

/// Queries the target about a command in doubt.
fn testimony(world: &World, approval: &Approval) -> Option<Step> {
    let (State::InDoubt { .. }, Evidence::Presented(evidence)) = (&approval.state, &approval.evidence) else {
        return None;
    };
    match world.transactions.testify(evidence) {
        Said::Ran(reason) => Some(Step::Resolve { ran: true, reason }),
        Said::DidNotRun(reason) => Some(Step::Resolve { ran: false, reason }),
        Said::CannotTell(_) => None,
    }
}

/// Replaces the bundle or lets its lease expire, and voids approvals that the new bundle blocks.
pub(crate) async fn bundles(world: Arc<World>) {
    for version in 1.. {
        world.pause(120_000).await;
        if world.chance(20) {
            *world.bundle.lock() = None;
            world.pause(5000).await;
        }
        let bundle = world.throw(|dice| Bundle::draw(dice, version));
        *world.bundle.lock() = Some(bundle);
        world.pause(2000).await;
        for approval in world.ledger.all() {
            if approval.state.is_open() && world.blocks(approval.digest) {
                let _ = world.advance(approval.id, &Step::Void { reason: "blocked by now".into() }).await;
            }
        }
    }
}

impl World {
    /// Returns `true` if the current bundle blocks the command regardless of approvals.
    pub(crate) fn blocks(&self, digest: Digest) -> bool {
        let kind = self.kinds.lock().get(&digest).copied();
        let bundle = self.bundle.lock();
        match (bundle.as_ref(), kind) {
            (Some(bundle), Some(kind)) => matches!(bundle.rules[kind], Rule::Block),
            _ => true,
        }
    }
}

/// Revokes or drains sessions. The control plane knows first; the connections are notified later.
pub(crate) async fn stops(world: Arc<World>) {
    loop {
        world.pause(200_000).await;
        let index = world.throw(|dice| dice.below(world.plan.sessions));
        let session = &world.sessions[usize::try_from(index).unwrap()];
        let stop =
            if world.chance(50) { Stop::Revoked("stopped by an operator".into()) } else { Stop::Drain };
        if stop != Stop::Drain {
            session.revoked.store(true, Ordering::Relaxed);
            for approval in world.ledger.all() {
                if approval.session == session.id && approval.state.is_open() {
                    let _ = world
                        .advance(approval.id, &Step::Revoke { by: Subject::new("operator").unwrap() })
                        .await;
                }
            }
            world.pause(world.plan.slow_ms).await;
        }
        tell(&world, session, stop.clone());
        if stop == Stop::Drain {
            world.pause(3000).await;
            tell(&world, session, Stop::None);
        }
    }
}

fn tell(world: &World, session: &Session, stop: Stop) {
    // A revoked session stays revoked.
    let revoked = matches!(&*session.stop.lock(), Stop::Revoked(_));
    if !revoked {
        world.log(Event::Stopped { session: session.id, stop: stop.clone() });
        for one in session.stops.lock().iter() {
            one.send_replace(stop.clone());
        }
        *session.stop.lock() = stop;
    }
}
