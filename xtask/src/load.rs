//! `cargo xtask load`: builds Countersign and the load generator as users get them, and puts load on. Told nothing else, it
//! writes the whole report: the rounds beside the peers, every load, and each line of the budget.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;
use countersign_testkit::build_folder;

use crate::{bench, run, setup};

/// What the generator is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the report goes; default: `target/load`
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Loads this binary, and builds none but the generator
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Given to the load generator as it is, such as `--only paused`; `--help` shows what it takes. Then nothing is measured
    /// beside the peers
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::to_measure()?;
    let mut packages = vec!["--package", "countersign-loadtest"];
    if options.binary.is_none() {
        packages.extend(["--package", "countersign-cli"]);
    }
    run::show(run::cargo(&["build", "--locked", "--release"]).args(packages))?;
    let release = build_folder()?.join("release");
    let generator = release.join("countersign-loadtest");
    let binary = options.binary.clone().unwrap_or_else(|| release.join("countersign"));
    ensure!(generator.is_file(), "nothing was built in `{}`", release.display());
    ensure!(binary.is_file(), "no `{}`", binary.display());
    let mut command = Command::new(generator);
    command.arg("--binary").arg(&binary);
    let report = options.report.clone().unwrap_or(build_folder()?.join("load"));
    command.arg("--report").arg(&report);
    if options.arguments.is_empty() {
        std::fs::create_dir_all(&report)?;
        let peers = report.join("peers.json");
        bench::for_the_budget(&binary, &peers)?;
        command.arg("--peers").arg(peers);
    }
    run::show(command.args(&options.arguments))
}
