//! One connection to a target while its messages are still read one by one: at login, and for queries of
//! our own. A session's relay does not go through here.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::UpstreamError;
use crate::Stream;
use crate::codec::{Header, Side};

/// Bytes that one read makes room for.
const READ_BYTES: usize = 8 * 1024;

/// A connection, and what was read of it but not used yet.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) buffered: &'a mut BytesMut,
}

/// One message, taken off the buffer.
pub(super) struct Message {
    pub(super) tag: u8,
    pub(super) body: Bytes,
}

impl Wire<'_> {
    /// Sends all of it.
    ///
    /// # Cancel safety
    /// Not cancel safe: part of it may have been sent. Drop the connection then.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next message, of at most `bytes_max` bytes.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read stays in the buffer.
    pub(super) async fn receive(&mut self, bytes_max: usize) -> Result<Message, UpstreamError> {
        loop {
            if let Some(message) = self.buffered_message(bytes_max)? {
                return Ok(message);
            }
            self.buffered.reserve(READ_BYTES);
            if self.stream.read_buf(self.buffered).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    fn buffered_message(&mut self, bytes_max: usize) -> Result<Option<Message>, UpstreamError> {
        let Some(header) = Header::read(Side::Backend, self.buffered)? else {
            return Ok(None);
        };
        if header.frame_bytes() > bytes_max {
            return Err(UpstreamError::TooLarge { limit: bytes_max });
        }
        if self.buffered.len() < header.frame_bytes() {
            return Ok(None);
        }
        let mut frame = self.buffered.split_to(header.frame_bytes()).freeze();
        frame.advance(Header::BYTES);
        Ok(Some(Message { tag: header.tag, body: frame }))
    }
}
