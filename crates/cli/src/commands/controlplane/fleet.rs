//! The fleet of a control plane's process: its authority, the journal that its gateways' records go to, its listener.

use std::sync::Arc;

use countersign_common::time::{Clock, SystemClock};
use countersign_controlplane::ControlPlane;
use countersign_controlplane::fleet::authority::Authority;
use countersign_controlplane::fleet::intake::LedgerIntake;
use countersign_controlplane::fleet::{Fleet, FleetListener, FleetOptions};
use countersign_controlplane::grpc::ServeError;
use countersign_recording::{CheckpointFile, Ledger, LeftOpen, LocalJournal, SigningKey};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::FleetConfig;
use crate::data::DataDir;
use crate::error::{CliError, Exit};

/// A fleet that is served.
pub(super) struct Running {
    pub(super) fleet: Arc<Fleet>,
    pub(super) address: String,
    pub(super) serving: JoinHandle<Result<(), ServeError>>,
    keeping: JoinHandle<()>,
    journal: Arc<LocalJournal>,
}

/// What the fleet is given.
pub(super) struct Parts<'a> {
    pub(super) config: &'a FleetConfig,
    pub(super) data: &'a DataDir,
    pub(super) key: SigningKey,
    /// Whether this is the only node of the control plane.
    pub(super) sole: bool,
    pub(super) control: Arc<ControlPlane>,
    pub(super) stop: watch::Receiver<bool>,
}

/// The authority, made where it may be.
pub(super) fn authority(config: &FleetConfig) -> Result<Authority, CliError> {
    let read = match config.make_authority {
        true => config.authority.read_or_create(&SystemClock),
        false => Authority::read(&config.authority),
    };
    read.map_err(|error| CliError::because(Exit::Unsound, "`fleet_ca`", &error))
}

/// Opens the fleet and serves it.
pub(super) async fn start(parts: Parts<'_>, authority: Authority) -> Result<Running, CliError> {
    let Parts { config, data, key, sole, control, stop } = parts;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let journal = Arc::new(open_journal(data, key, &clock)?);
    let intake = match sole {
        true => LedgerIntake::sole(Arc::clone(&journal), clock),
        false => LedgerIntake::shared(Ledger::resume(Arc::clone(&journal))),
    };
    let options = FleetOptions {
        names: config.names.clone(),
        node_ttl: config.node_ttl,
        bundle_lease: config.bundle_lease,
        certificate_ttl: config.certificate_ttl,
        sample_one_in: config.sample_one_in,
        ..FleetOptions::new(config.name.clone(), authority, Arc::new(intake))
    };
    let fleet = Fleet::open(control, options)
        .await
        .map_err(|error| CliError::report(Exit::Failed, "this node cannot enter the fleet", &error))?;
    let listener = FleetListener::bind(Arc::clone(&fleet), config.listen)
        .await
        .map_err(|error| CliError::because(Exit::Failed, "`listen_fleet`", &error))?;
    Ok(Running {
        address: listener.address().to_string(),
        serving: tokio::spawn(listener.serve(stop.clone())),
        keeping: tokio::spawn(Arc::clone(&fleet).run(stop)),
        fleet,
        journal,
    })
}

impl Running {
    /// After the stop: the links go, then this node, at last the seal of the recording.
    pub(super) async fn drained(self) -> Result<(), CliError> {
        let served = self.serving.await;
        let _ = self.keeping.await;
        self.fleet.goodbye().await;
        drop(self.fleet);
        let journal = self.journal;
        let closed = tokio::task::spawn_blocking(move || journal.close()).await;
        match (served, closed) {
            (Ok(Ok(())), Ok(Ok(()))) => Ok(()),
            (_, Ok(Err(error))) => {
                Err(CliError::because(Exit::Failed, "the recording could not be sealed", &error))
            }
            (Ok(Err(error)), _) => {
                Err(CliError::because(Exit::Failed, "the fleet's listener stopped", &error))
            }
            (Err(error), _) | (_, Err(error)) => {
                Err(CliError::because(Exit::Failed, "the fleet's listener stopped", &error))
            }
        }
    }
}

/// Streams that were open stay open: their gateways may live, and go on with them.
fn open_journal(data: &DataDir, key: SigningKey, clock: &Arc<dyn Clock>) -> Result<LocalJournal, CliError> {
    let dir = data.recordings();
    let options = countersign_recording::Options { left_open: LeftOpen::Keep, ..Default::default() };
    let opened = CheckpointFile::open(&dir, key)
        .and_then(|sink| LocalJournal::open(&dir, options, Arc::clone(clock), Box::new(sink)));
    opened.map_err(|error| {
        CliError::failed(format!("the recordings in `{}` cannot be opened: {error}", dir.display()))
            .help("if another process has the data directory open, end it or choose another")
    })
}
