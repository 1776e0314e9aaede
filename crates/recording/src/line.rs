//! One record as one line of JSON, and what follows from a line: its hash, its place in the chain.
//!
//! `{"v":1,"stream":"str_…","seq":0,"prev":"<64 hex>","at":<µs>,"record":{"<kind>":{…}}}` and a line feed.
//! The hash of a record is the SHA-256 of exactly these bytes, without the line feed; `prev` is the hash
//! of the stream's record before, 64 zeros in the first.

use countersign_common::id::{CommandId, StreamId};
use countersign_common::{Digest, Timestamp};
use serde::Deserialize;

use crate::record::Record;

/// The version of the line format that is written. A reader refuses what it does not know.
pub(crate) const VERSION: u32 = 1;

/// `prev` of a stream's first record.
pub(crate) const NO_PREVIOUS: Digest = Digest::from_bytes([0; 32]);

/// What every record's line begins with.
pub(crate) const RECORD_PREFIX: &str = "{\"v\":1,\"stream\":\"";

/// What a record does to its stream; the journal keeps account of what is open by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The stream begins.
    Opens,
    /// A command begins.
    Begins(CommandId),
    /// A command ends.
    Ends(CommandId),
    /// The stream ends.
    Closes,
    /// Neither.
    Continues,
}

impl From<&Record<'_>> for Effect {
    fn from(record: &Record<'_>) -> Self {
        match record {
            Record::Opened(_) => Self::Opens,
            Record::Begin(begin) => Self::Begins(begin.id),
            Record::End(end) => Self::Ends(end.id),
            Record::Closed(_) => Self::Closes,
            Record::Hold(_) | Record::Decision(_) | Record::Redeemed(_) | Record::Transaction(_) => {
                Self::Continues
            }
        }
    }
}

/// One line, read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Version of the format.
    pub v: u32,
    /// The stream.
    pub stream: StreamId,
    /// Its place in the stream, from 0.
    pub seq: u64,
    /// Hash of the record before.
    pub prev: Digest,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub record: Record<'static>,
}

impl Envelope {
    /// Reads a line (without its line feed).
    ///
    /// # Errors
    /// When it is not a record of a known version.
    pub fn parse(line: &[u8]) -> Result<Self, MalformedLine> {
        let envelope: Self = serde_json::from_slice(line).map_err(|e| MalformedLine(e.to_string()))?;
        if envelope.v == VERSION {
            Ok(envelope)
        } else {
            Err(MalformedLine(format!("version {} is not known here", envelope.v)))
        }
    }
}

/// A line is not what this version of the format writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed line: {0}")]
pub struct MalformedLine(pub(crate) String);

/// Writes lines of one stream. The buffer is the caller's: a connection that waits keeps none.
#[derive(Debug)]
pub(crate) struct Encoder {
    prefix: Box<[u8]>,
}

impl Encoder {
    pub(crate) fn new(stream: StreamId) -> Self {
        let prefix = format!("{RECORD_PREFIX}{stream}\",\"seq\":").into_bytes().into_boxed_slice();
        Self { prefix }
    }

    /// The line, without a line feed, in place of what was in `buffer`.
    pub(crate) fn encode<'b>(
        &self,
        buffer: &'b mut Vec<u8>,
        seq: u64,
        prev: &Digest,
        at: Timestamp,
        record: &Record<'_>,
    ) -> Result<&'b [u8], serde_json::Error> {
        // A big statement must not keep its memory for as long as the thread lives.
        const KEPT_BYTES_MAX: usize = 64 << 10;
        if buffer.capacity() > KEPT_BYTES_MAX {
            *buffer = Vec::new();
        }
        buffer.clear();
        buffer.extend_from_slice(&self.prefix);
        serde_json::to_writer(&mut *buffer, &seq)?;
        buffer.extend_from_slice(b",\"prev\":\"");
        push_hex(buffer, prev.as_bytes());
        buffer.extend_from_slice(b"\",\"at\":");
        serde_json::to_writer(&mut *buffer, &at)?;
        buffer.extend_from_slice(b",\"record\":");
        serde_json::to_writer(&mut *buffer, record)?;
        buffer.push(b'}');
        Ok(buffer)
    }
}

fn push_hex(buffer: &mut Vec<u8>, bytes: &[u8; 32]) {
    let mut digits = [0; 64];
    // The lengths fit: two digits a byte.
    if hex::encode_to_slice(bytes, &mut digits).is_ok() {
        buffer.extend_from_slice(&digits);
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::id::CommandId;
    use countersign_common::refusal::State;

    use super::*;
    use crate::record::{Closed, Ended, Ending};

    #[test]
    fn a_line_is_the_documented_one() {
        let (encoder, mut buffer) = (Encoder::new(StreamId::from_u128(1)), Vec::new());
        let id = CommandId::from_u128(2);
        let end = Ended { id, outcome: Ending::Refused(State::Denied), rows: 0, bytes: 0, answer: None };
        let line = encoder
            .encode(&mut buffer, 7, &NO_PREVIOUS, Timestamp::from_micros(5), &Record::End(end))
            .unwrap();
        insta::assert_snapshot!(std::str::from_utf8(line).unwrap(), @r#"{"v":1,"stream":"str_00000000000000000000000001","seq":7,"prev":"0000000000000000000000000000000000000000000000000000000000000000","at":5,"record":{"end":{"id":"cmd_00000000000000000000000002","outcome":{"refused":"denied"},"rows":0,"bytes":0}}}"#);
    }

    #[test]
    fn a_line_of_another_version_is_refused() {
        let (encoder, mut buffer) = (Encoder::new(StreamId::from_u128(1)), Vec::new());
        let closed = Record::Closed(Closed { reason: "left".into(), count: 1 });
        let line = encoder.encode(&mut buffer, 0, &NO_PREVIOUS, Timestamp::from_micros(5), &closed).unwrap();
        assert!(Envelope::parse(line).is_ok());
        let other = String::from_utf8(line.to_vec()).unwrap().replace("\"v\":1", "\"v\":2");
        assert!(Envelope::parse(other.as_bytes()).is_err());
    }
}
