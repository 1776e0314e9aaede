//! What may leave: masking rules, plans, and the proof that bytes were masked.
//!
//! A [`Plan`] is made once for each result, from the [`Source`] of every column and the bundle's
//! [`Rules`]; it masks rows ([`Plan::mask_data_row`]) and COPY streams ([`CopyMasker`]). What a target says
//! in errors and notices goes through [`ErrorMasker`]. All of them write into a [`Masked`] buffer, which
//! nothing outside this crate can make from bytes of a target; the client's writer takes nothing else.
//!
//! Pure: no I/O, no clock. Where something cannot be read, nothing of it leaves (I6 over availability).

mod copy;
mod error_text;
mod masked;
mod outlet;
mod plan;
mod row;
mod rules;
mod value;

pub use copy::{CopyFormat, CopyMasker};
pub use error_text::{ErrorMasker, Touches};
pub use masked::{Masked, ValueFree};
pub use outlet::Outlet;
pub use plan::{Column, Plan, Source};
pub use rules::Rules;
pub use value::HashKey;

/// Why something was not released. Nothing of the field in question has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A length does not fit what is there, or an end is missing.
    #[error("malformed {what}")]
    Malformed {
        /// What was read.
        what: &'static str,
    },
    /// A row has another number of fields than its description.
    #[error("a row of {found} fields where {expected} were described")]
    FieldCount {
        /// As described.
        expected: usize,
        /// As found; for streams, at least so many.
        found: usize,
    },
    /// A masked value is larger than what is held in memory.
    #[error("a masked value of more than {max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// Rows cannot be taken apart safely in this client encoding: a delimiter may be half a character.
    #[error("copy with masked columns is not possible in this client encoding")]
    Encoding,
    /// Bytes were to pass as they are although the plan masks columns.
    #[error("the plan masks columns; rows have to be masked one by one")]
    NotClear,
}
