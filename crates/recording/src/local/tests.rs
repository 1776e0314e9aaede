//! Tests of disk failures: afterwards nothing is accepted or confirmed any more (I8).

use std::fs::OpenOptions;
use std::pin::Pin;
use std::task::Waker;

use countersign_common::id::StreamId;
use countersign_common::{Digest, time::SystemClock};

use super::*;
use crate::journal::JournalExt as _;
use crate::line::Effect;

struct NoSink;

impl CheckpointSink for NoSink {
    fn keep(&mut self, _: &Tips) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that stores only the checkpoint with which a journal is opened.
struct FullSink(bool);

impl CheckpointSink for FullSink {
    fn keep(&mut self, _: &Tips) -> io::Result<()> {
        match std::mem::replace(&mut self.0, true) {
            false => Ok(()),
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }
}

fn journal(dir: &Path, sink: impl CheckpointSink + 'static) -> LocalJournal {
    LocalJournal::open(dir, Options::default(), Arc::new(SystemClock), Box::new(sink)).unwrap()
}

fn record(seq: u64) -> Encoded<'static> {
    let stream = StreamId::from_u128(1);
    Encoded { line: b"{}", hash: Digest::of(b"{}"), stream, seq, effect: Effect::Continues }
}

/// Blocks this thread on the future; the waker unparks it.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(ready) = Pin::as_mut(&mut future).poll(&mut Context::from_waker(&waker)) {
            return ready;
        }
        std::thread::park_timeout(Duration::from_secs(10));
    }
}

fn break_by(journal: &LocalJournal, device: &str) {
    journal.shared.writer.lock().file = Arc::new(OpenOptions::new().write(true).open(device).unwrap());
}

#[test]
fn i8_closed_after_a_failed_write_nothing_is_taken_or_vouched_for() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), NoSink);
    break_by(&journal, "/dev/full");
    let position = journal.append(record(0)).unwrap();
    let poisoned = |result| matches!(result, Err(JournalError::Poisoned { .. }));
    assert!(poisoned(block_on(journal.accepted(position))));
    assert!(poisoned(block_on(journal.synced(position))));
    assert!(poisoned(journal.append(record(1)).map(|_| ())));
    assert!(poisoned(journal.close()));
}

#[test]
fn i8_closed_after_a_failed_sync_nothing_is_taken_or_vouched_for() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), NoSink);
    // A device that accepts every write and cannot be synced.
    break_by(&journal, "/dev/null");
    let position = journal.append(record(0)).unwrap();
    let poisoned = |result| matches!(result, Err(JournalError::Poisoned { .. }));
    assert!(poisoned(block_on(journal.synced(position))));
    assert!(poisoned(journal.append(record(1)).map(|_| ())));
    assert!(poisoned(journal.close()));
}

#[test]
fn i8_closed_a_checkpoint_that_cannot_be_kept_stops_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), FullSink(false));
    while journal.append(record(0)).is_ok() {
        std::thread::yield_now();
    }
    assert!(journal.close().is_err());
}

#[test]
fn a_closed_journal_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), NoSink);
    let position = journal.append(record(0)).unwrap();
    journal.close().unwrap();
    assert_eq!(block_on(journal.synced(position)), Ok(()));
    assert_eq!(journal.append(record(1)), Err(JournalError::Closed));
}
