//! The journal over the link: records are kept here until the control plane has synced them. It confirms nothing on
//! its own: *accepted* and *synced* are statements of a control-plane node.
//!
//! All records that are not synced are sent again on the next link, to any node: records that a node had accepted but
//! not synced may have died with it. Nodes drop identical duplicates.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_api::v1;
use countersign_common::id::StreamId;
use countersign_recording::{Effect, Encoded, Journal, JournalError, Position};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::bell::Bell;
use super::record_proofs::RecordProofs;
use super::waiters::Waiters;
use crate::metrics;

/// Maximum size of the lines in one message, in bytes; a single line may be larger.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Number of bytes that are sent although earlier ones are not acknowledged as accepted.
const UNASKED_BYTES: usize = 64 << 10;

/// Longest time that records wait for the acknowledgement of earlier ones.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// Size of the chunks that lines are copied into. A chunk lives as long as any of its lines.
const CHUNK_BYTES: usize = 64 << 10;

/// Records on their way to the control plane. Uses at most `bytes_max`, plus the remaining records of running
/// commands.
#[derive(Debug)]
pub struct LinkJournal {
    inner: Mutex<Inner>,
    accepted: AtomicU64,
    synced: AtomicU64,
    /// `true` if acknowledgements are overdue.
    silent: AtomicBool,
    closed: AtomicBool,
    bytes_max: usize,
    bell: Arc<Bell>,
    proofs: Arc<RecordProofs>,
}

#[derive(Debug)]
struct Inner {
    /// Records that are not synced, in order; the last one has position `appended`.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    appended: u64,
    /// Next position to be sent on the current link.
    next: u64,
    /// Position up to which a sync was requested on the current link.
    asked: u64,
    /// Time of the last message with records on the current link.
    sent_at: Option<Instant>,
    chunk: BytesMut,
    accepting: Waiters,
    syncing: Waiters,
    /// Time of the last acknowledgement, or the start of the current wait.
    progress: Progress,
}

#[derive(Debug)]
struct Kept {
    stream: StreamId,
    sequence: u64,
    line: Bytes,
    /// For an opening record: proof that its session may be recorded here. Kept with the line, which may be sent
    /// again after the session has ended.
    proof: Bytes,
}

/// Time since which each of the two acknowledgements is awaited.
#[derive(Debug, Default)]
struct Progress {
    accepted: Option<Instant>,
    synced: Option<Instant>,
}

impl LinkJournal {
    pub(super) fn new(bytes_max: usize, bell: Arc<Bell>, proofs: Arc<RecordProofs>) -> Self {
        let inner = Inner {
            kept: VecDeque::new(),
            kept_bytes: 0,
            appended: 0,
            next: 1,
            asked: 0,
            sent_at: None,
            chunk: BytesMut::new(),
            accepting: Waiters::default(),
            syncing: Waiters::default(),
            progress: Progress::default(),
        };
        Self {
            inner: Mutex::new(inner),
            accepted: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            bytes_max,
            bell,
            proofs,
        }
    }

    /// Position up to which everything is synced; a new link starts after it.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Prepares for a new link: all records that are not synced are sent again.
    pub(super) fn rewind(&self) {
        let mut inner = self.inner.lock();
        metrics::resent(inner.next.saturating_sub(inner.first()));
        inner.next = inner.first();
        inner.asked = 0;
        inner.sent_at = None;
    }

    /// Returns `true` if there are records to send, and no reason to wait.
    pub(super) fn is_ready(&self) -> bool {
        let inner = self.inner.lock();
        inner.is_to_send() && !inner.has_to_wait(self.accepted.load(Ordering::Acquire))
    }

    /// Takes the next message; `None` if there is nothing to send yet.
    ///
    /// Small messages are sent one at a time: records that arrive in between are collected and sent together when the
    /// previous message is accepted. A single client never waits; concurrent clients are batched.
    pub(super) fn take(&self) -> Option<v1::RecordLines> {
        let mut inner = self.inner.lock();
        if !inner.is_to_send() {
            return None;
        }
        if inner.has_to_wait(self.accepted.load(Ordering::Acquire)) {
            drop(inner);
            self.bell.soon();
            return None;
        }
        inner.take()
    }

