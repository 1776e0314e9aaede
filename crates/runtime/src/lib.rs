//! What every process needs: TLS, telemetry, tasks, drain.

pub mod tls;
