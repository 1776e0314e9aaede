//! The one writer: takes the work that has gathered, applies it in order, commits it together, then
//! wakes the watchers and answers.

use std::sync::Arc;
use std::time::SystemTime;

use redb::{ReadableDatabase, ReadableTable};
use tokio::sync::{mpsc, oneshot, watch};

use super::apply::{Done, Memory, Tables, Work, size};
use super::tables::{CHANGES, LEASES, META, REVISION};
use super::{History, LeaseId, Shared, read_error};
use crate::store::{Revision, StoreError};

/// How many requests one commit may carry.
pub(super) const GROUP_REQUESTS_MAX: usize = 256;

/// Work that somebody waits for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Done, StoreError>>,
}

/// The one writer.
pub(super) struct Writer {
    shared: Arc<Shared>,
    history: History,
    memory: Memory,
    /// Whether a commit failed since `memory` was read.
    stale: bool,
    /// When the next lease ends; the sweeper sleeps until then.
    next_deadline: watch::Sender<Option<u64>>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        history: History,
        next_deadline: watch::Sender<Option<u64>>,
    ) -> Result<Self, StoreError> {
        let memory = remembered(&shared)?;
        let writer = Self { shared, history, memory, stale: false, next_deadline };
        writer.tell_deadline();
        Ok(writer)
    }

    /// Serves requests until the last store handle is gone.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP_REQUESTS_MAX);
        while requests.blocking_recv_many(&mut group, GROUP_REQUESTS_MAX) > 0 {
            let (work, replies): (Vec<_>, Vec<_>) =
                group.drain(..).map(|request| (request.work, request.reply)).unzip();
            match self.commit(&work) {
                Ok(done) => {
                    for (reply, done) in replies.into_iter().zip(done) {
                        // Whoever stopped waiting does not want to know.
                        let _ = reply.send(Ok(done));
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "the store failed");
                    for reply in replies {
                        let _ = reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Applies all and commits once. On an error none of it is answered as written.
    fn commit(&mut self, work: &[Work]) -> Result<Vec<Done>, StoreError> {
        if self.stale {
            self.memory = remembered(&self.shared)?;
            self.shared.newest.send_replace(Revision(self.memory.newest));
        }
        self.stale = true;
        let done = self.commit_over_memory(work)?;
        self.stale = false;
        Ok(done)
    }

    fn commit_over_memory(&mut self, work: &[Work]) -> Result<Vec<Done>, StoreError> {
        // redb commits durably (fsync) unless told otherwise; we never tell it otherwise.
        let write = self.shared.database.begin_write().map_err(write_error)?;
        self.memory.changed = false;
        let mut tables = Tables::open(&write, now()).map_err(write_error)?;
        let done: Result<Vec<_>, _> = work.iter().map(|one| tables.apply(&mut self.memory, one)).collect();
        let done = done.map_err(write_error)?;
        if !self.memory.changed {
            drop(tables);
            write.abort().map_err(write_error)?;
            return Ok(done);
        }
        tables.close(&mut self.memory, self.history).map_err(write_error)?;
        write.commit().map_err(|e| StoreError::Unknown(Arc::new(redb::Error::from(e))))?;
        self.shared.newest.send_replace(Revision(self.memory.newest));
        self.tell_deadline();
        Ok(done)
    }

    fn tell_deadline(&self) {
        let next = self.memory.deadlines.first().map(|(deadline, _)| *deadline);
        self.next_deadline.send_if_modified(|known| std::mem::replace(known, next) != next);
    }
}

/// What the tables say.
fn remembered(shared: &Shared) -> Result<Memory, StoreError> {
    let read = shared.database.begin_read().map_err(read_error)?;
    let newest = read.open_table(META).map_err(read_error)?.get(REVISION).map_err(read_error)?;
    let newest = newest.map_or(0, |newest| newest.value());
    let mut memory = Memory { newest, history_bytes: 0, deadlines: Default::default(), changed: false };
    for item in read.open_table(CHANGES).map_err(read_error)?.iter().map_err(read_error)? {
        let (_, what) = item.map_err(read_error)?;
        let (key, value) = what.value();
        memory.history_bytes += size(key, value);
    }
    for item in read.open_table(LEASES).map_err(read_error)?.iter().map_err(read_error)? {
        let (lease, times) = item.map_err(read_error)?;
        memory.deadlines.insert((times.value().0, LeaseId(lease.value())));
    }
    Ok(memory)
}

/// Now, in microseconds since 1970. Deadlines of leases outlive the process, so they are on this clock.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn write_error(source: impl Into<redb::Error>) -> StoreError {
    StoreError::Write(Arc::new(source.into()))
}
