//! What every process needs: TLS, telemetry, tasks, drain.
