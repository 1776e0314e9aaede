//! Counts, for operators, who is in the fleet and by which bundle gateways judge.

use std::time::Duration;

use super::Fleet;
use crate::metrics;

/// How often.
const EVERY: Duration = Duration::from_secs(5);

impl Fleet {
    /// Counts as long as it is polled.
    ///
    /// # Cancel safety
    /// Safe at any point.
    pub(super) async fn measure(&self) {
        loop {
            let nodes = self.nodes().list();
            let gateways: Vec<_> = nodes.iter().filter_map(|node| node.gateway()).collect();
            let current = self.control().bundles().current().map(|current| current.version.clone());
            let other = gateways.iter().filter(|gateway| gateway.bundle != current).count();
            metrics::fleet(gateways.len(), nodes.len() - gateways.len(), other);
            tokio::time::sleep(EVERY).await;
        }
    }
}
