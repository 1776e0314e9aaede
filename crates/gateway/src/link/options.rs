//! Options of a link: addresses, time limits, bounds.

use std::time::Duration;

/// Settings of a link. Not reloaded while it runs.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// Addresses at which control-plane nodes listen for gateways, as `host:port`. At least one.
    pub control_planes: Vec<String>,
    /// Time limit of a call to the control plane, including reconnects. Default 10 s.
    pub call_time_max: Duration,
    /// Time limit of a connection attempt, up to the Welcome of the other side. Default 5 s.
    pub dial_time_max: Duration,
    /// Longest silence on a link before it is closed; nodes are asked every 3 s. Default 10 s.
    pub silence_max: Duration,
    /// Longest pause between two rounds of attempts, before jitter. Default 5 s.
    pub retry_after_max: Duration,
    /// Number of bytes of records that may wait to be synced; beyond that no new command begins (I8). Default 64 MiB.
    pub records_bytes_max: usize,
    /// Longest time that a command waits for its record to be acknowledged before it is refused (I8). Default 10 s.
    pub records_time_max: Duration,
    /// Difference to the control plane's clock above which a warning is logged. Default 5 s.
    pub clock_difference_warned: Duration,
    /// Difference above which nothing is judged (I8), because deadlines and expiry would be wrong. Default 60 s.
    pub clock_difference_max: Duration,
}

impl LinkOptions {
    /// Creates the default options for these control-plane nodes.
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
