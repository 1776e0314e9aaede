//! Where messages begin and end. A [`Walker`] remembers, from one buffer to the next, how much of a
//! large message is still to come, so that messages of up to 1 GiB are streamed in bounded memory; what
//! to stream and what to wait for is the caller's choice.

use super::{Error, Tag};

/// Who sent the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Frontend,
    /// The server.
    Backend,
}

/// What stands before every message: its kind and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The kind of message.
    pub tag: u8,
    /// The length word: bytes, counting itself but not the tag. At least 4.
    pub len: u32,
}

/// The largest length word that the server itself takes: one byte below the largest allocation of
/// `palloc`, 1 GiB.
pub const LENGTH_MAX: u32 = 0x3fff_fffe;
/// The limit of the server for messages that carry no text of the user's (`PQ_SMALL_MESSAGE_LIMIT`).
const SMALL_MAX: u32 = 10_000;
/// The limit of libpq for short messages of a server.
const REPLY_MAX: u32 = 30_000;
/// The limit of the server for passwords and other authentication (`PG_MAX_AUTH_TOKEN_LENGTH`).
const AUTHENTICATION_MAX: u32 = 65_535;
/// At most 65,535 parameters, four bytes each.
const PARAMETER_DESCRIPTION_MAX: u32 = 4 + 2 + 4 * 65_535;
/// Settings have no limit of their own; this is far above what the server's memory for them allows.
const PARAMETER_STATUS_MAX: u32 = 1 << 20;
/// Process id and, since protocol 3.2, up to 256 bytes of secret key.
const KEY_DATA_MAX: u32 = 4 + 4 + 256;

impl Header {
    /// Its bytes on the wire.
    pub const BYTES: usize = 5;

    /// Reads it from the front of `buffer`; `None` when not all of it is there yet.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for a kind that this side never sends, [`Error::Length`] for a length that
    /// the kind cannot have.
    pub fn read(side: Side, buffer: &[u8]) -> Result<Option<Self>, Error> {
        let Some(&[tag, a, b, c, d]) = buffer.first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([a, b, c, d]);
        let (least, most) = match side {
            Side::Frontend => frontend_limits(tag)?,
            Side::Backend => backend_limits(tag)?,
        };
        if (least..=most).contains(&len) {
            Ok(Some(Self { tag, len }))
        } else {
            Err(Error::Length { tag: Tag(tag), bytes: len, least, most })
        }
    }

    /// Bytes of the whole message with tag and length word.
    #[must_use]
    pub const fn frame_bytes(self) -> usize {
        self.len as usize + 1
    }

    /// Bytes after tag and length word.
    #[must_use]
    pub const fn body_bytes(self) -> usize {
        self.frame_bytes().saturating_sub(Self::BYTES)
    }
}

/// The least and the most that the length word of a client's message can be.
fn frontend_limits(tag: u8) -> Result<(u32, u32), Error> {
    Ok(match tag {
        b'Q' | b'P' | b'B' | b'F' | b'd' => (4, LENGTH_MAX),
        b'D' | b'C' | b'E' | b'f' => (4, SMALL_MAX),
        b'S' | b'H' | b'X' | b'c' => (4, 4),
        b'p' => (4, AUTHENTICATION_MAX),
        _ => return Err(Error::Unexpected { expected: "a frontend message", got: Tag(tag) }),
    })
}

/// The least and the most that the length word of a server's message can be.
fn backend_limits(tag: u8) -> Result<(u32, u32), Error> {
    Ok(match tag {
        b'D' | b'd' | b'T' | b'E' | b'N' | b'A' | b'V' => (4, LENGTH_MAX),
        b'1' | b'2' | b'3' | b'I' | b'n' | b's' | b'c' => (4, 4),
        b'Z' => (5, 5),
        b'C' | b'G' | b'H' | b'W' | b'v' => (4, REPLY_MAX),
        b'S' => (4, PARAMETER_STATUS_MAX),
        b't' => (6, PARAMETER_DESCRIPTION_MAX),
        b'K' => (8, KEY_DATA_MAX),
        b'R' => (8, AUTHENTICATION_MAX),
        _ => return Err(Error::Unexpected { expected: "a backend message", got: Tag(tag) }),
    })
}

