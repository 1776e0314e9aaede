//! Checkpoints: signed statements of how far the recording had come, so that a tail that was cut off, or
//! a whole stream that was taken out, shows. Whoever keeps the newest one elsewhere (the control plane
//! does) can prove what was there.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use countersign_common::id::StreamId;
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::checkpoint_files;
use crate::line::{MalformedLine, NO_PREVIOUS, VERSION};
use crate::segment::SegmentPoint;

/// How large the file that is written grows before it becomes a piece. Some hours of work.
const PIECE_BYTES: u64 = 16 << 20;

/// Separates these signatures from all others by the same key.
const DOMAIN: &[u8] = b"countersign.checkpoint.v1\n";

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
}

/// Takes tips to where they are kept. Called by the journal's own thread, at least once a second while
/// something is recorded, and when it is closed; may block.
pub trait CheckpointSink: Send {
    /// Keeps these tips.
    ///
    /// # Errors
    /// When they cannot be kept; the journal then takes no more records (I8).
    fn keep(&mut self, tips: &Tips) -> io::Result<()>;
}

/// A signed statement of how far the recording had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Version of the format.
    pub v: u32,
    /// Its place among the checkpoints, from 0.
    pub seq: u64,
    /// SHA-256 of the checkpoint's line before, signature included.
    pub prev: Digest,
    /// When.
    pub at: Timestamp,
    /// The segments, up to here.
    pub point: SegmentPoint,
    /// Whether the journal was closed in order.
    pub closed: bool,
    /// The streams that moved since the checkpoint before.
    pub tips: Vec<Tip>,
}

impl Checkpoint {
    /// Its line, signed, without the line feed.
    fn sign(&self, key: &SigningKey) -> io::Result<Vec<u8>> {
        signed_line(DOMAIN, serde_json::to_vec(self)?, key)
    }

    /// Reads a line and checks its signature.
    ///
    /// # Errors
    /// When the line is not a checkpoint that this key signed.
    pub fn parse(line: &[u8], key: &PublicKey) -> Result<Self, MalformedLine> {
        let malformed = |what: &str| MalformedLine(format!("checkpoint: {what}"));
        let body = signed_body(DOMAIN, line, key).map_err(malformed)?;
        let checkpoint: Self = serde_json::from_slice(&body).map_err(|e| malformed(&e.to_string()))?;
        if checkpoint.v == VERSION { Ok(checkpoint) } else { Err(malformed("unknown version")) }
    }
}

/// The line of a JSON object with our signature as its last field. The domain keeps what is signed for one purpose from being
/// taken for another.
pub(crate) fn signed_line(domain: &[u8], mut body: Vec<u8>, key: &SigningKey) -> io::Result<Vec<u8>> {
    let signature = hex::encode(key.sign(domain, &body));
    body.pop();
    write!(body, ",\"sig\":\"{signature}\"}}")?;
    Ok(body)
}

/// The object of such a line without its signature, if that is by this key; else what is wrong.
pub(crate) fn signed_body(domain: &[u8], line: &[u8], key: &PublicKey) -> Result<Vec<u8>, &'static str> {
    // `,"sig":"`, 128 digits, `"}`.
    const SUFFIX_BYTES: usize = 8 + 128 + 2;
    let split = line.len().checked_sub(SUFFIX_BYTES).ok_or("too short")?;
    let (body, suffix) = line.split_at(split);
    let digits = suffix
        .strip_prefix(b",\"sig\":\"")
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .filter(|digits| !digits.iter().any(u8::is_ascii_uppercase))
        .ok_or("no signature")?;
    let signature = hex::decode(digits).map_err(|_| "no signature")?;
    let body = [body, b"}"].concat();
    match key.verifies(domain, &body, &signature) {
        true => Ok(body),
        false => Err("the signature is not by this key, or the line was changed"),
    }
}

/// Keeps checkpoints, signed, in `checkpoints.jsonl` beside the segments, and cuts that into pieces, so that what is
/// archived need not stay.
#[derive(Debug)]
pub struct CheckpointFile {
    dir: PathBuf,
    file: File,
    /// Where in all checkpoints the file begins, and how many bytes it has.
    begin: u64,
    bytes: u64,
    piece_bytes: u64,
    key: SigningKey,
    next_seq: u64,
    prev: Digest,
}

