//! The records of one control-plane node, put together: the journal that takes them, the files behind it, and, where there
//! is an archive, what brings them there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::NodeId;
use countersign_common::time::Clock;
use countersign_recording::{ArchiveStore, Archiver, Journal, Ledger, LocalJournal, Newest};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::gather::Bringer;
use super::{
    AnchorSender, ArchivedIntake, Checkpoints, Drain, Election, Publisher, RedisJournal, RedisJournalOptions,
};
use crate::fleet::intake::{LedgerIntake, RecordIntake};
use crate::redis::Redis;
use crate::store::Store;

/// How long the last round may take when the node ends. What it leaves is archived after the next start.
const LAST_ROUND_WITHIN: Duration = Duration::from_secs(5);

/// The job of the elected node: it drains Redis, and says how the streams of lost gateways end.
const JOB: &str = "records-0";

/// What the records of a node are made of.
#[derive(Debug)]
pub struct KeeperOptions {
    /// This node's files, which have kept streams open ([`countersign_recording::LeftOpen::Keep`]).
    pub files: Arc<LocalJournal>,
    /// Where sealed segments go; `None`: they stay here, and this is the only node of the control plane.
    pub archive: Option<ArchiveOptions>,
    /// Redis in front; needs the archive.
    pub redis: Option<RedisFront>,
    /// What publishes the checkpoints of these journals.
    pub publishing: Publishing,
    /// Where nodes agree.
    pub store: Arc<dyn Store>,
    /// This node.
    pub me: NodeId,
    /// How long a place that it was elected to lives without it.
    pub ttl: Duration,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// How checkpoints leave the files that they speak of.
#[derive(Debug)]
pub struct Publishing {
    /// Where they go.
    pub checkpoints: Arc<Checkpoints>,
    /// The newest of [`KeeperOptions::files`].
    pub files: Newest,
    /// The newest of [`RedisFront::drained`].
    pub drained: Option<Newest>,
    /// The anchor outside of the control plane, where there is one.
    pub anchor: Option<AnchorSender>,
}

impl Publishing {
    fn begin(self, files: &LocalJournal, drained: Option<&LocalJournal>) -> Vec<Publisher> {
        let Self { checkpoints, files: newest, drained: of_drained, anchor } = self;
        let begin = |journal: &LocalJournal, newest| {
            Publisher::begin(Arc::clone(&checkpoints), journal.dir().to_owned(), newest, anchor.clone())
        };
        let mut publishers = vec![begin(files, newest)];
        publishers.extend(drained.zip(of_drained).map(|(journal, newest)| begin(journal, newest)));
        publishers
    }
}

/// The archive.
#[derive(Debug, Clone)]
pub struct ArchiveOptions {
    /// The archive.
    pub store: ArchiveStore,
    /// How often it is brought up to date.
    pub every: Duration,
    /// How long a segment stays here after it was archived.
    pub keep_local: Duration,
}

/// Redis before the files.
#[derive(Debug)]
pub struct RedisFront {
    /// Redis.
    pub redis: Arc<Redis>,
    /// How it is used.
    pub options: RedisJournalOptions,
    /// The files into which it is drained, written by nothing else.
    pub drained: Arc<LocalJournal>,
}

/// The records of a node, kept by tasks.
#[derive(Debug)]
pub struct Keeper {
    intake: Arc<dyn RecordIntake>,
    files: Arc<LocalJournal>,
    drained: Option<Arc<LocalJournal>>,
    publishers: Vec<Publisher>,
    archiver: Option<Arc<Mutex<Archiver>>>,
    stop_archiving: watch::Sender<bool>,
    archiving: Vec<JoinHandle<()>>,
    stop_redis: watch::Sender<bool>,
    redis: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Begins; to be ended with [`Keeper::end`].
    ///
    /// # Errors
    /// When the files' folder cannot be written.
    pub fn begin(options: KeeperOptions) -> io::Result<Self> {
        let KeeperOptions { files, archive, redis, publishing, store, me, ttl, clock } = options;
        let publishers = publishing.begin(&files, redis.as_ref().map(|front| &*front.drained));
        let (stop_archiving, stopped) = watch::channel(false);
        let (stop_redis, redis_stopped) = watch::channel(false);
        let Some(archive) = archive else {
            let intake: Arc<dyn RecordIntake> = Arc::new(LedgerIntake::new(Arc::clone(&files), clock));
            let (drained, archiver, redis, archiving) = (None, None, None, Vec::new());
            return Ok(Self {
                intake,
                files,
                drained,
                publishers,
                archiver,
                stop_archiving,
                archiving,
                stop_redis,
                redis,
            });
        };
        let archiver = Archiver::new(archive.store.clone(), Arc::clone(&files), archive.keep_local)?;
        let archiver = Arc::new(Mutex::new(archiver));
        let election = Election::new(Arc::clone(&store), JOB, me, ttl);
        let elected = election.elected();
        let front = redis.map(|front| Front::new(front, &archive, &files)).transpose()?;
        let ledger = match &front {
            Some(front) => Ledger::resume_before(Arc::clone(&front.journal) as Arc<dyn Journal>, &files),
            None => Ledger::resume(Arc::clone(&files)),
        };
        let drain = front.as_ref().map(|front| Arc::clone(&front.drain));
        let mut archiving = vec![
            tokio::spawn(archive_all(Arc::clone(&archiver), archive.every, stopped.clone())),
            tokio::spawn({
                let stopped = stopped.clone();
                async move { election.run(stopped).await }
            }),
        ];
        let bringer = Bringer {
            store: Arc::clone(&store),
            me,
            archiver: Arc::clone(&archiver),
            drain: drain.clone(),
            elected: elected.clone(),
        };
        archiving.push(tokio::spawn(bringer.run(stopped.clone())));
        if let Some(drain) = &drain {
            archiving.push(tokio::spawn(drain_all(
                Arc::clone(drain),
                archive.every,
                elected.clone(),
                stopped,
            )));
        }
        let intake = Arc::new(ArchivedIntake {
            ledger,
            files: Arc::clone(&files),
            redis: front.as_ref().map(|front| Arc::clone(&front.journal)),
            drain,
            archive: archive.store,
            archiver: Arc::clone(&archiver),
            store,
            me,
            elected,
            clock,
        });
        Ok(Self {
            intake,
            files,
            drained: front.as_ref().map(|front| Arc::clone(&front.drained)),
            publishers,
            archiver: Some(archiver),
            stop_archiving,
            archiving,
            stop_redis,
            redis: front.map(|front| tokio::spawn(front.journal.run(redis_stopped))),
        })
    }

