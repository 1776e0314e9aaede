//! Requests of the control plane about client connections, passed on to the connections' protocol.

use async_trait::async_trait;
use countersign_common::command::Context;
use countersign_lifecycle::ports::{Said, Witness as _};

use crate::Gateway;
use crate::link::Connections;

/// Name of the protocol of all gates.
const POSTGRES: &str = "postgres";

#[async_trait]
impl Connections for Gateway {
    async fn cancel(&self, protocol: &str, key: &[u8]) {
        // All gates of a gateway share one registry of cancel keys.
        match self.gate() {
            Some(gate) if protocol == POSTGRES => gate.cancel(key).await,
            _ => tracing::debug!(protocol, "a cancel request from elsewhere is for nobody here"),
        }
    }

    async fn testify(&self, context: &Context, evidence: &str) -> Said {
        match self.gate() {
            Some(gate) => gate.testify(context, evidence).await,
            None => Said::CannotTell("this gateway has no listener".into()),
        }
    }
}
