//! From npm, exactly what the lock files say: the driver of the Node client, and the linter of
//! protobuf files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::stamp::Stamp;
use crate::repo;
use crate::run::show;

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
