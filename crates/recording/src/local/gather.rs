//! What has been appended and not yet written, and the account of the streams that are open.

use countersign_common::Digest;
use countersign_common::id::{CommandId, StreamId};
use rustc_hash::FxHashMap;

use crate::checkpoint::Tip;
use crate::journal::{Encoded, JournalError, Position};
use crate::line::Effect;
use crate::segment::OpenStream;

/// Records on their way to the kernel. Its size is bounded by [`super::Options::buffer_bytes_max`] and
/// one record; the account by the number of open streams and of those that ended since the last tips.
#[derive(Debug, Default)]
pub(super) struct Gather {
    buffers: Buffers,
    appended: u64,
    accounts: FxHashMap<StreamId, Account>,
    /// Open streams that moved since tips were taken.
    moved: Vec<StreamId>,
    /// Streams that ended since tips were taken.
    ended: Vec<Tip>,
    closed: bool,
}

/// Whole lines, and their hashes of 32 bytes each.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) lines: Vec<u8>,
    pub(super) hashes: Vec<u8>,
}

/// An open stream.
#[derive(Debug)]
struct Account {
    count: u64,
    tip: Digest,
    running: Vec<CommandId>,
    moved: bool,
}

/// What is wanted of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The records in the kernel.
    Records,
    /// The records, and the files to sync.
    Sync,
    /// The same, and tips.
    Tips,
    /// The same, and the seal; nothing is appended afterwards.
    Close,
}

impl Wanted {
    /// Whether it will be synced.
    pub(super) const fn syncs(self) -> bool {
        !matches!(self, Self::Records)
    }

    /// Whether tips are wanted.
    pub(super) const fn tips(self) -> bool {
        matches!(self, Self::Tips | Self::Close)
    }
}

/// What was taken out.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) buffers: Buffers,
    pub(super) appended: Position,
    pub(super) changed: Vec<Tip>,
    /// The open streams, when the segment is full with this batch.
    pub(super) open: Option<Vec<OpenStream>>,
}

impl Gather {
    /// With the account that a dead process left.
    pub(super) fn resume(open: &[OpenStream]) -> Self {
        let account = |one: &OpenStream| {
            let running = one.running.clone();
            (one.stream, Account { count: one.count, tip: one.tip, running, moved: false })
        };
        Self { accounts: open.iter().map(account).collect(), ..Self::default() }
    }

    /// How many records were appended.
    pub(super) const fn appended(&self) -> u64 {
        self.appended
    }

    /// Takes a record in; says where it stands and how many bytes have gathered.
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
            // A line may come a second time, after a failover.
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

    /// Takes out what has gathered and leaves `spare` to be filled. The segment has `room` bytes left.
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

    /// Whether nothing has gathered.
    pub(super) const fn is_empty(&self) -> bool {
        self.buffers.lines.is_empty()
    }

    /// Forgets streams.
    pub(super) fn let_go(&mut self, streams: &[StreamId]) {
        for stream in streams {
            self.accounts.remove(stream);
        }
    }

    /// The open streams, by their ids.
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
