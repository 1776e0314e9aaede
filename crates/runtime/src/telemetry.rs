//! Logs of a process: on stderr, for people or as one JSON object a line, filtered by `COUNTERSIGN_LOG`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The variable with the filter, such as `info`, `warn,countersign_controlplane=debug`.
pub const FILTER_VARIABLE: &str = "COUNTERSIGN_LOG";

/// The filter when the variable is not set.
const FILTER_DEFAULT: &str = "info";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; with colours on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("{FILTER_VARIABLE} cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else in this process was faster.
    #[error("logs are set up already")]
    Twice,
}

/// Sets logs up for the whole process. To be called once.
///
/// # Errors
/// When the filter cannot be read, or logs are set up already.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(filter) if !filter.trim().is_empty() => EnvFilter::try_new(filter)?,
        _ => EnvFilter::try_new(FILTER_DEFAULT)?,
    };
    // stdout is for results: a ready line, a document.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    set.map_err(|_| TelemetryError::Twice)
}
