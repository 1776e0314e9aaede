//! Clients of a minimal protocol: one command at a time, and its text is its wire form. Clients cancel, disconnect,
//! reconnect and send the same command again. The gateway that they use may die.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_common::command::{Command, Context};
use countersign_common::facts::{Action, Flag, Operation};
use countersign_common::id::{NodeId, StreamId};
use countersign_common::refusal::State;
use countersign_common::time::Clock;
use countersign_common::{Facts, Target};
use countersign_lifecycle::ports::Stop;
use countersign_lifecycle::{
    Asked, Cleared, ClientSide, Described, End, Exchange, Meanwhile, NotReady, Passage, Recorder, Road,
    Running, UpstreamSide, run,
};
use countersign_masking::{Masked, ValueFree};
use countersign_recording::{Journal, Opened, Stream};
use countersign_testkit::Dice;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::history::{Event, Sent};
use crate::ports::Line;
use crate::wire::{Receiver, Wire};
use crate::world::World;

/// One command that a client will send, and its actions during the wait.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    text: &'static str,
    after: Duration,
    acts: Vec<(Duration, Act)>,
    patience: Option<Duration>,
    in_transaction: bool,
    again: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Cancel,
    Leave,
    Stir,
    /// From this action on, the client is always ready.
    Flood,
    ChangeContext,
}

impl Request {
    fn draw(dice: &mut Dice, together: bool) -> Self {
        let acts = (0..dice.below(4)).map(|_| {
            let act = match dice.below(14) {
                0 => Act::Flood,
                1..7 => Act::Stir,
                7..9 => Act::Cancel,
                9..11 => Act::Leave,
                _ => Act::ChangeContext,
            };
            (dice.millis(40_000), act)
        });
        let mut acts: Vec<_> = acts.collect();
        acts.sort_by_key(|(after, _)| *after);
        Self {
            text: match together {
                true => "write 1",
                false => *dice.pick::<&str>(&["read 1", "read 2", "write 1", "write 2", "commit", "garbled"]),
            },
            after: dice.millis(5000),
            acts,
            patience: if dice.chance(20) { Some(dice.millis(20_000)) } else { None },
            in_transaction: dice.chance(20),
            again: u32::try_from(dice.below(4)).unwrap(),
        }
    }

    /// Returns `true` if the command changes something. In this protocol a commit always follows writes.
    fn changes(&self) -> bool {
        self.text == "commit" || !self.facts().is_plain_read()
    }

    fn facts(&self) -> Arc<Facts> {
        let operation = match self.text.split(' ').next() {
            Some("read") => Operation::new(Action::Select),
            Some("write") => Operation::new(Action::Update),
            Some("commit") => Operation::new(Action::Transaction),
            _ => Operation::unknown(Flag::Unparsed),
        };
        Arc::new(Facts {
            operations: vec![operation],
            fingerprint: Some(self.text.into()),
            ..Facts::nothing()
        })
    }
}

/// One client of a session. It connects, sends its requests, and connects to another gateway when its gateway dies.
pub(crate) async fn client(world: Arc<World>, journal: Arc<dyn Journal>, session: usize, index: u64) {
    let (count, together) = (world.plan.requests, world.plan.together);
    let requests = world.throw(|dice| (0..count).map(|_| Request::draw(dice, together)).collect::<Vec<_>>());
    let mut node = NodeId::from_u128(100 + u128::from(index % 2));
    let remaining = Arc::new(Mutex::new(requests));
    loop {
        let line = Arc::new(Line::new(&world, session, node));
        let connection = tokio::task::spawn_local(converse(
            Arc::clone(&line),
            Arc::clone(&journal),
            Arc::clone(&remaining),
        ));
        match killable(&world, connection, node).await {
            Ok(()) => return,
            Err(_) => {
                world.log(Event::Killed { number: line.number() });
                // The target notices the broken connection and ends the transaction that was open on it.
                if let Some(open) = line.transaction.lock().take() {
                    world.abandon(&open);
                }
            }
        }
        node = NodeId::from_u128(102);
    }
}

/// Waits for the end of a connection, or aborts it when its gateway dies.
async fn killable(
    world: &World,
    mut connection: JoinHandle<()>,
    node: NodeId,
) -> Result<(), tokio::task::JoinError> {
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = &ended {
                    assert!(error.is_cancelled(), "a connection panicked: {error}");
                }
                return ended;
            }
            () = tokio::time::sleep(Duration::from_millis(700)) => {
                if world.dead.lock().contains(&node) {
                    connection.abort();
                }
            }
        }
    }
}

