//! The journal on local files. Sessions append to one shared buffer under a short lock. A session that needs a record
//! accepted writes all waiting records with one write(2). One thread syncs for all.
//!
//! - [`gather`]: records that are not written yet, and the state of open streams.
//! - [`writer`]: the active segment, and its sealing.
//! - [`syncer`]: the thread that syncs and emits checkpoints.
//! - [`recover`]: recovery of the end that a dead process left.

mod gather;
mod recover;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::id::StreamId;
use countersign_common::time::Clock;
use parking_lot::{Condvar, Mutex};

use self::gather::{Gather, Wanted};
use self::syncer::{Agenda, Syncer};
use self::writer::Writer;
use crate::checkpoint::{CheckpointSink, Tips};
use crate::journal::{Encoded, Journal, JournalError, Position};
use crate::segment::{OpenStream, SegmentPoint};

/// Sizes and intervals of a [`LocalJournal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Size at which a segment is sealed, in bytes. Default 64 MiB.
    pub segment_bytes_max: usize,
    /// Number of waiting bytes above which an append writes them itself. Default 1 MiB.
    pub buffer_bytes_max: usize,
    /// Longest time before the sync of a record that no session waits for starts. Default 30 ms, so that the 50 ms of
    /// I5 hold with a slow disk.
    pub sync_delay_max: Duration,
    /// Interval of tips while something is recorded. Default 1 s.
    pub checkpoint_every: Duration,
    /// Treatment of streams that a dead process left open. Default: they are ended as lost.
    pub left_open: LeftOpen,
}

/// Treatment of streams that a dead process left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOpen {
    /// They were this process's own connections, which died with it, and are ended as lost.
    EndAsLost,
    /// They are connections of gateways that may still live. They stay open until their gateway continues them, or is
    /// declared lost ([`crate::Abandoned`]).
    Keep,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            buffer_bytes_max: 1 << 20,
            sync_delay_max: Duration::from_millis(30),
            checkpoint_every: Duration::from_secs(1),
            left_open: LeftOpen::EndAsLost,
        }
    }
}

/// A journal in segment files of one directory. *Accepted* means written to the kernel: the record survives the
/// process, but not a loss of power. *Synced* means fdatasync has returned: the record survives a loss of power,
/// provided that the disk honours the sync.
#[derive(Debug)]
pub struct LocalJournal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    dir: PathBuf,
    /// Held while the journal is open: one writer per directory.
    _lock: File,
}

/// State shared by sessions and the syncing thread. Lock order: `writer`, `gather`, `agenda`.
#[derive(Debug)]
struct Shared {
    options: Options,
    clock: Arc<dyn Clock>,
    writer: Mutex<Writer>,
    gather: Mutex<Gather>,
    agenda: Mutex<Agenda>,
    wake: Condvar,
    /// Notified after each round of the thread.
    settled: Condvar,
    /// `true` once the thread was notified of unsynced records.
    dirty: AtomicBool,
    accepted: AtomicU64,
    synced: AtomicU64,
    /// Segments below this one are sealed and synced.
    sealed: AtomicU64,
    failure: OnceLock<JournalError>,
}

impl LocalJournal {
    /// Opens or creates the journal in `dir`. A partial line of a dead process is set aside, its unsynced records are
    /// synced, and the streams that it left open are treated as set in [`Options::left_open`] (see
    /// `docs/recording.md`).
    ///
    /// # Errors
    /// Fails if the directory cannot be read or written, another process has it open, or its segments do not match
    /// the newest checkpoint of the sink.
    pub fn open(
        dir: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        mut sink: Box<dyn CheckpointSink>,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut open = File::options();
        let lock = open.write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
        lock.try_lock().map_err(|e| io::Error::new(io::ErrorKind::ResourceBusy, e.to_string()))?;
        crate::log::ensure_id(dir)?;
        let signed = sink.signed();
        let found = recover::recover(dir, clock.now(), signed)?;
        let abandoned = found.header.open.clone();
        // INVARIANT: I12 - the end of every segment is signed before the next one begins. The process that wrote
        // these segments may have died before it could sign them.
        for point in found.unsigned {
            sink.keep(&lasting(clock.now(), point))?;
        }
        let writer = Writer::create(dir, &found.header)?;
        writer.sync()?;
        sink.keep(&lasting(clock.now(), writer.point()))?;
        let gather = Gather::resume(&abandoned);
        let shared = Arc::new(Shared {
            options,
            writer: Mutex::new(writer),
            gather: Mutex::new(gather),
            agenda: Mutex::default(),
            wake: Condvar::new(),
            settled: Condvar::new(),
            dirty: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            sealed: AtomicU64::new(found.header.segment),
            failure: OnceLock::new(),
            clock,
        });
        let syncer = Syncer::new(Arc::clone(&shared), sink);
        let thread = std::thread::Builder::new().name("recording-sync".into()).spawn(|| syncer.run())?;
        crate::metrics::opened();
        let journal = Self { shared, thread: Mutex::new(Some(thread)), dir: dir.to_owned(), _lock: lock };
        if options.left_open == LeftOpen::EndAsLost {
            journal.end_abandoned(&abandoned)?;
        }
        Ok(journal)
    }

