//! A client of the PostgreSQL protocol that costs next to nothing: a socket, and no more memory than a frame's
//! header while it waits. Speaks just what the load needs: log in, send a simple query, read to its end.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The longest frame that is kept; what is longer is read over.
const KEPT_BYTES_MAX: usize = 4096;

/// What a ticket begins with.
const TICKET: &[u8] = b"apr_";

/// Where a client connects, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    /// The gateway, or a load balancer before it.
    pub(crate) server: SocketAddr,
    /// The loopback address to connect from: one address has some 28,000 ports to offer.
    pub(crate) from: IpAddr,
    /// The target.
    pub(crate) target: String,
    /// The session token.
    pub(crate) token: String,
    /// The database.
    pub(crate) database: String,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    socket: TcpStream,
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server ran it.
    Completed,
    /// It refused it, with this SQLSTATE and message.
    Refused { sqlstate: String, message: String },
}

impl Client {
    /// Connects and logs in.
    pub(crate) async fn connect(login: &Login) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        // Ports are taken when it connects, not here, so that two servers may be reached from one port.
        socket2::SockRef::from(&socket).set_reuse_address(true)?;
        socket.bind(SocketAddr::new(login.from, 0))?;
        let socket =
            socket.connect(login.server).await.with_context(|| format!("cannot reach {}", login.server))?;
        let mut client = Self { socket };
        client.log_in(login).await?;
        Ok(client)
    }

    async fn log_in(&mut self, login: &Login) -> Result<()> {
        let mut body = BytesMut::new();
        body.put_u32(196_608);
        for text in ["user", &login.target, "database", &login.database] {
            body.put_slice(text.as_bytes());
            body.put_u8(0);
        }
        body.put_u8(0);
        self.send(None, &body).await?;
        loop {
            let (tag, body) = self.frame().await?;
            match (tag, body.get(..4)) {
                (b'R', Some([0, 0, 0, 0])) => {}
                (b'R', Some([0, 0, 0, 3])) => {
                    self.send(Some(b'p'), &[login.token.as_bytes(), b"\0"].concat()).await?;
                }
                (b'E', _) => bail!("not let in: {}", said(&body).1),
                (b'Z', _) => return Ok(()),
                _ => {}
            }
        }
    }

    /// Sends a simple query and does not wait.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<()> {
        self.send(Some(b'Q'), &[sql.as_bytes(), b"\0"].concat()).await
    }

    /// Sends a simple query and reads its answer.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Answer> {
        self.ask(sql).await?;
        self.answer().await
    }

    /// Reads until the server is ready for the next statement.
    pub(crate) async fn answer(&mut self) -> Result<Answer> {
        let mut answer = Answer::Completed;
        loop {
            match self.frame().await? {
                (b'E', body) => {
                    let (sqlstate, message) = said(&body);
                    answer = Answer::Refused { sqlstate, message };
                }
                (b'Z', _) => return Ok(answer),
                _ => {}
            }
        }
    }

    /// Reads until the server says that people are being asked; the ticket of the request.
    pub(crate) async fn ticket(&mut self) -> Result<String> {
        loop {
            let (tag, body) = self.frame().await?;
            match tag {
                b'N' => {
                    if let Some(ticket) = ticket_in(&body) {
                        return Ok(ticket);
                    }
                }
                b'E' => bail!("refused: {}", said(&body).1),
                b'Z' => bail!("it ran, and nobody was asked"),
                _ => {}
            }
        }
    }

    async fn send(&mut self, tag: Option<u8>, body: &[u8]) -> Result<()> {
        let mut frame = BytesMut::with_capacity(body.len() + 5);
        if let Some(tag) = tag {
            frame.put_u8(tag);
        }
        frame.put_u32(u32::try_from(body.len() + 4)?);
        frame.put_slice(body);
        self.socket.write_all(&frame).await.context("the connection is gone")
    }

    /// The next frame; a long one is cut.
    async fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        // Nothing is allocated before there is something to read: most clients of a load do nothing but wait.
        self.socket.readable().await?;
        let mut header = [0; 5];
        self.socket.read_exact(&mut header).await.context("the connection was closed")?;
        let [tag, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        ensure!(length >= 4, "a frame of {length} bytes");
        let mut body = vec![0; (length - 4).min(KEPT_BYTES_MAX)];
        self.socket.read_exact(&mut body).await.context("a frame that breaks off")?;
        let mut rest = (length - 4).saturating_sub(body.len());
        let mut scratch = [0; 1024];
        while rest > 0 {
            let part = rest.min(scratch.len());
            let Some(part) = scratch.get_mut(..part) else { break };
            self.socket.read_exact(part).await.context("a frame that breaks off")?;
            rest -= part.len();
        }
        Ok((tag, body))
    }
}

/// The ticket that a notice names.
fn ticket_in(body: &[u8]) -> Option<String> {
    let ticket = body.get(memchr::memmem::find(body, TICKET)?..)?;
    let end = ticket.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    Some(String::from_utf8_lossy(ticket.get(..end.unwrap_or(ticket.len()))?).into_owned())
}

/// SQLSTATE and message of an error.
fn said(body: &[u8]) -> (String, String) {
    let field = |wanted: u8| {
        let fields = body.split(|byte| *byte == 0);
        let mut texts = fields.filter_map(|field| field.split_first()).filter(|(kind, _)| **kind == wanted);
        texts.next().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    };
    (field(b'C'), field(b'M'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_gives_its_state_and_its_message() {
        let body = b"SERROR\0VERROR\0C55G01\0Mpending\0\0";
        assert_eq!(said(body), ("55G01".to_owned(), "pending".to_owned()));
        assert_eq!(said(b""), (String::new(), String::new()));
    }

    #[test]
    fn a_ticket_ends_where_its_letters_end() {
        assert_eq!(ticket_in(b"SNOTICE\0Mwaits (apr_01h8x), ask\0"), Some("apr_01h8x".to_owned()));
        assert_eq!(ticket_in(b"Mnobody waits\0"), None);
    }
}
