//! What a database defines, as a snapshot that is shared by all sessions on it: read over a connection of
//! our own, again when it is old, when a statement that we let go changed definitions, and when a name
//! turns up that it does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use countersign_common::target::Role;
use countersign_sql::Catalogue;
use countersign_sql::catalogue::{QUERIES, SETUP};

use crate::codec::startup::Protocol;
use crate::definitions::DefinitionReader;
use crate::parameters::StartupParameters;
use crate::session::settings::Settings;
use crate::upstream::{Connector, Opening, UpstreamError};

/// A snapshot older than this is read anew before it is used again. Definitions that others change in
/// the meantime are seen this late.
const AGE_MAX: Duration = Duration::from_secs(30);

/// For an unknown name a snapshot is read anew at most this often.
const UNKNOWN_NAME_EVERY: Duration = Duration::from_secs(1);

/// One database of one target, and what it defines.
#[derive(Debug)]
pub(crate) struct Database {
    connector: Arc<Connector>,
    role: Role,
    name: String,
    snapshot: ArcSwap<Snapshot>,
    stale: AtomicBool,
    generation: AtomicU64,
    /// The settings that a session told last: most sessions have the same, and share them.
    settings: ArcSwapOption<Settings>,
    /// Reads what held commands rest on.
    pub(crate) definitions: DefinitionReader,
    /// One refresh at a time; the others wait for its result.
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Snapshot {
    catalogue: Arc<Catalogue>,
    read_at: Option<Instant>,
}

impl Database {
    /// A database of which nothing is known yet.
    pub(crate) fn new(connector: Arc<Connector>, role: Role, name: String) -> Self {
        let snapshot = Snapshot { catalogue: Arc::new(Catalogue::empty()), read_at: None };
        let definitions = DefinitionReader::new(Arc::clone(&connector), role.clone(), name.clone());
        Self {
            connector,
            role,
            name,
            definitions,
            snapshot: ArcSwap::from_pointee(snapshot),
            stale: AtomicBool::new(true),
            generation: AtomicU64::new(0),
            settings: ArcSwapOption::empty(),
            refreshing: tokio::sync::Mutex::new(()),
        }
    }

    /// What is known now.
    pub(crate) fn current(&self) -> Arc<Catalogue> {
        Arc::clone(&self.snapshot.load().catalogue)
    }

    /// Grows with every snapshot.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// These settings, shared with the session that told the same before.
    pub(crate) fn shared_settings(&self, told: Settings) -> Arc<Settings> {
        if let Some(same) = self.settings.load().as_ref().filter(|last| ***last == told) {
            return Arc::clone(same);
        }
        let told = Arc::new(told);
        self.settings.store(Some(Arc::clone(&told)));
        told
    }

    /// Definitions may have changed.
    pub(crate) fn mark_stale(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Reads a snapshot unless there is one that is recent enough.
    ///
    /// # Errors
    /// When the target cannot be asked. An older snapshot stays in use then, if there is one.
    pub(crate) async fn freshen(&self) -> Result<(), UpstreamError> {
        if self.is_fresh(AGE_MAX) {
            return Ok(());
        }
        // Boxed: rare, and large beside a session that mostly finds it fresh.
        Box::pin(self.refresh(AGE_MAX)).await
    }

    /// Reads a snapshot that is not older than this call.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub(crate) async fn renew(&self) -> Result<(), UpstreamError> {
        self.mark_stale();
        self.freshen().await
    }

    /// A name turned up that the snapshot does not have: perhaps it is new.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub(crate) async fn look_again(&self) -> Result<(), UpstreamError> {
        Box::pin(self.refresh(UNKNOWN_NAME_EVERY)).await
    }

    fn is_fresh(&self, age_max: Duration) -> bool {
        let recent = self.snapshot.load().read_at.is_some_and(|at| at.elapsed() < age_max);
        recent && !self.stale.load(Ordering::Acquire)
    }

    async fn refresh(&self, age_max: Duration) -> Result<(), UpstreamError> {
        let _one_at_a_time = self.refreshing.lock().await;
        if self.is_fresh(age_max) {
            return Ok(());
        }
        // Lowered first: a change that comes while we read raises it again.
        self.stale.store(false, Ordering::Release);
        let read = self.read().await;
        match read {
            Ok(catalogue) => {
                let snapshot = Snapshot { catalogue: Arc::new(catalogue), read_at: Some(Instant::now()) };
                self.snapshot.store(Arc::new(snapshot));
                self.generation.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                self.stale.store(true, Ordering::Release);
                Err(error)
            }
        }
    }

    async fn read(&self) -> Result<Catalogue, UpstreamError> {
        let mut parameters = StartupParameters::default();
        parameters.push("application_name", "countersign catalogue");
        parameters.push("client_encoding", "UTF8");
        let opening = Opening {
            role: &self.role,
            database: &self.name,
            parameters: &parameters,
            protocol: Protocol::V3_0,
        };
        let mut upstream = self.connector.connect(&opening).await?;
        upstream.simple_query(SETUP).await?;
        let mut results = Vec::with_capacity(QUERIES.len());
        for query in QUERIES {
            results.push(upstream.simple_query(query).await?);
        }
        // A snapshot that cannot be taken in is as good as none: every name stays unresolved (I7).
        Ok(Catalogue::from_rows(&results).unwrap_or_else(|error| {
            tracing::error!(%error, database = self.name, "the catalogue could not be read");
            Catalogue::empty()
        }))
    }
}
