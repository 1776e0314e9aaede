//! The bundle that `dev` judges by. One way for all of them: a folder that changed, or an `apply`, makes a
//! bundle the control plane's current one, and the gateway follows the control plane.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign_common::id::Subject;
use countersign_controlplane::ControlPlane;
use countersign_controlplane::bundles::Files;
use countersign_policy::{BundleErrors, CurrentBundle};

use super::DevOptions;
use crate::error::{CliError, Exit};
use crate::node::PolicyCompiler;
use crate::output::Output;
use crate::view::fault;

/// How often the folder is looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// The built-in bundle.
const BUILT_IN: [(&str, &str); 2] = [
    ("policies.cedar", include_str!("built-in.cedar")),
    (
        "chains.yaml",
        "chains:\n  default:\n    timeout: 1h\n    stages:\n      - groups: [approvers]\n        quorum: 1\n",
    ),
];

/// What the built-in bundle does, for people.
pub(super) const BUILT_IN_RULES: &str = concat!(
    "  rules         built in: agents and humans read at once; their writes and schema changes wait up to 1 h\n",
    "                for one human of the group `approvers`; administration, what cannot be understood, and\n",
    "                services are blocked. Give your own with --config DIR.\n",
);

/// Where the bundle comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A folder, read again when it changes.
    Folder(PathBuf),
    /// The one that is built in.
    BuiltIn,
}

impl Source {
    pub(super) fn of(options: &DevOptions) -> Result<Self, CliError> {
        match &options.config {
            Some(dir) => Ok(Self::Folder(dir.clone())),
            None if options.names_targets() => Ok(Self::BuiltIn),
            None => {
                Err(CliError::new(Exit::Usage, "nothing to protect: neither --config nor --target is given")
                    .help("try `countersign dev --target shop=postgres://app@127.0.0.1:5432/shop`"))
            }
        }
    }

    fn files(&self) -> Result<Files, BundleErrors> {
        match self {
            Self::BuiltIn => Ok(BUILT_IN
                .iter()
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
                .collect()),
            Self::Folder(dir) => {
                let files = countersign_policy::Files::read_dir(dir)?;
                Ok(files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect())
            }
        }
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Folder(dir) => dir,
            Self::BuiltIn => Path::new(""),
        }
    }

    /// The files and the bundle they make; all faults are printed when they make none.
    pub(super) fn read(&self, compiler: &PolicyCompiler, output: Output) -> Result<First, CliError> {
        let read = self.files().and_then(|files| Ok(First { bundle: compiler.bundle(&files)?, files }));
        read.map_err(|errors| fault::refuse(&fault::of_dir(&errors, self.dir()), output))
    }

    /// Looks at the folder each second, until aborted; a bundle that validates becomes the control
    /// plane's, a broken one is reported once and the old one stays. Does nothing for the built-in one.
    ///
    /// # Cancel safety
    /// Safe: a bundle is in force wholly or not at all.
    pub(super) async fn reload(self, control: Arc<ControlPlane>, compiler: Arc<PolicyCompiler>) {
        let Self::Folder(_) = &self else { return };
        let mut stood = self.stand().await;
        let mut seen = self.look(&compiler).await;
        let mut tick = tokio::time::interval(RELOAD_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // Taken before the files are read: what changes in between is seen at the next tick.
            let stands = self.stand().await;
            if stands.as_ref().is_some_and(|stands| Some(stands) == stood.as_ref() && !stands.is_fresh()) {
                continue;
            }
            stood = stands;
            let now = self.look(&compiler).await;
            if now == seen {
                continue;
            }
            match &now {
                Look::Broken(errors) => {
                    tracing::error!(%errors, "the bundle's folder changed and does not validate; the old bundle stays");
                }
                Look::Sound(files) => push(&control, files.clone()).await,
                // Compiling was interrupted: look again.
                Look::Interrupted => continue,
            }
            seen = now;
        }
    }

    /// How the folder stands, by its files' names, sizes and times. `None`: it cannot be read.
    async fn stand(&self) -> Option<FolderStamp> {
        let dir = self.dir().to_owned();
        tokio::task::spawn_blocking(move || FolderStamp::of(&dir).ok()).await.ok().flatten()
    }

    /// Reading and compiling take milliseconds that other tasks need.
    async fn look(&self, compiler: &Arc<PolicyCompiler>) -> Look {
        let (source, compiler) = (self.clone(), Arc::clone(compiler));
        let looked = tokio::task::spawn_blocking(move || {
            match source.files().and_then(|files| compiler.bundle(&files).map(|_| files)) {
                Ok(files) => Look::Sound(files),
                Err(errors) => Look::Broken(errors),
            }
        });
        looked.await.unwrap_or(Look::Interrupted)
    }
}

