//! Reads of a line what its chain needs (stream, number, hash of the record before, effect) without parsing
//! the record: for lines that come from elsewhere, and by the thousand. Whether the rest is a record is
//! [`crate::verify`]'s question; a line that passes here can be kept, framed and chained.

use countersign_common::id::{CommandId, StreamId};
use countersign_common::{Digest, Timestamp};

use crate::line::{Effect, MalformedLine, RECORD_PREFIX};

/// The longest line, in bytes. A statement is at most a few MiB; more is not ours.
pub(crate) const LINE_BYTES_MAX: usize = 256 << 20;

/// A stream's id as text: `str_` and 26 characters.
const STREAM_BYTES: usize = 30;
/// A command's id as text.
const COMMAND_BYTES: usize = 30;
/// A digest as text.
const DIGEST_BYTES: usize = 64;

/// What a line says about its place, before anyone believes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skim {
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub seq: u64,
    /// Hash of the record before.
    pub prev: Digest,
    /// When it was written.
    pub at: Timestamp,
    /// What it does to the stream.
    pub effect: Effect,
}

impl Skim {
    /// Reads a line (without its line feed).
    ///
    /// # Errors
    /// When it does not begin as this version writes lines, does not end as one, or holds a byte that would
    /// break the framing of a segment.
    pub fn of(line: &[u8]) -> Result<Self, MalformedLine> {
        let skim = Self::place(line)?;
        if line.len() > LINE_BYTES_MAX {
            return Err(malformed("longer than 256 MiB"));
        }
        // JSON escapes control characters: a raw one is a line feed that would make two lines of one, or
        // the zeros that a loss of power leaves.
        if line.iter().fold(false, |found, &byte| found | (byte < 0x20)) {
            return Err(malformed("a control character"));
        }
        if line.ends_with(b"}}}") { Ok(skim) } else { Err(malformed("no end of a record")) }
    }

    /// The same of the line's beginning alone, for lines that are in a segment already.
    pub(crate) fn place(line: &[u8]) -> Result<Self, MalformedLine> {
        let mut rest = line;
        expect(&mut rest, RECORD_PREFIX.as_bytes())?;
        let stream = text(&mut rest, STREAM_BYTES)?.parse().map_err(|_| malformed("no stream id"))?;
        expect(&mut rest, b"\",\"seq\":")?;
        let seq = number(&mut rest)?;
        expect(&mut rest, b",\"prev\":\"")?;
        let prev = text(&mut rest, DIGEST_BYTES)?.parse().map_err(|_| malformed("no digest"))?;
        expect(&mut rest, b"\",\"at\":")?;
        let at = Timestamp::from_micros(number(&mut rest)?);
        expect(&mut rest, b",\"record\":{\"")?;
        Ok(Self { stream, seq, prev, at, effect: effect(rest)? })
    }
}

fn effect(rest: &[u8]) -> Result<Effect, MalformedLine> {
    let mut rest = rest;
    let end = rest.iter().take(16).position(|&byte| byte == b'"').ok_or_else(|| malformed("no kind"))?;
    let kind = text(&mut rest, end)?;
    expect(&mut rest, b"\":{")?;
    Ok(match kind {
        "opened" => Effect::Opens,
        "begin" => Effect::Begins(command(&mut rest)?),
        "end" => Effect::Ends(command(&mut rest)?),
        "closed" => Effect::Closes,
        "hold" | "decision" | "redeemed" | "transaction" => Effect::Continues,
        _ => return Err(malformed("a kind that is not known here")),
    })
}

fn command(rest: &mut &[u8]) -> Result<CommandId, MalformedLine> {
    expect(rest, b"\"id\":\"")?;
    text(rest, COMMAND_BYTES)?.parse().map_err(|_| malformed("no command id"))
}

fn expect(rest: &mut &[u8], part: &[u8]) -> Result<(), MalformedLine> {
    *rest = rest.strip_prefix(part).ok_or_else(|| malformed("not the shape of a record"))?;
    Ok(())
}

fn text<'a>(rest: &mut &'a [u8], bytes: usize) -> Result<&'a str, MalformedLine> {
    let (text, after) = rest.split_at_checked(bytes).ok_or_else(|| malformed("too short"))?;
    *rest = after;
    std::str::from_utf8(text).map_err(|_| malformed("not the shape of a record"))
}

/// As our encoder writes it: no sign, no leading zero.
fn number(rest: &mut &[u8]) -> Result<u64, MalformedLine> {
    let digits = rest.iter().take(21).take_while(|byte| byte.is_ascii_digit()).count();
    let text = text(rest, digits)?;
    let padded = digits > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| !padded).ok_or_else(|| malformed("no number"))
}

fn malformed(what: &str) -> MalformedLine {
    MalformedLine(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Encoder, NO_PREVIOUS};
    use crate::record::{Closed, Ended, Ending, Record};

    fn line() -> Vec<u8> {
        let id = CommandId::from_u128(2);
        let end = Record::End(Ended {
            id,
            outcome: Ending::Completed("x".into()),
            rows: 0,
            bytes: 0,
            answer: None,
        });
        let encoder = Encoder::new(StreamId::from_u128(1));
        encoder.encode(&mut Vec::new(), 7, &NO_PREVIOUS, Timestamp::from_micros(5), &end).unwrap().to_vec()
    }

    #[test]
    fn a_line_of_ours_is_read_as_it_was_written() {
        let skim = Skim::of(&line()).unwrap();
        let effect = Effect::Ends(CommandId::from_u128(2));
        let (stream, at) = (StreamId::from_u128(1), Timestamp::from_micros(5));
        assert_eq!(skim, Skim { stream, seq: 7, prev: NO_PREVIOUS, at, effect });
        let encoder = Encoder::new(StreamId::from_u128(1));
        let closed = Record::Closed(Closed { reason: "a\nb\u{0}".into(), count: 1 });
        let mut buffer = Vec::new();
        let line = encoder.encode(&mut buffer, 0, &NO_PREVIOUS, Timestamp::from_micros(5), &closed).unwrap();
        assert_eq!(Skim::of(line).map(|skim| skim.effect), Ok(Effect::Closes));
    }

    #[test]
    fn a_line_that_would_break_a_segment_is_refused() {
        for byte in [b'\n', b'\r', 0] {
            let mut line = line();
            let middle = line.len() - 5;
            line[middle] = byte;
            assert!(Skim::of(&line).is_err(), "{byte}");
        }
    }

    #[test]
    fn the_line_of_an_end_that_was_cut_is_refused() {
        let line = line();
        assert!((0..line.len()).all(|end| Skim::of(&line[..end]).is_err()));
    }
}
