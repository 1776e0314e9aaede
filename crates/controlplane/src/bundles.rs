//! The bundle of policies that is current: its files last in the store, what judges by them is compiled
//! from them at every node. What does not compile is refused, and the current one stays.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use countersign_common::approval::RequestLimits;
use countersign_common::command::Context;
use countersign_common::error::{Code, Origin, Report, Retry, code};
use countersign_common::id::{
    AttemptId, BundleVersion, EnvironmentName, GroupName, RoleName, Subject, TargetName,
};
use countersign_common::time::Clock;
use countersign_common::{Digest, Facts, Principal, Timestamp, Verdict};
use countersign_masking::Rules;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

pub use self::policy::PolicyCompiler;
use crate::Also;
use crate::content::{self, Content};
use crate::sessions::{self, IssueError};
use crate::store::{Change, Entry, Outcome, Revision, Store, StoreError, Transaction, range_all};

/// Which version is current.
const CURRENT: &str = "/cs/bundle/current";

/// Where the files of a version stand, in chunks: `/cs/bundle/files/<version>/<attempt>/<chunk>`.
const FILES: &str = "/cs/bundle/files/";

/// How many bytes of the files stand under one key.
const CHUNK_BYTES: usize = 64 * 1024;

/// The largest bundle, in bytes of its files as stored.
const BUNDLE_BYTES_MAX: usize = 16 << 20;

/// The files of a bundle: relative name → contents.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is asked of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Where: target and its generation, role, database, and whether in a transaction.
    pub context: &'a Context,
    /// What the command does.
    pub facts: &'a Facts,
    /// When.
    pub now: Timestamp,
}

/// A compiled bundle. The gateway judges by the same.
pub trait Judge: Send + Sync + std::fmt::Debug {
    /// The version of the bundle.
    fn version(&self) -> BundleVersion;
    /// The version of a target's entry; `None`: there is no such target.
    fn generation(&self, target: &TargetName) -> Option<Digest>;
    /// The environment of a target; `None`: there is no such target.
    fn environment(&self, target: &TargetName) -> Option<EnvironmentName>;
    /// The groups that decide.
    fn groups(&self) -> BTreeSet<GroupName> {
        BTreeSet::new()
    }
    /// What commands on a target are read by; `None`: there is no such target.
    fn reading_terms(&self, target: &TargetName) -> Option<Arc<ReadingTerms>>;
    /// How many requests may be open at once.
    fn limits(&self) -> RequestLimits {
        RequestLimits::default()
    }
    /// The verdict. A target that the bundle does not have (any more) is blocked: fail closed.
    fn judge(&self, question: &Question<'_>) -> Verdict;
}

/// What commands on a target are read by, besides what its databases define.
#[derive(Debug, Default)]
pub struct ReadingTerms {
    /// Functions that it declares free of effects.
    pub safe_functions: BTreeSet<String>,
    /// Its masking rules.
    pub rules: Rules,
    /// Its roles, and the databases that clients of each may name.
    pub places: BTreeMap<RoleName, BTreeSet<String>>,
}

/// Compiles bundles. Two implementations: the policy engine's, and tests'.
pub trait Compile: Send + Sync + std::fmt::Debug {
    /// The files as something that judges.
    ///
    /// # Errors
    /// All faults of the files together.
    fn compile(&self, files: &Files) -> Result<Arc<dyn Judge>, Vec<Fault>>;
}

/// A fault of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// Its line, from one; zero: the whole file.
    pub line: u32,
    /// Its column, from one; zero: the whole line.
    pub column: u32,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.reason)
    }
}

/// What has to be current for a bundle to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasedOn {
    /// Whatever is.
    Any,
    /// None yet.
    None,
    /// This version.
    Version(BundleVersion),
}

impl BasedOn {
    fn admits(&self, current: Option<&BundleVersion>) -> bool {
        match (self, current) {
            (Self::Any, _) | (Self::None, None) => true,
            (Self::Version(wanted), Some(current)) => wanted == current,
            (Self::None, Some(_)) | (Self::Version(_), None) => false,
        }
    }
}

impl std::fmt::Display for BasedOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::None => f.write_str("none"),
            Self::Version(version) => write!(f, "{version}"),
        }
    }
}

/// The current bundle.
#[derive(Debug, Clone)]
pub struct Current {
    /// Its version.
    pub version: BundleVersion,
    /// Its files.
    pub files: Arc<Files>,
    /// What judges by them.
    pub judge: Arc<dyn Judge>,
}