/// The files of a folder as far as their entries show: comparing it costs a look at each entry, and no compiling.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FolderStamp {
    files: BTreeMap<OsString, (u64, SystemTime)>,
    newest: SystemTime,
}

impl FolderStamp {
    fn of(dir: &Path) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            // Of what a link points to: folders of bundles are often links that are swapped.
            let metadata = std::fs::metadata(entry.path())?;
            files.insert(entry.file_name(), (metadata.len(), metadata.modified()?));
        }
        let newest = files.values().map(|(_, modified)| *modified).max().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Self { files, newest })
    }

    /// Whether something changed so shortly ago that another change could bear the same time.
    fn is_fresh(&self) -> bool {
        self.newest.elapsed().is_ok_and(|ago| ago < FRESH)
    }
}

/// How long after a change its time could stand for a later one, too: file systems count in up to two seconds.
const FRESH: Duration = Duration::from_secs(3);

/// What stands in the folder.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Sound(Files),
    Broken(BundleErrors),
    Interrupted,
}

async fn push(control: &ControlPlane, files: Files) {
    let applied = match folder() {
        Ok(by) => control.apply_bundle(files, &by).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match applied {
        Ok(version) => tracing::info!(%version, "the bundle's folder changed; it is in force"),
        Err(error) => {
            tracing::error!(error, "the changed bundle could not be put in force; the old one stays")
        }
    }
}

/// Who applies what the folder says.
fn folder() -> Result<Subject, countersign_common::id::InvalidId> {
    Subject::new("dev")
}

/// The bundle at the start.
#[derive(Debug)]
pub(super) struct First {
    files: Files,
    bundle: countersign_policy::Bundle,
}

/// Makes the first bundle the control plane's and the gateway's.
pub(super) async fn put_in_force(
    first: First,
    control: &ControlPlane,
) -> Result<Arc<CurrentBundle>, CliError> {
    let failed = |error: &dyn std::error::Error| {
        CliError::because(Exit::Failed, "the bundle cannot be put in force", error)
    };
    let by = folder().map_err(|error| failed(&error))?;
    control.apply_bundle(first.files, &by).await.map_err(|error| failed(&error))?;
    Ok(Arc::new(CurrentBundle::new(first.bundle)))
}

/// Puts every bundle in force at the gateway that becomes the control plane's current one, until aborted.
pub(super) async fn follow(
    control: Arc<ControlPlane>,
    current: Arc<CurrentBundle>,
    compiler: Arc<PolicyCompiler>,
) {
    let mut bundles = control.bundles().watch();
    loop {
        let newest = bundles.borrow_and_update().clone();
        if let Some(newest) = newest.filter(|newest| newest.version != *current.load().version()) {
            match compiler.bundle(&newest.files) {
                Ok(bundle) => current.replace(bundle),
                // The control plane has compiled the same files with the same compiler.
                Err(errors) => tracing::error!(%errors, "the gateway keeps the old bundle"),
            }
        }
        if bundles.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_otherwise_after_any_change() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, seconds: u64| {
            std::fs::write(dir.path().join(name), text).unwrap();
            let file = std::fs::File::options().write(true).open(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        let stands = || FolderStamp::of(dir.path()).unwrap();
        write("a.cedar", "one", 1000);
        let first = stands();
        assert_eq!(stands(), first, "nothing has changed");
        assert!(!first.is_fresh());
        write("a.cedar", "two", 1001);
        let touched = stands();
        assert_ne!(touched, first, "the same size");
        write("a.cedar", "three", 1001);
        assert_ne!(stands(), touched, "the same time");
        write("b.cedar", "", 1);
        let added = stands();
        std::fs::remove_file(dir.path().join("b.cedar")).unwrap();
        assert_ne!(stands(), added);
        std::fs::write(dir.path().join("a.cedar"), "now").unwrap();
        assert!(stands().is_fresh(), "a change within the same tick of the clock must be looked for");
    }
}
