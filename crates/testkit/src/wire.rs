//! A client that is nothing but a socket: sends bytes as they are, cuts what comes back into frames and
//! looks no further. For comparing two servers byte by byte, and for what no driver would ever send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::Dsn;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// One message of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\"{}\"", char::from(self.tag), self.body.escape_ascii())
    }
}

/// A connection without a driver.
#[derive(Debug)]
pub struct RawClient {
    socket: TcpStream,
    patience: Duration,
}

impl RawClient {
    /// Connects, gives its password as it is, and returns the frames up to the first ReadyForQuery.
    ///
    /// # Errors
    /// The server is not reached, refuses, or asks for something else than a password.
    pub fn login(dsn: &Dsn) -> Result<(Self, Vec<Frame>)> {
        Self::login_within(dsn, PATIENCE)
    }

    /// The same with this patience, for everything that follows as well, instead of 20 s.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub fn login_within(dsn: &Dsn, patience: Duration) -> Result<(Self, Vec<Frame>)> {
        let mut client = Self::connect_within(&dsn.host, dsn.port, patience)?;
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", &dsn.user, "database", &dsn.database] {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        startup.push(0);
        client.send(&untagged(&startup))?;
        let asked = client.frame()?;
        ensure!(asked.tag == b'R', "the server says {asked:?}");
        if asked.body != [0, 0, 0, 0] {
            ensure!(asked.body == [0, 0, 0, 3], "the server asks for more than a password: {asked:?}");
            client.send(&tagged(b'p', &[dsn.password.as_bytes(), b"\0"].concat()))?;
        }
        let frames = client.until_ready()?;
        Ok((client, frames))
    }

    /// Connects and says nothing yet.
    ///
    /// # Errors
    /// The server is not reached.
    pub fn connect(host: &str, port: u16) -> Result<Self> {
        Self::connect_within(host, port, PATIENCE)
    }

    /// The same with this patience, for everything that follows as well, instead of 20 s.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_within(host: &str, port: u16, patience: Duration) -> Result<Self> {
        let socket =
            TcpStream::connect((host, port)).with_context(|| format!("cannot reach {host}:{port}"))?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, patience })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes).context("cannot send")
    }

    /// The next frame.
    ///
    /// # Errors
    /// The connection has ended, or nothing came for as long as the client has patience.
    pub fn frame(&mut self) -> Result<Frame> {
        let mut header = [0; 5];
        self.socket.read_exact(&mut header).context("no frame")?;
        let [tag, length @ ..] = header;
        let length = u32::from_be_bytes(length);
        ensure!((4..1 << 30).contains(&length), "a frame of {length} bytes");
        let mut body = vec![0; length as usize - 4];
        self.socket.read_exact(&mut body).context("a frame that breaks off")?;
        Ok(Frame { tag, body })
    }

    /// As [`Self::frame`], with this patience instead of the client's own.
    ///
    /// # Errors
    /// The connection has ended, or nothing came.
    pub fn frame_within(&mut self, patience: Duration) -> Result<Frame> {
        self.socket.set_read_timeout(Some(patience))?;
        let frame = self.frame();
        self.socket.set_read_timeout(Some(self.patience))?;
        frame
    }

    /// Closes the sending side: the server reads an end, and may still answer.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn half_close(&mut self) -> Result<()> {
        self.socket.shutdown(Shutdown::Write).context("cannot close the sending side")
    }

    /// All frames up to the end of the connection. A connection that is reset has ended, too.
    ///
    /// # Errors
    /// It does not end for as long as the client has patience, or ends within a frame.
    pub fn until_closed(&mut self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            let mut first = [0];
            match self.socket.read(&mut first) {
                Ok(0) => return Ok(frames),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(frames),
                Err(error) => return Err(error).with_context(|| format!("no end after {frames:?}")),
            }
            let mut length = [0; 4];
            self.socket.read_exact(&mut length).context("a frame that breaks off")?;
            let length = u32::from_be_bytes(length);
            ensure!((4..1 << 30).contains(&length), "a frame of {length} bytes");
            let mut body = vec![0; length as usize - 4];
            self.socket.read_exact(&mut body).context("a frame that breaks off")?;
            frames.push(Frame { tag: first[0], body });
        }
    }

    /// All frames up to ReadyForQuery, and that.
    ///
    /// # Errors
    /// The connection ends before, or nothing came in time.
    pub fn until_ready(&mut self) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().with_context(|| format!("after {frames:?}"))?;
            let tag = frame.tag;
            frames.push(frame);
            match tag {
                b'Z' => return Ok(frames),
                b'G' => bail!("the server waits for COPY data: {frames:?}"),
                _ => {}
            }
        }
    }

    /// All frames until one with this tag, and that.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn until(&mut self, tag: u8) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().with_context(|| format!("after {frames:?}"))?;
            let found = frame.tag == tag;
            frames.push(frame);
            if found {
                return Ok(frames);
            }
        }
    }
}

/// A message with its type and length.
#[must_use]
pub fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], untagged(body).as_slice()].concat()
}

/// A message without a type, as the first one of a connection is.
#[must_use]
pub fn untagged(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Auth, Postgres, PostgresOptions, shop};

    #[test]
    fn bytes_go_out_and_frames_come_back() {
        let server = Postgres::start(PostgresOptions { auth: Auth::Password, ..Default::default() }).unwrap();
        let dsn = server.dsn();
        let (mut client, greeting) = RawClient::login(&dsn).unwrap();
        assert_eq!(greeting.first().unwrap().body, [0, 0, 0, 0]);
        client.send(&tagged(b'Q', b"SELECT 7\0")).unwrap();
        let tags: Vec<u8> = client.until_ready().unwrap().iter().map(|frame| frame.tag).collect();
        assert_eq!(tags, b"TDCZ");
        assert_eq!(dsn.user, shop::ROLE);
        assert!(RawClient::login(&Dsn { password: "wrong".into(), ..dsn }).is_err());
    }
}
