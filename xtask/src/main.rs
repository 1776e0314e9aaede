//! `cargo xtask`: the chores of this repository, each one command on a machine that has nothing but
//! Cargo. What is missing is installed, with a word about what and how.

mod bench;
mod chaos;
mod demo;
mod load;
mod repo;
mod run;
mod setup;
mod test;
mod tidy;
mod ui;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this repository.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// A scratch shop behind Countersign, with the lines to try; with --script it plays the whole story
    Demo(demo::Options),
    /// Everything that CI checks, step by step
    Test(test::Options),
    /// Benchmarks against the peers, in ratios
    Bench(bench::Options),
    /// Load: open loops, sessions that wait, storms; a report with plots
    Load(load::Options),
    /// Faults for real: every kind of process killed, stopped, cut off; a checker looks at what is left
    Chaos(chaos::Options),
    /// The rules of the house that the compiler does not know
    Tidy,
    /// The approver's page: checks, tests and builds it
    Ui(ui::Options),
    /// Installs what the other chores need, and nothing that is there already
    Setup,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Demo(options) => demo::run(&options),
        Chore::Test(options) => test::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Load(options) => load::run(&options),
        Chore::Chaos(options) => chaos::run(&options),
        Chore::Tidy => tidy::run(),
        Chore::Ui(options) => ui::run(&options),
        Chore::Setup => setup::all().map(|()| println!("Everything is there.")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