    /// Processes an acknowledgement of a node.
    ///
    /// # Errors
    /// [`NeverSent`] if the node claims to keep records that were never sent.
    pub(super) fn kept(&self, kept: &v1::RecordsKept) -> Result<(), NeverSent> {
        let mut inner = self.inner.lock();
        let accepted = kept.accepted.max(kept.synced);
        if accepted > inner.appended {
            return Err(NeverSent);
        }
        let before = self.accepted.fetch_max(accepted, Ordering::AcqRel);
        let accepted = accepted.max(before);
        inner.note_round_trip(before, accepted);
        inner.progress.accepted = inner.since(before, accepted, inner.progress.accepted);
        let before = self.synced.fetch_max(kept.synced, Ordering::AcqRel);
        let synced = kept.synced.max(before);
        inner.progress.synced = inner.since(before, synced, inner.progress.synced);
        inner.forget(synced);
        let more = inner.is_to_send();
        self.silent.store(false, Ordering::Release);
        let mut ready = inner.accepting.take(accepted);
        ready.append(&mut inner.syncing.take(synced));
        drop(inner);
        if more {
            self.bell.ring();
        }
        ready.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Checks if acknowledgements have been missing for longer than `patience`. If so, all waiters fail, and new
    /// records are refused until an acknowledgement arrives.
    pub(super) fn look(&self, patience: Duration) {
        let mut inner = self.inner.lock();
        if !inner.progress.is_older_than(patience, !inner.syncing.is_empty()) {
            return;
        }
        if !self.silent.swap(true, Ordering::AcqRel) {
            tracing::error!(
                ?patience,
                "records are not acknowledged; new commands are refused until they are"
            );
        }
        let waiting = inner.take_waiting();
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Number of records that are not synced, and their bytes.
    pub(super) fn unsynced(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.kept.len(), inner.kept_bytes)
    }

    /// Returns `true` if all appended records are synced.
    pub(super) fn is_drained(&self) -> bool {
        self.inner.lock().kept.is_empty()
    }

    /// Requests a sync of all records, as a waiter would.
    pub(super) fn want_all(&self) {
        let mut inner = self.inner.lock();
        let last = inner.appended;
        inner.syncing.want(last);
        drop(inner);
        self.bell.ring();
    }

    /// Stops accepting and confirming records. Records that are not synced are dropped: the control plane has ended
    /// these streams as lost.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut inner = self.inner.lock();
        let waiting = inner.take_waiting();
        inner.kept.clear();
        inner.kept_bytes = 0;
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(JournalError::Closed);
        }
        // INVARIANT: I8. A record that is not acknowledged counts as not recorded.
        if self.silent.load(Ordering::Acquire) {
            return Err(JournalError::Unacknowledged);
        }
        Ok(())
    }

    fn poll(
        &self,
        reached: &AtomicU64,
        position: Position,
        context: &Context<'_>,
        waiters: fn(&mut Inner) -> &mut Waiters,
    ) -> Poll<Result<(), JournalError>> {
        if reached.load(Ordering::Acquire) >= position.0 {
            return Poll::Ready(Ok(()));
        }
        let mut inner = self.inner.lock();
        // `kept` updates the position under this lock before it wakes, so an update that is not visible here will
        // wake this waiter.
        if reached.load(Ordering::Acquire) >= position.0 {
            return Poll::Ready(Ok(()));
        }
        self.check()?;
        waiters(&mut inner).wait(position.0, context.waker());
        inner.progress.wait(Instant::now());
        let unsent = inner.next <= position.0 || inner.asked < inner.syncing.wanted();
        drop(inner);
        if unsent {
            self.bell.ring();
        }
        Poll::Pending
    }
}

impl Journal for LinkJournal {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        // Records after a begin are always accepted: a running command must get its end record (I5), and the number
        // of running commands is bounded by the accepted begins.
        let begins = matches!(record.effect, Effect::Begins(_) | Effect::Opens);
        if self.closed.load(Ordering::Acquire) {
            return Err(JournalError::Closed);
        }
        if begins {
            self.check()?;
        }
        let proof = match record.effect {
            Effect::Opens => self.proofs.of_opening(record.line),
            _ => Bytes::new(),
        };
        let mut inner = self.inner.lock();
        // INVARIANT: I8. Nothing is dropped, and nothing new begins.
        if begins && inner.kept_bytes >= self.bytes_max {
            return Err(JournalError::Unacknowledged);
        }
        let (position, unsent_bytes) = inner.append(&record, proof);
        drop(inner);
        if begins || unsent_bytes >= UNASKED_BYTES {
            // The acknowledgement travels while the target works.
            self.bell.ring();
        } else {
            self.bell.soon();
        }
        Ok(position)
    }

    fn poll_accepted(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        self.poll(&self.accepted, position, context, |inner| &mut inner.accepting)
    }

    fn poll_synced(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        self.poll(&self.synced, position, context, |inner| &mut inner.syncing)
    }
}

