//! An in-memory journal that accepts and syncs with delays, and may fail permanently.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use countersign_recording::{Encoded, Envelope, Journal, JournalError, Position};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::history::Event;
use crate::world::World;

#[derive(Debug, Default)]
struct State {
    appended: u64,
    accepted: u64,
    synced: u64,
    failed: bool,
    wakers: Vec<Waker>,
}

#[derive(Debug)]
pub(crate) struct SimJournal {
    world: Weak<World>,
    state: Mutex<State>,
    grown: Notify,
}

impl SimJournal {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: Arc::downgrade(world), state: Mutex::default(), grown: Notify::new() })
    }

    /// Accepts and syncs appended records in a loop; fails after the number of records that the plan sets.
    pub(crate) async fn keep_going(self: Arc<Self>) {
        let Some(world) = self.world.upgrade() else { return };
        loop {
            self.grown.notified().await;
            world.pause(world.plan.sync_ms).await;
            let fails = world.plan.journal_fails_after.is_some_and(|after| self.state.lock().synced >= after);
            if fails {
                self.fail(&world);
                return;
            }
            let accepted = self.state.lock().appended;
            self.advance(&world, accepted, false);
            world.pause(world.plan.sync_ms).await;
            self.advance(&world, accepted, true);
        }
    }

    fn advance(&self, world: &World, to: u64, synced: bool) {
        let mut state = self.state.lock();
        let mark = if synced { &mut state.synced } else { &mut state.accepted };
        if *mark < to {
            *mark = to;
            world.log(if synced { Event::Synced(to) } else { Event::Accepted(to) });
            state.wake();
        }
    }

    fn fail(&self, world: &World) {
        let mut state = self.state.lock();
        state.failed = true;
        world.log(Event::JournalFailed);
        state.wake();
    }
}

impl State {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn poll(
        &mut self,
        mark: u64,
        position: Position,
        context: &Context<'_>,
    ) -> Poll<Result<(), JournalError>> {
        if mark >= position.0 {
            return Poll::Ready(Ok(()));
        }
        if self.failed {
            return Poll::Ready(Err(poisoned()));
        }
        self.wakers.push(context.waker().clone());
        Poll::Pending
    }
}

impl Journal for SimJournal {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        let mut state = self.state.lock();
        if state.failed {
            return Err(poisoned());
        }
        state.appended += 1;
        self.grown.notify_one();
        let envelope = Envelope::parse(record.line).unwrap();
        if let Some(world) = self.world.upgrade() {
            let position = state.appended;
            let record = Box::new(envelope.record);
            world.log(Event::Appended { position, stream: envelope.stream, record });
        }
        Ok(Position(state.appended))
    }

    fn poll_accepted(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        let mut state = self.state.lock();
        let mark = state.accepted;
        state.poll(mark, position, context)
    }

    fn poll_synced(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        let mut state = self.state.lock();
        let mark = state.synced;
        state.poll(mark, position, context)
    }
}

fn poisoned() -> JournalError {
    JournalError::Poisoned { cause: "the simulation's disk broke".into() }
}
