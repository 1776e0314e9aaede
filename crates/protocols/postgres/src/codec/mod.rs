//! Messages of the frontend/backend protocol, without I/O: [`frame`] walks over a buffer and says where
//! messages begin and end, [`frontend`] and [`backend`] decode one message on demand as a view over its
//! bytes, [`startup`] reads the packets that come before the first message, [`build`] writes what we say
//! ourselves.
//!
//! Nothing is copied and nothing is allocated by a length that was not checked against what is there.
//!
//! # Source
//! PostgreSQL documentation, "Frontend/Backend Protocol": Message Formats, Error and Notice Message Fields.

pub mod backend;
pub mod build;
pub mod frame;
pub mod frontend;
mod list;
mod reader;
pub mod sqlstate;
pub mod startup;

use std::fmt;

pub use backend::Backend;
pub use frame::{Frame, Frames, Header, Side, Walker};
pub use frontend::Frontend;
pub use list::{ErrorFields, Field, Fields, Format, Formats, Oids, Values};
pub use sqlstate::SqlState;

/// The byte that says of what kind a message is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u8);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_ascii_graphic() {
            write!(f, "`{}`", char::from(self.0))
        } else {
            write!(f, "0x{:02x}", self.0)
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not a message. None of these quotes the message: it may hold data or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message that does not belong here.
    #[error("expected {expected}, got message {got}")]
    Unexpected {
        /// What would have been right, in words.
        expected: &'static str,
        /// What came.
        got: Tag,
    },
    /// A length that messages of this kind cannot have.
    #[error("message {tag} says it is {bytes} bytes long; {least} to {most} are possible")]
    Length {
        /// The kind of message.
        tag: Tag,
        /// Its length word, which counts itself.
        bytes: u32,
        /// The least that is possible.
        least: u32,
        /// The most that is possible.
        most: u32,
    },
    /// A message whose inside does not fit its form.
    #[error("malformed {message}: {fault}")]
    Malformed {
        /// The message's name in the documentation.
        message: &'static str,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong inside a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends before its last field.
    #[error("it ends too early")]
    Short,
    /// Bytes are left after its last field.
    #[error("bytes are left over")]
    Long,
    /// A string has no end, or would have one too many.
    #[error("a string is not ended by a single zero byte")]
    String,
    /// A count or a length is negative, or does not fit the other counts.
    #[error("a count does not fit")]
    Count,
    /// A code that the protocol does not know.
    #[error("unknown code {0}")]
    Code(i32),
    /// Text that has to be UTF-8 is not.
    #[error("text is not UTF-8")]
    Encoding,
}
