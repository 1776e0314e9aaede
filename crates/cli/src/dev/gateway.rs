//! The one place where `dev` starts the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::NodeId;
use countersign_common::time::Clock;
use countersign_controlplane::ControlPlane;
use countersign_gateway::{BundleJudge, ListenerConfig, Listeners};
use countersign_lifecycle::ports::{Alone, Ports};
use countersign_masking::HashKey;
use countersign_policy::CurrentBundle;
use countersign_recording::LocalJournal;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::embedded::Embedded;
use crate::error::{CliError, Exit};

/// Client connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;

/// How long connections may finish what they run when the process is told to end.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Everything that a gateway in the same process needs.
#[derive(Debug)]
pub(super) struct Parts {
    /// Where PostgreSQL clients connect.
    pub(super) listen_postgres: SocketAddr,
    /// The TLS of that listener.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// Tokens, sessions, approvals: the ports that the gRPC link implements elsewhere.
    pub(super) control: Arc<ControlPlane>,
    /// The bundle in force.
    pub(super) current: Arc<CurrentBundle>,
    /// Where records go.
    pub(super) journal: Arc<LocalJournal>,
    /// The key of hashed columns.
    pub(super) hash_key: Arc<HashKey>,
    /// What time it is.
    pub(super) clock: Arc<dyn Clock>,
    /// This start of this process; the same as the control plane's.
    pub(super) node: NodeId,
    /// Where the approver's page is; clients that wait are told.
    pub(super) page: Arc<str>,
    /// Turns true when the process drains.
    pub(super) stop: watch::Receiver<bool>,
}

/// A gateway that runs.
#[derive(Debug)]
pub(super) struct Gateway {
    /// Where PostgreSQL clients connect.
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
    watching: JoinHandle<()>,
}

impl Gateway {
    /// Resolves when it ends without having been told to.
    pub(super) async fn ended(&mut self) {
        tokio::select! {
            ended = &mut self.serving => tracing::error!(?ended, "the gateway ended"),
            ended = &mut self.watching => tracing::error!(?ended, "the watch over sessions ended"),
        }
    }

    /// Resolves when its connections have ended, after `stop` has turned true.
    pub(super) async fn drained(&mut self) {
        if !self.serving.is_finished() {
            let _ = (&mut self.serving).await;
        }
    }
}

/// Starts it.
///
/// # Errors
/// When the address cannot be listened on.
pub(super) async fn start(parts: Parts) -> Result<Gateway, CliError> {
    let embedded = Arc::new(Embedded::new(parts.control));
    let judge = Arc::new(BundleJudge::new(parts.current, Arc::clone(&parts.clock)));
    let ports = Ports {
        node: parts.node,
        sessions: Arc::clone(&embedded) as _,
        directory: Arc::clone(&judge) as _,
        judge,
        approvals: Arc::clone(&embedded) as _,
        cancels: Arc::new(Alone),
        journal: parts.journal,
        clock: parts.clock,
        url: Some(parts.page),
    };
    let config = ListenerConfig::new(parts.listen_postgres, parts.tls);
    let listeners = Listeners::bind(vec![config], CONNECTIONS_MAX).await.map_err(|error| {
        CliError::because(Exit::Failed, "the gateway cannot start", &error)
            .help("choose another address with --listen-postgres; port 0 takes a free one")
    })?;
    let address = listeners.addresses().first().copied().unwrap_or(parts.listen_postgres);
    let gateway = countersign_gateway::Gateway::new(&listeners, &ports, &parts.hash_key);
    let mut stop = parts.stop.clone();
    let drain = async move {
        // A signal that nobody can give any more means the same.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let serving = tokio::spawn(async move { gateway.run(listeners, drain, DRAIN_MAX).await });
    let watching = tokio::spawn(async move { embedded.watch_sessions(parts.stop).await });
    Ok(Gateway { address, serving, watching })
}
