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

/// A free loopback port for a server that goes down and comes back at the same address: outside the range from
/// which systems give ports to connections and to whoever asks for any, so that nobody takes it meanwhile.
///
/// # Errors
/// None was found free in a hundred tries.
pub fn lasting_port() -> Result<u16> {
    let mut tries = std::iter::repeat_with(|| fastrand::u16(15_000..32_000)).take(100);
    let free = tries.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.context("no free loopback port below 32000")
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
