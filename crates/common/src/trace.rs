//! Trace identifiers as they travel between processes: the W3C `traceparent`. They never affect a decision; an
//! unreadable one is ignored.
//!
//! # Source
//! W3C Trace Context, 3.2 "traceparent header".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Length of a `traceparent`, in bytes: `00-<32 digits>-<16 digits>-<2 digits>`.
pub const PARENT_BYTES: usize = 55;

/// Flag bit of a sampled trace.
const SAMPLED: u8 = 1;

/// Identifier of a trace: 16 bytes, as text 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceId([u8; 16]);

/// A span of a trace, as the parent of spans in another process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace: TraceId,
    span: [u8; 8],
    sampled: bool,
}

/// Error for a text that names no trace or no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of W3C Trace Context, version 00")]
pub struct InvalidTrace;

impl TraceId {
    /// Wraps the bytes of a trace id; `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Returns the 16 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TraceParent {
    /// Combines a trace, a span and the sampled flag; `None` if the span id is zero.
    #[must_use]
    pub fn new(trace: TraceId, span: [u8; 8], sampled: bool) -> Option<Self> {
        (span != [0; 8]).then_some(Self { trace, span, sampled })
    }

    /// Returns the trace id.
    #[must_use]
    pub const fn trace(&self) -> TraceId {
        self.trace
    }

    /// Returns the id of the span.
    #[must_use]
    pub const fn span(&self) -> [u8; 8] {
        self.span
    }

    /// Returns `true` if the parent process records the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-", self.trace)?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", if self.sampled { SAMPLED } else { 0 })
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = InvalidTrace;
    fn from_str(text: &str) -> Result<Self, InvalidTrace> {
        Self::from_bytes(digits(text)?).ok_or(InvalidTrace)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTrace;
    fn from_str(text: &str) -> Result<Self, InvalidTrace> {
        let mut parts = text.split('-');
        let (Some("00"), Some(trace), Some(span), Some(flags), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidTrace);
        };
        let [flags] = digits(flags)?;
        Self::new(trace.parse()?, digits(span)?, flags & SAMPLED == SAMPLED).ok_or(InvalidTrace)
    }
}

/// Decodes exactly `BYTES` bytes from lower-case hex digits.
fn digits<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], InvalidTrace> {
    let mut bytes = [0; BYTES];
    if text.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return Err(InvalidTrace);
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidTrace)?;
    Ok(bytes)
}

impl TryFrom<String> for TraceId {
    type Error = InvalidTrace;
    fn try_from(text: String) -> Result<Self, InvalidTrace> {
        text.parse()
    }
}

impl From<TraceId> for String {
    fn from(trace: TraceId) -> Self {
        trace.to_string()
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTrace;
    fn try_from(text: String) -> Result<Self, InvalidTrace> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_reads_and_writes_the_example_of_the_specification() {
        let parent: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.to_string().len(), PARENT_BYTES);
        assert_eq!(parent.trace().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(parent.is_sampled());
        let json = serde_json::to_string(&parent).unwrap();
        assert_eq!(serde_json::from_str::<TraceParent>(&json).unwrap(), parent);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        let bad = [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ];
        for text in bad {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTrace), "{text}");
        }
    }
}