impl CheckpointFile {
    /// Opens the file in `dir`, or creates it. A last line that was only half written is cut.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(dir: &Path, key: SigningKey) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut file = open_active(dir)?;
        let newest = checkpoint_files::pieces(dir)?.pop();
        let mut end = End { next_seq: 0, prev: NO_PREVIOUS, bytes: 0 };
        let mut begin = 0;
        if let Some(offset) = newest {
            let piece = dir.join(checkpoint_files::piece_name(offset));
            end = End::of(&File::open(piece)?, end)?;
            begin = offset + end.bytes;
        }
        let End { next_seq, prev, bytes } = End::of(&file, End { bytes: 0, ..end })?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0))?;
        let dir = dir.to_owned();
        Ok(Self { dir, file, begin, bytes, piece_bytes: PIECE_BYTES, key, next_seq, prev })
    }

    /// The same with pieces of another size, in bytes.
    #[must_use]
    pub fn in_pieces_of(self, piece_bytes: u64) -> Self {
        Self { piece_bytes, ..self }
    }

    /// What was written becomes a piece, and another file is begun. Whatever dies in between finds one or the other.
    fn cut(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let piece = self.dir.join(checkpoint_files::piece_name(self.begin));
        std::fs::rename(self.dir.join(checkpoint_files::ACTIVE), piece)?;
        self.file = open_active(&self.dir)?;
        File::open(&self.dir)?.sync_all()?;
        self.begin += self.bytes;
        self.bytes = 0;
        Ok(())
    }
}

fn open_active(dir: &Path) -> io::Result<File> {
    let path = dir.join(checkpoint_files::ACTIVE);
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Where the checkpoints of a file end.
struct End {
    next_seq: u64,
    prev: Digest,
    /// Of its whole lines.
    bytes: u64,
}

impl End {
    /// Of a file that goes on after these. The last line says its own number: those before it may be gone.
    fn of(file: &File, before: Self) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Numbered {
            seq: u64,
        }
        let (mut end, mut last) = (before, None);
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            end.bytes += line.len() as u64;
            end.prev = Digest::of(text);
            last = Some(std::mem::take(&mut line));
        }
        if let Some(last) = last {
            let Numbered { seq } = serde_json::from_slice(&last)?;
            end.next_seq = seq + 1;
        }
        Ok(end)
    }
}

impl CheckpointSink for CheckpointFile {
    fn keep(&mut self, tips: &Tips) -> io::Result<()> {
        let checkpoint = Checkpoint {
            v: VERSION,
            seq: self.next_seq,
            prev: self.prev,
            at: tips.at,
            point: tips.point,
            closed: tips.closed,
            tips: tips.changed.clone(),
        };
        let mut line = checkpoint.sign(&self.key)?;
        self.prev = Digest::of(&line);
        self.next_seq += 1;
        line.push(b'\n');
        if self.bytes >= self.piece_bytes {
            self.cut()?;
        }
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        // The segments are synced before a checkpoint speaks of them, never after; so losing the last
        // checkpoints with the power makes the covered part shorter and nothing untrue.
        if tips.closed { self.file.sync_data() } else { Ok(()) }
    }
}

/// The Ed25519 key that signs checkpoints. Keep it where those who can write recordings cannot read it,
/// as far as that is possible.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key from a file (its 32-byte seed as 64 hex digits), or makes a new one there, readable
    /// by its owner only.
    ///
    /// # Errors
    /// When the file cannot be read or written, is readable by others, or holds no key.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::load(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    fn load(mut file: File) -> io::Result<Self> {
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            let why = "the signing key is readable by others; set its mode to 0600";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), seed.as_mut_slice()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "the signing key is not 64 hex digits")
        })?;
        Self::from_seed(&seed)
    }

    fn create(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut seed = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| io::Error::other("no randomness"))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(*seed)));
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Self::from_seed(&seed)
    }

    /// The key with this seed.
    ///
    /// # Errors
    /// When the seed is refused by the cryptographic library.
    pub fn from_seed(seed: &[u8; 32]) -> io::Result<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|e| io::Error::other(e.to_string()))
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        use aws_lc_rs::signature::KeyPair as _;
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    fn sign(&self, domain: &[u8], message: &[u8]) -> Vec<u8> {
        self.0.sign(&[domain, message].concat()).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public {})", self.public())
    }
}

/// The public half of a [`SigningKey`]; as text 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    fn verifies(&self, domain: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&[domain, message].concat(), signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| InvalidKey)?;
        Ok(Self(bytes))
    }
}

/// The text is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 hex digits")]
pub struct InvalidKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_for_its_owner_only_and_is_the_same_when_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/checkpoint.key");
        let key = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::load_or_create(&path).unwrap().public(), key.public());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(SigningKey::load_or_create(&path).is_err());
    }

    #[test]
    fn a_public_key_survives_its_text_form() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap().public();
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}
