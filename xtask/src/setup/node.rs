//! From npm, exactly what the lock files say: the driver of the Node client, the linter of protobuf files, and what
//! builds and tests the approver's page. And a Node that is new enough for that.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::python;
use super::stamp::Stamp;
use crate::repo;
use crate::run::{quiet, show};

/// The driver of the Node client, beside it: Node looks for modules there.
pub(super) fn clients() -> Result<()> {
    let folder = repo::root().join("tests/clients/node");
    install(&folder, &folder, "node-postgres")
}

/// `buf`, in the build folder.
pub(super) fn buf() -> Result<PathBuf> {
    let folder = repo::build()?.join("tools/npm");
    install(&repo::root().join("xtask/tools"), &folder, "buf")?;
    let program = folder.join("node_modules/.bin/buf");
    ensure!(program.is_file(), "npm installed no buf");
    Ok(program)
}

/// The oldest Node that builds the page.
const PAGE_NODE: (u32, u32) = (20, 19);

/// A Node.
pub(crate) struct Node {
    /// Where it is, unless it is the machine's.
    folder: Option<PathBuf>,
}

impl Node {
    /// The path on which programs find it, after these folders.
    pub(crate) fn path(&self, first: &[PathBuf]) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = first.to_vec();
        folders.extend(self.folder.clone());
        folders.extend(std::env::split_paths(&path));
        // No folder of ours has the character in its name that parts them.
        std::env::join_paths(folders).unwrap_or(path)
    }
}

/// What builds and tests the page, beside its sources; and a Node for it.
pub(super) fn page() -> Result<Node> {
    let folder = repo::root().join("ui");
    install(&folder, &folder, "what builds the approver's page")?;
    let machines = quiet(Command::new("node").arg("--version"))?;
    if version(&machines).is_some_and(|version| version >= PAGE_NODE) {
        return Ok(Node { folder: None });
    }
    Ok(Node { folder: Some(python::node()?) })
}

/// Major and minor version in `v20.19.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn install(from: &Path, to: &Path, what: &str) -> Result<()> {
    let stamp = Stamp::of(&to.join("node_modules"), &from.join("package-lock.json"))?;
    if stamp.is_current() {
        return Ok(());
    }
    println!("Installing {what} with npm.");
    if from != to {
        std::fs::create_dir_all(to)?;
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy `{name}`"))?;
        }
    }
    // Not `npm ci`: it refuses a lock file without the packages for other platforms, which a registry need
    // not offer. Versions and digests of the lock file hold here, too.
    let quietly = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"];
    show(Command::new("npm").arg("install").args(quietly).current_dir(to))?;
    stamp.set()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_does_not_build_the_page() {
        for (text, enough) in
            [("v18.19.0\n", false), ("v20.18.9", false), ("v20.19.0", true), ("v24.1.0", true)]
        {
            assert_eq!(version(text).unwrap() >= PAGE_NODE, enough, "{text}");
        }
        assert_eq!(version("no node"), None);
    }
}
