//! Where operators look at a control plane.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;

use crate::error::CliError;
use crate::node::ops::Operations;

/// Where operators look when the configuration does not say.
const LISTEN_OPS_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9443);

/// `listen_ops`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "an address such as 127.0.0.1:9443, or off")]
pub(super) enum ListenOps {
    On(SocketAddr),
    Off(Off),
}

/// `off`, which some readers of YAML take for a truth value.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Off {
    Off,
}

/// An address that was asked for is listened on or nothing starts; the default may be taken, by another control plane
/// on this machine most likely.
pub(super) async fn listen_ops(
    operations: &mut Operations,
    wanted: Option<ListenOps>,
) -> Result<Option<SocketAddr>, CliError> {
    match wanted {
        Some(ListenOps::On(address)) => operations.listen(Some(address)).await,
        Some(ListenOps::Off(Off::Off)) => Ok(None),
        None => Ok(operations.listen(Some(LISTEN_OPS_DEFAULT)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "nothing is shown to operators; give `listen_ops`");
            None
        })),
    }
}
