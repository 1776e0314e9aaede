//! Guarded sockets: a protocol reads from them freely, but writes upstream only what is [`Cleared`], and
//! to the client only what is [`Masked`]. The raw socket goes in when the login is over and never
//! comes out again.
//!
//! Both sides buffer. Reading and writing are polled together by one task ([`poll_flush`] beside
//! [`poll_fill`]), so that a target which waits for us to read never waits for us to write, and the
//! other way round. Bounds: an input buffer is filled to [`INPUT_BYTES_MAX`] and then not read from; an
//! output buffer that is over [`OUTPUT_BYTES_HIGH`] says so, and its feeder stops reading.
//!
//! [`poll_flush`]: ClientSide::poll_flush
//! [`poll_fill`]: ClientSide::poll_fill

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use countersign_masking::Masked;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::Cleared;

/// How many bytes one read asks for at most: large enough for one system call per result of usual size.
pub const READ_BYTES: usize = 64 * 1024;

/// How many bytes a read asks for on a connection on which little comes: most commands and their answers are
/// smaller, and a gateway has many connections that wait.
const READ_BYTES_LEAST: usize = 1024;

/// How far an input buffer is filled: one full read behind a message that is still incomplete.
pub const INPUT_BYTES_MAX: usize = 2 * READ_BYTES;

/// An output buffer over this many bytes tells its feeder to wait.
pub const OUTPUT_BYTES_HIGH: usize = 4 * READ_BYTES;

/// Chunks written by one vectored write.
const SLICES_MAX: usize = 16;

/// The socket to the client. Everything written to it was masked.
#[derive(Debug)]
pub struct ClientSide<S>(Side<S>);

/// The socket to the target. Everything written to it was cleared.
#[derive(Debug)]
pub struct UpstreamSide<S>(Side<S>);

macro_rules! side {
    ($name:ident) => {
        impl<S: AsyncRead + AsyncWrite + Unpin> $name<S> {
            /// Takes a socket whose login is over, with the bytes that were read ahead.
            #[must_use]
            pub fn new(socket: S, read_ahead: BytesMut) -> Self {
                let (output, output_bytes) = (VecDeque::new(), 0);
                let (input, read_bytes) = (read_ahead, READ_BYTES_LEAST);
                Self(Side { socket, input, read_bytes, waits: false, output, output_bytes })
            }

            /// What came in and was not taken yet.
            pub fn input(&mut self) -> &mut BytesMut {
                &mut self.0.input
            }

            /// Reads more, at most to `limit` bytes waiting in [`Self::input`]. `Ready(Ok(0))`: the peer has
            /// closed its end. `Pending` also when the buffer is full.
            ///
            /// # Errors
            /// As the socket says.
            pub fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
                self.0.poll_fill(cx, limit)
            }

            /// Writes what waits to be written; `Ready` when all of it went out.
            ///
            /// # Errors
            /// As the socket says.
            pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_flush(cx)
            }

            /// Bytes that wait to be written.
            #[must_use]
            pub fn output_bytes(&self) -> usize {
                self.0.output_bytes
            }

            /// Drops what waits to be written, for a peer that is gone.
            pub fn forget_output(&mut self) {
                self.0.output.clear();
                self.0.output_bytes = 0;
            }

            /// Gives the memory of empty buffers back; for a connection that is going to wait.
            pub fn shrink(&mut self) {
                if self.0.input.is_empty() {
                    self.0.input = BytesMut::new();
                    self.0.waits = true;
                }
                self.0.read_bytes = READ_BYTES_LEAST;
                self.0.output.shrink_to_fit();
            }

            /// Closes the writing end. What still waits to be written is lost: flush first.
            ///
            /// # Errors
            /// As the socket says.
            pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0.socket).poll_shutdown(cx)
            }
        }
    };
}

side!(ClientSide);
side!(UpstreamSide);

impl<S: AsyncRead + AsyncWrite + Unpin> ClientSide<S> {
    /// Queues bytes for the client.
    // INVARIANT: I6. There is no other way to write to the client.
    pub fn send<B: Into<Bytes>>(&mut self, masked: Masked<B>) {
        self.0.push(masked.into_inner().into());
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> UpstreamSide<S> {
    /// Queues bytes for the target.
    // INVARIANT: I1, I2, I5. There is no other way to write to the target, and the bytes are those that
    // were judged: `Cleared` owns them, and is used up here.
    pub fn send(&mut self, cleared: Cleared) {
        self.0.push(cleared.into_bytes());
    }
}

#[derive(Debug)]
struct Side<S> {
    socket: S,
    input: BytesMut,
    /// How many bytes the next read asks for: grows with what comes at once, and falls with it.
    read_bytes: usize,
    /// It waits without a buffer, until something comes.
    waits: bool,
    output: VecDeque<Bytes>,
    output_bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Side<S> {
    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.output_bytes += bytes.len();
            self.output.push_back(bytes);
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        let room = limit.saturating_sub(self.input.len());
        if room == 0 {
            return Poll::Pending;
        }
        if self.input.is_empty() && self.input.capacity() > 8 * self.read_bytes {
            // What one large answer needed is not kept by a connection on which little comes.
            self.input = BytesMut::new();
        }
        if self.waits {
            return self.poll_first(cx, room);
        }
        let free = self.input.capacity() - self.input.len();
        // A small buffer is rewound as soon as it is empty, so that the next message comes by one read. What there is of
        // a large one is used first: parts of it may still wait to be written.
        let rewound = self.input.is_empty() && self.read_bytes < READ_BYTES;
        let needed = if rewound { self.read_bytes } else { self.read_bytes / 8 };
        if free < needed {
            self.input.reserve(self.read_bytes);
        }
        let asked = room.min(self.input.capacity() - self.input.len());
        // A buffer that once held a large message has room beyond the limit.
        let mut input = (&mut self.input).limit(room);
        let read = ready!(poll_read_buf(Pin::new(&mut self.socket), cx, &mut input))?;
        if read == asked {
            self.read_bytes = (self.read_bytes * 4).min(READ_BYTES);
        } else if read < self.read_bytes / 16 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_LEAST);
        }
        Poll::Ready(Ok(read))
    }

    /// Reads what comes first to a connection that waits; only then it gets a buffer.
    fn poll_first(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let mut first = [MaybeUninit::uninit(); READ_BYTES_LEAST];
        let mut first = ReadBuf::uninit(first.get_mut(..room.min(READ_BYTES_LEAST)).unwrap_or_default());
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut first))?;
        self.waits = false;
        if !first.filled().is_empty() {
            self.input.reserve(self.read_bytes);
            self.input.extend_from_slice(first.filled());
        }
        if first.remaining() == 0 {
            self.read_bytes = (self.read_bytes * 4).min(READ_BYTES);
        }
        Poll::Ready(Ok(first.filled().len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output_bytes > 0 {
            let written = ready!(self.poll_write(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let (1, Some(only)) = (self.output.len(), self.output.front()) {
            return Pin::new(&mut self.socket).poll_write(cx, only);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.output) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn advance(&mut self, mut written: usize) {
        self.output_bytes = self.output_bytes.saturating_sub(written);
        while let Some(front) = self.output.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.output.pop_front();
        }
    }
}
