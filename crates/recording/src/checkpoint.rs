//! Checkpoints: signed statements of how far the recording had come, each linked to the one before. A tail that was cut off,
//! a stream that was taken out, or a segment that was written anew contradicts one of them. Whoever keeps the newest one
//! elsewhere (the control plane's store does) can prove what was there.
//!
//! ```json
//! {"v":2,"tips":[…]}
//! {"v":2,"log":"…","seq":7,"prev":"…","at":…,"point":{…},"closed":false,"tips":"…","sig":"…"}
//! ```
//! The tips stand on a line of their own before the checkpoint, which names their digest: so a checkpoint has some 500 bytes
//! however many streams moved, and may be kept anywhere.

use std::fmt;
use std::io;

use bytes::Bytes;
use countersign_common::id::StreamId;
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::line::MalformedLine;
use crate::segment::SegmentPoint;
use crate::signing::{PublicKey, SigningKey, signed_body, signed_line};

/// Separates these signatures from all others by the same key.
const DOMAIN: &[u8] = b"countersign.checkpoint.v2\n";

/// The version of the format that is written.
const CHECKPOINT_VERSION: u32 = 2;

/// What the line with tips begins with.
const TIPS_PREFIX: &[u8] = b"{\"v\":2,\"tips\":[";

/// How far one stream had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// The stream.
    pub stream: StreamId,
    /// Its records so far.
    pub count: u64,
    /// The hash of the last of them.
    pub hash: Digest,
    /// Whether it had ended.
    pub closed: bool,
}

/// How far the recording has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tips {
    /// When.
    pub at: Timestamp,
    /// The segments, up to here; everything before it is synced.
    pub point: SegmentPoint,
    /// The streams that moved since the tips before.
    pub changed: Vec<Tip>,
    /// Whether the journal was closed in order: nothing follows until it is opened again.
    pub closed: bool,
    /// Whether a segment begins or ends here. What says so has to outlive a loss of power.
    pub lasting: bool,
}

/// How far the checkpoints of a sink speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The sink does not know what it kept before.
    Unknown,
    /// It has kept nothing before.
    Nothing,
    /// Up to here.
    UpTo(SegmentPoint),
}

/// Takes tips to where they are kept. Called when the journal is opened, by the journal's own thread at least once a second
/// while something is recorded, and when it is closed; may block.
pub trait CheckpointSink: Send {
    /// Keeps these tips.
    ///
    /// # Errors
    /// When they cannot be kept; the journal then takes no more records (I8).
    fn keep(&mut self, tips: &Tips) -> io::Result<()>;

    /// How far the newest tips speak that were kept before. The journal is opened only if its segments fit them.
    fn signed(&self) -> Signed {
        Signed::Unknown
    }
}

/// A signed statement of how far the recording of one log had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Version of the format.
    pub v: u32,
    /// The id of the log.
    pub log: String,
    /// Its place among the checkpoints of the log, from 0.
    pub seq: u64,
    /// SHA-256 of the checkpoint's line before, signature included.
    pub prev: Digest,
    /// When.
    pub at: Timestamp,
    /// The segments, up to here.
    pub point: SegmentPoint,
    /// Whether the journal was closed in order.
    pub closed: bool,
    /// SHA-256 of the line with the streams that moved since the checkpoint before; `None`: none did.
    pub tips: Option<Digest>,
}

impl Checkpoint {
    /// A checkpoint, and the line with its tips where there are any.
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

    /// Its line, signed, without the line feed.
    pub(crate) fn sign(self, key: &SigningKey) -> io::Result<SignedCheckpoint> {
        let line = signed_line(DOMAIN, serde_json::to_vec(&self)?, key)?;
        Ok(SignedCheckpoint { hash: Digest::of(&line), line: line.into(), checkpoint: self })
    }

    /// Reads a line and checks its signature.
    ///
    /// # Errors
    /// When the line is not a checkpoint that this key signed.
    pub fn parse(line: &[u8], key: &PublicKey) -> Result<Self, MalformedLine> {
        let body = signed_body(DOMAIN, line, key).map_err(malformed)?;
        let checkpoint: Self = serde_json::from_slice(&body).map_err(|e| malformed(e.to_string()))?;
        if checkpoint.v == CHECKPOINT_VERSION { Ok(checkpoint) } else { Err(malformed("unknown version")) }
    }

    /// Reads a line without checking its signature: for what is about to be compared with a checkpoint that was checked.
    ///
    /// # Errors
    /// When the line is not a checkpoint.
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

/// A checkpoint with its line: what is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Its line, with its signature and without a line feed.
    pub line: Bytes,
    /// SHA-256 of the line.
    pub hash: Digest,
}

impl SignedCheckpoint {
    /// Reads a line and checks its signature.
    ///
    /// # Errors
    /// When the line is not a checkpoint that this key signed.
    pub fn parse(line: &[u8], key: &PublicKey) -> Result<Self, MalformedLine> {
        let checkpoint = Checkpoint::parse(line, key)?;
        Ok(Self { checkpoint, line: Bytes::copy_from_slice(line), hash: Digest::of(line) })
    }

    /// Reads a line without checking its signature, see [`Checkpoint::skim`].
    ///
    /// # Errors
    /// When the line is not a checkpoint.
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

/// Whether this is a line with tips, and not a checkpoint.
pub(crate) fn is_tips(line: &[u8]) -> bool {
    line.starts_with(TIPS_PREFIX)
}

/// The tips on a line.
pub(crate) fn tips_of(line: &[u8]) -> Result<Vec<Tip>, MalformedLine> {
    let line: TipsLine<Vec<Tip>> = serde_json::from_slice(line).map_err(|e| malformed(e.to_string()))?;
    Ok(line.tips)
}
