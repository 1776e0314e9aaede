//! The control plane of one process: opens what lasts, follows its changes, keeps deadlines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_common::Principal;
use countersign_common::id::{BundleVersion, GroupName, InvalidId, NodeId, SessionId, Subject};
use countersign_common::principal::Kind;
use countersign_common::time::{Clock, SystemClock};
use countersign_runtime::awake::since_boot;
use futures::StreamExt as _;
use tokio::sync::watch;

use crate::approvals::{ApprovalError, Approvals};
use crate::audit::{Archive, Audit};
use crate::bundles::{BasedOn, BundleError, Bundles, Compile, Files};
use crate::catalogues::Catalogues;
use crate::content;
use crate::history::{History, HistoryError, HistoryOptions, RetainError, Retention};
use crate::journal::{Checkpoints, Election};
use crate::operator::{self, OperatorError};
use crate::register::{Missing, Register};
use crate::sessions::{Administrators, RevokeError, SessionRefused, Sessions, What};
use crate::store::{Change, EmbeddedStore, Metered, Revision, Store, StoreError};

/// Everything that the control plane writes stands below this.
const ALL: &str = "/cs/";

/// How long a deadline may be overdue when the machine's clock jumps.
const DEADLINE_TICK: Duration = Duration::from_secs(1);

/// How often it is looked whether the store is followed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often expired tokens and sessions are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often it is measured, for operators, how the store and its followers stand.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// How often what has ended is brought to the archive.
const RETAIN_EVERY: Duration = Duration::from_secs(10 * 60);

/// The job of the node that does it, and how long its place lives without it.
const HISTORY_JOB: &str = "history";
const ELECTED_FOR: Duration = Duration::from_secs(30);

/// How long a reconciler rests after an error, so that a failing store is not hammered.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// What a control plane is made of.
#[derive(Debug)]
pub struct Options {
    /// The directory that holds what lasts; created when missing.
    pub data: PathBuf,
    /// This start of this process. A new one every time: what an earlier one left unfinished is in doubt.
    pub node: NodeId,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What compiles bundles.
    pub compiler: Arc<dyn Compile>,
    /// Where recordings are kept.
    pub archive: Arc<dyn Archive>,
    /// How long what has ended stays in the store, and where it goes then.
    pub history: HistoryOptions,
    /// Who administers, of the members of the group `admin`.
    pub administrators: Administrators,
}

impl Options {
    /// With the machine's clock and a new node id; what has ended stays in the store.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>, compiler: Arc<dyn Compile>, archive: Arc<dyn Archive>) -> Self {
        let (node, clock, history) = (NodeId::generate(), Arc::new(SystemClock), HistoryOptions::default());
        let administrators = Administrators::default();
        Self { data: data.into(), node, clock, compiler, archive, history, administrators }
    }
}

