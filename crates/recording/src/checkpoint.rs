//! Checkpoints: signed statements of the extent of the recording, each linked to the previous one. A truncated tail,
//! a removed stream or a rewritten segment contradicts one of them. A party that keeps the newest one elsewhere, as
//! the control plane's store does, can prove the earlier extent.
//!
//! ```json
//! {"v":2,"tips":[…]}
//! {"v":2,"log":"…","seq":7,"prev":"…","at":…,"point":{…},"closed":false,"tips":"…","sig":"…"}
//! ```
//! The tips are on a separate line before the checkpoint, which contains their digest. A checkpoint thus has some 500
//! bytes regardless of the number of changed streams, and may be kept anywhere.

use std::fmt;
use std::io;

use bytes::Bytes;
use countersign_common::id::StreamId;
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::line::MalformedLine;
use crate::segment::SegmentPoint;
use crate::signing::{PublicKey, SigningKey, signed_body, signed_line};

/// Domain of these signatures; separates them from all others by the same key.
const DOMAIN: &[u8] = b"countersign.checkpoint.v2\n";

/// Version of the format that is written.
const CHECKPOINT_VERSION: u32 = 2;

/// Prefix of a line with tips.
const TIPS_PREFIX: &[u8] = b"{\"v\":2,\"tips\":[";

/// Extent of one stream at a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// Identifier of the stream with new records.
    pub stream: StreamId,
    /// Number of its records so far.
    pub count: u64,
    /// Hash of its last record.
    pub hash: Digest,
    /// `true` if the stream had ended.
    pub closed: bool,
}

/// Extent of the recording at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tips {
    /// Time of the tips.
    pub at: Timestamp,
    /// Extent of the segments; everything before it is synced.
    pub point: SegmentPoint,
    /// Streams with new records since the previous tips.
    pub changed: Vec<Tip>,
    /// `true` if the journal was closed properly: nothing follows until it is opened again.
    pub closed: bool,
    /// `true` if a segment begins or ends here. The checkpoint must then survive a loss of power.
    pub lasting: bool,
}

/// Extent that the checkpoints of a sink cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The sink does not know its earlier checkpoints.
    Unknown,
    /// The sink has no earlier checkpoints.
    Nothing,
    /// Covered up to this point.
    UpTo(SegmentPoint),
}

/// Destination of tips. Called when the journal is opened, by the journal's own thread at least once a second while
/// something is recorded, and when the journal is closed. May block.
pub trait CheckpointSink: Send {
    /// Stores these tips.
    ///
    /// # Errors
    /// Fails if they cannot be stored; the journal then accepts no more records (I8).
    fn keep(&mut self, tips: &Tips) -> io::Result<()>;

    /// Returns the extent of the newest stored tips. The journal opens only if its segments match.
    fn signed(&self) -> Signed {
        Signed::Unknown
    }
}

/// A signed statement of the extent of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Version of the format; other versions are rejected.
    pub v: u32,
    /// Identifier of the log, 32 hex digits.
    pub log: String,
    /// Number of the checkpoint in the log, from 0.
    pub seq: u64,
    /// SHA-256 of the line of the previous checkpoint, including its signature.
    pub prev: Digest,
    /// Time at which the checkpoint was signed.
    pub at: Timestamp,
    /// Extent of the segments; everything before it is synced.
    pub point: SegmentPoint,
    /// `true` if the journal was closed properly.
    pub closed: bool,
    /// SHA-256 of the line with the streams that changed since the previous checkpoint; `None` if none did.
    pub tips: Option<Digest>,
}

impl Checkpoint {
    /// Creates a checkpoint, and the line with its tips if there are any.
    pub(crate) fn new(log: &str, seq: u64, prev: Digest, tips: &Tips) -> io::Result<(Self, Option<Vec<u8>>)> {
        let moved = (!tips.changed.is_empty()).then(|| tips_line(&tips.changed)).transpose()?;
        let checkpoint = Self {
            v: CHECKPOINT_VERSION,
            log: log.to_owned(),
            seq,
            prev,
            at: tips.at,
            point: tips.point,
            closed: tips.closed,
            tips: moved.as_deref().map(Digest::of),
        };
        Ok((checkpoint, moved))
    }

