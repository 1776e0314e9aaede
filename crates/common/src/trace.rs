//! Names of traces, as they travel from one process to the next: the W3C `traceparent`. They decide nothing: what
//! cannot be read is as good as not there.
//!
//! # Source
//! W3C Trace Context, 3.2 "traceparent header".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The length of a `traceparent`, in bytes: `00-<32 digits>-<16 digits>-<2 digits>`.
pub const PARENT_BYTES: usize = 55;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// A trace: 16 bytes, as text 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceId([u8; 16]);

/// A span of a trace, as the parent of what another process does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace: TraceId,
    span: [u8; 8],
    sampled: bool,
}

/// It names no trace, or no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of W3C Trace Context, version 00")]
pub struct InvalidTrace;

impl TraceId {
    /// The trace with this number; zero is none.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TraceParent {
    /// A span of a trace, and whether it is recorded; zero is no span.
    #[must_use]
    pub fn new(trace: TraceId, span: [u8; 8], sampled: bool) -> Option<Self> {
        (span != [0; 8]).then_some(Self { trace, span, sampled })
    }

    /// The trace.
    #[must_use]
    pub const fn trace(&self) -> TraceId {
        self.trace
    }

    /// The span.
    #[must_use]
    pub const fn span(&self) -> [u8; 8] {
        self.span
    }

    /// Whether whoever began it records it.
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

/// Exactly so many bytes, in lower-case hex digits.
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
