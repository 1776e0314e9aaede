//! The journal over the link: records wait here until the control plane has synced them. It vouches for nothing by
//! itself: *accepted* and *synced* are what a control-plane node has said.
//!
//! Everything not yet synced is kept, and sent again on the next link, to whichever node: what a node had accepted and
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

/// Lines of one message, in bytes; one line alone may be larger.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// How many bytes are sent although what was sent before is not acknowledged as accepted.
const UNASKED_BYTES: usize = 64 << 10;

/// How long what is to be sent waits for the acknowledgement of what was sent before.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// Lines are copied into chunks of this size; a chunk lives as long as one of its lines.
const CHUNK_BYTES: usize = 64 << 10;

/// Records on their way to the control plane. Memory: at most `bytes_max` and what running commands still have to say.
#[derive(Debug)]
pub struct LinkJournal {
    inner: Mutex<Inner>,
    accepted: AtomicU64,
    synced: AtomicU64,
    /// Nobody has acknowledged anything for too long.
    silent: AtomicBool,
    closed: AtomicBool,
    bytes_max: usize,
    bell: Arc<Bell>,
    proofs: Arc<RecordProofs>,
}

#[derive(Debug)]
struct Inner {
    /// What is not synced, in order; the last one has position `appended`.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    appended: u64,
    /// The next position that the link in use has not been given.
    next: u64,
    /// Up to where syncing was asked for, on the link in use.
    asked: u64,
    /// When something was sent last, on the link in use.
    sent_at: Option<Instant>,
    chunk: BytesMut,
    accepting: Waiters,
    syncing: Waiters,
    /// When something was acknowledged last, or, after everything had been, when the next wait began.
    progress: Progress,
}

#[derive(Debug)]
struct Kept {
    stream: StreamId,
    sequence: u64,
    line: Bytes,
    /// Of an opening record: what shows that its session may be recorded here. Kept with the line, which may be sent again
    /// after the session has ended.
    proof: Bytes,
}

/// Since when each of the two acknowledgements is awaited.
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

    /// How far everything is synced: a new link begins behind it.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// A new link is in use: everything that is not synced is sent again.
    pub(super) fn rewind(&self) {
        let mut inner = self.inner.lock();
        metrics::resent(inner.next.saturating_sub(inner.first()));
        inner.next = inner.first();
        inner.asked = 0;
        inner.sent_at = None;
    }

    /// Whether there is something to send, and nothing that it should wait for.
    pub(super) fn is_ready(&self) -> bool {
        let inner = self.inner.lock();
        inner.is_to_send() && !inner.has_to_wait(self.accepted.load(Ordering::Acquire))
    }

    /// What is to be sent next; `None`: nothing yet.
    ///
    /// One message is under way at a time, as far as small ones go: what comes meanwhile gathers, and goes together when
    /// that one is accepted. A lonely client waits for nobody; many share their messages.
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

    /// A node has said how far it keeps records.
    ///
    /// # Errors
    /// When it claims to keep what was never sent to it.
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

    /// Looks whether acknowledgements have been missing for longer than `patience`; then those who wait are told so,
    /// and nothing new is taken until there is one.
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

    /// How many records are not synced, and their bytes.
    pub(super) fn unsynced(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.kept.len(), inner.kept_bytes)
    }

    /// Whether everything that was appended is synced.
    pub(super) fn is_drained(&self) -> bool {
        self.inner.lock().kept.is_empty()
    }

    /// Asks for everything to be synced, as if somebody waited.
    pub(super) fn want_all(&self) {
        let mut inner = self.inner.lock();
        let last = inner.appended;
        inner.syncing.want(last);
        drop(inner);
        self.bell.ring();
    }

    /// Takes and vouches for nothing any more. What was not synced is dropped: the control plane has ended these
    /// streams as lost.
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
        // INVARIANT: I8. What nobody acknowledges is as good as not recorded.
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
        // `kept` moves the mark under this lock before it wakes: what is not seen here will be woken there.
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
        // What follows a begin is always taken: a command that runs must get its end (I5), and running commands are
        // bounded by what could begin.
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
        // INVARIANT: I8. Nothing is dropped; nothing new begins.
        if begins && inner.kept_bytes >= self.bytes_max {
            return Err(JournalError::Unacknowledged);
        }
        let (position, unsent_bytes) = inner.append(&record, proof);
        drop(inner);
        if begins || unsent_bytes >= UNASKED_BYTES {
            // Its acknowledgement travels while the target works.
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

/// A node claims to keep what was never sent to it.
#[derive(Debug, thiserror::Error)]
#[error("records were acknowledged that were never sent")]
pub(super) struct NeverSent;

impl Inner {
    /// The position of the first one that is kept.
    fn first(&self) -> u64 {
        self.appended + 1 - self.kept.len() as u64
    }

    /// Takes one in; says where it stands, and about how much is unsent.
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

    /// All that was sent on this link is accepted now: that took one round trip.
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

    /// Whether the last message is still under way, and what there is can wait for it.
    fn has_to_wait(&self, accepted: u64) -> bool {
        let under_way = accepted + 1 < self.next;
        let lately = self.sent_at.is_some_and(|sent| sent.elapsed() < GATHER_MAX);
        under_way && lately && self.unsent_bytes() < UNASKED_BYTES
    }

    /// About how much is unsent.
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
        // A node may have more than it was given on this link: another link had sent it, and the answer was lost.
        self.next = self.next.max(self.first());
    }

    /// Since when the rest is awaited, now that a mark has moved from `before` to `reached`.
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
    /// Somebody waits.
    fn wait(&mut self, now: Instant) {
        self.accepted.get_or_insert(now);
        self.synced.get_or_insert(now);
    }

    fn is_older_than(&self, patience: Duration, somebody_waits_for_synced: bool) -> bool {
        let old = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() > patience);
        old(self.accepted) || (somebody_waits_for_synced && old(self.synced))
    }
}