/// A stretch of a buffer, as [`Frames`] finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole message. Its bytes are passed over.
    Whole {
        /// Kind and length.
        header: Header,
        /// Where its tag stands in the buffer.
        start: usize,
        /// What follows the length word.
        body: &'a [u8],
    },
    /// The buffer ends within this message. Its bytes are **not** passed over: either wait until the
    /// rest has come and walk again from `start`, or stream it with [`Frames::take_partial`].
    Partial {
        /// Kind and length.
        header: Header,
        /// Where its tag stands in the buffer.
        start: usize,
        /// As much of its body as is there.
        body: &'a [u8],
        /// Bytes still to come.
        missing: usize,
    },
    /// The next part of a message that was streamed from an earlier buffer. Its bytes are passed over.
    Continued {
        /// Where it stands in the buffer.
        start: usize,
        /// The part.
        body: &'a [u8],
        /// Bytes still to come after it; 0 at the message's end.
        missing: usize,
    },
}

/// One direction of a connection: which side sends, and what is missing of a streamed message.
#[derive(Debug, Clone, Copy)]
pub struct Walker {
    side: Side,
    missing: usize,
}

impl Walker {
    /// At the boundary between two messages.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { side, missing: 0 }
    }

    /// Bytes still to come of a message that is being streamed; 0 at a boundary.
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.missing
    }

    /// Walks over `buffer`, which begins where the last walk stopped ([`Frames::position`]).
    pub const fn walk<'w, 'a>(&'w mut self, buffer: &'a [u8]) -> Frames<'w, 'a> {
        Frames { walker: self, buffer, position: 0 }
    }
}

/// A walk over one buffer.
#[derive(Debug)]
pub struct Frames<'w, 'a> {
    walker: &'w mut Walker,
    buffer: &'a [u8],
    position: usize,
}

