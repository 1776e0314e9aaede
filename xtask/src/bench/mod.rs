//! `cargo xtask bench postgres`: Countersign beside its peers, in ratios of one run.
//!
//! Rounds are short and alternate between the contestants, so that whatever else the machine does hits
//! all of them alike; medians over the rounds are compared. Absolute figures say little: quote ratios.

mod contest;
mod contestant;
mod definitions;
mod load;
mod measure;
mod memory;
mod report;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// pgbench direct, through PgBouncer and through Countersign, in alternating rounds
    Postgres(PostgresOptions),
    /// A restore of many tables direct and through Countersign, and the scan that finds definitions changed by others
    Definitions(definitions::DefinitionsOptions),
}

/// How long and how wide.
#[derive(Debug, Args)]
pub(crate) struct PostgresOptions {
    /// Seconds of one round of one contestant
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Rounds; medians are taken over them
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    clients: Vec<u32>,
    /// Only these workloads
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<workload::Workload>,
    /// Scale of pgbench's tables; 20 is 2 million rows
    #[arg(long, default_value_t = 20)]
    scale: u32,
    /// Without these contestants
    #[arg(long, value_delimiter = ',', value_enum)]
    without: Vec<contestant::Kind>,
    /// Idle and held sessions for the measure of memory; 0 leaves it out
    #[arg(long, default_value_t = 200)]
    sessions: u32,
    /// Writes the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures this binary, and builds none
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Only what the budget speaks of: one client for point reads alone.
    #[arg(skip)]
    for_the_budget: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let options = match &options.what {
        What::Postgres(options) => options,
        What::Definitions(options) => return definitions::run(options),
    };
    if options.rounds == 0 || options.seconds == 0 {
        bail!("a benchmark needs at least one round of at least one second");
    }
    contest::run(options)
}

/// Measures the lines of the budget that are ratios to the peers, in some three minutes, with this binary; the figures as JSON.
pub(crate) fn for_the_budget(binary: &Path, json: &Path) -> Result<()> {
    use workload::Workload::{Prepared, Rows, Simple};

    contest::run(&PostgresOptions {
        seconds: 3,
        rounds: 3,
        clients: vec![16, 1],
        only: vec![Simple, Prepared, Rows],
        scale: 10,
        without: Vec::new(),
        sessions: 0,
        json: Some(json.to_path_buf()),
        binary: Some(binary.to_path_buf()),
        for_the_budget: true,
    })
}
