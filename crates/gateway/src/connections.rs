//! What the control plane may want of the connections here, handed on to the protocol that they speak.

use async_trait::async_trait;
use countersign_common::command::Context;
use countersign_lifecycle::ports::Said;

use crate::Gateway;
use crate::link::Connections;

#[async_trait]
impl Connections for Gateway {
    fn cancel(&self, protocol: &str, _key: &[u8]) {
        tracing::debug!(protocol, "a cancel request from elsewhere is not taken yet");
    }

    async fn testify(&self, _: &Context, _: &str) -> Said {
        Said::CannotTell("this gateway cannot ask targets yet".into())
    }
}