async fn converse(line: Arc<Line>, journal: Arc<dyn Journal>, remaining: Arc<Mutex<Vec<Request>>>) {
    let Some(mut connection) = Connection::open(&line, journal) else { return };
    loop {
        let Some(mut request) = remaining.lock().last().cloned() else { break };
        tokio::time::sleep(request.after).await;
        if line.world.dead.lock().contains(&line.node) {
            // A dead gateway processes nothing. `killable` aborts this task soon.
            std::future::pending::<()>().await;
        }
        let comes_again = connection.command(&request).await;
        if matches!(&*connection.road.stop.borrow(), Stop::Revoked(_)) {
            break;
        }
        let mut remaining = remaining.lock();
        remaining.pop();
        if comes_again && request.again > 0 {
            request.again -= 1;
            request.acts.clear();
            remaining.push(request);
        }
    }
    let _ = connection.road.recorder.close("the client left");
}

struct Connection {
    line: Arc<Line>,
    road: Road,
    stream: StreamId,
    upstream: UpstreamSide<Wire>,
    client: ClientSide<Wire>,
}

impl Connection {
    fn open(line: &Arc<Line>, journal: Arc<dyn Journal>) -> Option<Self> {
        let world = &line.world;
        let session = &world.sessions[line.session];
        let target = &world.plan.target;
        let clock: Arc<dyn Clock> = Arc::clone(world) as Arc<dyn Clock>;
        let opened = Opened {
            session: session.id,
            principal: (*session.principal).clone(),
            target: target.name.clone(),
            role: target.default_role.clone(),
            database: "shop".into(),
            client: "127.0.0.1:1".into(),
            node: line.node,
            bundle: "b0".into(),
        };
        let stream = Stream::open(journal, Arc::clone(&clock), opened).ok()?;
        let id = stream.id();
        let road = Road {
            node: line.node,
            session: session.id,
            principal: Arc::clone(&session.principal),
            target: Arc::clone(target),
            role: target.default_role.clone(),
            database: "shop".into(),
            judge: Arc::clone(line) as _,
            approvals: Arc::clone(line) as _,
            recorder: Recorder::new(stream),
            clock,
            stop: session.subscribe(),
            url: None,
        };
        let upstream = UpstreamSide::new(Wire::new(line, Receiver::Target), BytesMut::new());
        let client = ClientSide::new(Wire::new(line, Receiver::Client), BytesMut::new());
        Some(Self { line: Arc::clone(line), road, stream: id, upstream, client })
    }

    /// Sends one command. Returns `true` if the client will send it again.
    async fn command(&mut self, request: &Request) -> bool {
        let world = Arc::clone(&self.line.world);
        let number = world.number();
        self.line.number.store(number, Ordering::Relaxed);
        let facts = request.facts();
        world.log(Event::Sent(self.sent(request, number)));
        let command = Command { form: "text".into(), text: request.text.into(), parameters: Vec::new() };
        let exchange = SimExchange {
            line: &self.line,
            command,
            described: Described::new(facts),
            request,
            since: Instant::now(),
            done: 0,
            seen: None,
        };
        let passage = run(&self.road, exchange).await;
        let transaction = self.line.transaction.lock().clone();
        if let (Some(open), false) = (&transaction, matches!(passage, Passage::Go(..))) {
            // The transaction was opened, but the command did not run.
            world.end(open, false);
            *self.line.transaction.lock() = None;
        }
        match passage {
            Passage::Go(cleared, running) => {
                let alone = world.bundle.lock().is_none();
                world.log(Event::Released { number, command: running.command(), alone });
                self.forward(cleared, running).await;
                world.log(Event::Ended { number });
                world.chance(30)
            }
            Passage::Refused(refusal) => {
                let retry = matches!(
                    refusal.state,
                    State::Pending | State::Unavailable | State::Mismatch | State::Voided
                );
                world.log(Event::Refused { number, refusal: Box::new(refusal) });
                retry
            }
            // No facts depend on catalogue definitions in this simulation.
            Passage::Outdated => unreachable!(),
            Passage::Left => {
                world.log(Event::Left { number });
                true
            }
        }
    }

    fn sent(&self, request: &Request, number: u32) -> Sent {
        let waiting = &self.road.target.waiting;
        let ours = if request.in_transaction { waiting.hold_in_transaction } else { waiting.hold };
        let patience = request.patience.map_or(ours, |theirs| theirs.min(ours));
        Sent {
            number,
            session: self.road.session,
            stream: self.stream,
            text: request.text.into(),
            changes: request.changes(),
            reads_synced: self.road.target.recording.reads_synced,
            limit_ms: u64::try_from(patience.as_millis()).unwrap() + self.line.world.slack_ms(),
            slack_ms: self.line.world.slack_ms(),
        }
    }

