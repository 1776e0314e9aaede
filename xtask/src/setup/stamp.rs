//! A mark beside what was installed, with the list that it was installed from: as long as both agree
//! there is nothing to do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The mark of one installed folder.
pub(super) struct Stamp {
    file: PathBuf,
    content: String,
}

impl Stamp {
    /// The mark that `folder` has to bear when it was installed from the list in `from`.
    pub(super) fn of(folder: &Path, from: &Path) -> Result<Self> {
        let content =
            std::fs::read_to_string(from).with_context(|| format!("cannot read `{}`", from.display()))?;
        Ok(Self { file: folder.join("installed-from"), content })
    }

    pub(super) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|content| content == self.content)
    }

    pub(super) fn set(&self) -> Result<()> {
        std::fs::write(&self.file, &self.content)
            .with_context(|| format!("cannot write `{}`", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_list_asks_for_a_new_installation() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        std::fs::write(&list, "one").unwrap();
        let stamp = || Stamp::of(folder.path(), &list).unwrap();
        assert!(!stamp().is_current());
        stamp().set().unwrap();
        assert!(stamp().is_current());
        std::fs::write(&list, "two").unwrap();
        assert!(!stamp().is_current());
    }
}