/// Why the control plane did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory could not be created.
    #[error("the data directory `{path}` cannot be created")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What this node has seen before cannot be read.
    #[error("the register in the data directory cannot be read")]
    Register(#[source] std::io::Error),
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// What an earlier start had left could not be put in doubt.
    #[error("approvals of an earlier start cannot be put in doubt")]
    Unfinished(#[source] ApprovalError),
    /// The operator's token could not be made.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A fixed name is not valid: a fault of ours.
    #[error(transparent)]
    Name(#[from] InvalidId),
}

/// The control plane of one process.
#[derive(Debug)]
pub struct ControlPlane {
    node: NodeId,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    sessions: Arc<Sessions>,
    bundles: Arc<Bundles>,
    catalogues: Arc<Catalogues>,
    approvals: Arc<Approvals>,
    audit: Audit,
    checkpoints: Arc<Checkpoints>,
    register: Arc<Register>,
    history: History,
    retention: Retention,
    /// After which revision the follower begins.
    loaded: Revision,
    operator_token: PathBuf,
    /// Whether the store's changes are followed without a gap.
    following: AtomicBool,
}

impl ControlPlane {
    /// Opens what lasts in `options.data`. Whatever an earlier start had redeemed and not reported is in
    /// doubt from here on: that process is gone, and nobody knows.
    ///
    /// Deadlines and changes are kept only while [`ControlPlane::run`] runs.
    ///
    /// # Errors
    /// When the directory or the store cannot be opened, or what is in it cannot be read.
    pub async fn open(options: Options) -> Result<Arc<Self>, OpenError> {
        create_directory(&options.data).await?;
        let store = EmbeddedStore::open(options.data.join("control.redb")).await?;
        let control = Self::over(Arc::new(store), options).await?;
        // INVARIANT: I1. The file is ours alone, so whoever redeemed under another id is gone.
        let others = |owner| owner != control.node;
        let lost = control.approvals.owners_lost(others).await.map_err(OpenError::Unfinished)?;
        if lost > 0 {
            tracing::warn!(count = lost, "commands of an earlier start are in doubt");
        }
        Ok(control)
    }

    /// The same over a store that other nodes use, too. Who of them is lost shows by their leases, not by
    /// this start: whoever watches those calls [`Approvals::owner_lost`].
    ///
    /// # Errors
    /// As [`ControlPlane::open`].
    pub async fn over(store: Arc<dyn Store>, options: Options) -> Result<Arc<Self>, OpenError> {
        let Options { data, node, clock, compiler, archive, history, administrators } = options;
        create_directory(&data).await?;
        let store: Arc<dyn Store> = Arc::new(Metered::new(store));
        let (sessions, sessions_at) =
            Sessions::load(Arc::clone(&store), Arc::clone(&clock), administrators).await?;
        let sessions = Arc::new(sessions);
        let bundles = Arc::new(Bundles::load(Arc::clone(&store), Arc::clone(&clock), compiler).await?);
        let catalogues = Arc::new(Catalogues::new(Arc::clone(&store), Arc::clone(&clock)));
        let (approvals, approvals_at) = Approvals::load(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&sessions),
            Arc::clone(&bundles),
            Arc::clone(&catalogues),
        )
        .await?;
        let operator_token = operator::ensure(&data, &sessions, operator()?).await?;
        let checkpoints = Arc::new(Checkpoints::open(Arc::clone(&store), &data, node).await?);
        let register = Arc::new(Register::open(Arc::clone(&store), &data).map_err(OpenError::Register)?);
        register.reload().await?;
        let audit = Audit::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            archive,
            Arc::clone(&checkpoints),
            Arc::clone(&register),
        );
        Ok(Arc::new(Self {
            node,
            audit,
            checkpoints,
            register,
            history: History::new(
                Arc::clone(&store),
                history.archive.as_ref().map(|archive| archive.store.clone()),
            ),
            retention: Retention::new(Arc::clone(&store), Arc::clone(&clock), history),
            clock,
            store,
            sessions,
            bundles,
            catalogues,
            approvals: Arc::new(approvals),
            loaded: sessions_at.min(approvals_at),
            operator_token,
            following: AtomicBool::new(true),
        }))
    }

    /// This start of this process.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where everything lasts.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What time it is.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Whether what is in memory follows the store. While it does not, what others do is seen late.
    #[must_use]
    pub fn follows_the_store(&self) -> bool {
        self.following.load(Ordering::Acquire)
    }

    /// Waits until what is in memory has not followed the store for so long.
    pub(crate) async fn lags_for(&self, time: Duration) {
        let mut followed = since_boot();
        while since_boot().saturating_sub(followed) <= time {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.follows_the_store() {
                followed = since_boot();
            }
        }
    }

    /// Tokens and sessions.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Approvals.
    #[must_use]
    pub fn approvals(&self) -> &Arc<Approvals> {
        &self.approvals
    }

    /// The current bundle. Apply one with [`ControlPlane::apply_bundle`].
    #[must_use]
    pub fn bundles(&self) -> &Arc<Bundles> {
        &self.bundles
    }

    /// What targets' databases define, as gateways have uploaded it.
    #[must_use]
    pub fn catalogues(&self) -> &Arc<Catalogues> {
        &self.catalogues
    }

    /// Looking at recordings.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The newest checkpoints of all recordings, outside of the files that they speak of.
    #[must_use]
    pub fn checkpoints(&self) -> &Arc<Checkpoints> {
        &self.checkpoints
    }

    /// What this node has seen in the store and was deleted there by nobody who may.
    ///
    /// # Errors
    /// When store or history cannot be read.
    pub async fn missing(&self) -> Result<Vec<Missing>, HistoryError> {
        self.register.missing(&self.history, self.clock.now()).await
    }

    /// What has ended long ago and was archived.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Brings to the archive what has ended and was kept long enough, at once and whichever node is elected; how many
    /// entries. [`ControlPlane::run`] does it by itself.
    ///
    /// # Errors
    /// When store or archive fail; what is not in the archive is in the store.
    pub async fn archive_what_has_ended(&self) -> Result<usize, RetainError> {
        self.retention.round().await
    }

    /// The file with the operator's token, readable by its owner alone.
    #[must_use]
    pub fn operator_token(&self) -> &Path {
        &self.operator_token
    }

    /// Takes access back, and with it every open approval of the sessions concerned (the stop button).
    ///
    /// # Errors
    /// When there is no such session or token, or the store fails.
    pub async fn revoke(&self, what: &What, by: &Subject, reason: &str) -> Result<(), StopError> {
        let votes = self.sessions.voter_of(what).and_then(|voter| self.approvals.newest_vote_of(&voter));
        // INVARIANT: I3. A vote that was cast by a clock before ours is undone like any other.
        let seen = votes.unwrap_or_else(|| self.clock.now());
        self.sessions.revoke_since(seen, what, by, reason).await?;
        for session in self.sessions.sessions_of(what) {
            self.approvals.revoke_session(session, by).await?;
        }
        Ok(())
    }

    /// Applies a bundle, then voids every open approval that it blocks.
    ///
    /// # Errors
    /// When it does not validate or the store fails; the current one stays.
    pub async fn apply_bundle(&self, files: Files, by: &Subject) -> Result<BundleVersion, BundleError> {
        self.apply_bundle_on(&BasedOn::Any, files, by).await
    }

    /// The same, only where the bundle that it was made from is still the current one.
    ///
    /// # Errors
    /// As [`ControlPlane::apply_bundle`], and when another bundle has become current meanwhile.
    pub async fn apply_bundle_on(
        &self,
        based_on: &BasedOn,
        files: Files,
        by: &Subject,
    ) -> Result<BundleVersion, BundleError> {
        let version = self.bundles.apply_on(based_on, files, by).await?;
        self.reconsider().await;
        Ok(version)
    }

    /// The session, if it goes on. Memory only.
    ///
    /// # Errors
    /// When there is none, or it has ended.
    pub fn check_session(&self, id: SessionId) -> Result<(), SessionRefused> {
        self.sessions.check(id).map(drop)
    }

    /// Follows the store's changes, ends what is past its deadline, sweeps what expired long ago; until
    /// `stop` turns true or its sender is gone. To be run once, as a task of its own.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let election = Election::new(Arc::clone(&self.store), HISTORY_JOB, self.node, ELECTED_FOR);
        let (elected, standing) = (election.elected(), stop.clone());
        let work = async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = self.follow() => {}
                () = self.keep_deadlines() => {}
                () = self.sweep() => {}
                () = self.measure() => {}
                () = self.retain(elected) => {}
            }
        };
        tokio::join!(work, election.run(standing));
    }

    /// Measures, for operators, what does not show by itself.
    async fn measure(&self) {
        loop {
            if let Ok(newest) = self.store.revision().await {
                crate::metrics::store_revision(newest);
            }
            self.store.probe().await;
            crate::metrics::sessions_stored(self.sessions.count());
            tokio::time::sleep(MEASURE_EVERY).await;
        }
    }

    async fn follow(&self) {
        let mut after = self.loaded;
        loop {
            if let Err(error) = self.follow_from(&mut after).await {
                crate::metrics::watch_restarted();
                self.following.store(false, Ordering::Release);
                tracing::warn!(%error, after = after.0, "following the store ended; reading everything again");
                tokio::time::sleep(REST_AFTER_ERROR).await;
                match self.reload().await {
                    Ok(revision) => {
                        after = revision;
                        self.following.store(true, Ordering::Release);
                    }
                    Err(error) => tracing::error!(%error, "the store cannot be read"),
                }
            }
        }
    }

    async fn follow_from(&self, after: &mut Revision) -> Result<(), StoreError> {
        let mut changes = self.store.watch(ALL, *after).await?;
        crate::metrics::watched(*after);
        while let Some(change) = changes.next().await {
            let change = change?;
            self.take_over(&change).await;
            *after = change.revision();
            crate::metrics::watched(*after);
        }
        Err(StoreError::Closed)
    }

    /// One change. What cannot be read is reported and passed over: it is then unknown here, which
    /// refuses whatever depends on it.
    async fn take_over(&self, change: &Change) {
        self.checkpoints.apply(change);
        self.register.apply(change);
        let taken = self.sessions.apply(change).and_then(|()| self.approvals.apply(change));
        if let Err(error) = taken {
            tracing::error!(%error, key = change.key(), "a record cannot be read");
        }
        if Bundles::concerns(change) {
            match self.bundles.reload().await {
                Ok(true) => self.reconsider().await,
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the current bundle stays the old one"),
            }
        }
    }

    async fn reload(&self) -> Result<Revision, StoreError> {
        let revision = self.sessions.reload().await?.min(self.approvals.reload().await?);
        if let Err(error) = self.bundles.reload().await {
            tracing::error!(%error, "the current bundle stays the old one");
        }
        self.checkpoints.reload().await?;
        self.register.reload().await?;
        Ok(revision)
    }

    /// What it fails to void here is refused at redeem all the same.
    async fn reconsider(&self) {
        match self.approvals.reconsider().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "open approvals are void under the new bundle"),
            Err(error) => tracing::error!(%error, "open approvals could not be judged again"),
        }
    }

    async fn keep_deadlines(&self) {
        loop {
            if let Err(error) = self.approvals.expire_due().await {
                tracing::error!(%error, "approvals past their deadline could not be ended");
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
            self.approvals.deadline(DEADLINE_TICK).await;
        }
    }

    /// Brings what has ended to the archive, while this node is elected.
    async fn retain(&self, mut elected: watch::Receiver<bool>) {
        loop {
            if elected.wait_for(|elected| *elected).await.is_err() {
                return std::future::pending().await;
            }
            let rest = match self.retention.round().await {
                Ok(done) if Retention::is_full(done) => Duration::ZERO,
                Ok(_) => RETAIN_EVERY,
                Err(error) => {
                    crate::metrics::history_failed();
                    tracing::error!(%error, "what has ended was not archived; it stays in the store");
                    RETAIN_EVERY
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    async fn sweep(&self) {
        loop {
            match self.sessions.sweep().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "records of expired tokens and sessions swept"),
                Err(error) => tracing::error!(%error, "expired tokens and sessions could not be swept"),
            }
            match self.catalogues.sweep().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "catalogues that nothing was held by for a day swept"),
                Err(error) => tracing::error!(%error, "unused catalogues could not be swept"),
            }
            match content::sweep(&*self.store, self.clock.now()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "unfinished and replaced content swept"),
                Err(error) => tracing::error!(%error, "unfinished content could not be swept"),
            }
            match self.missing().await {
                Ok(missing) => {
                    missing.iter().for_each(|one| tracing::error!("{one}; run `countersign audit verify`"))
                }
                Err(error) => {
                    tracing::warn!(%error, "it was not found out whether anything is missing in the store")
                }
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }
}

/// Why access was not taken back, or not wholly.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StopError {
    /// Access could not be taken back.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// Access is taken back, but an open approval could not be: it cannot be redeemed all the same.
    #[error("access is taken back, but not every open request could be closed")]
    Approvals(#[from] ApprovalError),
}

/// Who the operator's token stands for.
fn operator() -> Result<Principal, InvalidId> {
    Ok(Principal {
        subject: Subject::new("operator")?,
        kind: Kind::Human,
        groups: [GroupName::new(operator::ADMIN)?].into(),
        on_behalf_of: Vec::new(),
    })
}

/// The data directory, for its owner alone.
async fn create_directory(path: &Path) -> Result<(), OpenError> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path).await.map_err(|source| OpenError::Directory { path: path.into(), source })
}