    /// Returns the open streams, as far as they are known on this node.
    #[must_use]
    pub fn open_streams(&self) -> Vec<OpenStream> {
        self.shared.gather.lock().open()
    }

    /// Writes all waiting records to the kernel, so that readers of the files find them.
    ///
    /// # Errors
    /// Fails if the journal has failed or fails now.
    pub fn flush(&self) -> Result<(), JournalError> {
        self.shared.flush(Wanted::Records).map(drop)
    }

    /// Seals the active segment if it has records, starts the next one, and waits until the sealed one is synced.
    /// Returns the number below which all segments are sealed. Blocks.
    ///
    /// # Errors
    /// Fails if the journal has failed or fails now.
    pub fn seal_and_sync(&self) -> Result<u64, JournalError> {
        let sealed = self.shared.seal()?;
        self.shared.await_sealed(sealed)
    }

    /// Segments below this number are sealed and synced: they no longer change, and may be copied.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.shared.sealed.load(Ordering::Acquire)
    }

    /// Directory in which the segments are stored.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops tracking these streams: they continued, and ended, on other nodes. A restart may find those again that
    /// have lines in the last segment.
    pub fn let_go(&self, streams: &[StreamId]) {
        self.shared.gather.lock().let_go(streams);
    }

    /// INVARIANT: I5 - commands that were running when the process died get their end record: lost.
    fn end_abandoned(&self, abandoned: &[OpenStream]) -> io::Result<()> {
        let at = self.shared.clock.now();
        for one in abandoned {
            let why = "the recorder died";
            let lines = crate::stream::end_abandoned(one.stream, one.count, one.tip, &one.running, at, why)?;
            for (seq, (line, hash, effect)) in (one.count..).zip(&lines) {
                let encoded = Encoded { line, hash: *hash, stream: one.stream, seq, effect: *effect };
                self.append(encoded).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Returns the failure that stopped the recording; `None` while it works.
    #[must_use]
    pub fn failure(&self) -> Option<JournalError> {
        self.shared.failure.get().cloned()
    }

    /// Writes and syncs everything, seals the segment and emits the last tips. Later appends return
    /// [`JournalError::Closed`]. Blocks; dropping the journal does the same.
    ///
    /// # Errors
    /// Fails if the journal had failed or fails now.
    pub fn close(&self) -> Result<(), JournalError> {
        let Some(thread) = self.thread.lock().take() else { return Ok(()) };
        self.shared.agenda.lock().closing = true;
        self.shared.wake.notify_one();
        if thread.join().is_err() {
            self.shared.poison("the syncing thread panicked");
        }
        match self.shared.failure.get() {
            None | Some(JournalError::Closed) => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }
}

/// Tips that mark the beginning or end of a segment.
fn lasting(at: Timestamp, point: SegmentPoint) -> Tips {
    Tips { at, point, changed: Vec::new(), closed: false, lasting: true }
}

impl Drop for LocalJournal {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the journal could not be closed");
        }
    }
}

impl Journal for LocalJournal {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        self.shared.append(record)
    }

    /// Never pending: all waiting records are written here, on the caller's thread. A write to the page cache costs
    /// 1-2 µs, less than passing it to another thread and being woken.
    fn poll_accepted(&self, position: Position, _: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        Poll::Ready(self.shared.accept(position))
    }

    fn poll_synced(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        self.shared.poll_synced(position, context)
    }
}

