//! Segment files: their names, the line they begin with and the line that seals them, and the running
//! digest that links them. A segment's digest is the SHA-256 over the hashes of its lines, one after the
//! other, so that it costs 32 bytes of hashing a line.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use countersign_common::id::{CommandId, StreamId};
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::line::{MalformedLine, VERSION};

/// What a header's line begins with.
pub(crate) const HEADER_PREFIX: &str = "{\"v\":1,\"header\":";
/// What a footer's line begins with.
pub(crate) const FOOTER_PREFIX: &str = "{\"v\":1,\"footer\":";

/// A place in the segments: so many lines of this one, with this digest over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPoint {
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Lines up to here, header included.
    pub lines: u64,
    /// Digest over the hashes of these lines.
    pub digest: Digest,
}

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) segment: u64,
    pub(crate) at: Timestamp,
    /// Where the segment before ended; `None` in the first.
    pub(crate) previous: Option<SegmentPoint>,
    /// Present when the segment before has no footer because its writer died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovered: Option<Recovered>,
    /// The streams that were open where the segment before ended: whoever recovers needs only the last
    /// segment to know what it has to end.
    pub(crate) open: Vec<OpenStream>,
}

/// What was found when a journal was opened whose writer had died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recovered {
    /// Bytes after the last whole line; kept aside in a `.torn` file.
    pub(crate) dropped_bytes: u64,
}

/// An open stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStream {
    /// The stream.
    pub stream: StreamId,
    /// Its records so far; the number of the next one.
    pub count: u64,
    /// The hash of the last of them.
    pub tip: Digest,
    /// Commands that have begun and not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<CommandId>,
}

/// The last line of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Footer {
    /// Lines before this one, header included.
    pub(crate) lines: u64,
    /// Digest over their hashes.
    pub(crate) digest: Digest,
    pub(crate) at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine<T> {
    v: u32,
    header: T,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FooterLine<T> {
    v: u32,
    footer: T,
}

impl Header {
    pub(crate) fn line(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&HeaderLine { v: VERSION, header: self })?)
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, MalformedLine> {
        let line: HeaderLine<Self> =
            serde_json::from_slice(line).map_err(|e| MalformedLine(format!("header: {e}")))?;
        Ok(line.header)
    }
}

impl Footer {
    pub(crate) fn line(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&FooterLine { v: VERSION, footer: self })?)
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, MalformedLine> {
        let line: FooterLine<Self> =
            serde_json::from_slice(line).map_err(|e| MalformedLine(format!("footer: {e}")))?;
        Ok(line.footer)
    }
}

/// The digest of a segment, so far.
pub(crate) struct RunningDigest {
    context: Context,
    lines: u64,
}

impl RunningDigest {
    pub(crate) fn new() -> Self {
        Self { context: Context::new(&SHA256), lines: 0 }
    }

    /// How many lines it has seen.
    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }

    /// Adds a line by its hash.
    pub(crate) fn push(&mut self, hash: &Digest) {
        self.push_all(hash.as_bytes());
    }

    /// Adds lines by their hashes, 32 bytes each.
    pub(crate) fn push_all(&mut self, hashes: &[u8]) {
        self.context.update(hashes);
        self.lines += (hashes.len() / 32) as u64;
    }

    /// Where it stands.
    pub(crate) fn point(&self, segment: u64) -> SegmentPoint {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.context.clone().finish().as_ref());
        SegmentPoint { segment, lines: self.lines, digest: Digest::from_bytes(digest) }
    }
}

impl std::fmt::Debug for RunningDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningDigest").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// The file of a segment.
pub(crate) fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("segment-{segment:08}.jsonl"))
}

/// The numbers of the segments in a directory, ascending.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("segment-")?.strip_suffix(".jsonl")?.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
