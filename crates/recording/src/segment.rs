//! Segment files: their names, their first and sealing lines, and the running digest that links them. A segment's
//! digest is the SHA-256 of the concatenated hashes of its lines, so that it costs 32 bytes of hashing per line.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use countersign_common::id::{CommandId, StreamId};
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::line::{MalformedLine, VERSION};

/// Prefix of a header's line.
pub(crate) const HEADER_PREFIX: &str = "{\"v\":1,\"header\":";
/// Prefix of a footer's line.
pub(crate) const FOOTER_PREFIX: &str = "{\"v\":1,\"footer\":";

/// A point in the segments: a number of lines of this segment, and their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPoint {
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Number of lines up to the point, including the header.
    pub lines: u64,
    /// Digest of the hashes of these lines.
    pub digest: Digest,
}

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) segment: u64,
    pub(crate) at: Timestamp,
    /// End of the previous segment; `None` in the first.
    pub(crate) previous: Option<SegmentPoint>,
    /// Present if the previous segment has no footer because its writer died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovered: Option<Recovered>,
    /// Streams that were open at the end of the previous segment. Recovery thus needs only the last segment to find
    /// the streams to end.
    pub(crate) open: Vec<OpenStream>,
}

/// Recovery of a journal whose writer had died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recovered {
    /// Number of bytes after the last complete line; kept in a `.torn` file.
    pub(crate) dropped_bytes: u64,
}

/// State of an open stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStream {
    /// Identifier of the stream.
    pub stream: StreamId,
    /// Number of its records so far; also the number of the next one.
    pub count: u64,
    /// Hash of its last record.
    pub tip: Digest,
    /// Commands that have begun and not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<CommandId>,
}

/// The last line of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Footer {
    /// Number of lines before this one, including the header.
    pub(crate) lines: u64,
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

/// Digest of a growing segment.
pub(crate) struct RunningDigest {
    context: Context,
    lines: u64,
}

impl RunningDigest {
    pub(crate) fn new() -> Self {
        Self { context: Context::new(&SHA256), lines: 0 }
    }

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

    /// Current point in the segment.
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

/// Path of a segment's file.
pub(crate) fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("segment-{segment:08}.jsonl"))
}

/// Numbers of the segments in a directory, ascending.
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