impl Shared {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        self.check()?;
        let (position, gathered_bytes) = self.gather.lock().append(record)?;
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.agenda.lock().dirty();
            self.wake.notify_one();
        }
        if gathered_bytes > self.options.buffer_bytes_max {
            self.flush(Wanted::Records)?;
        }
        Ok(position)
    }

    fn accept(&self, position: Position) -> Result<(), JournalError> {
        if self.accepted.load(Ordering::Acquire) < position.0 {
            self.flush(Wanted::Records)?;
        }
        Ok(())
    }

    fn poll_synced(&self, position: Position, context: &Context<'_>) -> Poll<Result<(), JournalError>> {
        if self.synced.load(Ordering::Acquire) >= position.0 {
            return Poll::Ready(Ok(()));
        }
        let mut agenda = self.agenda.lock();
        // The thread updates `synced`, or fails, before it takes this lock to wake the waiters. An update that is not
        // visible here will therefore wake this waiter.
        if self.synced.load(Ordering::Acquire) >= position.0 {
            return Poll::Ready(Ok(()));
        }
        self.check()?;
        agenda.wait(position, context.waker());
        drop(agenda);
        self.wake.notify_one();
        Poll::Pending
    }

    /// Writes all waiting records to the kernel, and returns the resulting extent of the segments.
    fn flush(&self, wanted: Wanted) -> Result<Written, JournalError> {
        self.flush_into(wanted, self.options.segment_bytes_max)
    }

    /// Seals the active segment. Returns the number below which all segments are then sealed.
    fn seal(&self) -> Result<u64, JournalError> {
        let (segment, empty) = {
            let writer = self.writer.lock();
            (writer.segment(), !writer.has_records() && self.gather.lock().is_empty())
        };
        if empty {
            return self.check().map(|()| segment);
        }
        let written = self.flush_into(Wanted::Records, 0)?;
        let mut agenda = self.agenda.lock();
        agenda.hurry();
        drop(agenda);
        self.wake.notify_one();
        Ok(written.segment)
    }

    fn await_sealed(&self, segment: u64) -> Result<u64, JournalError> {
        let mut agenda = self.agenda.lock();
        loop {
            let sealed = self.sealed.load(Ordering::Acquire);
            if sealed >= segment {
                return Ok(sealed);
            }
            self.check()?;
            // The thread updates `sealed`, or fails, before it takes the lock and notifies.
            self.settled.wait(&mut agenda);
        }
    }

    /// Like [`Self::flush`], with another maximum size of the segment.
    fn flush_into(&self, wanted: Wanted, segment_bytes_max: usize) -> Result<Written, JournalError> {
        let mut writer = self.writer.lock();
        self.check()?;
        let room = segment_bytes_max.saturating_sub(writer.written_bytes());
        let spare = writer.spare();
        let batch = self.gather.lock().take(wanted, room, spare);
        let appended = batch.appended;
        let written = writer.write(batch, wanted, self.clock.now()).map_err(|error| {
            // INVARIANT: I8 - after a failed write nothing is accepted any more.
            self.poison(&format!("write: {error}"))
        })?;
        self.accepted.store(appended.0, Ordering::Release);
        Ok(written)
    }

    fn appended(&self) -> u64 {
        self.gather.lock().appended()
    }

    fn check(&self) -> Result<(), JournalError> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn poison(&self, cause: &str) -> JournalError {
        let failure = self.failure.get_or_init(|| {
            crate::metrics::failed();
            tracing::error!(cause, "recording has failed; commands are refused from now on");
            JournalError::Poisoned { cause: cause.into() }
        });
        failure.clone()
    }
}

/// Extent of the segments after a flush, and the files to sync to make it durable.
#[derive(Debug)]
struct Written {
    position: Position,
    /// Number of the active segment.
    segment: u64,
    files: Vec<Arc<File>>,
    /// Ends of the segments that were sealed since the last sync.
    seals: Vec<Tips>,
    /// The directory, if it has a new entry.
    dir: Option<Arc<File>>,
    tips: Option<Tips>,
}
