//! What a gateway counts at its listeners.

use std::sync::LazyLock;

use countersign_common::metric::Metric;
use countersign_runtime::metrics::Level;
use metrics::{Gauge, gauge};

const CONNECTIONS: Metric = Metric::gauge(
    "countersign_connections",
    &[],
    "Connections of clients that are open now, logged in or not",
);

/// All of them.
pub const ALL: &[Metric] = &[CONNECTIONS];

static OPEN: LazyLock<Gauge> = LazyLock::new(|| gauge!(CONNECTIONS.name));

/// A connection is open, for as long as this is held.
pub(crate) fn connected() -> Level {
    Level::raise(&OPEN)
}
