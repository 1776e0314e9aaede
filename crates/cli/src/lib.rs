//! The command line of Countersign: people's tools over the gRPC API, local checks, and the processes
//! themselves. `docs/cli.md` is its reference.
//!
//! A command returns what it has to say as a value; printing it, for people or as JSON, is
//! [`output`]'s work, and how a failure reads and exits is [`error`]'s.

mod cli;
mod client;
mod commands;
mod data;
mod dev;
mod error;
pub mod node;
mod output;
mod view;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::error::CliError;
use crate::output::Output;

/// Reads the command line, does what it says, and returns how it went.
#[must_use]
pub fn main() -> ExitCode {
    // First of all: rustls panics when it has to choose a provider by itself. A second call loses
    // against the first, which installed the same.
    let _ = rustls::crypto::CryptoProvider::install_default(rustls::crypto::aws_lc_rs::default_provider());
    let cli = Cli::parse();
    let output = Output::new(cli.global.output);
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            error.exit().into()
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("the runtime cannot start: {error}")))?;
    let done = runtime.block_on(commands::run(cli, output));
    // Whatever still blocks (a prompt, a slow file) does not keep the process alive.
    runtime.shutdown_background();
    done
}

/// Threads that serve connections: half of the cores, because the targets, the disk and the system's own work
/// on sockets need the others. Measured on two cores with everything on them: one thread serves a quarter more
/// than two and costs a quarter less for each command. `TOKIO_WORKER_THREADS` says otherwise.
fn worker_threads() -> usize {
    let told = std::env::var("TOKIO_WORKER_THREADS").ok().and_then(|threads| threads.parse().ok());
    let half = || std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2);
    told.unwrap_or_else(half).max(1)
}
