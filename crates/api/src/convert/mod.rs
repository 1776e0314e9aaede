//! Wire to words and back. What a field may be missing for is said here, once for each kind of field.

mod approval;
mod words;

use std::str::FromStr;
use std::time::Duration;

use countersign_common::{Digest, Timestamp};

/// Why a message cannot be read: which field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// It is not there.
    #[error("`{field}` is missing")]
    Missing {
        /// The field, with the message it is in.
        field: &'static str,
    },
    /// It is there and cannot be read.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// The field, with the message it is in.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl BadField {
    /// The field that cannot be read.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Missing { field } | Self::Invalid { field, .. } => field,
        }
    }

    pub(crate) fn invalid(field: &'static str, reason: impl ToString) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }
}

/// A field that has to be there.
///
/// # Errors
/// When it is missing.
pub fn required<T>(value: Option<T>, field: &'static str) -> Result<T, BadField> {
    value.ok_or(BadField::Missing { field })
}

/// A field that has to be there, as a name, an id or another word. An empty text is a missing one.
///
/// # Errors
/// When it is missing or is no such word.
pub fn parsed<T: FromStr<Err: ToString>>(text: &str, field: &'static str) -> Result<T, BadField> {
    if text.is_empty() {
        return Err(BadField::Missing { field });
    }
    text.parse().map_err(|error: T::Err| BadField::invalid(field, error))
}

/// The same for a field that may be missing.
///
/// # Errors
/// When it is there and is no such word.
pub fn optional<T: FromStr<Err: ToString>>(
    text: Option<&str>,
    field: &'static str,
) -> Result<Option<T>, BadField> {
    text.map(|text| parsed(text, field)).transpose()
}

/// A digest: 32 bytes.
///
/// # Errors
/// When it is missing or of another length.
pub fn digest(bytes: &[u8], field: &'static str) -> Result<Digest, BadField> {
    if bytes.is_empty() {
        return Err(BadField::Missing { field });
    }
    let bytes = bytes.try_into().map_err(|_| BadField::invalid(field, "a digest has 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// A moment, not before 1970; what is finer than a microsecond is refused.
///
/// # Errors
/// When it is missing or out of range.
pub fn timestamp(time: Option<prost_types::Timestamp>, field: &'static str) -> Result<Timestamp, BadField> {
    let time = required(time, field)?;
    let micros = micros(time.seconds, time.nanos).ok_or_else(|| BadField::invalid(field, "out of range"))?;
    Ok(Timestamp::from_micros(micros))
}

/// A time-span, not negative; what is finer than a microsecond is refused.
///
/// # Errors
/// When it is missing or out of range.
pub fn duration(span: Option<prost_types::Duration>, field: &'static str) -> Result<Duration, BadField> {
    let span = required(span, field)?;
    let micros = micros(span.seconds, span.nanos).ok_or_else(|| BadField::invalid(field, "out of range"))?;
    Ok(Duration::from_micros(micros))
}

fn micros(seconds: i64, nanos: i32) -> Option<u64> {
    let (seconds, nanos) = (u64::try_from(seconds).ok()?, u64::try_from(nanos).ok()?);
    if nanos >= 1_000_000_000 || nanos % 1000 != 0 {
        return None;
    }
    seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000)
}

/// A moment for the wire.
#[must_use]
pub fn timestamp_to_wire(time: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = split(time.as_micros());
    prost_types::Timestamp { seconds, nanos }
}

/// A time-span for the wire, to the microsecond.
#[must_use]
pub fn duration_to_wire(span: Duration) -> prost_types::Duration {
    let (seconds, nanos) = split(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    prost_types::Duration { seconds, nanos }
}

fn split(micros: u64) -> (i64, i32) {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(micros % 1_000_000 * 1000).unwrap_or_default();
    (seconds, nanos)
}

/// An enumerator that has to be there and be known.
pub(crate) fn enumerator<T: TryFrom<i32>>(number: i32, field: &'static str) -> Result<T, BadField> {
    if number == 0 {
        return Err(BadField::Missing { field });
    }
    T::try_from(number).map_err(|_| BadField::invalid(field, format!("{number} is not known here")))
}

#[cfg(test)]
mod tests;
