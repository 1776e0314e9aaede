//! `cargo xtask load`: puts load on Countersign and writes a report with plots. Open loops, sessions that wait,
//! storms of decisions; what each costs in time, memory and CPU.

mod approver;
mod client;
mod figures;
mod plot;
mod report;
mod scenario;
mod system;
mod tap;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use self::report::Section;
use self::scenario::{commands, decision, paused, reconnect, storm};
use self::system::{Shape, System};

/// Load on Countersign, and a report of what it did.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Only these loads
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Load>,
    /// What is loaded
    #[arg(long, value_enum, default_value_t)]
    system: Shape,
    /// The binary to load
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the report goes
    #[arg(long, value_name = "DIR", default_value = "target/load")]
    report: PathBuf,
    #[command(flatten)]
    commands: commands::CommandsOptions,
    #[command(flatten)]
    decision: decision::DecisionOptions,
    #[command(flatten)]
    paused: paused::PausedOptions,
    #[command(flatten)]
    storm: storm::StormOptions,
    #[command(flatten)]
    reconnect: reconnect::ReconnectOptions,
}

/// The loads, in the order in which they run; each finds a system of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Load {
    /// Allowed reads at given rates, open loop
    Commands,
    /// From a yes to the bytes upstream
    Decision,
    /// Many approvals at once
    Storm,
    /// Sessions that wait
    Paused,
    /// A gateway is killed, and its clients come back to another one; needs a fleet
    Reconnect,
}

impl Load {
    async fn run(self, options: &Options) -> Result<Section> {
        let system = Arc::new(System::start(options.system).await?);
        match self {
            Self::Commands => commands::run(&system, &options.commands).await,
            Self::Decision => decision::run(&system, &options.decision, options.system.name()).await,
            Self::Storm => storm::run(&system, &options.storm).await,
            Self::Paused => paused::run(&system, &options.paused).await,
            Self::Reconnect => reconnect::run(&system, &options.reconnect).await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(binary) = &options.binary {
        countersign_testkit::use_binary(binary.clone())?;
    }
    let mut sections = Vec::new();
    for load in Load::value_variants() {
        let wanted = match options.only.is_empty() {
            true => *load != Load::Reconnect || options.system == Shape::Fleet,
            false => options.only.contains(load),
        };
        if wanted {
            println!("{load:?} …");
            sections.push(load.run(&options).await.with_context(|| format!("{load:?}"))?);
        }
    }
    print!("{}", report::write(&options.report, &report::machine(), &sections)?);
    println!("The report is in {}.", options.report.display());
    Ok(())
}
