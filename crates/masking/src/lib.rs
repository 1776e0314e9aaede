//! Masking rules, masking plans, and the type that proves that bytes were masked.
//!
//! A [`Plan`] is created once for each result, from the [`Source`] of every column and the bundle's [`Rules`]; it
//! masks rows ([`Plan::mask_data_row`]) and COPY streams ([`CopyMasker`]). [`ErrorMasker`] masks the errors and
//! notices of a target. All of them write into a [`Masked`] buffer. Code outside this crate cannot create one from
//! bytes of a target, and the client's writer accepts no other type.
//!
//! This crate does no I/O and reads no clock. Data that cannot be parsed is never sent (I6 over availability).

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

/// Reason why data was not released. Nothing of the affected field was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A length does not match the data, or an end is missing.
    #[error("malformed {what}")]
    Malformed {
        /// Name of the parsed data.
        what: &'static str,
    },
    /// A row and its description have different numbers of fields.
    #[error("a row of {found} fields where {expected} were described")]
    FieldCount {
        /// Number in the description.
        expected: usize,
        /// Number that was found; for streams, a lower bound.
        found: usize,
    },
    /// A masked value is larger than the limit for buffered values.
    #[error("a masked value of more than {max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// Rows cannot be split safely in this client encoding: a delimiter may be half a character.
    #[error("copy with masked columns is not possible in this client encoding")]
    Encoding,
    /// Bytes were to pass unchanged although the plan masks columns.
    #[error("the plan masks columns; rows have to be masked one by one")]
    NotClear,
}
