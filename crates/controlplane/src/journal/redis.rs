//! The journal on Redis Streams. One task sends what has gathered; a script appends each record to the stream unless it is
//! there already, and says where one does not fit. Whatever Redis does not do, the node's own segment files do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use countersign_common::Digest;
use countersign_common::id::StreamId;
use countersign_recording::{
    Effect, Encoded, Journal, JournalError, JournalExt as _, LocalJournal, Position, Skim,
};
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::redis::{Redis, RedisError, Script};

/// For each record: its stream, number, hash, the hash before, whether it ends the stream, its line. Answers 1: appended,
/// 0: was there, -1: another one is there, or it does not follow from the one before. A record may leap forward: those
/// between went elsewhere while Redis was away.
const APPEND: &str = r"
local said = {}
for i = 1, #ARGV, 6 do
  local stream, seq, hash, prev = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3]
  local tip = redis.call('HGET', KEYS[2], stream)
  local last_hash, last = tip and string.sub(tip, 1, 32), tip and tonumber(string.sub(tip, 33))
  local verdict = 1
  if last and (seq < last or (seq == last and hash == last_hash)) then
    verdict = 0
  elseif last and (seq == last or (seq == last + 1 and prev ~= last_hash)) then
    verdict = -1
  else
    redis.call('XADD', KEYS[1], '*', 'l', ARGV[i + 5])
    if ARGV[i + 4] == '1' then
      redis.call('HDEL', KEYS[2], stream)
    else
      redis.call('HSET', KEYS[2], stream, hash .. string.format('%.0f', seq))
    end
  end
  said[#said + 1] = verdict
end
return said
";

/// How a [`RedisJournal`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisJournalOptions {
    /// The stream's key; that of its account is the same with `:tips`. Both in one slot: `{cs:journal:0}`.
    pub key: String,
    /// When a record counts as synced in Redis. Where it does not, it is synced here as well.
    pub synced_by: SyncedBy,
    /// The most that one script call carries, in bytes. Default 1 MiB.
    pub batch_bytes_max: usize,
    /// The most that may wait while a call is under way, in bytes; beyond it records are refused (I8). Default 256 MiB.
    pub queue_bytes_max: usize,
    /// How long Redis is left alone after a failure. Default 1 s.
    pub retry_after: Duration,
}

impl Default for RedisJournalOptions {
    fn default() -> Self {
        Self {
            key: "{cs:journal:0}".into(),
            synced_by: SyncedBy::Nothing,
            batch_bytes_max: 1 << 20,
            queue_bytes_max: 256 << 20,
            retry_after: Duration::from_secs(1),
        }
    }
}

/// When a record counts as synced in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncedBy {
    /// Never: each record is synced in this node's files too. Redis makes it outlive the node.
    Nothing,
    /// When it is in the server's append-only file: `appendonly yes` and `appendfsync always`, which is looked up. Outlives
    /// the server's power, not the server's disk.
    Fsync,
    /// When so many replicas have it (`WAIT`): outlives that many machines less one. In their memory, where they do not
    /// sync either.
    Replicas {
        /// How many.
        count: u32,
        /// How long they are waited for; less than [`crate::redis::RedisOptions::response_timeout`].
        within: Duration,
    },
}

