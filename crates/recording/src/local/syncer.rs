//! The thread that syncs for everyone: one fdatasync for all that wait, at once when someone waits, else
//! when the oldest record has been unsynced for long enough. It hands out the checkpoints as well.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use super::gather::Wanted;
use super::{Shared, Written};
use crate::checkpoint::{CheckpointSink, Tips};
use crate::journal::{JournalError, Position};

/// What the thread has to do.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Since when something is unsynced.
    dirty_since: Option<Instant>,
    /// Who waits. Bounded by the number of sessions: each waits for one position at a time.
    waiting: Vec<(Position, Waker)>,
    /// Whether someone has come to wait since the last round began.
    urgent: bool,
    pub(super) closing: bool,
}

impl Agenda {
    /// Something was appended.
    pub(super) fn dirty(&mut self) {
        self.dirty_since.get_or_insert_with(Instant::now);
    }

    /// A round is wanted at once, though nobody waits for a position.
    pub(super) fn hurry(&mut self) {
        self.dirty();
        self.urgent = true;
    }

    /// Someone waits for this position.
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

/// The thread's own state.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    sink: Box<dyn CheckpointSink>,
    /// When tips were last handed out; `None`: nothing has been synced since.
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

    /// Waits until there is a reason for a round.
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
        // Before the records are taken out: an append that comes now makes the next round.
        self.shared.dirty.store(false, Ordering::Release);
        drop(agenda);
        if self.tips_due.is_some_and(|due| due <= Instant::now()) { Wanted::Tips } else { Wanted::Sync }
    }

    fn round(&mut self, wanted: Wanted) -> Result<(), JournalError> {
        let written = self.shared.flush(wanted)?;
        let start = Instant::now();
        sync(&written).map_err(|error| {
            // INVARIANT: I8 - a failed fdatasync may have dropped the pages it could not write, and a
            // second one would answer well; so nothing is vouched for any more.
            self.shared.poison(&format!("sync: {error}"))
        })?;
        self.shared.synced.store(written.position.0, Ordering::Release);
        // Before anyone may take it away, the end of a sealed segment is signed.
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
    /// Wakes everyone who waits, to see that the journal has failed or is closed.
    fn wake_all(&self) {
        let ready = self.agenda.lock().take_ready(Position(u64::MAX));
        self.settled.notify_all();
        ready.into_iter().for_each(Waker::wake);
    }
}
