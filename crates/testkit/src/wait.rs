//! Waiting for other processes: by looking again soon, up to a limit.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Asks every 10 ms until there is an answer. `what` stands in the error.
///
/// # Errors
/// No answer within `limit`, or asking failed.
pub fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A loopback port that was free a moment ago, for servers that cannot choose one themselves. Another
/// process can take it meanwhile, so callers try again with a new one when their server cannot bind.
///
/// # Errors
/// No port is free.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_at_its_limit() {
        let error = eventually::<()>("nothing", Duration::from_millis(30), || Ok(None)).unwrap_err();
        assert!(error.to_string().contains("nothing"));
    }
}
