//! Foundations of every process: TLS, telemetry, health, metrics, signals.

pub mod awake;
pub mod certificate;
pub mod health;
pub mod heavy;
pub mod metrics;
pub mod ops;
pub mod sampling;
pub mod signal;
pub mod telemetry;
pub mod tls;
pub mod trace_context;

/// Returns the message of an error, followed by those of its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
