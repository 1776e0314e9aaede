//! The data directory: what a process keeps, and where the commands beside it find address and token.
//!
//! ```text
//! control.redb        sessions, approvals, bundles
//! recordings/         segments and checkpoints
//! drained/            the same, of what this node drained from Redis
//! archive-copy/       what was read of an archive in an object store; may be deleted at any time
//! keys/               checkpoint.key signs checkpoints, checkpoint.pub verifies them
//! credentials/        passwords of `dev --target`
//! operator.token      the first token, of the group `admin`
//! api                 address of the control plane while it runs
//! ```
//! The directory and everything in it is for its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{CliError, Exit};

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The one that was named, or the user's own.
    pub(crate) fn of(named: Option<&Path>) -> Self {
        let own = || {
            let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let base = var("XDG_DATA_HOME").or_else(|| Some(var("HOME")?.join(".local/share")));
            // A process without a home keeps its data where it was started.
            base.map_or_else(|| PathBuf::from(".countersign"), |base| base.join("countersign"))
        };
        Self(named.map_or_else(own, Path::to_owned))
    }

    /// Creates it where it is missing, for its owner alone. What is there stays.
    pub(crate) fn create(&self) -> Result<(), CliError> {
        for dir in [self.0.clone(), self.recordings(), self.keys(), self.credentials()] {
            private_dir(&dir).map_err(|error| {
                CliError::failed(format!("cannot create `{}`: {error}", dir.display()))
                    .help("choose another data directory with --data")
            })?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn recordings(&self) -> PathBuf {
        self.0.join("recordings")
    }

    /// What was drained from Redis by this node.
    pub(crate) fn drained(&self) -> PathBuf {
        self.0.join("drained")
    }

    /// What was read of an archive in an object store.
    pub(crate) fn archive_copy(&self) -> PathBuf {
        self.0.join("archive-copy")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn checkpoint_key(&self) -> PathBuf {
        self.keys().join("checkpoint.key")
    }

    pub(crate) fn checkpoint_public_key(&self) -> PathBuf {
        self.keys().join("checkpoint.pub")
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.0.join("credentials")
    }

    pub(crate) fn operator_token(&self) -> PathBuf {
        self.0.join("operator.token")
    }

    fn api_file(&self) -> PathBuf {
        self.0.join("api")
    }

    /// The address that the process of this directory listens on; `None` when there is none.
    pub(crate) fn api(&self) -> Result<Option<String>, CliError> {
        let path = self.api_file();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(CliError::new(Exit::Failed, format!("cannot read `{}`: {error}", path.display())))
            }
        }
    }

    /// Says where the process of this directory listens, until the answer is dropped.
    pub(crate) fn announce(&self, api: &str) -> io::Result<Announced> {
        let path = self.api_file();
        write_private(&path, format!("{api}\n").as_bytes())?;
        Ok(Announced(path))
    }
}

/// The announced address; withdrawn when dropped.
#[derive(Debug)]
#[must_use = "the address is withdrawn when this is dropped"]
pub(crate) struct Announced(PathBuf);

impl Drop for Announced {
    fn drop(&mut self) {
        // A file that stays names an address where nobody listens: commands then say so.
        let _ = fs::remove_file(&self.0);
    }
}

/// Creates a directory for its owner alone; takes others' access to one that is there.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// The recordings that a named folder means: a data directory's, or the folder itself.
pub(crate) fn recordings_in(dir: &Path) -> PathBuf {
    let inside = DataDir::of(Some(dir)).recordings();
    if inside.is_dir() { inside } else { dir.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_in_it_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let data = DataDir::of(Some(&path));
        data.create().unwrap();
        for one in [data.path(), &data.recordings(), &data.keys(), &data.credentials()] {
            assert_eq!(mode(one), 0o700, "{}", one.display());
        }
        let announced = data.announce("http://127.0.0.1:1").unwrap();
        assert_eq!(mode(&data.api_file()), 0o600);
        assert_eq!(data.api().unwrap().as_deref(), Some("http://127.0.0.1:1"));
        drop(announced);
        assert_eq!(data.api().unwrap(), None);
    }
}
