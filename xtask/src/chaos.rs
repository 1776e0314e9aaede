//! `cargo xtask chaos`: builds Countersign and the harness, and lets the nemesis loose.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use crate::{repo, run, setup};

/// How long the run is that is part of `cargo xtask test`, in minutes of faults, and its seed.
const SHORT: (&str, &str) = ("1.5", "2026");

/// What the harness is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A release build of Countersign, as users get it; without it a quick build that checks more
    #[arg(long)]
    release: bool,
    /// Given to the harness as it is: --minutes, --seed, --stage, --agents
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Options {
    /// The short run of CI.
    pub(crate) fn short() -> Self {
        let (minutes, seed) = SHORT;
        let arguments = ["--stage", "dev", "--minutes", minutes, "--seed", seed].map(str::to_owned).into();
        Self { release: false, arguments }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::to_build()?;
    setup::servers()?;
    let profile: &[&str] = if options.release { &["--release"] } else { &[] };
    let packages = ["--package", "countersign-cli", "--package", "countersign-chaos"];
    run::show(run::cargo(&["build", "--locked"]).args(profile).args(packages))?;
    let build = repo::build()?;
    let built = build.join(if options.release { "release" } else { "debug" });
    let harness: PathBuf = built.join("countersign-chaos");
    ensure!(harness.is_file(), "no `{}`", harness.display());
    let mut command = Command::new(harness);
    command.arg("--keep").arg(build.join("chaos")).args(&options.arguments);
    run::show(&mut command)
}
