//! `countersign-chaos`: one run with its report. `cargo xtask chaos` builds what it needs and starts it.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use countersign_chaos::run::{Options, run};
use countersign_chaos::stage::{Kind, Setting};
use countersign_testkit::{Journal, Network};

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
    /// Whether every node of the cluster has a network namespace of its own, so that whole nodes can be cut off from each
    /// other; without it, where the system lets us
    #[arg(long, value_enum)]
    network: Option<Where>,
    /// Where control-plane nodes keep records until they are archived; without it the seed decides
    #[arg(long, value_enum)]
    journal: Option<WhichJournal>,
    /// This process is in a network of its own already
    #[arg(long, hide = true)]
    isolated: bool,
    /// Where the history goes, and the logs of a failed run
    #[arg(long, value_name = "FOLDER")]
    keep: PathBuf,
}

/// On which network a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    /// One namespace for each node.
    Namespaces,
    /// All on loopback.
    Loopback,
}

/// Where records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhichJournal {
    /// In the nodes' own files.
    Local,
    /// In Redis and the nodes' own files.
    Redis,
    /// In Redis, which says what is synced.
    RedisFsync,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match isolate(&arguments).and_then(|()| play(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Begins this process anew in a network of its own, where that is wanted and possible.
fn isolate(arguments: &Arguments) -> Result<()> {
    let here = arguments.stage == Kind::Dev || arguments.network == Some(Where::Loopback);
    if here || arguments.isolated {
        return Ok(());
    }
    if let Err(reason) = Network::possible() {
        ensure!(arguments.network.is_none(), "no network namespaces can be made here: {reason:#}");
        println!("No network namespaces can be made here ({reason:#}): nobody is cut off as a whole.");
        return Ok(());
    }
    let own = std::env::current_exe().context("cannot tell where this executable is")?;
    let mut again = Network::isolated(&own);
    // Returns only when it fails.
    Err(again.args(std::env::args_os().skip(1)).arg("--isolated").exec()).context("cannot run unshare")
}

/// The one that was asked for, or that the seed chooses.
fn journal(arguments: &Arguments, seed: u64) -> Journal {
    match arguments.journal {
        Some(WhichJournal::Local) => Journal::Local,
        Some(WhichJournal::Redis) => Journal::Redis,
        Some(WhichJournal::RedisFsync) => Journal::RedisFsync,
        None => {
            let any = [Journal::Local, Journal::Redis, Journal::RedisFsync];
            fastrand::Rng::with_seed(seed).choice(any).unwrap_or_default()
        }
    }
}

/// Whether every rule held.
fn play(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    let folder = arguments.keep.join(format!("seed-{seed}"));
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes is no time")?;
    let setting = Setting { seed, namespaces: arguments.isolated, journal: journal(arguments, seed) };
    let (stage, agents) = (arguments.stage, arguments.agents);
    let options = Options { stage, setting, time, agents, folder: folder.clone() };
    let report = run(&options).with_context(|| format!("seed {seed}; see {}", folder.display()))?;
    print!("{report}");
    std::fs::write(folder.join("report.txt"), report.to_string())?;
    if !report.is_clean() {
        println!("Everything that is known is in {}.", folder.display());
    }
    Ok(report.is_clean())
}
