//! A TCP proxy of our own on which a network can be as bad as it gets: slow, narrow, cut in one or both
//! directions, reset, refused, and healed again. The kernels that tests run on cannot delay or lose packets.
//!
//! A cut loses nothing by itself, as TCP loses nothing: bytes and farewells wait until it heals, and whoever
//! is impatient gives up before. New connections are accepted and go nowhere. A chunk is held for the delay,
//! and those behind it wait as well. Leaves to its user when to do what.

mod connection;
mod way;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use connection::Connection;
use way::Way;

/// What is wrong with a way. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fault {
    /// How long every chunk of bytes takes, either way.
    pub delay: Duration,
    /// Up to how much longer, at random.
    pub jitter: Duration,
    /// How many bytes get through in a second, either way; `None`: all.
    pub bytes_per_second: Option<u32>,
    /// Where nothing gets through.
    pub cut: Option<Cut>,
    /// Whether new connections are broken off at once, as if nobody listened.
    pub refused: bool,
}

/// In which direction nothing gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// What clients send.
    ToServer,
    /// What the server sends.
    ToClient,
    /// Neither gets through.
    Both,
}

/// A proxy on a free port of loopback.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    way: Arc<Way>,
}

impl FaultProxy {
    /// Starts one that leads to `server`; `seed` decides what is left to chance.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(server: SocketAddr, seed: u64) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, server, seed)
    }

    /// The same with an address of its own, by which the server knows it, too.
    ///
    /// # Errors
    /// This process does not have the address, or no port is free.
    pub fn start_at(own: Ipv4Addr, server: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind((own, 0)).with_context(|| format!("no free port of {own}"))?;
        let address = listener.local_addr()?;
        let way = Arc::new(Way::new(own, server, seed));
        let accepting = Arc::clone(&way);
        std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, way })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections elsewhere, such as to a server that came back on another port.
    pub fn lead_to(&self, server: SocketAddr) {
        self.way.lead_to(server);
    }

    /// Makes the way as bad as this, for connections that exist as well.
    pub fn set(&self, fault: Fault) {
        self.way.set(fault);
    }

    /// Makes it good again; what waited goes on.
    pub fn heal(&self) {
        self.way.set(Fault::default());
    }

    /// Breaks off every connection, without a farewell to either side.
    pub fn reset(&self) {
        self.way.reset();
    }

    /// How many connections go through at the moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.way.connections()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.way.end();
        // Wakes the one that accepts; it finds that all is over.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, way: &Arc<Way>) {
    while let Ok((client, _)) = listener.accept() {
        if way.has_ended() {
            return;
        }
        let way = Arc::clone(way);
        std::thread::spawn(move || Connection::serve(client, &way));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use super::*;
    use crate::wait::eventually;

    /// Says everything back.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                std::thread::spawn(move || std::io::copy(&mut socket.try_clone().unwrap(), &mut socket));
            }
        });
        address
    }

    fn client(proxy: &FaultProxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client
    }

    fn say(client: &mut TcpStream, text: &str) {
        client.write_all(text.as_bytes()).unwrap();
    }

    fn hear(client: &mut TcpStream, bytes: usize) -> std::io::Result<String> {
        let mut heard = vec![0; bytes];
        client.read_exact(&mut heard)?;
        Ok(String::from_utf8(heard).unwrap())
    }

    /// Nothing comes for a while: what would be seen soon if it came.
    fn silence(client: &mut TcpStream) -> bool {
        client.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let error = client.read(&mut [0; 1]).unwrap_err();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
    }

    #[test]
    fn a_good_way_carries_bytes_both_ways_and_farewells() {
        let proxy = FaultProxy::start(echo(), 1).unwrap();
        let mut client = client(&proxy);
        say(&mut client, "hello");
        assert_eq!(hear(&mut client, 5).unwrap(), "hello");
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        eventually("the end", Duration::from_secs(5), || Ok((proxy.connections() == 0).then_some(())))
            .unwrap();
    }

    #[test]
    fn what_a_cut_holds_up_arrives_when_it_heals() {
        for cut in [Cut::ToServer, Cut::ToClient, Cut::Both] {
            let proxy = FaultProxy::start(echo(), 1).unwrap();
            let mut old = client(&proxy);
            say(&mut old, "a");
            assert_eq!(hear(&mut old, 1).unwrap(), "a");
            proxy.set(Fault { cut: Some(cut), ..Fault::default() });
            say(&mut old, "b");
            let mut new = client(&proxy);
            say(&mut new, "c");
            assert!(silence(&mut old) && silence(&mut new), "{cut:?}");
            proxy.heal();
            assert_eq!(hear(&mut old, 1).unwrap(), "b", "{cut:?}");
            assert_eq!(hear(&mut new, 1).unwrap(), "c", "{cut:?}");
        }
    }

    #[test]
    fn a_reset_is_seen_by_both_sides_and_the_next_connection_works() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap(), 1).unwrap();
        let mut broken = client(&proxy);
        say(&mut broken, "x");
        let mut server = listener.accept().unwrap().0;
        assert_eq!(hear(&mut server, 1).unwrap(), "x");
        proxy.reset();
        for side in [&mut broken, &mut server] {
            let error = side.read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        let mut next = client(&proxy);
        say(&mut next, "y");
        assert_eq!(hear(&mut listener.accept().unwrap().0, 1).unwrap(), "y");
    }

    #[test]
    fn a_delay_and_a_narrow_way_take_at_least_their_time() {
        let proxy = FaultProxy::start(echo(), 1).unwrap();
        let mut client = client(&proxy);
        let delay = Duration::from_millis(80);
        proxy.set(Fault { delay, ..Fault::default() });
        let start = Instant::now();
        say(&mut client, "x");
        assert_eq!(hear(&mut client, 1).unwrap(), "x");
        assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
        proxy.set(Fault { bytes_per_second: Some(10_000), ..Fault::default() });
        let start = Instant::now();
        say(&mut client, &"x".repeat(2000));
        hear(&mut client, 2000).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    }

    #[test]
    fn a_refusing_way_and_one_that_leads_nowhere_break_off_and_leading_elsewhere_helps() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], crate::free_port().unwrap()));
        let proxy = FaultProxy::start(nobody, 1).unwrap();
        assert!(client(&proxy).read(&mut [0; 1]).is_err());
        proxy.lead_to(echo());
        let mut found = client(&proxy);
        say(&mut found, "x");
        assert_eq!(hear(&mut found, 1).unwrap(), "x");
        proxy.set(Fault { refused: true, ..Fault::default() });
        assert!(client(&proxy).read(&mut [0; 1]).is_err());
        say(&mut found, "y");
        assert_eq!(hear(&mut found, 1).unwrap(), "y");
    }

    #[test]
    fn a_dropped_proxy_leaves_no_connection() {
        let proxy = FaultProxy::start(echo(), 1).unwrap();
        let mut client = client(&proxy);
        say(&mut client, "x");
        assert_eq!(hear(&mut client, 1).unwrap(), "x");
        let address = proxy.address();
        drop(proxy);
        assert!(client.read(&mut [0; 1]).is_err());
        eventually("the port to close", Duration::from_secs(5), || {
            Ok(TcpStream::connect(address).is_err().then_some(()))
        })
        .unwrap();
    }
}