/// Why a bundle was not applied. The current one stays.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BundleError {
    /// It does not validate.
    #[error("the bundle does not validate: {}", list(.0))]
    Invalid(Vec<Fault>),
    /// Too many bytes.
    #[error("the bundle has {bytes} bytes, at most {bytes_max} are taken")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The stored bundle does not compile with this version of the program.
    #[error("the stored bundle {0} cannot be read; apply it again")]
    Stored(BundleVersion),
    /// Somebody else applied another one at the same time.
    #[error("another bundle was applied at the same time; look at it and apply again")]
    Contended,
    /// The bundle that it was made from is not the current one any more, or was not yet.
    #[error(
        "the current bundle is {current}, not {wanted} that this one was made from; look at it and apply again"
    )]
    Outdated {
        /// What it was made from.
        wanted: BasedOn,
        /// What is current.
        current: BasedOn,
    },
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Report for BundleError {
    fn origin(&self) -> Origin {
        match self {
            Self::Invalid(_) | Self::TooLarge { .. } | Self::Outdated { .. } => Origin::Client,
            _ => Origin::ControlPlane,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Contended => Retry::Safe,
            Self::Store(error) => error.retry(),
            _ => Retry::Never,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            _ => code::BUNDLE_INVALID,
        }
    }

    fn client_text(&self) -> std::borrow::Cow<'_, str> {
        self.to_string().into()
    }
}

/// What stands under [`CURRENT`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    version: BundleVersion,
    /// Which attempt stored the files. Before there were attempts, they stood right under the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<AttemptId>,
    /// How many chunks there are.
    chunks: usize,
    by: Subject,
    at: Timestamp,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    also: Also,
}

impl Pointer {
    /// Where its files stand.
    fn prefix(&self) -> String {
        match self.attempt {
            Some(attempt) => format!("{FILES}{}/{attempt}/", self.version),
            None => format!("{FILES}{}/", self.version),
        }
    }
}

/// The bundle that is current.
#[derive(Debug)]
pub struct Bundles {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    compiler: Arc<dyn Compile>,
    current: ArcSwapOption<Current>,
    pushed: watch::Sender<Option<Arc<Current>>>,
    /// The revision of the pointer that `current` was read from; held while it is replaced.
    read_at: Mutex<Revision>,
}

