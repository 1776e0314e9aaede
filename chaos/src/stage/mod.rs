//! What a run plays on: real processes, the ways between them, and where they can be hit.

mod cluster;
mod dev;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use countersign_testkit::{Dsn, Fault, Postgres, PostgresOptions, Terms, binary};

use crate::command;

pub use cluster::Cluster;
pub use dev::Dev;

/// Which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `countersign dev` and PostgreSQL.
    Dev,
    /// Three members of etcd, three control-plane nodes, three gateways, HAProxy and PostgreSQL.
    Cluster,
}

impl Kind {
    /// Starts it; `seed` decides what is left to chance.
    ///
    /// # Errors
    /// A process does not start.
    pub fn start(self, seed: u64) -> Result<Box<dyn Stage>> {
        match self {
            Self::Dev => Ok(Box::new(Dev::start(seed)?)),
            Self::Cluster => Ok(Box::new(Cluster::start(seed)?)),
        }
    }
}

/// What can be done to a process or a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// `kill -9`; started again when it heals.
    Kill,
    /// `kill -STOP`; goes on when it heals.
    Stop,
    /// The network is like this until it heals.
    Network(Fault),
    /// Every connection breaks off.
    Reset,
}

/// Where a stage can be hit.
#[derive(Debug, Clone)]
pub struct WeakPoint {
    /// Its name: `gateway-1`, `gateway-1 to control-2`.
    pub name: String,
    /// Whether it is a process; else it is a way between two.
    pub is_process: bool,
}

/// Everything that a run plays on.
pub trait Stage {
    /// The database behind it all.
    fn server(&self) -> &Postgres;

    /// Where an agent with this token connects.
    fn door(&self, token: &str) -> Dsn;

    /// Where the control plane's nodes have their API, past every fault.
    fn apis(&self) -> Vec<String>;

    /// The token of whoever set it up: issues tokens, audits.
    ///
    /// # Errors
    /// There is none.
    fn operator(&self) -> Result<String>;

    /// Where it can be hit.
    fn weak_points(&self) -> Vec<WeakPoint>;

    /// Hits it.
    ///
    /// # Errors
    /// There is no such point, or the system refuses it.
    fn strike(&mut self, name: &str, blow: Blow) -> Result<()>;

    /// Makes good what a blow has done.
    ///
    /// # Errors
    /// A process does not come back.
    fn heal(&mut self, name: &str, blow: Blow) -> Result<()>;

    /// The folders in which recordings lie.
    fn recordings(&self) -> Vec<PathBuf>;

    /// Verifies what is left when every process has ended; the faults.
    ///
    /// # Errors
    /// A process did not end in order, or the verifier cannot be run.
    fn end(&mut self) -> Result<Vec<String>>;

    /// Copies the logs of all processes into a folder.
    ///
    /// # Errors
    /// They cannot be written.
    fn keep_logs(&self, folder: &Path) -> Result<()>;
}

/// A database that keeps what it has committed when it crashes.
fn server() -> Result<Postgres> {
    let options = PostgresOptions::default().with("synchronous_commit", "on").with("max_connections", "400");
    let server = Postgres::start(options)?;
    server.sql(command::TABLE)?;
    Ok(server)
}

/// What the verifier says is wrong with the recordings in these data folders.
fn verify(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut command = Command::new(binary()?);
    let output = command.args(["audit", "verify", "--offline"]).args(folders).output();
    let output = output.context("cannot run countersign")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let printed = [output.stdout, output.stderr].concat();
    Ok(vec![format!("offline: {}", String::from_utf8_lossy(&printed).trim())])
}

/// How long commands wait in a run: short enough that some become tickets and some expire.
fn terms() -> Terms {
    Terms { hold: "4s", hold_in_transaction: "4s", notice_every: "1s", timeout: "20s", ..Terms::default() }
}