    /// Forwards a cleared command and returns its answer, or fails at a random point.
    async fn forward(&mut self, cleared: Cleared, mut running: Running) {
        let world = Arc::clone(&self.line.world);
        let number = self.line.number();
        match world.throw(|dice| dice.below(20)) {
            0 => {
                self.over(|open| world.end(open, false));
                return running.end(End::NotRun).await;
            }
            1 => {
                self.over(|open| world.abandon(open));
                return drop(running);
            }
            _ => {}
        }
        if let Some(open) = &*self.line.transaction.lock() {
            world.run_in(open);
        }
        self.upstream.send(cleared);
        poll_fn(|cx| self.upstream.poll_flush(cx)).await.unwrap();
        world.pause(3000).await;
        match world.throw(|dice| dice.below(10)) {
            0 => {
                self.over(|open| world.abandon(open));
                running.end(End::Lost).await;
            }
            1 => {
                self.over(|open| world.abandon(open));
                drop(running);
            }
            2 => {
                self.over(|open| world.end(open, false));
                running.end(End::Failed("40001")).await;
            }
            _ => {
                self.over(|open| world.end(open, true));
                world.log(Event::Ran { number });
                if running.accepted().await.is_ok() {
                    self.client.send(Masked::value_free(Answer));
                    poll_fn(|cx| self.client.poll_flush(cx)).await.unwrap();
                }
                running.end(End::Completed("DONE")).await;
            }
        }
    }
}

impl Connection {
    /// Ends the transaction around the command, if there is one.
    fn over(&self, how: impl FnOnce(&str)) {
        if let Some(open) = self.line.transaction.lock().take() {
            how(&open);
        }
    }
}

/// The exchange of one command with its simulated client.
struct SimExchange<'c> {
    line: &'c Line,
    command: Command,
    described: Described,
    request: &'c Request,
    since: Instant,
    /// Number of actions that were processed.
    done: usize,
    seen: Option<Act>,
}

impl Exchange for SimExchange<'_> {
    fn command(&self) -> &Command {
        &self.command
    }

    fn context(&self) -> Context {
        context(&self.line.world.plan.target, self.line.setting.load(Ordering::Relaxed))
    }

    fn described(&self) -> &Described {
        &self.described
    }

    fn changes(&self) -> bool {
        self.request.changes()
    }

    fn in_transaction(&self) -> bool {
        self.request.in_transaction
    }

    fn patience(&self) -> Option<Duration> {
        self.request.patience
    }

    fn asking(&mut self, _asked: &Asked) {
        self.line.world.log(Event::Asked { number: self.line.number() });
    }

    async fn stirred(&mut self) {
        match self.request.acts.get(self.done) {
            Some((after, act)) => {
                tokio::time::sleep_until(self.since + *after).await;
                self.seen = Some(*act);
            }
            None => std::future::pending().await,
        }
    }

    async fn look(&mut self) -> Option<Meanwhile> {
        let seen = self.seen.take()?;
        self.done += usize::from(seen != Act::Flood);
        let number = self.line.number();
        if seen == Act::Cancel {
            self.line.world.log(Event::Cancelled { number });
        }
        // `look` may take a while, and is never cancelled.
        self.line.world.pause(1500).await;
        match seen {
            Act::Stir | Act::Flood => None,
            Act::ChangeContext => {
                self.line.setting.fetch_add(1, Ordering::Relaxed);
                self.line.world.log(Event::ContextChanged { number });
                None
            }
            Act::Cancel => Some(Meanwhile::Cancelled),
            Act::Leave => Some(Meanwhile::Left),
        }
    }

    async fn prepare(&mut self) -> Result<(), NotReady> {
        let world = &self.line.world;
        let number = self.line.number();
        world.pause(world.plan.slow_ms).await;
        if world.chance(5) {
            world.log(Event::NotPrepared { number });
            return Err(self.line.fault().into());
        }
        // The command no longer does what was approved; this connection never runs it.
        if world.chance(3) {
            world.log(Event::Drifted { number });
            return Err(NotReady::Drifted("the definition of view v has changed".into()));
        }
        let evidence = (!self.request.in_transaction && world.chance(60)).then(|| world.begin());
        self.line.transaction.lock().clone_from(&evidence);
        world.log(Event::Prepared { number, evidence });
        Ok(())
    }

    fn evidence(&self) -> Option<String> {
        self.line.transaction.lock().clone()
    }

    fn into_wire(self) -> Bytes {
        self.command.text
    }
}

/// Context of a connection after `setting` changes of its settings.
pub(crate) fn context(target: &Target, setting: u32) -> Context {
    Context {
        target: target.name.clone(),
        generation: target.generation,
        role: target.default_role.clone(),
        database: "shop".into(),
        settings: BTreeMap::from([("search_path".into(), setting.to_string())]),
        transaction: None,
        texts: Vec::new(),
    }
}

/// An answer that contains no values.
struct Answer;

impl ValueFree for Answer {}

impl From<Answer> for Bytes {
    fn from(_: Answer) -> Self {
        Self::from_static(b"DONE")
    }
}
