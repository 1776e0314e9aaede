//! Records that were appended but not written yet, and the state of the open streams.

use countersign_common::Digest;
use countersign_common::id::{CommandId, StreamId};
use rustc_hash::FxHashMap;

use crate::checkpoint::Tip;
use crate::journal::{Encoded, JournalError, Position};
use crate::line::Effect;
use crate::segment::OpenStream;

/// Records before their write to the kernel. The size is bounded by [`super::Options::buffer_bytes_max`] plus one
/// record; the stream states by the number of open streams and of those that ended since the last tips.
#[derive(Debug, Default)]
pub(super) struct Gather {
    buffers: Buffers,
    appended: u64,
    accounts: FxHashMap<StreamId, Account>,
    /// Open streams with new records since the last tips.
    moved: Vec<StreamId>,
    /// Streams that ended since the last tips.
    ended: Vec<Tip>,
    closed: bool,
}

/// Complete lines, and their hashes of 32 bytes each.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) lines: Vec<u8>,
    pub(super) hashes: Vec<u8>,
}

/// State of an open stream.
#[derive(Debug)]
struct Account {
    count: u64,
    tip: Digest,
    running: Vec<CommandId>,
    moved: bool,
}

/// Extent of a flush; each variant includes the previous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Write the records to the kernel.
    Records,
    /// Also return the files to sync.
    Sync,
    /// Also return the tips of changed streams.
    Tips,
    /// Also seal the segment; nothing is appended afterwards.
    Close,
}

impl Wanted {
    /// Returns `true` if the flush is followed by a sync.
    pub(super) const fn syncs(self) -> bool {
        !matches!(self, Self::Records)
    }

    /// Returns `true` if tips are requested.
    pub(super) const fn tips(self) -> bool {
        matches!(self, Self::Tips | Self::Close)
    }
}

/// Records taken out for one write.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) buffers: Buffers,
    pub(super) appended: Position,
    pub(super) changed: Vec<Tip>,
    /// Open streams, if this batch fills the segment.
    pub(super) open: Option<Vec<OpenStream>>,
}

impl Gather {
    /// Starts with the open streams that a dead process left.
    pub(super) fn resume(open: &[OpenStream]) -> Self {
        let account = |one: &OpenStream| {
            let running = one.running.clone();
            (one.stream, Account { count: one.count, tip: one.tip, running, moved: false })
        };
        Self { accounts: open.iter().map(account).collect(), ..Self::default() }
    }

    /// Number of records appended since the start.
    pub(super) const fn appended(&self) -> u64 {
        self.appended
    }

    /// Appends a record. Returns its position and the number of bytes that wait.
    pub(super) fn append(&mut self, record: Encoded<'_>) -> Result<(Position, usize), JournalError> {
        if self.closed {
            return Err(JournalError::Closed);
        }
        self.buffers.lines.extend_from_slice(record.line);
        self.buffers.lines.push(b'\n');
        self.buffers.hashes.extend_from_slice(record.hash.as_bytes());
        self.account(&record);
        self.appended += 1;
        Ok((Position(self.appended), self.buffers.lines.len()))
    }

    fn account(&mut self, record: &Encoded<'_>) {
        let count = record.seq + 1;
        if record.effect == Effect::Closes {
            self.accounts.remove(&record.stream);
            self.ended.push(Tip { stream: record.stream, count, hash: record.hash, closed: true });
            return;
        }
        let account = self.accounts.entry(record.stream).or_insert_with(Account::new);
        account.count = count;
        account.tip = record.hash;
        match record.effect {
            // A line may come a second time after a failover.
            Effect::Begins(id) if account.running.contains(&id) => {}
            Effect::Begins(id) => account.running.push(id),
            Effect::Ends(id) => account.running.retain(|&one| one != id),
            Effect::Opens | Effect::Continues | Effect::Closes => {}
        }
        if !account.moved {
            account.moved = true;
            self.moved.push(record.stream);
        }
    }

    /// Takes out all waiting records and continues with the buffer `spare`. `room` is the remaining size of the
    /// segment in bytes.
    pub(super) fn take(&mut self, wanted: Wanted, room: usize, spare: Buffers) -> Batch {
        self.closed = wanted == Wanted::Close;
        let full = self.buffers.lines.len() >= room;
        Batch {
            buffers: std::mem::replace(&mut self.buffers, spare),
            appended: Position(self.appended),
            changed: if wanted.tips() { self.take_tips() } else { Vec::new() },
            open: full.then(|| self.open()),
        }
    }

    fn take_tips(&mut self) -> Vec<Tip> {
        let mut tips = std::mem::take(&mut self.ended);
        for stream in self.moved.drain(..) {
            if let Some(account) = self.accounts.get_mut(&stream) {
                account.moved = false;
                tips.push(Tip { stream, count: account.count, hash: account.tip, closed: false });
            }
        }
        tips
    }

    /// Returns `true` if no records wait.
    pub(super) const fn is_empty(&self) -> bool {
        self.buffers.lines.is_empty()
    }

    /// Removes streams from the open ones.
    pub(super) fn let_go(&mut self, streams: &[StreamId]) {
        for stream in streams {
            self.accounts.remove(stream);
        }
    }

    /// Open streams, sorted by id.
    pub(super) fn open(&self) -> Vec<OpenStream> {
        let mut open: Vec<_> = self
            .accounts
            .iter()
            .map(|(&stream, account)| OpenStream {
                stream,
                count: account.count,
                tip: account.tip,
                running: account.running.clone(),
            })
            .collect();
        open.sort_unstable_by_key(|one| one.stream);
        open
    }
}

impl Account {
    const fn new() -> Self {
        Self { count: 0, tip: crate::line::NO_PREVIOUS, running: Vec::new(), moved: false }
    }
}
