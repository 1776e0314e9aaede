//! `cargo xtask load`: puts load on Countersign and writes a report with plots. Open loops, sessions that wait,
//! storms of decisions, gateways that are killed; what each costs in time, memory and CPU, beside what was aimed at.

mod approver;
mod budget;
mod client;
mod figures;
mod holder;
mod peers;
mod plot;
mod report;
mod scenario;
mod system;
mod tap;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use self::report::Section;
use self::scenario::{commands, decision, kills, paused, reconnect, storm};
use self::system::Shape;

/// Load on Countersign, and a report of what it did.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Only these loads
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Load>,
    /// What is loaded; default: for each load where it tells most
    #[arg(long, value_enum)]
    system: Option<Shape>,
    /// The binary to load
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// What `cargo xtask bench postgres --json` has measured, for the report
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Where the report goes
    #[arg(long, value_name = "DIR", default_value = "target/load")]
    report: PathBuf,
    #[command(flatten)]
    commands: commands::CommandsOptions,
    #[command(flatten)]
    decision: decision::DecisionOptions,
    #[command(flatten)]
    storm: storm::StormOptions,
    #[command(flatten)]
    paused: paused::PausedOptions,
    #[command(flatten)]
    reconnect: reconnect::ReconnectOptions,
    #[command(flatten)]
    kills: kills::KillsOptions,
}

/// What else this process may be.
#[derive(Debug, Subcommand)]
enum Role {
    /// Holds sessions open for the generator
    #[command(hide = true)]
    Hold(holder::HolderOptions),
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
    /// A gateway is killed, and its clients come back to another one
    Reconnect,
    /// Gateways are killed again and again, and the database is counted
    Kills,
    /// Sessions that wait
    Paused,
}

impl Load {
    /// Where it tells most.
    const fn shapes(self) -> &'static [Shape] {
        match self {
            Self::Commands => &[Shape::Embedded, Shape::Fleet],
            Self::Decision | Self::Storm | Self::Reconnect | Self::Kills => &[Shape::Cluster],
            Self::Paused => &[Shape::Fleet],
        }
    }

    async fn run(self, shape: Shape, options: &Options) -> Result<Section> {
        match self {
            Self::Commands => commands::run(shape, &options.commands).await,
            Self::Decision => decision::run(shape, &options.decision).await,
            Self::Storm => storm::run(shape, &options.storm).await,
            Self::Reconnect => reconnect::run(shape, &options.reconnect).await,
            Self::Kills => kills::run(shape, &options.kills).await,
            Self::Paused => paused::run(shape, &options.paused).await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut options = Options::parse();
    if let Some(Role::Hold(options)) = options.role.take() {
        return holder::run(options).await;
    }
    if let Some(binary) = &options.binary {
        countersign_testkit::use_binary(binary.clone())?;
    }
    let mut sections: Vec<Section> =
        options.peers.as_deref().map(peers::read).transpose()?.into_iter().collect();
    for load in Load::value_variants() {
        if !options.only.is_empty() && !options.only.contains(load) {
            continue;
        }
        let own = options.system.as_ref().map(std::slice::from_ref);
        for shape in own.unwrap_or_else(|| load.shapes()) {
            println!("{load:?}, {} …", shape.name());
            let section = load.run(*shape, &options).await.with_context(|| format!("{load:?}"))?;
            sections.push(section);
            // What is there is kept, whatever becomes of the rest.
            report::write(&options.report, &report::machine(), &sections)?;
        }
    }
    print!("{}", report::write(&options.report, &report::machine(), &sections)?);
    println!("The report is in {}.", options.report.display());
    Ok(())
}
