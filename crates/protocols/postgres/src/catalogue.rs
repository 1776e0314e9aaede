//! What a database defines, as a snapshot that is shared by all sessions on it.
//!
//! A task of its own reads it over one connection ([`reader`]); sessions never read. Most of the time a session only
//! takes the latest snapshot. It waits, for a bounded time, for the first snapshot, for definitions that it has changed
//! itself, and for a name that turned up and is not known. When that time is over, or reading fails, it goes on with
//! what is known: the rest is unresolved, which is the strictest reading. No session ends because of it.

mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use countersign_common::target::Role;
use countersign_sql::{Catalogue, Redefined};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::approval_binding::SharedBindings;
use crate::definitions::DefinitionReader;
use crate::session::settings::Settings;
use crate::upstream::Connector;

/// Definitions that were not compared with the server for longer than this are not relied on any more.
const AGE_MAX: Duration = Duration::from_secs(120);

/// A snapshot that was not compared for longer than this is compared before it is used, if that can be done in time.
/// While a database is in use it is compared more often ([`reader`]).
const AGE_COMFORTABLE: Duration = Duration::from_secs(30);

/// The longest that sessions wait for the first snapshot, or for a recent one, counted from the first of them.
const FIRST_WAIT_MAX: Duration = Duration::from_secs(5);

/// The longest that a session waits for definitions to be read that it changed.
const CHANGE_WAIT_MAX: Duration = Duration::from_secs(2);

/// A command that is about to be held waits that often for definitions to be compared with the server.
const RENEW_WAITS: usize = 4;

/// The longest that a session waits for a name to be looked up.
const LOOKUP_WAIT_MAX: Duration = Duration::from_millis(500);

/// A name that was not found is looked up again after this time.
const LOOKUP_EVERY: Duration = Duration::from_secs(1);

/// Names that were looked up lately; the list is emptied beyond this number.
const LOOKUPS_MAX: usize = 4096;

/// Without a session that uses it for this long, a database is not read any more, until one does.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// One database of one target, and what it defines.
#[derive(Debug)]
pub(crate) struct Database {
    connector: Arc<Connector>,
    role: Role,
    name: String,
    snapshot: ArcSwap<Snapshot>,
    generation: AtomicU64,
    /// The settings that a session told last: most sessions have the same, and share them.
    settings: ArcSwapOption<Settings>,
    /// What commands that wait are bound to: most to the same.
    pub(crate) bindings: SharedBindings,
    /// Reads what held commands rest on.
    pub(crate) definitions: DefinitionReader,
    reading: Reading,
}

/// A catalogue, and when it was last compared with the server.
#[derive(Debug)]
struct Snapshot {
    catalogue: Arc<Catalogue>,
    verified: Option<Instant>,
}

/// What sessions and the reader tell each other.
#[derive(Debug)]
struct Reading {
    requests: Mutex<Requests>,
    wake: Notify,
    progress: watch::Sender<Progress>,
    /// A reader runs.
    running: AtomicBool,
    /// When a session last asked for anything, in milliseconds since `started`.
    used: AtomicU64,
    started: Instant,
}

/// What is to be read next.
#[derive(Debug, Default)]
struct Requests {
    redefined: Redefined,
    /// Number of the request that was made last.
    last: Ticket,
    /// Since when sessions have waited for a recent snapshot.
    missing_since: Option<Instant>,
    /// Names that were looked up lately.
    lookups: BTreeMap<Box<str>, Instant>,
}

/// The number of a request; requests are served in order.
pub(crate) type Ticket = u64;

/// How far the reader is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Requests up to this one were served.
    served: Ticket,
    /// Requests up to this one were tried, with or without success.
    tried: Ticket,
}

impl Database {
    /// A database of which nothing is known yet.
    pub(crate) fn new(connector: Arc<Connector>, role: Role, name: String) -> Self {
        let snapshot = Snapshot { catalogue: Arc::new(Catalogue::empty()), verified: None };
        let definitions = DefinitionReader::new(Arc::clone(&connector), role.clone(), name.clone());
        Self {
            connector,
            role,
            name,
            definitions,
            snapshot: ArcSwap::from_pointee(snapshot),
            generation: AtomicU64::new(0),
            settings: ArcSwapOption::empty(),
            bindings: SharedBindings::default(),
            reading: Reading {
                requests: Mutex::new(Requests::default()),
                wake: Notify::new(),
                progress: watch::Sender::new(Progress::default()),
                running: AtomicBool::new(false),
                used: AtomicU64::new(0),
                started: Instant::now(),
            },
        }
    }

