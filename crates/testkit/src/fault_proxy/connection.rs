//! One connection through the proxy: two sockets, and a thread for each direction.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::way::{Direction, Way};

/// How long the server may take to accept.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How often a thread that cannot get rid of its bytes looks whether the connection is broken.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Its two sockets.
#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    broken: AtomicBool,
}

impl Connection {
    /// Carries bytes between `client` and the server until both have said farewell or it is broken off.
    pub(super) fn serve(client: TcpStream, way: &Arc<Way>) {
        let server = way.entrance().and_then(|address| connect(way.own(), address).ok());
        let Some(server) = server else { return refuse(&client) };
        let connection = Arc::new(Self { client, server, broken: AtomicBool::new(false) });
        for socket in [&connection.client, &connection.server] {
            // Without these it is only slower, or sees later that it is broken.
            let _ = socket.set_nodelay(true);
            let _ = socket.set_write_timeout(Some(LOOK_EVERY));
        }
        way.enter(&connection);
        let (back, way_back) = (Arc::clone(&connection), Arc::clone(way));
        std::thread::spawn(move || back.carry(Direction::ToClient, &way_back));
        connection.carry(Direction::ToServer, way);
    }

    /// Whether it was broken off.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Breaks it off: both sides see a reset once the threads have let go of the sockets.
    pub(super) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
        for socket in [&self.client, &self.server] {
            refuse(socket);
            // Wakes the thread that reads from it.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    fn carry(&self, direction: Direction, way: &Way) {
        let (from, to) = match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = (&*from).read(&mut buffer);
            let bytes = *read.as_ref().unwrap_or(&0);
            if !way.pass(self, direction, bytes) {
                return;
            }
            match read {
                Ok(0) => return drop(to.shutdown(Shutdown::Write)),
                Ok(_) if self.write(to, buffer.get(..bytes).unwrap_or_default()) => {}
                // One side was reset: the other is, too.
                _ => return self.break_off(),
            }
        }
    }

    /// Whether all of it could be written.
    fn write(&self, mut to: &TcpStream, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.is_broken() {
            match to.write(bytes) {
                Ok(written) if written > 0 => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                _ => return false,
            }
        }
        !self.is_broken()
    }
}

/// Connects from `own`, so that the server sees which way it comes.
fn connect(own: Ipv4Addr, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((own, 0)).into())?;
    socket.connect_timeout(&server.into(), CONNECT_LIMIT)?;
    Ok(socket.into())
}

/// Lets the socket end with a reset instead of a farewell, when it is closed.
fn refuse(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
