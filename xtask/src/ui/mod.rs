//! `cargo xtask ui`: the approver's page. Installs what npm has to bring, generates the API from the protobuf files,
//! checks and tests, builds `ui/dist`; with `--watch` it serves the page anew at every change instead.
//!
//! `ui/dist` is committed, so that building the program needs no Node. The step `ui` of `cargo xtask test` builds it
//! again and compares.

mod browser;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run::show;
use crate::setup::{self, Node};
use crate::{repo, run};

/// What of the API the page speaks.
const PROTOS: [&str; 2] = ["countersign/v1/approvals.proto", "countersign/v1/identity.proto"];

/// What to do with the page.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Serves the page from its sources, anew at every change; it calls the API at COUNTERSIGN_API
    #[arg(long)]
    watch: bool,
    /// Besides, plays the scenarios in a real browser against a real server
    #[arg(long, conflicts_with = "watch")]
    browser: bool,
    /// Besides, writes pictures of the page into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "watch")]
    pictures: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let page = Page::prepare()?;
    if options.watch {
        return show(&mut page.tool("vite"));
    }
    page.check()?;
    page.build()?;
    if options.browser {
        browser::play(&page)?;
    }
    match &options.pictures {
        Some(folder) => browser::take_pictures(&page, folder),
        None => Ok(()),
    }
}

/// As CI runs it: what is committed is what the sources give, and it does what it shall.
pub(crate) fn test() -> Result<()> {
    let page = Page::prepare()?;
    page.check()?;
    let committed = files(&page.folder.join("dist"))?;
    page.build()?;
    if files(&page.folder.join("dist"))? != committed {
        bail!("`ui/dist` was not built from these sources; it is now: look at it, commit it");
    }
    browser::play(&page)
}

/// The page's folder, with everything installed and generated.
struct Page {
    folder: PathBuf,
    node: Node,
}

impl Page {
    fn prepare() -> Result<Self> {
        let page = Self { folder: repo::root().join("ui"), node: setup::page()? };
        let mut generate = page.tool("buf");
        generate.arg("generate").arg(repo::root().join("proto")).arg("--include-imports");
        for proto in PROTOS {
            generate.arg("--path").arg(repo::root().join("proto").join(proto));
        }
        show(&mut generate)?;
        Ok(page)
    }

    /// Types and unit tests.
    fn check(&self) -> Result<()> {
        show(self.tool("tsc").args(["--project", "."]))?;
        show(self.tool("vitest").arg("run"))
    }

    fn build(&self) -> Result<()> {
        show(self.tool("vite").args(["build", "--logLevel", "warn"]))
    }

    /// A program that npm has installed.
    fn tool(&self, name: &str) -> Command {
        let programs = self.folder.join("node_modules/.bin");
        let mut command = Command::new(programs.join(name));
        command.current_dir(&self.folder).env("PATH", self.node.path(&[programs]));
        command
    }
}

/// The files of a folder and what is in them.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("no `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        found.insert(path.clone(), std::fs::read(&path)?);
    }
    Ok(found)
}

/// The program, with the page in it.
fn program() -> Result<()> {
    setup::to_demonstrate()?;
    run::show(&mut run::cargo(&["build", "--locked", "--package", "countersign-cli"]))
}