impl Bundles {
    /// Reads the current bundle, if one was ever applied. One that this version of the program does not compile is as
    /// good as none.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        compiler: Arc<dyn Compile>,
    ) -> Result<Self, BundleError> {
        let bundles = Self {
            store,
            clock,
            compiler,
            current: ArcSwapOption::empty(),
            pushed: watch::Sender::new(None),
            read_at: Mutex::default(),
        };
        match bundles.reload().await {
            Ok(_) => {}
            // INVARIANT: I8. Nothing is judged without a bundle. That there is one to be replaced is no reason not to
            // start: whoever is to apply another one needs somebody who takes it.
            Err(error @ BundleError::Stored(_)) => {
                tracing::error!(%error, "there is no bundle to judge by");
            }
            Err(error) => return Err(error),
        }
        Ok(bundles)
    }

    /// The current bundle; `None` before the first.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Current>> {
        self.current.load_full()
    }

    /// The current bundle and each that follows.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Current>>> {
        self.pushed.subscribe()
    }

    /// Validates a bundle, and changes nothing.
    ///
    /// # Errors
    /// All its faults.
    pub async fn check(&self, files: Files) -> Result<BundleVersion, BundleError> {
        let (_, judge) = self.compile(files).await;
        Ok(judge.map_err(BundleError::Invalid)?.version())
    }

    /// INVARIANT: I4. A group that decides cannot be taken for one that people are in.
    async fn register_groups(&self, judge: &dyn Judge) -> Result<(), BundleError> {
        let registered = sessions::register_groups(&*self.store, self.clock.now(), judge.groups()).await;
        registered.map_err(|error| match error {
            IssueError::Store(error) => BundleError::Store(error),
            IssueError::Contended => BundleError::Contended,
            other => {
                let fault =
                    Fault { file: "chains.yaml".into(), line: 0, column: 0, reason: other.to_string() };
                BundleError::Invalid(vec![fault])
            }
        })
    }

    /// Compiles on a thread that serves nobody: a large bundle takes seconds.
    async fn compile(&self, files: Files) -> (Files, Result<Arc<dyn Judge>, Vec<Fault>>) {
        let compiler = Arc::clone(&self.compiler);
        let compiled = tokio::task::spawn_blocking(move || {
            let judge = compiler.compile(&files);
            (files, judge)
        });
        compiled.await.unwrap_or_else(|error| {
            let reason = format!("compiling it failed: {error}");
            (Files::new(), Err(vec![Fault { file: String::new(), line: 0, column: 0, reason }]))
        })
    }

    /// Validates a bundle, stores it and makes it current. Applying the current one again changes nothing.
    ///
    /// # Errors
    /// When it does not validate or the store fails; the current one stays.
    pub async fn apply(&self, files: Files, by: &Subject) -> Result<BundleVersion, BundleError> {
        self.apply_on(&BasedOn::Any, files, by).await
    }

    /// The same, only where what it was made from is current. Decided by the store, not by what this node has heard.
    ///
    /// # Errors
    /// As [`Bundles::apply`], and [`BundleError::Outdated`].
    pub async fn apply_on(
        &self,
        based_on: &BasedOn,
        files: Files,
        by: &Subject,
    ) -> Result<BundleVersion, BundleError> {
        let (files, judge) = self.compile(files).await;
        let judge = judge.map_err(BundleError::Invalid)?;
        let version = judge.version();
        let bytes = crate::encode(&files);
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge { bytes: bytes.len(), bytes_max: BUNDLE_BYTES_MAX });
        }
        let mut read_at = self.read_at.lock().await;
        let before = self.store.get(CURRENT).await?;
        let stands =
            before.as_ref().map(crate::decode::<Pointer>).transpose()?.map(|pointer| pointer.version);
        if stands.as_ref() == Some(&version)
            && self.current().is_some_and(|current| current.version == version)
        {
            return Ok(version);
        }
        if !based_on.admits(stands.as_ref()) {
            let current = stands.map_or(BasedOn::None, BasedOn::Version);
            return Err(BundleError::Outdated { wanted: based_on.clone(), current });
        }
        self.register_groups(&*judge).await?;
        let (by, at) = (by.clone(), self.clock.now());
        let chunks = bytes.len().div_ceil(CHUNK_BYTES);
        let attempt = Some(AttemptId::generate());
        let pointer = Pointer { version: version.clone(), attempt, chunks, by, at, also: Also::default() };
        // Not over a file, however often it is applied: the current one's are never touched.
        let content = Content::prepare(&*self.store, at, &pointer.prefix(), &bytes, CHUNK_BYTES).await?;
        let pointing = content.finish(
            Transaction::new()
                .if_unchanged(CURRENT, before.as_ref())
                .put_own(CURRENT, crate::encode(&pointer)),
        );
        match self.store.transact(self.without(before.as_ref(), pointing)?).await? {
            Outcome::Conflict | Outcome::LeaseLost => Err(BundleError::Contended),
            Outcome::Committed(revision) => {
                *read_at = revision;
                self.replace(Current { version: version.clone(), files: Arc::new(files), judge });
                Ok(version)
            }
        }
    }

    /// The same transaction, and the files of the bundle that was current are swept some time later.
    fn without(&self, before: Option<&Entry>, transaction: Transaction) -> Result<Transaction, StoreError> {
        let Some(before) = before else { return Ok(transaction) };
        let before: Pointer = crate::decode(before)?;
        Ok(match before.attempt {
            Some(_) => content::abandon(transaction, self.clock.now(), &before.prefix()),
            // Files right under the version cannot be told from those of its later attempts.
            None => transaction,
        })
    }

    /// Reads the bundle that is current in the store, if it is newer than the one here. Whether it was.
    pub(crate) async fn reload(&self) -> Result<bool, BundleError> {
        let mut read_at = self.read_at.lock().await;
        let Some(entry) = self.store.get(CURRENT).await? else { return Ok(false) };
        if entry.modified <= *read_at {
            return Ok(false);
        }
        let pointer: Pointer = crate::decode(&entry)?;
        let files = self.read_files(&pointer).await?;
        let (files, judge) = self.compile(files).await;
        let judge = judge.map_err(|faults| {
            tracing::error!(version = %pointer.version, faults = %list(&faults), "the stored bundle does not compile");
            BundleError::Stored(pointer.version.clone())
        })?;
        if judge.version() != pointer.version {
            tracing::error!(version = %pointer.version, found = %judge.version(), "the stored files are another bundle's");
            return Err(BundleError::Stored(pointer.version));
        }
        *read_at = entry.modified;
        self.replace(Current { version: pointer.version, files: Arc::new(files), judge });
        Ok(true)
    }

    /// With the condition that the bundle that is current here is so in the store. `None`: it is being replaced.
    pub(crate) fn still_current(&self, transaction: Transaction) -> Option<Transaction> {
        let read_at = *self.read_at.try_lock().ok()?;
        Some(transaction.if_modified(CURRENT, read_at))
    }

    /// Whether a change may have made another bundle current.
    pub(crate) fn concerns(change: &Change) -> bool {
        change.key() == CURRENT
    }

    async fn read_files(&self, pointer: &Pointer) -> Result<Files, StoreError> {
        let prefix = pointer.prefix();
        let (chunks, _) = range_all(&*self.store, &prefix).await?;
        let value: Vec<u8> = chunks.into_iter().take(pointer.chunks).flat_map(|chunk| chunk.value).collect();
        crate::decode(&Entry { key: prefix, value, modified: Revision(0), lease: None })
    }

    fn replace(&self, current: Current) {
        let current = Arc::new(current);
        self.current.store(Some(Arc::clone(&current)));
        self.pushed.send_replace(Some(current));
    }
}

#[cfg(test)]
mod tests;
