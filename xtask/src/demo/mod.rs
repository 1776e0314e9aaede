//! `cargo xtask demo`: a scratch shop behind Countersign, and the lines to try. With `--script` it plays
//! the whole story by itself with a real psql, and fails when any step is not as told.

mod audit;
mod psql;
mod stage;
mod story;
mod teller;

use std::io::Read;

use anyhow::Result;
use clap::Args;

use crate::{run, setup};
use stage::Stage;

/// How to show it.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Plays the whole story by itself and checks each step
    #[arg(long)]
    script: bool,
}

impl Options {
    /// As CI runs it.
    pub(crate) fn scripted() -> Self {
        Self { script: true }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::to_demonstrate()?;
    run::show(&mut run::cargo(&["build", "--locked", "--package", "countersign-cli"]))?;
    let stage = Stage::set()?;
    if options.script {
        return story::play(stage);
    }
    print!("{}", stage.invitation()?);
    // Until Enter, or the end of the input.
    std::io::stdin().read_exact(&mut [0]).or_else(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Ok(()),
        _ => Err(error),
    })?;
    Ok(())
}
