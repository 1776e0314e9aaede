//! Where operators look at a control plane.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::CliError;
use crate::node::listen_ops::ListenOps;
use crate::node::ops::Operations;

/// Where operators look when the configuration does not say.
const LISTEN_OPS_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9443);

/// An address that was asked for is listened on or nothing starts; the default may be taken, by another control plane
/// on this machine most likely.
pub(super) async fn listen_ops(
    operations: &mut Operations,
    wanted: Option<ListenOps>,
) -> Result<Option<SocketAddr>, CliError> {
    match wanted {
        Some(ListenOps::On(address)) => operations.listen(Some(address)).await,
        Some(ListenOps::Off) => Ok(None),
        None => Ok(operations.listen(Some(LISTEN_OPS_DEFAULT)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "nothing is shown to operators; give `listen_ops`");
            None
        })),
    }
}
