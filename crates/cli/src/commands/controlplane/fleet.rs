//! The fleet of a control plane's process: its authority, where its gateways' records go, its listener.

use std::sync::Arc;

use countersign_common::time::SystemClock;
use countersign_controlplane::ControlPlane;
use countersign_controlplane::fleet::authority::Authority;
use countersign_controlplane::fleet::{Fleet, FleetListener, FleetOptions};
use countersign_controlplane::grpc::ServeError;
use countersign_controlplane::hints::{Hints, RedisHints};
use countersign_controlplane::journal::{Anchoring, Keeper};
use countersign_controlplane::redis::Redis;
use countersign_controlplane::store::Store;
use countersign_recording::ArchiveStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::{Config, FleetConfig};
use super::records::{self, Kept};
use crate::error::{CliError, Exit};
use crate::node::anchor;

/// A fleet that is served.
pub(super) struct Running {
    pub(super) fleet: Arc<Fleet>,
    pub(super) address: String,
    pub(super) serving: JoinHandle<Result<(), ServeError>>,
    keeping: JoinHandle<()>,
    keeper: Keeper,
    anchoring: Option<Anchoring>,
}

/// What the fleet is given.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) fleet: &'a FleetConfig,
    pub(super) store: Arc<dyn Store>,
    pub(super) archive: Option<ArchiveStore>,
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
    let Parts { config, fleet, store, archive, control, stop } = parts;
    let anchoring = anchor::begin(config.anchor.clone())?;
    let redis = config.redis.clone().map(|options| Arc::new(Redis::new(options)));
    let keeper = records::keep(Kept {
        config: &config.records,
        archive,
        redis: redis.clone(),
        data: &config.data,
        store,
        control: &control,
        anchor: anchoring.as_ref().map(Anchoring::sender),
        ttl: fleet.node_ttl,
    })?;
    let options = FleetOptions {
        names: fleet.names.clone(),
        node_ttl: fleet.node_ttl,
        bundle_lease: fleet.bundle_lease,
        certificate_ttl: fleet.certificate_ttl,
        sample_one_in: fleet.sample_one_in,
        hints: redis.map(|redis| Arc::new(RedisHints::new(redis)) as Arc<dyn Hints>),
        ..FleetOptions::new(fleet.name.clone(), authority, keeper.intake())
    };
    let listen = fleet.listen;
    let fleet = Fleet::open(control, options)
        .await
        .map_err(|error| CliError::report(Exit::Failed, "this node cannot enter the fleet", &error))?;
    let listener = FleetListener::bind(Arc::clone(&fleet), listen)
        .await
        .map_err(|error| CliError::because(Exit::Failed, "`listen_fleet`", &error))?;
    Ok(Running {
        address: listener.address().to_string(),
        serving: tokio::spawn(listener.serve(stop.clone())),
        keeping: tokio::spawn(Arc::clone(&fleet).run(stop)),
        fleet,
        keeper,
        anchoring,
    })
}

impl Running {
    /// After the stop: the links go, then this node, at last the seal of the recording.
    pub(super) async fn drained(self) -> Result<(), CliError> {
        let served = self.serving.await;
        let _ = self.keeping.await;
        self.fleet.goodbye().await;
        drop(self.fleet);
        let stopped = |error: &dyn std::error::Error| {
            CliError::because(Exit::Failed, "the fleet's listener stopped", error)
        };
        self.keeper
            .end()
            .await
            .map_err(|error| CliError::because(Exit::Failed, "the recording could not be sealed", &error))?;
        if let Some(anchoring) = self.anchoring {
            anchoring.end().await;
        }
        match served {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(stopped(&error)),
            Err(error) => Err(stopped(&error)),
        }
    }
}
