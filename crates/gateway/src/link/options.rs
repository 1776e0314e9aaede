//! How a link behaves: addresses, patience, bounds.

use std::time::Duration;

/// The settings of a link. Not reloaded while it runs.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// Where control-plane nodes listen for gateways, as `host:port`. At least one.
    pub control_planes: Vec<String>,
    /// How long a question to the control plane may take, reconnecting included. Default 10 s.
    pub call_time_max: Duration,
    /// How long an attempt at a connection may take, until the other side has said Welcome. Default 5 s.
    pub dial_time_max: Duration,
    /// How long a link may be silent before it is given up; nodes are asked every 3 s. Default 10 s.
    pub silence_max: Duration,
    /// The longest pause between two rounds of attempts, before jitter. Default 5 s.
    pub retry_after_max: Duration,
    /// Bytes of records that may wait to be synced; beyond that no new command begins (I8). Default 64 MiB.
    pub records_bytes_max: usize,
    /// How long a command waits for its record to be acknowledged before it is refused (I8). Default 10 s.
    pub records_time_max: Duration,
    /// From which difference to the control plane's clock on people are warned. Default 5 s.
    pub clock_difference_warned: Duration,
    /// From which difference on nothing is judged (I8): deadlines and expiry would be wrong. Default 60 s.
    pub clock_difference_max: Duration,
}

impl LinkOptions {
    /// The defaults, with these control-plane nodes.
    #[must_use]
    pub const fn new(control_planes: Vec<String>) -> Self {
        Self {
            control_planes,
            call_time_max: Duration::from_secs(10),
            dial_time_max: Duration::from_secs(5),
            silence_max: Duration::from_secs(10),
            retry_after_max: Duration::from_secs(5),
            records_bytes_max: 64 << 20,
            records_time_max: Duration::from_secs(10),
            clock_difference_warned: Duration::from_secs(5),
            clock_difference_max: Duration::from_secs(60),
        }
    }
}