/// The journal on Redis Streams, with the node's own files behind it. *Accepted*: the script has answered, or the record
/// is in the kernel here. *Synced*: as [`SyncedBy`] says, or fdatasync has answered here. Nothing is either until
/// [`Self::run`] runs.
#[derive(Debug)]
pub struct RedisJournal {
    redis: Arc<Redis>,
    local: Arc<LocalJournal>,
    options: RedisJournalOptions,
    script: Script,
    queue: Mutex<Queue>,
    more: Notify,
    accepted: AtomicU64,
    synced: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Queue {
    records: Vec<Owned>,
    bytes: usize,
    appended: u64,
}

/// A record on its way.
#[derive(Debug)]
struct Owned {
    line: Vec<u8>,
    hash: Digest,
    prev: Digest,
    stream: StreamId,
    seq: u64,
    effect: Effect,
}

/// Who waits, and whether it has become vain. Bounded by the sessions: each waits for one position at a time.
#[derive(Debug, Default)]
struct Waiting {
    accepted: Vec<(u64, Waker)>,
    synced: Vec<(u64, Waker)>,
    failure: Option<JournalError>,
}

/// What the task knows of Redis.
#[derive(Debug, Default)]
struct Health {
    /// Since when it is away.
    away_since: Option<Instant>,
    /// Whether it was looked up that every write is synced there.
    syncs: Option<bool>,
}

/// Parts that are accepted and not known to be synced, in order: through where, and where that is in the files; `None`:
/// synced already, but something before it is not.
#[derive(Debug, Default)]
struct Unsynced(VecDeque<(u64, Option<Position>)>);

impl Unsynced {
    /// A part that is in the files like the one before makes one with it, so that this does not grow while nobody waits.
    fn add(&mut self, through: u64, place: Option<Position>) {
        match self.0.back_mut() {
            Some(last) if last.1.is_some() == place.is_some() => *last = (through, place),
            _ => self.0.push_back((through, place)),
        }
    }
}

/// How far Redis has kept a batch.
enum Kept {
    Synced,
    Accepted,
}

impl RedisJournal {
    /// On this Redis, with these files behind it. The files must not be those that a [`super::Drain`] writes.
    #[must_use]
    pub fn new(redis: Arc<Redis>, local: Arc<LocalJournal>, options: RedisJournalOptions) -> Arc<Self> {
        Arc::new(Self {
            redis,
            local,
            options,
            script: Script::new(APPEND),
            queue: Mutex::default(),
            more: Notify::new(),
            accepted: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    /// The place of the newest record.
    #[must_use]
    pub fn appended(&self) -> Position {
        Position(self.queue.lock().appended)
    }

    /// Keeps what is appended, until it is told to stop and all is kept; or until neither Redis nor the files take it.
    ///
    /// # Cancel safety
    /// None: dropped, it leaves records unkept, and nothing is acknowledged any more.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let failure = self.keep_all(&mut stop).await.err().unwrap_or(JournalError::Closed);
        self.fail(failure);
    }

    async fn keep_all(&self, stop: &mut watch::Receiver<bool>) -> Result<(), JournalError> {
        let (mut health, mut unsynced) = (Health::default(), Unsynced::default());
        loop {
            let batch = self.take();
            if !batch.is_empty() {
                self.keep(&batch, &mut health, &mut unsynced).await?;
                if let Some(synced) = self.synced_here(&mut unsynced).now_or_never() {
                    synced?;
                }
                continue;
            }
            if *stop.borrow() {
                return self.local.flush();
            }
            tokio::select! {
                () = self.more.notified() => {}
                synced = self.synced_here(&mut unsynced), if self.is_sync_wanted(&unsynced) => synced?,
                changed = stop.changed() => if changed.is_err() { return self.local.flush() },
            }
        }
    }

    /// What nobody waits for becomes synced by itself, in the journal of files; hurrying it would cost a sync a batch.
    fn is_sync_wanted(&self, unsynced: &Unsynced) -> bool {
        !unsynced.0.is_empty() && !self.waiting.lock().synced.is_empty()
    }

    /// Waits until the oldest part that is not known to be synced is, where someone waits for it.
    ///
    /// # Cancel safety
    /// Safe: it is taken out only when it is synced.
    async fn synced_here(&self, unsynced: &mut Unsynced) -> Result<(), JournalError> {
        while self.is_sync_wanted(unsynced) {
            let Some(&(through, place)) = unsynced.0.front() else { break };
            if let Some(place) = place {
                self.local.synced(place).await?;
            }
            unsynced.0.pop_front();
            self.reach(None, Some(through));
        }
        Ok(())
    }

    fn take(&self) -> Vec<Owned> {
        let mut queue = self.queue.lock();
        let mut bytes = 0;
        let mut fits = |one: &Owned| {
            bytes += one.line.len();
            bytes <= self.options.batch_bytes_max
        };
        // One record is always taken, however long it is.
        let count = queue.records.iter().take_while(|one| fits(one)).count().max(1);
        let count = count.min(queue.records.len());
        let batch: Vec<_> = queue.records.drain(..count).collect();
        queue.bytes -= batch.iter().map(|one| one.line.len()).sum::<usize>();
        batch
    }

    async fn keep(
        &self,
        batch: &[Owned],
        health: &mut Health,
        unsynced: &mut Unsynced,
    ) -> Result<(), JournalError> {
        let through = self.accepted.load(Ordering::Acquire) + batch.len() as u64;
        let kept = self.keep_in_redis(batch, health).await;
        let place = match kept {
            Some(Kept::Synced) => None,
            Some(Kept::Accepted) => {
                self.reach(Some(through), None);
                self.keep_here(batch).await?
            }
            None => {
                crate::metrics::journal_fallback(batch.len() as u64);
                self.keep_here(batch).await?
            }
        };
        self.reach(Some(through), None);
        // Never before what stands before it.
        match (unsynced.0.is_empty(), place) {
            (true, None) => self.reach(None, Some(through)),
            _ => unsynced.add(through, place),
        }
        Ok(())
    }

    /// `None`: Redis is away, and may have taken them or not.
    async fn keep_in_redis(&self, batch: &[Owned], health: &mut Health) -> Option<Kept> {
        if health.away_since.is_some_and(|since| since.elapsed() < self.options.retry_after) {
            return None;
        }
        match self.send(batch, health).await {
            Ok(kept) => {
                if health.away_since.take().is_some() {
                    tracing::info!("redis is back; records go there again");
                }
                crate::metrics::journal_redis(true);
                Some(kept)
            }
            Err(error) => {
                if health.away_since.is_none() {
                    tracing::warn!(%error, "redis does not take records; they are kept in this node's files");
                }
                crate::metrics::journal_redis(false);
                *health = Health { away_since: Some(Instant::now()), syncs: None };
                None
            }
        }
    }

    async fn send(&self, batch: &[Owned], health: &mut Health) -> Result<Kept, RedisError> {
        let words: Vec<[Vec<u8>; 6]> = batch.iter().map(Owned::words).collect();
        let words: Vec<&[u8]> = words.iter().flatten().map(Vec::as_slice).collect();
        let tips = format!("{}:tips", self.options.key);
        let said = self.redis.script(&self.script, &[&self.options.key, &tips], &words).await?;
        if said.len() != batch.len() {
            return Err(RedisError::Refused(format!("{} answers to {} records", said.len(), batch.len())));
        }
        let forked: Vec<_> =
            batch.iter().zip(said).filter(|(_, said)| *said < 0).map(|(one, _)| one).collect();
        for one in &forked {
            tracing::error!(stream = %one.stream, seq = one.seq, "fork: redis has another record in this place");
        }
        match self.options.synced_by {
            // What was refused is kept here, so that the fork shows.
            _ if !forked.is_empty() => Ok(Kept::Accepted),
            SyncedBy::Nothing => Ok(Kept::Accepted),
            SyncedBy::Fsync => self.by_fsync(health).await,
            SyncedBy::Replicas { count, within } => {
                let have = self.redis.wait_for_replicas(count, within).await?;
                Ok(if have >= count { Kept::Synced } else { Kept::Accepted })
            }
        }
    }

    async fn by_fsync(&self, health: &mut Health) -> Result<Kept, RedisError> {
        let syncs = match health.syncs {
            Some(syncs) => syncs,
            None => {
                let syncs = self.redis.syncs_every_write().await?;
                if !syncs {
                    tracing::warn!("redis does not sync every write (`appendfsync always`); this node does");
                }
                *health.syncs.insert(syncs)
            }
        };
        Ok(if syncs { Kept::Synced } else { Kept::Accepted })
    }

    /// Keeps them in this node's files; says where the last one stands. What Redis has as well is the same.
    async fn keep_here(&self, batch: &[Owned]) -> Result<Option<Position>, JournalError> {
        let mut last = None;
        for one in batch {
            last = Some(self.local.append(one.encoded())?);
        }
        if let Some(last) = last {
            self.local.accepted(last).await?;
        }
        Ok(last)
    }

    fn reach(&self, accepted: Option<u64>, synced: Option<u64>) {
        let mut ready = Vec::new();
        let mut waiting = self.waiting.lock();
        if let Some(accepted) = accepted {
            self.accepted.store(accepted, Ordering::Release);
            ready.extend(waiting.accepted.extract_if(.., |(at, _)| *at <= accepted));
        }
        if let Some(synced) = synced {
            self.synced.store(synced, Ordering::Release);
            ready.extend(waiting.synced.extract_if(.., |(at, _)| *at <= synced));
        }
        drop(waiting);
        ready.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// INVARIANT: I8 - from here on nothing is taken or vouched for.
    fn fail(&self, failure: JournalError) {
        let mut waiting = self.waiting.lock();
        waiting.failure = Some(failure);
        let accepted = std::mem::take(&mut waiting.accepted);
        let synced = std::mem::take(&mut waiting.synced);
        drop(waiting);
        accepted.into_iter().chain(synced).for_each(|(_, waker)| waker.wake());
    }

    fn poll(
        &self,
        reached: &AtomicU64,
        list: impl FnOnce(&mut Waiting) -> &mut Vec<(u64, Waker)>,
        position: Position,
        context: &Context<'_>,
    ) -> Poll<Result<(), JournalError>> {
        if reached.load(Ordering::Acquire) >= position.0 {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.waiting.lock();
        // `reach` moves it under this lock.
        if reached.load(Ordering::Acquire) >= position.0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(failure) = &waiting.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let list = list(&mut waiting);
        let same = |(at, one): &&(u64, Waker)| *at == position.0 && one.will_wake(context.waker());
        if list.iter().find(same).is_none() {
            list.push((position.0, context.waker().clone()));
        }
        Poll::Pending
    }
}

impl Journal for RedisJournal {
    fn append(&self, record: Encoded<'_>) -> Result<Position, JournalError> {
        if let Some(failure) = &self.waiting.lock().failure {
            return Err(failure.clone());
        }
        let owned = Owned::from(&record)?;
        let mut queue = self.queue.lock();
        if queue.bytes + owned.line.len() > self.options.queue_bytes_max {
            // INVARIANT: I8 - what cannot be kept in time is refused.
            return Err(JournalError::Full { bytes_max: self.options.queue_bytes_max });
        }
        queue.bytes += owned.line.len();
        queue.records.push(owned);
        queue.appended += 1;
        let position = Position(queue.appended);
        drop(queue);
        self.more.notify_one();
        Ok(position)
    }

    fn poll_accepted(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        self.poll(&self.accepted, |waiting| &mut waiting.accepted, position, context)
    }

    fn poll_synced(&self, position: Position, context: &mut Context<'_>) -> Poll<Result<(), JournalError>> {
        let polled = self.poll(&self.synced, |waiting| &mut waiting.synced, position, context);
        if polled.is_pending() {
            // The task hurries a sync only when someone waits.
            self.more.notify_one();
        }
        polled
    }
}

impl Owned {
    fn from(record: &Encoded<'_>) -> Result<Self, JournalError> {
        let skim =
            Skim::of(record.line).map_err(|e| JournalError::Poisoned { cause: e.to_string().into() })?;
        let Encoded { line, hash, stream, seq, effect } = *record;
        Ok(Self { line: line.to_vec(), hash, prev: skim.prev, stream, seq, effect })
    }

    fn encoded(&self) -> Encoded<'_> {
        let Self { line, hash, stream, seq, effect, .. } = self;
        Encoded { line, hash: *hash, stream: *stream, seq: *seq, effect: *effect }
    }

    /// As the script reads it.
    fn words(&self) -> [Vec<u8>; 6] {
        let closes = if self.effect == Effect::Closes { b"1" } else { b"0" };
        [
            self.stream.to_string().into_bytes(),
            self.seq.to_string().into_bytes(),
            self.hash.as_bytes().to_vec(),
            self.prev.as_bytes().to_vec(),
            closes.to_vec(),
            self.line.clone(),
        ]
    }
}
