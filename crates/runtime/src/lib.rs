//! What every process needs: TLS, telemetry, health, tasks, drain.

pub mod certificate;
pub mod health;
pub mod metrics;
pub mod ops;
pub mod sampling;
pub mod signal;
pub mod telemetry;
pub mod tls;
pub mod trace_context;
