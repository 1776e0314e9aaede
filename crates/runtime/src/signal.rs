//! The operating system's wish that a process end: the first signal drains, a second one ends at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGTERM and SIGINT (Ctrl-C) from the moment it is made, so that none is missed between
/// the start of a process and its first wait.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen; from here on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and returns its name.
    ///
    /// # Cancel safety
    /// Safe: a signal that nobody waited for is returned by the next call.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