    /// Where the records of gateways go.
    #[must_use]
    pub fn intake(&self) -> Arc<dyn RecordIntake> {
        Arc::clone(&self.intake)
    }

    /// After the last record: all is kept, sealed, and archived as far as that is quick.
    ///
    /// # Errors
    /// When the journal had failed.
    pub async fn end(self) -> io::Result<()> {
        self.stop_redis.send_replace(true);
        if let Some(redis) = self.redis {
            redis.await.map_err(io::Error::other)?;
        }
        self.stop_archiving.send_replace(true);
        for task in self.archiving {
            let _ = task.await;
        }
        let all = [Some(self.files), self.drained];
        for journal in all.into_iter().flatten() {
            let closed = tokio::task::spawn_blocking(move || journal.close()).await;
            closed.map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
        for publisher in self.publishers {
            publisher.end().await;
        }
        if let Some(archiver) = self.archiver {
            let mut archiver = archiver.lock().await;
            match tokio::time::timeout(LAST_ROUND_WITHIN, archiver.last_round()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what is not archived yet is after the next start"),
                Err(_) => {
                    tracing::warn!("the archive is slow; what is not archived yet is after the next start")
                }
            }
        }
        Ok(())
    }
}

/// Redis before the files, and what drains it.
struct Front {
    journal: Arc<RedisJournal>,
    drain: Arc<Mutex<Drain>>,
    drained: Arc<LocalJournal>,
}

impl Front {
    fn new(front: RedisFront, archive: &ArchiveOptions, files: &Arc<LocalJournal>) -> io::Result<Self> {
        let RedisFront { redis, options, drained } = front;
        let archiver = Archiver::new(archive.store.clone(), Arc::clone(&drained), archive.keep_local)?;
        let drain = Drain::new(Arc::clone(&redis), options.key.clone(), Arc::clone(&drained), archiver);
        let journal = RedisJournal::new(redis, Arc::clone(files), options);
        Ok(Self { journal, drain: Arc::new(Mutex::new(drain)), drained })
    }
}

/// Archives this node's files by a period, until `stop`.
async fn archive_all(archiver: Arc<Mutex<Archiver>>, every: Duration, mut stop: watch::Receiver<bool>) {
    while !rested(every, &mut stop).await {
        match archiver.lock().await.round().await {
            Ok(_) => crate::metrics::archived("files"),
            Err(error) => {
                crate::metrics::archive_failed();
                tracing::error!(%error, "records were not archived; they stay here");
            }
        }
    }
}

/// Drains Redis by the same period, while this node is elected.
async fn drain_all(
    drain: Arc<Mutex<Drain>>,
    every: Duration,
    elected: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    while !rested(every, &mut stop).await {
        if !*elected.borrow() {
            continue;
        }
        match drain.lock().await.round().await {
            Ok(drained) => {
                crate::metrics::archived("redis");
                tracing::debug!(records = drained.records, "redis is drained");
            }
            Err(error) => {
                crate::metrics::archive_failed();
                tracing::warn!(%error, "redis was not drained; what it has stays there");
            }
        }
    }
}

/// Waits for a period; whether it has been stopped.
async fn rested(every: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => true,
        () = tokio::time::sleep(every) => false,
    }
}
