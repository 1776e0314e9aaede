//! What a run plays on: real processes, the ways between them, and where they can be hit.

mod cluster;
mod dev;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use countersign_testkit::{
    Cut, Dsn, Fault, Journal, Network, Place, Postgres, PostgresOptions, Terms, binary,
};

use crate::command;
use crate::store::Store;

pub use cluster::Cluster;
pub use dev::Dev;

/// Which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `countersign dev` and PostgreSQL.
    Dev,
    /// Three members of etcd, Redis, three control-plane nodes, three gateways, HAProxy and PostgreSQL.
    Cluster,
}

/// How the stage is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Decides what is left to chance.
    pub seed: u64,
    /// Whether every node of a cluster has a network namespace of its own, in this process's own network.
    pub namespaces: bool,
    /// Where the nodes of a cluster keep records until they are archived.
    pub journal: Journal,
}

impl Kind {
    /// Starts it.
    ///
    /// # Errors
    /// A process does not start.
    pub fn start(self, setting: &Setting) -> Result<Box<dyn Stage>> {
        match self {
            Self::Dev => Ok(Box::new(Dev::start(setting.seed)?)),
            Self::Cluster => Ok(Box::new(Cluster::start(setting)?)),
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
    /// Those of one side and everybody else lose what they send each other: what the side sends
    /// ([`Cut::ToServer`]), what it is sent ([`Cut::ToClient`]), or both.
    Partition(Cut),
    /// `kill -9`, and all that it had kept is gone; started again, empty, when it heals.
    Empty,
    /// `kill -STOP` for longer than its certificate is valid; goes on when it heals.
    Sleep,
    /// Starts what does not run, and lets what runs end in good order. Nothing has to heal.
    ComeOrGo,
}

impl Blow {
    /// In which order blows that were dealt together heal: a process that starts needs those that it talks to.
    #[must_use]
    pub const fn heals(self) -> u8 {
        match self {
            Self::Network(_) | Self::Reset | Self::Partition(_) => 0,
            Self::Stop | Self::Sleep => 1,
            Self::Kill | Self::Empty | Self::ComeOrGo => 2,
        }
    }
}

/// Where a stage can be hit.
#[derive(Debug, Clone)]
pub struct WeakPoint {
    /// Its name: `gateway-1`, `gateway-1 to control-2`.
    pub name: String,
    /// What it is.
    pub kind: Weakness,
}

/// What can be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// A process.
    Process,
    /// A way between two.
    Way,
    /// What lies between one side and everybody else.
    Partition,
    /// A process that may lose all that it keeps.
    Memory,
    /// A process with a certificate that ends before long.
    Sleeper,
    /// A process that comes and goes.
    Guest,
}

/// How long the certificates of gateways are valid: not much longer than the shortest that there are, so that all of them
/// are renewed again and again, whatever goes on.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(90);

/// How long a process sleeps so that its certificate has ended when it wakes, however late it was renewed.
pub(crate) const LONG_SLEEP: Duration = Duration::from_secs(95);

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

    /// Starts again what has ended by itself for a good reason, as a supervisor does; says what.
    ///
    /// # Errors
    /// Something has ended for no such reason, or does not come back.
    fn supervise(&mut self) -> Result<Vec<String>>;

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

    /// The control plane's store, where it can be read past it.
    fn store(&self) -> Option<Store>;

    /// The folder of the bundle that is in force at first, where another may be applied.
    fn bundle(&self) -> Option<&Path>;

    /// The folders in which recordings lie, or in folders of which they do.
    fn recordings(&self) -> Vec<PathBuf>;

    /// How many certificates were renewed so far.
    ///
    /// # Errors
    /// A log cannot be read.
    fn renewed(&self) -> Result<usize>;

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
fn server(place: Place) -> Result<Postgres> {
    let options = PostgresOptions { place, ..PostgresOptions::default() };
    let options = options.with("synchronous_commit", "on").with("max_connections", "400");
    let server = Postgres::start(options)?;
    server.sql(command::TABLE)?;
    Ok(server)
}

/// What the verifier says is wrong with the recordings in these data folders.
fn verify(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut command = Command::new(binary()?);
    let output = command.args(["audit", "verify", "--offline"]).args(folders).output();
    let output = output.context("cannot run countersign")?;
    // 7: nothing is wrong, and nothing from elsewhere says that it is whole. A run keeps no checkpoints elsewhere.
    if matches!(output.status.code(), Some(0 | 7)) {
        return Ok(Vec::new());
    }
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let places = printed.lines().filter(|line| line.contains(" segment ")).map(str::to_owned);
    let faults: Vec<String> = places.collect();
    Ok(if faults.is_empty() { vec![printed.trim().to_owned()] } else { faults })
}

/// The network of a cluster.
fn network(setting: &Setting) -> Result<Network> {
    if setting.namespaces { Network::namespaces() } else { Ok(Network::shared()) }
}

/// How long commands wait in a run: short enough that some become tickets and some expire.
fn terms() -> Terms {
    Terms { hold: "4s", hold_in_transaction: "4s", notice_every: "1s", timeout: "20s", ..Terms::default() }
}
