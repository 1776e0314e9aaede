//! `cargo xtask load`: builds Countersign and the load generator as users get them, and puts load on.

use anyhow::{Result, ensure};
use clap::Args;
use countersign_testkit::build_folder;

use crate::{run, setup};

/// What the generator is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Given to the load generator as it is; `--help` shows what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::to_measure()?;
    let packages = ["--package", "countersign-cli", "--package", "countersign-loadtest"];
    run::show(run::cargo(&["build", "--locked", "--release"]).args(packages))?;
    let release = build_folder()?.join("release");
    let (generator, binary) = (release.join("countersign-loadtest"), release.join("countersign"));
    ensure!(generator.is_file() && binary.is_file(), "nothing was built in `{}`", release.display());
    let mut command = std::process::Command::new(generator);
    run::show(command.arg("--binary").arg(binary).args(&options.arguments))
}
