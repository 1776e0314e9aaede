//! Guarded sockets: a protocol reads from them freely, but can send only [`Cleared`] bytes to the target and only
//! [`Masked`] bytes to the client. The raw socket is moved in after the login and cannot be taken out again.
//!
//! Both sides buffer. One task polls reading and writing together ([`poll_flush`] beside [`poll_fill`]), so that the
//! gateway never deadlocks with a target that does not read before we do. Bounds: an input buffer is filled to
//! [`INPUT_BYTES_MAX`], then reading stops. When an output buffer exceeds [`OUTPUT_BYTES_HIGH`], the protocol stops
//! reading from the other side.
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

/// Largest number of bytes requested by one read. A result of usual size needs one system call.
pub const READ_BYTES: usize = 64 * 1024;

/// Number of bytes requested by a read on a quiet connection. Most commands and answers are smaller, and a gateway
/// has many idle connections.
const READ_BYTES_LEAST: usize = 1024;

/// Capacity of an input buffer: one incomplete message and one full read behind it.
pub const INPUT_BYTES_MAX: usize = 2 * READ_BYTES;

/// Output buffer size above which the protocol stops feeding it.
pub const OUTPUT_BYTES_HIGH: usize = 4 * READ_BYTES;

/// Number of chunks in one vectored write.
const SLICES_MAX: usize = 16;

/// The connection to the client. Accepts only masked bytes.
#[derive(Debug)]
pub struct ClientSide<S>(Side<S>);

/// The connection to the target. Accepts only cleared bytes.
#[derive(Debug)]
pub struct UpstreamSide<S>(Side<S>);

macro_rules! side {
    ($name:ident) => {
        impl<S: AsyncRead + AsyncWrite + Unpin> $name<S> {
            /// Wraps a socket after the login, with the bytes that were already read.
            #[must_use]
            pub fn new(socket: S, read_ahead: BytesMut) -> Self {
                let (output, output_bytes) = (VecDeque::new(), 0);
                let (input, read_bytes) = (read_ahead, READ_BYTES_LEAST);
                Self(Side { socket, input, read_bytes, waits: false, output, output_bytes })
            }

            /// Input that was received and not consumed yet.
            pub fn input(&mut self) -> &mut BytesMut {
                &mut self.0.input
            }

            /// Reads more, until [`Self::input`] holds at most `limit` bytes. `Ready(Ok(0))` if the peer has closed
            /// its end. `Pending` also if the buffer is full; no wake-up is registered then.
            ///
            /// # Errors
            /// Any error of the socket.
            pub fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
                self.0.poll_fill(cx, limit)
            }

            /// Writes the queued output; `Ready` when all of it is written.
            ///
            /// # Errors
            /// Any error of the socket.
            pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_flush(cx)
            }

            /// Number of queued output bytes.
            #[must_use]
            pub fn output_bytes(&self) -> usize {
                self.0.output_bytes
            }

            /// Discards the queued output, for a peer that has disconnected.
            pub fn forget_output(&mut self) {
                self.0.output.clear();
                self.0.output_bytes = 0;
            }

            /// Frees the memory of empty buffers, for a connection that becomes idle.
            pub fn shrink(&mut self) {
                if self.0.input.is_empty() {
                    self.0.input = BytesMut::new();
                    self.0.waits = true;
                }
                self.0.read_bytes = READ_BYTES_LEAST;
                self.0.output.shrink_to_fit();
            }

            /// Shuts down the writing end. Queued output is lost: flush first.
            ///
            /// # Errors
            /// Any error of the socket.
            pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0.socket).poll_shutdown(cx)
            }
        }
    };
}

side!(ClientSide);
side!(UpstreamSide);

impl<S: AsyncRead + AsyncWrite + Unpin> ClientSide<S> {
    /// Queues masked bytes for the client.
    // INVARIANT: I6. There is no other way to write to the client.
    pub fn send<B: Into<Bytes>>(&mut self, masked: Masked<B>) {
        self.0.push(masked.into_inner().into());
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> UpstreamSide<S> {
    /// Queues cleared bytes for the target.
    // INVARIANT: I1, I2, I5. There is no other way to write to the target, and the bytes are those that were judged:
    // `Cleared` owns them and is consumed here.
    pub fn send(&mut self, cleared: Cleared) {
        self.0.push(cleared.into_bytes());
    }
}

#[derive(Debug)]
struct Side<S> {
    socket: S,
    input: BytesMut,
    /// Number of bytes requested by the next read. Grows and shrinks with the size of the reads.
    read_bytes: usize,
    /// The connection is idle and has no input buffer.
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
            // A quiet connection does not keep the buffer that one large answer needed.
            self.input = BytesMut::new();
        }
        if self.waits {
            return self.poll_first(cx, room);
        }
        let free = self.input.capacity() - self.input.len();
        // A small buffer is rewound as soon as it is empty, so that the next message arrives in one read. The rest of
        // a large buffer is used first: parts of it may still be queued for writing.
        let rewound = self.input.is_empty() && self.read_bytes < READ_BYTES;
        let needed = if rewound { self.read_bytes } else { self.read_bytes / 8 };
        if free < needed {
            self.input.reserve(self.read_bytes);
        }
        let asked = room.min(self.input.capacity() - self.input.len());
        // A buffer that once held a large message has capacity beyond the limit.
        let mut input = (&mut self.input).limit(room);
        let read = ready!(poll_read_buf(Pin::new(&mut self.socket), cx, &mut input))?;
        if read == asked {
            self.read_bytes = (self.read_bytes * 4).min(READ_BYTES);
        } else if read < self.read_bytes / 16 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_LEAST);
        }
        Poll::Ready(Ok(read))
    }

    /// Reads the first bytes of an idle connection into the stack. A buffer is allocated only if something arrives.
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
