//! A tap on the wire between gateway and target: passes every byte on, and notes when a marked statement passed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What a marked statement has in it, before its number and a `;`.
const MARK: &[u8] = b"/*load:";

/// A running tap.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<HashMap<u64, Instant>>>,
}

/// The comment that marks a statement.
pub(crate) fn mark(number: u64) -> String {
    format!("/*load:{number}*/")
}

impl Tap {
    /// Listens on a free port of loopback and leads to `target`.
    pub(crate) async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let tap = Self { address: listener.local_addr()?, seen: Arc::default() };
        let seen = Arc::clone(&tap.seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::join!(
                        pass(from_client, to_server, Some(&seen)),
                        pass(from_server, to_client, None)
                    );
                });
            }
        });
        Ok(tap)
    }

    /// Where the gateway connects.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the statement with this mark passed.
    pub(crate) fn passed(&self, number: u64) -> Option<Instant> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Option<&Mutex<HashMap<u64, Instant>>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count) else { break };
        if let Some(seen) = seen {
            note(bytes, seen);
        }
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// A mark that is split over two reads is missed; a small statement comes in one.
fn note(bytes: &[u8], seen: &Mutex<HashMap<u64, Instant>>) {
    let now = Instant::now();
    for at in memchr::memmem::find_iter(bytes, MARK) {
        let digits = bytes.get(at + MARK.len()..).unwrap_or_default();
        let digits: Vec<u8> = digits.iter().copied().take_while(u8::is_ascii_digit).collect();
        if let Some(number) = String::from_utf8(digits).ok().and_then(|text| text.parse().ok()) {
            seen.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_noted_once_and_whatever_stands_around_it() {
        let seen = Mutex::default();
        note(b"Q\0\0UPDATE t /*load:17*/ SET x = 1; /*load:18*/\0", &seen);
        let first = seen.lock().unwrap()[&17];
        note(b"/*load:17*/", &seen);
        assert_eq!(seen.lock().unwrap()[&17], first);
        assert!(seen.lock().unwrap().contains_key(&18));
    }
}