    /// What is known now; nothing, if that is too old to be relied on.
    // INVARIANT: I7.
    pub(crate) fn current(&self) -> Arc<Catalogue> {
        let snapshot = self.snapshot.load();
        if snapshot.verified.is_some_and(|at| at.elapsed() < AGE_MAX) {
            Arc::clone(&snapshot.catalogue)
        } else {
            Arc::new(Catalogue::empty())
        }
    }

    /// Changes with every snapshot, and when the last one becomes too old.
    pub(crate) fn generation(&self) -> u64 {
        let usable = self.snapshot.load().verified.is_some_and(|at| at.elapsed() < AGE_MAX);
        self.generation.load(Ordering::Acquire) << 1 | u64::from(usable)
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

    /// Makes sure that the database is being read, and waits for a first, or recent, snapshot.
    pub(crate) async fn freshen(self: &Arc<Self>) {
        self.keep_reading();
        let verified = self.snapshot.load().verified;
        if verified.is_none_or(|at| at.elapsed() >= AGE_COMFORTABLE) {
            let ticket = self.request(&Redefined::anything());
            let since = *self.reading.requests.lock().missing_since.get_or_insert_with(Instant::now);
            self.wait_for(ticket, FIRST_WAIT_MAX.saturating_sub(since.elapsed())).await;
        }
    }

    /// Has everything compared with the server that may have changed before this call. Answers whether that was done.
    pub(crate) async fn renew(self: &Arc<Self>) -> bool {
        let ticket = self.changed(&Redefined::anything());
        for _ in 0..RENEW_WAITS {
            self.settle(ticket).await;
            if self.is_served(ticket) {
                return true;
            }
        }
        false
    }

    /// Definitions of these names may have changed. They are read again at once; [`Self::settle`] waits for it.
    pub(crate) fn changed(self: &Arc<Self>, redefined: &Redefined) -> Ticket {
        self.keep_reading();
        self.request(redefined)
    }

    /// Whether what a request was about is part of the snapshot.
    pub(crate) fn is_served(&self, ticket: Ticket) -> bool {
        self.reading.progress.borrow().served >= ticket
    }

    /// Waits until a request is served, but not for long.
    pub(crate) async fn settle(self: &Arc<Self>, ticket: Ticket) {
        if !self.is_served(ticket) {
            self.keep_reading();
            self.wait_for(ticket, CHANGE_WAIT_MAX).await;
        }
    }

    /// Names turned up that may not be known, or whose definitions could not be read: perhaps they can be now.
    pub(crate) async fn look_up<'a>(self: &Arc<Self>, names: impl Iterator<Item = &'a str>) {
        let Some(ticket) = self.request_lookup(names) else { return };
        self.keep_reading();
        self.wait_for(ticket, LOOKUP_WAIT_MAX).await;
    }

    fn request_lookup<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<Ticket> {
        let mut requests = self.reading.requests.lock();
        let requests = &mut *requests;
        if requests.lookups.len() > LOOKUPS_MAX {
            requests.lookups.clear();
        }
        let now = Instant::now();
        let mut redefined = Redefined::default();
        for name in names {
            let recent = requests.lookups.get(name).is_some_and(|at| now.duration_since(*at) < LOOKUP_EVERY);
            if !recent {
                requests.lookups.insert(name.into(), now);
                redefined.names.insert(name.into());
            }
        }
        (!redefined.is_empty()).then(|| requests.add(&redefined, &self.reading.wake))
    }

    fn request(&self, redefined: &Redefined) -> Ticket {
        self.reading.requests.lock().add(redefined, &self.reading.wake)
    }

    /// Waits until the reader has tried a request.
    async fn wait_for(&self, ticket: Ticket, longest: Duration) {
        let mut progress = self.reading.progress.subscribe();
        let tried = progress.wait_for(|progress| progress.tried >= ticket);
        if tokio::time::timeout(longest, tried).await.is_err() {
            tracing::debug!(database = self.name, "the catalogue was not read in time");
        }
    }

    /// Notes that the database is in use, and starts its reader if none runs.
    fn keep_reading(self: &Arc<Self>) {
        let now = u64::try_from(self.reading.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Sequentially consistent with the end of a reader: it sees this use, or we see that it has ended.
        self.reading.used.store(now, Ordering::SeqCst);
        if !self.reading.running.load(Ordering::SeqCst) && !self.reading.running.swap(true, Ordering::SeqCst)
        {
            // The task ends when the database is not used any more.
            tokio::spawn(reader::read(Arc::clone(self)));
        }
    }

    fn unused_for(&self) -> Duration {
        let used = Duration::from_millis(self.reading.used.load(Ordering::SeqCst));
        self.reading.started.elapsed().saturating_sub(used)
    }
}

impl Requests {
    fn add(&mut self, redefined: &Redefined, wake: &Notify) -> Ticket {
        self.redefined.merge(redefined);
        self.last += 1;
        wake.notify_one();
        self.last
    }
}