/// A node claims to keep records that were never sent to it.
#[derive(Debug, thiserror::Error)]
#[error("records were acknowledged that were never sent")]
pub(super) struct NeverSent;

impl Inner {
    /// Position of the first kept record.
    fn first(&self) -> u64 {
        self.appended + 1 - self.kept.len() as u64
    }

    /// Appends a record. Returns its position, and the approximate number of unsent bytes.
    fn append(&mut self, record: &Encoded<'_>, proof: Bytes) -> (Position, usize) {
        if self.chunk.capacity() < record.line.len() {
            self.chunk = BytesMut::with_capacity(CHUNK_BYTES.max(record.line.len()));
        }
        self.chunk.extend_from_slice(record.line);
        let line = self.chunk.split().freeze();
        self.kept_bytes += line.len();
        self.kept.push_back(Kept { stream: record.stream, sequence: record.seq, line, proof });
        self.appended += 1;
        (Position(self.appended), self.unsent_bytes())
    }

    /// Records the round-trip time once everything sent on this link is accepted.
    fn note_round_trip(&self, before: u64, accepted: u64) {
        if let Some(sent_at) = self.sent_at
            && accepted > before
            && accepted + 1 >= self.next
        {
            metrics::accepted(sent_at.elapsed());
        }
    }

    fn is_to_send(&self) -> bool {
        self.next <= self.appended || self.syncing.wanted() > self.asked
    }

    /// Returns `true` if the last message is not accepted yet and the unsent records can wait for that.
    fn has_to_wait(&self, accepted: u64) -> bool {
        let under_way = accepted + 1 < self.next;
        let lately = self.sent_at.is_some_and(|sent| sent.elapsed() < GATHER_MAX);
        under_way && lately && self.unsent_bytes() < UNASKED_BYTES
    }

    /// Approximate number of unsent bytes.
    fn unsent_bytes(&self) -> usize {
        let unsent = usize::try_from(self.appended + 1 - self.next).unwrap_or(usize::MAX);
        let average = self.kept_bytes / self.kept.len().max(1);
        average.saturating_mul(unsent)
    }

    fn take(&mut self) -> Option<v1::RecordLines> {
        let (first_position, wanted) = (self.next, self.syncing.wanted());
        let skipped = usize::try_from(self.next.saturating_sub(self.first())).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut lines = Vec::new();
        for kept in self.kept.range(skipped.min(self.kept.len())..) {
            if bytes > 0 && bytes + kept.line.len() > MESSAGE_BYTES_MAX {
                break;
            }
            bytes += kept.line.len();
            lines.push(kept.to_wire());
        }
        if lines.is_empty() && wanted <= self.asked {
            return None;
        }
        self.next += lines.len() as u64;
        self.sent_at = Some(Instant::now());
        let wanted_synced = if wanted > self.asked { wanted } else { 0 };
        self.asked = self.asked.max(wanted);
        Some(v1::RecordLines { first_position, lines, wanted_synced })
    }

    fn forget(&mut self, synced: u64) {
        while self.first() <= synced {
            let Some(kept) = self.kept.pop_front() else { break };
            self.kept_bytes -= kept.line.len();
        }
        // A node may have more than it was sent on this link: another link had sent it, and the answer was lost.
        self.next = self.next.max(self.first());
    }

    /// Returns the time since which the remaining records are awaited, after the position has moved from `before` to
    /// `reached`.
    fn since(&self, before: u64, reached: u64, since: Option<Instant>) -> Option<Instant> {
        if reached >= self.appended {
            None
        } else if reached > before {
            Some(Instant::now())
        } else {
            since
        }
    }

    fn take_waiting(&mut self) -> Vec<Waker> {
        let mut waiting = self.accepting.take(u64::MAX);
        waiting.append(&mut self.syncing.take(u64::MAX));
        waiting
    }
}

impl Kept {
    fn to_wire(&self) -> v1::RecordLine {
        v1::RecordLine {
            stream_id: self.stream.to_string(),
            sequence: self.sequence,
            line: self.line.clone(),
            session_proof: self.proof.clone(),
        }
    }
}

impl Progress {
    /// Notes that a caller waits.
    fn wait(&mut self, now: Instant) {
        self.accepted.get_or_insert(now);
        self.synced.get_or_insert(now);
    }

    fn is_older_than(&self, patience: Duration, somebody_waits_for_synced: bool) -> bool {
        let old = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() > patience);
        old(self.accepted) || (somebody_waits_for_synced && old(self.synced))
    }
}
