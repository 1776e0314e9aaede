//! `countersign policy`: work on bundles without a server.

use std::path::PathBuf;

use clap::Subcommand;
use countersign_common::id::BundleVersion;
use countersign_policy::{Bundle, Files};
use serde::Serialize;

use super::Surroundings;
use crate::error::CliError;
use crate::view::fault;

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Validates a bundle as a whole and names every fault with file, line and column.
    Check {
        /// The folder of the bundle.
        dir: PathBuf,
    },
}

/// The JSON of a sound bundle.
#[derive(Debug, Serialize)]
struct Sound {
    ok: bool,
    version: BundleVersion,
    policies: usize,
    chains: usize,
    targets: usize,
}

pub(crate) fn run(command: &Command, around: &Surroundings) -> Result<(), CliError> {
    let Command::Check { dir } = command;
    let bundle = Files::read_dir(dir).and_then(|files| Bundle::compile(&files, Vec::new()));
    let bundle = bundle.map_err(|errors| fault::refuse(&fault::of_dir(&errors, dir), around.output))?;
    let sound = Sound {
        ok: true,
        version: bundle.version().clone(),
        policies: bundle.policy_count(),
        chains: bundle.chains().len(),
        targets: bundle.targets().len(),
    };
    around.output.result(&sound, || {
        format!(
            "{} is sound: version {}, {} policies, {} chains, {} targets",
            dir.display(),
            sound.version,
            sound.policies,
            sound.chains,
            sound.targets
        )
    })
}