    /// Signs the checkpoint and returns its line, without the line feed.
    pub(crate) fn sign(self, key: &SigningKey) -> io::Result<SignedCheckpoint> {
        let line = signed_line(DOMAIN, serde_json::to_vec(&self)?, key)?;
        Ok(SignedCheckpoint { hash: Digest::of(&line), line: line.into(), checkpoint: self })
    }

    /// Parses a line and checks its signature.
    ///
    /// # Errors
    /// [`MalformedLine`] if the line is not a checkpoint that this key signed.
    pub fn parse(line: &[u8], key: &PublicKey) -> Result<Self, MalformedLine> {
        let body = signed_body(DOMAIN, line, key).map_err(malformed)?;
        let checkpoint: Self = serde_json::from_slice(&body).map_err(|e| malformed(e.to_string()))?;
        if checkpoint.v == CHECKPOINT_VERSION { Ok(checkpoint) } else { Err(malformed("unknown version")) }
    }

    /// Parses a line without checking its signature, for a comparison with a checkpoint that was checked.
    ///
    /// # Errors
    /// [`MalformedLine`] if the line is not a checkpoint.
    pub fn skim(line: &[u8]) -> Result<Self, MalformedLine> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(flatten)]
            rest: serde_json::Map<String, serde_json::Value>,
        }
        let mut line: Line = serde_json::from_slice(line).map_err(|e| malformed(e.to_string()))?;
        line.rest.remove("sig").ok_or_else(|| malformed("no signature"))?;
        serde_json::from_value(line.rest.into()).map_err(|e| malformed(e.to_string()))
    }
}

fn malformed(what: impl fmt::Display) -> MalformedLine {
    MalformedLine(format!("checkpoint: {what}"))
}

/// A checkpoint with its line, as it is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Parsed contents of the line.
    pub checkpoint: Checkpoint,
    /// Line with its signature, without a line feed.
    pub line: Bytes,
    /// SHA-256 of the line, including the signature.
    pub hash: Digest,
}

impl SignedCheckpoint {
    /// Parses a line and checks its signature.
    ///
    /// # Errors
    /// [`MalformedLine`] if the line is not a checkpoint that this key signed.
    pub fn parse(line: &[u8], key: &PublicKey) -> Result<Self, MalformedLine> {
        let checkpoint = Checkpoint::parse(line, key)?;
        Ok(Self { checkpoint, line: Bytes::copy_from_slice(line), hash: Digest::of(line) })
    }

    /// Parses a line without checking its signature; see [`Checkpoint::skim`].
    ///
    /// # Errors
    /// [`MalformedLine`] if the line is not a checkpoint.
    pub fn skim(line: &[u8]) -> Result<Self, MalformedLine> {
        let checkpoint = Checkpoint::skim(line)?;
        Ok(Self { checkpoint, line: Bytes::copy_from_slice(line), hash: Digest::of(line) })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TipsLine<T> {
    v: u32,
    tips: T,
}

fn tips_line(tips: &[Tip]) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&TipsLine { v: CHECKPOINT_VERSION, tips })?)
}

/// Returns `true` if the line holds tips and not a checkpoint.
pub(crate) fn is_tips(line: &[u8]) -> bool {
    line.starts_with(TIPS_PREFIX)
}

/// Parses the tips on a line.
pub(crate) fn tips_of(line: &[u8]) -> Result<Vec<Tip>, MalformedLine> {
    let line: TipsLine<Vec<Tip>> = serde_json::from_slice(line).map_err(|e| malformed(e.to_string()))?;
    Ok(line.tips)
}
