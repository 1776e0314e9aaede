//! What every process needs: TLS, telemetry, tasks, drain.

pub mod signal;
pub mod telemetry;
pub mod tls;
