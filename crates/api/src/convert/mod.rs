//! Converts between messages and the types of `countersign-common`, with one function for each kind of field that
//! reports missing and invalid values.

mod approval;
mod words;

use std::str::FromStr;
use std::time::Duration;

use countersign_common::{Digest, Timestamp};

/// Reason why a message cannot be converted: the field and the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// The field is missing.
    #[error("`{field}` is missing")]
    Missing {
        /// Name of the field, with its message.
        field: &'static str,
    },
    /// The field is present but has an invalid value.
    #[error("`{field}`: {reason}")]
    Invalid {
        /// Name of the field, with its message.
        field: &'static str,
        /// Description of the fault, in words.
        reason: String,
    },
}

impl BadField {
    /// Returns the name of the field.
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

/// Returns the value of a required field.
///
/// # Errors
/// The field is missing.
pub fn required<T>(value: Option<T>, field: &'static str) -> Result<T, BadField> {
    value.ok_or(BadField::Missing { field })
}

/// Parses a required field: a name, an identifier or another word. An empty text counts as missing.
///
/// # Errors
/// The field is missing, or its text is not valid.
pub fn parsed<T: FromStr<Err: ToString>>(text: &str, field: &'static str) -> Result<T, BadField> {
    if text.is_empty() {
        return Err(BadField::Missing { field });
    }
    text.parse().map_err(|error: T::Err| BadField::invalid(field, error))
}

/// Parses an optional field like [`parsed`].
///
/// # Errors
/// The field is present, but its text is not valid.
pub fn optional<T: FromStr<Err: ToString>>(
    text: Option<&str>,
    field: &'static str,
) -> Result<Option<T>, BadField> {
    text.map(|text| parsed(text, field)).transpose()
}

/// Converts a digest of 32 bytes.
///
/// # Errors
/// The digest is missing or has another length.
pub fn digest(bytes: &[u8], field: &'static str) -> Result<Digest, BadField> {
    if bytes.is_empty() {
        return Err(BadField::Missing { field });
    }
    let bytes = bytes.try_into().map_err(|_| BadField::invalid(field, "a digest has 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// Converts a time, not before 1970; fractions of a microsecond are refused.
///
/// # Errors
/// The time is missing or out of range.
pub fn timestamp(time: Option<prost_types::Timestamp>, field: &'static str) -> Result<Timestamp, BadField> {
    let time = required(time, field)?;
    let micros = micros(time.seconds, time.nanos).ok_or_else(|| BadField::invalid(field, "out of range"))?;
    Ok(Timestamp::from_micros(micros))
}

/// Converts a duration, not negative; fractions of a microsecond are refused.
///
/// # Errors
/// The duration is missing or out of range.
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

/// Converts a time to its message.
#[must_use]
pub fn timestamp_to_wire(time: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = split(time.as_micros());
    prost_types::Timestamp { seconds, nanos }
}

/// Converts a duration to its message, in microseconds.
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

/// Converts an enumerator that is required and must be known.
pub(crate) fn enumerator<T: TryFrom<i32>>(number: i32, field: &'static str) -> Result<T, BadField> {
    if number == 0 {
        return Err(BadField::Missing { field });
    }
    T::try_from(number).map_err(|_| BadField::invalid(field, format!("{number} is not known here")))
}

#[cfg(test)]
mod tests;
