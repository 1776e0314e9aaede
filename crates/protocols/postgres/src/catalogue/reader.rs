//! The task that reads the catalogue of one database, over one connection that it keeps.
//!
//! Every [`SCAN_EVERY`] it compares versions of all definitions with what it knows, which finds what others have
//! changed; on request it reads single names. Rows of system catalogs are read without a lock. A definition that only a
//! function of the server can say may wait for a lock on a user's table: it is asked for on its own, with a short
//! `lock_timeout`, and not at all while somebody has, or waits for, that table exclusively. What could not be read
//! leaves its object unresolved and is tried again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_sql::catalogue::refresh::{self, Draft, Plan, Scope, Summary};
use countersign_sql::catalogue::{CatalogueError, DefinitionQuery, Rows};
use countersign_sql::{Catalogue, Redefined};
use tokio::time::Instant;

use super::{AGE_MAX, Database, IDLE_MAX, Snapshot, Ticket};
use crate::codec::SqlState;
use crate::codec::startup::Protocol;
use crate::parameters::StartupParameters;
use crate::upstream::{Opening, SpareUpstream, Upstream, UpstreamError};

/// Definitions that others change are seen this late, plus the time that a scan takes.
const SCAN_EVERY: Duration = Duration::from_secs(10);

/// Objects that could not be read are tried again after this time, twice as long each time that nothing came of it.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(16);

/// After a failure the next attempt waits this long, twice as long each time, up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// Counts like so many failures when a session has taken the place of our connection: there is likely none for a while.
const PLACE_TAKEN: u32 = 6;

/// Definitions that are asked for before the first answer is read.
const DEFINITIONS_AT_ONCE: usize = 32;

/// Objects that may depend on what was changed, beyond which everything is compared.
const DEPENDANTS_MAX: usize = 2000;

/// Settings of the connection. The lock timeout is well below the server's `deadlock_timeout`: a client that waits for
/// us never finds itself in a deadlock.
const LIMITS: &str = "SET lock_timeout = '100ms'; SET statement_timeout = '10s'; \
     SET default_transaction_read_only = on; SET jit = off";

/// Relations that somebody has exclusively, or waits to have: reading a definition would wait for them.
const PREPARE_LOCKED: &str = "PREPARE countersign_locked AS SELECT l.relation FROM pg_catalog.pg_locks l \
     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' \
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())";
const LOCKED: &str = "EXECUTE countersign_locked";

/// The server is too old for the function that was asked: it keeps no such definitions.
const UNDEFINED_FUNCTION: SqlState = SqlState::new(*b"42883");

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Rows(#[from] CatalogueError),
}

