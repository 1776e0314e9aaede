//! Records in a control plane's process: `journal`, `archive`, and the files of the data directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::time::{Clock, SystemClock};
use countersign_controlplane::ControlPlane;
use countersign_controlplane::journal::{
    AnchorSender, ArchiveOptions, Keeper, KeeperOptions, Publishing, RedisFront, RedisJournalOptions,
    SyncedBy,
};
use countersign_controlplane::redis::Redis;
use countersign_controlplane::store::Store;
use countersign_recording::{ArchiveStore, CheckpointFile, LeftOpen, LocalJournal, Newest, SigningKey};
use serde::Deserialize;

use super::archive::ArchivePlace;
use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::config::Document;

/// How long a segment stays in the data directory after it was archived.
const KEEP_LOCAL: Duration = Duration::from_secs(3600);

/// How long the replicas of Redis are waited for; then the node's own disk is.
const REPLICAS_WITHIN: Duration = Duration::from_millis(500);

/// What concerns records.
#[derive(Debug)]
pub(super) struct RecordsConfig {
    /// `journal`: where records go first: `local`, to the data directory; or `redis`, to Redis before that. Default
    /// `local`. `docs/recording.md` says what each survives.
    pub(super) journal: JournalKind,
    /// `journal_synced_by`: with `journal: redis`, when a record counts as synced: `files`, when it is in the data
    /// directory, too; `redis_fsync`; or `{ replicas: N }`. Default `files`.
    synced_by: Synced,
    /// `archive`: where sealed segments go, the same for all nodes. Default none: they stay. With `store: etcd` to be given.
    archive: Option<ArchivePlace>,
    /// Whether there is one, if only one that was refused.
    has_archive: bool,
    /// `archive_seconds`: how often. Default 60, at least 1.
    every: Duration,
}

/// `journal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JournalKind {
    Local,
    Redis,
}

/// `journal_synced_by`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Synced {
    Files,
    RedisFsync,
    Replicas(u32),
}

impl RecordsConfig {
    pub(super) fn read(document: &mut Document, redis: Option<bool>) -> Self {
        let journal = document.optional("journal").unwrap_or(JournalKind::Local);
        let synced_by = document.optional("journal_synced_by");
        let has_archive = document.has("archive");
        let archive = ArchivePlace::read(document);
        let every: u32 = document.optional("archive_seconds").unwrap_or(60);
        if every == 0 {
            document.fault("`archive_seconds`: at least 1");
        }
        if journal == JournalKind::Redis {
            match redis {
                None => document.fault("`journal: redis` needs `redis`"),
                Some(true) => document.fault("`journal: redis` needs a Redis that is no cluster"),
                Some(false) => {}
            }
            if !has_archive {
                document.fault("`journal: redis` needs `archive`: that is where Redis is drained to");
            }
        } else if synced_by.is_some() {
            document.fault("`journal_synced_by` is for `journal: redis`");
        }
        let (synced_by, every) = (synced_by.unwrap_or(Synced::Files), Duration::from_secs(every.into()));
        Self { journal, synced_by, archive, has_archive, every }
    }

    pub(super) const fn has_archive(&self) -> bool {
        self.has_archive
    }

    /// The archive, where there is one.
    pub(super) fn archive(&self, data: &DataDir) -> Result<Option<ArchiveStore>, CliError> {
        self.archive.as_ref().map(|place| place.open(data)).transpose()
    }

    fn options(&self) -> RedisJournalOptions {
        let synced_by = match self.synced_by {
            Synced::Files => SyncedBy::Nothing,
            Synced::RedisFsync => SyncedBy::Fsync,
            Synced::Replicas(count) => SyncedBy::Replicas { count, within: REPLICAS_WITHIN },
        };
        RedisJournalOptions { synced_by, ..RedisJournalOptions::default() }
    }
}

/// What records are kept with.
pub(super) struct Kept<'a> {
    pub(super) config: &'a RecordsConfig,
    pub(super) archive: Option<ArchiveStore>,
    pub(super) redis: Option<Arc<Redis>>,
    pub(super) data: &'a DataDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) control: &'a ControlPlane,
    pub(super) anchor: Option<AnchorSender>,
    /// How long a place in the store lives without this node.
    pub(super) ttl: Duration,
}

/// Begins to keep records.
pub(super) fn keep(kept: Kept<'_>) -> Result<Keeper, CliError> {
    let Kept { config, archive, redis, data, store, control, anchor, ttl } = kept;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let archive = archive.map(|store| ArchiveOptions { store, every: config.every, keep_local: KEEP_LOCAL });
    let (mut redis_front, mut of_drained) = (None, None);
    if let (JournalKind::Redis, Some(redis)) = (config.journal, redis) {
        let (drained, newest) = open_journal(data, data.drained(), &clock)?;
        (redis_front, of_drained) =
            (Some(RedisFront { redis, options: config.options(), drained }), Some(newest));
    }
    let (files, newest) = open_journal(data, data.recordings(), &clock)?;
    let checkpoints = Arc::clone(control.checkpoints());
    let publishing = Publishing { checkpoints, files: newest, drained: of_drained, anchor };
    let (redis, me) = (redis_front, control.node());
    let options = KeeperOptions { files, archive, redis, publishing, store, me, ttl, clock };
    Keeper::begin(options).map_err(|error| CliError::because(Exit::Failed, "records cannot be kept", &error))
}

/// Streams that were open stay open: their gateways may live, and go on with them.
fn open_journal(
    data: &DataDir,
    dir: PathBuf,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<LocalJournal>, Newest), CliError> {
    let options = countersign_recording::Options { left_open: LeftOpen::Keep, ..Default::default() };
    let opened = crate::data::private_dir(&dir)
        .and_then(|()| SigningKey::load_or_create(&data.checkpoint_key()))
        .and_then(|key| CheckpointFile::open(&dir, key))
        .and_then(|sink| {
            let newest = sink.newest();
            let journal = LocalJournal::open(&dir, options, Arc::clone(clock), Box::new(sink))?;
            Ok((Arc::new(journal), newest))
        });
    opened.map_err(|error| {
        CliError::failed(format!("the recordings in `{}` cannot be opened: {error}", dir.display()))
            .help("if another process has the data directory open, end it or choose another")
    })
}
