//! The thread that syncs for all sessions: one fdatasync for all waiters. It runs at once if a session waits, else
//! when the oldest record has been unsynced for the configured time. It also emits the checkpoints.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use super::gather::Wanted;
use super::{Shared, Written};
use crate::checkpoint::{CheckpointSink, Tips};
use crate::journal::{JournalError, Position};

/// Pending work of the thread.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Time since which a record is unsynced.
    dirty_since: Option<Instant>,
    /// Waiting sessions. Bounded by the number of sessions, because each waits for one position at a time.
    waiting: Vec<(Position, Waker)>,
    /// `true` if a waiter has arrived since the last round began.
    urgent: bool,
    pub(super) closing: bool,
}

impl Agenda {
    /// Notes that a record was appended.
    pub(super) fn dirty(&mut self) {
        self.dirty_since.get_or_insert_with(Instant::now);
    }

    /// Requests a round at once, without a waiter.
    pub(super) fn hurry(&mut self) {
        self.dirty();
        self.urgent = true;
    }

    /// Adds a waiter for this position.
    pub(super) fn wait(&mut self, position: Position, waker: &Waker) {
        self.urgent = true;
        let same = |(at, one): &&mut (Position, Waker)| *at == position && one.will_wake(waker);
        if self.waiting.iter_mut().find(same).is_none() {
            self.waiting.push((position, waker.clone()));
        }
    }

    fn take_ready(&mut self, synced: Position) -> Vec<Waker> {
        self.waiting.extract_if(.., |(at, _)| *at <= synced).map(|(_, waker)| waker).collect()
    }
}

/// State of the syncing thread.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    sink: Box<dyn CheckpointSink>,
    /// Time at which the next tips are due; `None` if nothing was synced since the last ones.
    tips_due: Option<Instant>,
}

impl Syncer {
    pub(super) fn new(shared: Arc<Shared>, sink: Box<dyn CheckpointSink>) -> Self {
        Self { shared, sink, tips_due: None }
    }

    pub(super) fn run(mut self) {
        loop {
            let wanted = self.await_work();
            if let Err(failure) = self.round(wanted) {
                self.shared.wake_all();
                tracing::error!(%failure, "the recorder stops");
                return;
            }
            if wanted == Wanted::Close {
                let _ = self.shared.failure.set(JournalError::Closed);
                self.shared.wake_all();
                return;
            }
        }
    }

    /// Waits until a round is due.
    fn await_work(&self) -> Wanted {
        let mut agenda = self.shared.agenda.lock();
        loop {
            if agenda.closing {
                return Wanted::Close;
            }
            let now = Instant::now();
            let sync_due = agenda.dirty_since.map(|since| since + self.shared.options.sync_delay_max);
            let due = match (sync_due, self.tips_due) {
                _ if agenda.urgent => Some(now),
                (Some(sync), Some(tips)) => Some(sync.min(tips)),
                (one, other) => one.or(other),
            };
            match due {
                Some(due) if due <= now => break,
                Some(due) => {
                    let _ = self.shared.wake.wait_until(&mut agenda, due);
                }
                None => self.shared.wake.wait(&mut agenda),
            }
        }
        agenda.urgent = false;
        agenda.dirty_since = None;
        // Cleared before the records are taken out, so that a concurrent append triggers the next round.
        self.shared.dirty.store(false, Ordering::Release);
        drop(agenda);
        if self.tips_due.is_some_and(|due| due <= Instant::now()) { Wanted::Tips } else { Wanted::Sync }
    }

    fn round(&mut self, wanted: Wanted) -> Result<(), JournalError> {
        let written = self.shared.flush(wanted)?;
        let start = Instant::now();
        sync(&written).map_err(|error| {
            // INVARIANT: I8 - a failed fdatasync may have dropped the pages that it could not write, and a second one
            // would succeed. So nothing is confirmed any more.
            self.shared.poison(&format!("sync: {error}"))
        })?;
        self.shared.synced.store(written.position.0, Ordering::Release);
        // The end of a sealed segment is signed before the segment may be deleted.
        for seal in &written.seals {
            self.keep(seal)?;
        }
        let closed = if wanted == Wanted::Close { written.segment + 1 } else { written.segment };
        self.shared.sealed.store(closed, Ordering::Release);
        crate::metrics::synced(start.elapsed(), self.shared.appended().saturating_sub(written.position.0));
        let ready = self.shared.agenda.lock().take_ready(written.position);
        self.shared.settled.notify_all();
        ready.into_iter().for_each(Waker::wake);
        match written.tips {
            None => {
                let next = Instant::now() + self.shared.options.checkpoint_every;
                self.tips_due.get_or_insert(next);
                Ok(())
            }
            Some(tips) => {
                self.tips_due = None;
                self.keep(&tips)
            }
        }
    }

    fn keep(&mut self, tips: &Tips) -> Result<(), JournalError> {
        self.sink.keep(tips).map_err(|error| self.shared.poison(&format!("checkpoint: {error}")))
    }
}

fn sync(written: &Written) -> io::Result<()> {
    for file in &written.files {
        file.sync_data()?;
    }
    written.dir.as_ref().map_or(Ok(()), |dir| dir.sync_all())
}

impl Shared {
    /// Wakes all waiters, to notice that the journal has failed or is closed.
    fn wake_all(&self) {
        let ready = self.agenda.lock().take_ready(Position(u64::MAX));
        self.settled.notify_all();
        ready.into_iter().for_each(Waker::wake);
    }
}