/// Reads the catalogue of a database until no session uses it any more.
pub(super) async fn read(database: Arc<Database>) {
    let mut reader = Reader {
        upstream: None,
        summary: Summary::default(),
        scan_at: Instant::now(),
        retry_at: Instant::now(),
        retry_after: RETRY_MIN,
        failures: 0,
    };
    loop {
        while database.unused_for() < IDLE_MAX {
            reader.wait(&database).await;
            if reader.step(&database).await {
                reader.failures = 0;
            } else {
                reader.back_off(&database).await;
            }
        }
        database.reading.running.store(false, Ordering::SeqCst);
        // A session may have come after the last look, and have seen that a reader runs.
        if database.unused_for() >= IDLE_MAX || database.reading.running.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

struct Reader {
    upstream: Option<SpareUpstream>,
    /// The summary of the last scan that succeeded.
    summary: Summary,
    scan_at: Instant,
    retry_at: Instant,
    retry_after: Duration,
    failures: u32,
}

impl Reader {
    /// Waits for a request, or until it is time for a scan or for another attempt. Gives its connection up when a
    /// session needs the place.
    async fn wait(&mut self, database: &Database) {
        let unread = !database.snapshot.load().catalogue.unread().is_empty();
        let next = if unread { self.scan_at.min(self.retry_at) } else { self.scan_at };
        let wanted = async {
            match &self.upstream {
                Some(upstream) => upstream.wanted().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = database.reading.wake.notified() => return,
            () = tokio::time::sleep_until(next) => return,
            () = wanted => {}
        }
        tracing::info!(database = database.name, "a session needs the connection that reads the catalogue");
        self.upstream = None;
        self.failures = PLACE_TAKEN;
        self.back_off(database).await;
    }

    /// Serves what is requested and due. False when it failed.
    async fn step(&mut self, database: &Database) -> bool {
        let (redefined, ticket) = take_requests(database);
        let reused = self.upstream.is_some();
        let mut result = self.serve(database, &redefined).await;
        if reused && matches!(result, Err(ReadError::Upstream(_))) {
            // The server may have closed the connection while it was idle: that is no reason to let sessions wait.
            result = self.serve(database, &redefined).await;
        }
        let succeeded = result.is_ok();
        if let Err(error) = result {
            database.reading.requests.lock().redefined.merge(&redefined);
            tracing::warn!(
                error = crate::session::chain(&error),
                database = database.name,
                "the catalogue of a target could not be read; it is tried again"
            );
        }
        database.reading.progress.send_modify(|progress| {
            progress.tried = ticket;
            if succeeded {
                progress.served = ticket;
            }
        });
        succeeded
    }

    async fn back_off(&mut self, database: &Database) {
        let longest = BACKOFF_MIN.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let until = Instant::now() + longest;
        // Whoever asks meanwhile learns at once that nothing can be read now.
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => break,
                () = database.reading.wake.notified() => {
                    let last = database.reading.requests.lock().last;
                    database.reading.progress.send_modify(|progress| progress.tried = last);
                }
            }
        }
        // What was requested in the meantime is still to be served.
        database.reading.wake.notify_one();
    }

    async fn serve(&mut self, database: &Database, redefined: &Redefined) -> Result<(), ReadError> {
        let mut spare = match self.upstream.take() {
            Some(spare) => spare,
            None => connect(database).await?,
        };
        let upstream = spare.get();
        let now = Instant::now();
        let before = Arc::clone(&database.snapshot.load().catalogue);
        if !before.is_loaded() || redefined.anything || now >= self.scan_at {
            self.scan(database, upstream, &before).await?;
            self.scan_at = now + SCAN_EVERY;
        } else if !redefined.names.is_empty() {
            match plan_named(upstream, &before, redefined).await? {
                Some(plan) => {
                    read_planned(database, upstream, &before, plan).await?;
                }
                None => self.scan(database, upstream, &before).await?,
            }
        }
        let before = Arc::clone(&database.snapshot.load().catalogue);
        if !before.unread().is_empty() && now >= self.retry_at {
            let scope = Scope::Objects(before.unread().clone());
            let came = read_scope(database, upstream, &before, &scope).await?;
            self.retry_after =
                if came { RETRY_MIN } else { self.retry_after.saturating_mul(2).min(RETRY_MAX) };
            self.retry_at = Instant::now() + self.retry_after;
        }
        self.upstream = Some(spare);
        Ok(())
    }

    /// Compares everything with the server, and reads what differs.
    async fn scan(
        &mut self,
        database: &Database,
        upstream: &mut Upstream,
        before: &Arc<Catalogue>,
    ) -> Result<(), ReadError> {
        let begun = Instant::now();
        // A snapshot that was not compared for too long is read whole again.
        let known = database.snapshot.load().verified.is_some_and(|at| at.elapsed() < AGE_MAX);
        let summary = Summary::from_rows(&upstream.simple_query(&refresh::summary_query()).await?)?;
        let scope =
            if before.is_loaded() && known { summary.differing(&self.summary) } else { Some(Scope::All) };
        if let Some(scope) = scope {
            read_scope(database, upstream, before, &scope).await?;
        }
        self.summary = summary;
        database.verified(begun);
        Ok(())
    }
}

fn take_requests(database: &Database) -> (Redefined, Ticket) {
    let mut requests = database.reading.requests.lock();
    (std::mem::take(&mut requests.redefined), requests.last)
}

async fn connect(database: &Database) -> Result<SpareUpstream, UpstreamError> {
    let mut parameters = StartupParameters::default();
    parameters.push("application_name", "countersign catalogue");
    parameters.push("client_encoding", "UTF8");
    let opening = Opening {
        role: &database.role,
        database: &database.name,
        parameters: &parameters,
        protocol: Protocol::V3_0,
    };
    let mut spare = database.connector.connect_spare(&opening).await?;
    spare.get().simple_query(LIMITS).await?;
    let mut setup = refresh::setup();
    setup.push(PREPARE_LOCKED.to_owned());
    for result in spare.get().pipeline(&setup).await? {
        result?;
    }
    Ok(spare)
}

/// The objects to read again after these names were redefined: what they stand for, and all that depends on it. `None`
/// when that is too much, or others may have changed as well.
async fn plan_named(
    upstream: &mut Upstream,
    before: &Catalogue,
    redefined: &Redefined,
) -> Result<Option<Plan>, ReadError> {
    let known = redefined.names.iter().flat_map(|name| before.named(name));
    let known = before.dependants_closure(known, DEPENDANTS_MAX);
    if known.len() >= DEPENDANTS_MAX {
        return Ok(None);
    }
    let query = refresh::named_query(redefined.names.iter().map(AsRef::as_ref), &known);
    Ok(before.plan_named(known, &upstream.simple_query(&query).await?)?)
}

/// Reads what has changed in a scope, and makes it the snapshot. False when nothing has changed.
async fn read_scope(
    database: &Database,
    upstream: &mut Upstream,
    before: &Arc<Catalogue>,
    scope: &Scope,
) -> Result<bool, ReadError> {
    let versions = upstream.simple_query(&scope.versions_query()).await?;
    let plan = before.plan(scope, &versions)?;
    read_planned(database, upstream, before, plan).await
}

/// Reads the objects of a plan, and makes the result the snapshot. False when nothing has changed.
async fn read_planned(
    database: &Database,
    upstream: &mut Upstream,
    before: &Arc<Catalogue>,
    plan: Plan,
) -> Result<bool, ReadError> {
    if plan.is_empty() {
        return Ok(false);
    }
    let draft = read_plan(upstream, plan).await?;
    if draft.is_futile(before) {
        return Ok(false);
    }
    database.publish(before.with(&draft)?);
    Ok(true)
}

async fn read_plan(upstream: &mut Upstream, plan: Plan) -> Result<Draft, ReadError> {
    let mut queries = plan.queries();
    queries.push(LOCKED.to_owned());
    let results: Result<Vec<Rows>, UpstreamError> = upstream.pipeline(&queries).await?.into_iter().collect();
    let mut results = results?;
    let locked: BTreeSet<u32> =
        results.pop().into_iter().flatten().filter_map(|row| row.first()?.as_deref()?.parse().ok()).collect();
    let mut draft = Draft::new(plan, results)?;
    let wanted = draft.definitions().to_vec();
    let is_free = |query: &&DefinitionQuery| query.relations.iter().all(|oid| !locked.contains(oid));
    let free: Vec<&DefinitionQuery> = wanted.iter().filter(is_free).collect();
    for some in free.chunks(DEFINITIONS_AT_ONCE) {
        let texts: Vec<String> = some.iter().map(|query| query.sql()).collect();
        for (query, result) in some.iter().zip(upstream.pipeline(&texts).await?) {
            match result.map(|rows| rows.into_iter().flatten().next().flatten()) {
                Ok(Some(text)) => draft.define(query, text),
                Ok(None) => draft.define_nothing(query),
                Err(UpstreamError::Refused { sqlstate, .. }) if sqlstate == UNDEFINED_FUNCTION => {
                    draft.define_nothing(query);
                }
                Err(error) => {
                    tracing::debug!(%error, object = ?query.object, "a definition could not be read");
                }
            }
        }
    }
    Ok(draft)
}

impl Database {
    /// Puts a snapshot in place of the former one.
    fn publish(&self, catalogue: Catalogue) {
        let verified = self.snapshot.load().verified;
        self.snapshot.store(Arc::new(Snapshot { catalogue: Arc::new(catalogue), verified }));
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Everything was compared with the server at this time.
    fn verified(&self, at: Instant) {
        self.reading.requests.lock().missing_since = None;
        let catalogue = Arc::clone(&self.snapshot.load().catalogue);
        self.snapshot.store(Arc::new(Snapshot { catalogue, verified: Some(at) }));
    }
}
