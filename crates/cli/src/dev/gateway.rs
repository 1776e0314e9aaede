//! The one place where `dev` starts the gateway.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use countersign_common::id::NodeId;
use countersign_common::time::Clock;
use countersign_controlplane::ControlPlane;
use countersign_policy::CurrentBundle;
use countersign_recording::LocalJournal;
use tokio::sync::watch;

use crate::error::CliError;

/// Everything that a gateway in the same process needs.
#[derive(Debug)]
#[expect(dead_code, reason = "read by the gateway as soon as `start` starts it")]
pub(super) struct Parts {
    /// Where PostgreSQL clients connect.
    pub(super) listen_postgres: SocketAddr,
    /// Tokens, sessions, approvals: the ports that the gRPC link implements elsewhere.
    pub(super) control: Arc<ControlPlane>,
    /// The bundle in force.
    pub(super) current: Arc<CurrentBundle>,
    /// Where records go.
    pub(super) journal: Arc<LocalJournal>,
    pub(super) clock: Arc<dyn Clock>,
    /// This start of this process; the same as the control plane's.
    pub(super) node: NodeId,
    /// Turns true when the process drains.
    pub(super) stop: watch::Receiver<bool>,
}

/// A gateway that runs.
#[derive(Debug)]
pub(super) struct Gateway {
    /// Where PostgreSQL clients connect; `None`: nothing listens.
    pub(super) address: Option<SocketAddr>,
}

impl Gateway {
    /// Resolves when it ends without having been told to.
    pub(super) async fn ended(&mut self) {
        pending().await
    }

    /// Resolves when its sessions have ended, after `stop` has turned true.
    pub(super) async fn drained(&mut self) {}
}

/// Starts it.
///
/// LEAD: the single call site. Put `countersign-gateway` into Cargo.toml, start its listeners here with
/// `parts`, and let [`Gateway`] hold its task. Until then nothing listens for PostgreSQL, and the ready
/// line says so.
pub(super) async fn start(parts: Parts) -> Result<Gateway, CliError> {
    tracing::warn!(
        listen = %parts.listen_postgres,
        node = %parts.node,
        "this build has no gateway: nothing listens for PostgreSQL clients"
    );
    Ok(Gateway { address: None })
}
