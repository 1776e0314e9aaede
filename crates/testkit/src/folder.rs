//! Folders: a temporary one for each server, and the place in the build folder where what is slow to
//! make is kept between runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::Account;

/// A temporary folder that belongs to an account and goes away with its value.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
    account: Account,
}

impl Folder {
    /// A new one for `account`. The name is short: socket paths end at 107 bytes.
    ///
    /// # Errors
    /// The system's temporary folder is not writable.
    pub fn new(account: Account) -> Result<Self> {
        let dir =
            tempfile::Builder::new().prefix("cs").tempdir().context("cannot make a temporary folder")?;
        account.own(dir.path())?;
        Ok(Self { dir, account })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file that only the account can read.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        self.account.own(&path)?;
        Ok(path)
    }

    /// Makes a folder in it that only the account can enter.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self, name: &str) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        self.account.own(&path)?;
        Ok(path)
    }
}

/// Cargo's build folder, which the running executable lies in.
///
/// # Errors
/// The executable was not built by Cargo, or was moved.
pub fn build_folder() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("cannot tell where this executable is")?;
    executable
        .ancestors()
        // Cargo tags the folders that it makes itself, and notes its compiler in every one.
        .find(|folder| [".rustc_info.json", "CACHEDIR.TAG"].iter().any(|mark| folder.join(mark).is_file()))
        .map(Path::to_path_buf)
        .with_context(|| format!("`{}` is in no build folder of Cargo", executable.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_away_with_its_value() {
        let folder = Folder::new(Account::Own).unwrap();
        folder.write("file", "x").unwrap();
        let path = folder.path().to_path_buf();
        assert!(path.join("file").is_file());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_build_folder_holds_this_test() {
        assert!(std::env::current_exe().unwrap().starts_with(build_folder().unwrap()));
    }
}