impl<'a> Frames<'_, 'a> {
    /// The next stretch; `None` when the buffer is used up, or ends within a header.
    ///
    /// After [`Frame::Partial`] the same is answered again until [`Frames::take_partial`].
    ///
    /// # Errors
    /// As [`Header::read`]. The walk cannot go on: what follows is not known to be a message.
    #[expect(clippy::should_implement_trait, reason = "fallible, and a lending walk is no iterator")]
    pub fn next(&mut self) -> Result<Option<Frame<'a>>, Error> {
        let start = self.position;
        let rest = self.buffer.get(start..).unwrap_or_default();
        if self.walker.missing > 0 {
            return Ok(self.continued(start, rest));
        }
        let Some(header) = Header::read(self.walker.side, rest)? else {
            return Ok(None);
        };
        if let Some(body) = rest.get(Header::BYTES..header.frame_bytes()) {
            self.position = start.saturating_add(header.frame_bytes());
            return Ok(Some(Frame::Whole { header, start, body }));
        }
        let body = rest.get(Header::BYTES..).unwrap_or_default();
        let missing = header.frame_bytes().saturating_sub(rest.len());
        Ok(Some(Frame::Partial { header, start, body, missing }))
    }

    /// Passes over the partial message at the buffer's end: the next walk begins with its next part.
    /// Does nothing at a boundary or within a header.
    ///
    /// # Errors
    /// As [`Frames::next`].
    pub fn take_partial(&mut self) -> Result<(), Error> {
        if self.walker.missing > 0 {
            return Ok(());
        }
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        if let Some(header) = Header::read(self.walker.side, rest)?
            && header.frame_bytes() > rest.len()
        {
            self.walker.missing = header.frame_bytes().saturating_sub(rest.len());
            self.position = self.buffer.len();
        }
        Ok(())
    }

    /// How many bytes of the buffer have been passed over.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    fn continued(&mut self, start: usize, rest: &'a [u8]) -> Option<Frame<'a>> {
        let here = rest.len().min(self.walker.missing);
        if here == 0 {
            return None;
        }
        self.walker.missing = self.walker.missing.saturating_sub(here);
        self.position = start.saturating_add(here);
        let body = rest.get(..here).unwrap_or_default();
        Some(Frame::Continued { start, body, missing: self.walker.missing })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn a_message_cut_anywhere_is_partial_and_is_not_passed_over() {
        let bytes = frame(b'Q', b"SELECT 1\0");
        for cut in 0..bytes.len() {
            let mut walker = Walker::new(Side::Frontend);
            let mut frames = walker.walk(&bytes[..cut]);
            match frames.next().unwrap() {
                None => assert!(cut < Header::BYTES),
                Some(Frame::Partial { missing, .. }) => assert_eq!(missing, bytes.len() - cut),
                other => panic!("{other:?}"),
            }
            assert_eq!(frames.position(), 0);
        }
    }

    #[test]
    fn lengths_that_a_kind_cannot_have_are_refused() {
        let refused: [(Side, &[u8]); 7] = [
            (Side::Frontend, &[b'Q', 0, 0, 0, 3]),
            (Side::Frontend, &[b'Q', 0x40, 0, 0, 0]),
            (Side::Frontend, &[b'Q', 0xff, 0xff, 0xff, 0xff]),
            (Side::Frontend, &[b'S', 0, 0, 0, 5]),
            (Side::Frontend, &[b'D', 0, 0, 0x27, 0x11]),
            (Side::Backend, &[b'Z', 0, 0, 0, 6]),
            (Side::Backend, &[b'K', 0, 0, 1, 9]),
        ];
        for (side, bytes) in refused {
            assert!(matches!(Header::read(side, bytes), Err(Error::Length { .. })), "{bytes:?}");
        }
    }

    #[test]
    fn a_kind_of_the_other_side_is_unexpected() {
        for (side, tag) in [(Side::Frontend, b'T'), (Side::Backend, b'Q'), (Side::Frontend, 0)] {
            let got = Header::read(side, &[tag, 0, 0, 0, 4]);
            assert!(matches!(got, Err(Error::Unexpected { got: Tag(t), .. }) if t == tag));
        }
    }

    proptest! {
        /// Streaming in any pieces gives the same messages as one buffer with all of them.
        #[test]
        fn streaming_in_pieces_gives_the_same_messages(
            bodies in prop::collection::vec((prop::sample::select(b"QPBdF".to_vec()), prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            pieces in prop::collection::vec(1usize..30, 1..20),
        ) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|(tag, body)| frame(*tag, body)).collect();
            let (mut walker, mut buffer, mut got) = (Walker::new(Side::Frontend), Vec::new(), Vec::<(u8, Vec<u8>)>::new());
            let (mut rest, mut sizes) = (&bytes[..], pieces.iter().cycle());
            while !rest.is_empty() {
                let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                rest = later;
                buffer.extend_from_slice(piece);
                let mut frames = walker.walk(&buffer);
                while let Some(frame) = frames.next().unwrap() {
                    match frame {
                        Frame::Whole { header, body, .. } => got.push((header.tag, body.to_vec())),
                        Frame::Continued { body, .. } => got.last_mut().unwrap().1.extend(body),
                        Frame::Partial { header, body, .. } => {
                            got.push((header.tag, body.to_vec()));
                            frames.take_partial().unwrap();
                        }
                    }
                }
                let passed = frames.position();
                buffer.drain(..passed);
            }
            prop_assert_eq!(walker.missing(), 0);
            prop_assert_eq!(got, bodies);
        }
    }
}
