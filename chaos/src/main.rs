//! `countersign-chaos`: one run with its report. `cargo xtask chaos` builds what it needs and starts it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use countersign_chaos::run::{Options, run};
use countersign_chaos::stage::Kind;

/// Faults for real, and a checker afterwards.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long the faults go on
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Decides what is left to chance; without it another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// What is played on
    #[arg(long, value_enum, default_value = "dev")]
    stage: Kind,
    /// How many agents work at the same time
    #[arg(long, default_value_t = 12)]
    agents: u32,
    /// Where the history goes, and the logs of a failed run
    #[arg(long, value_name = "FOLDER")]
    keep: PathBuf,
}

fn main() -> ExitCode {
    match play(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every rule held.
fn play(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    let folder = arguments.keep.join(format!("seed-{seed}"));
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes is no time")?;
    let options =
        Options { stage: arguments.stage, seed, time, agents: arguments.agents, folder: folder.clone() };
    let report = run(&options).with_context(|| format!("seed {seed}; see {}", folder.display()))?;
    print!("{report}");
    std::fs::write(folder.join("report.txt"), report.to_string())?;
    if !report.is_clean() {
        println!("Everything that is known is in {}.", folder.display());
    }
    Ok(report.is_clean())
}
