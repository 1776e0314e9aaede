//! The answer of a witness to a checkpoint: its own signature over it.
//!
//! ```json
//! {"v":1,"checkpoint":"<SHA-256 of the checkpoint's line>","at":…,"sig":"…"}
//! ```

use std::io;

use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::line::{MalformedLine, VERSION};
use crate::signing::{PublicKey, SigningKey, signed_body, signed_line};

/// Domain of these signatures; separates them from all others by the same key.
const DOMAIN: &[u8] = b"countersign.witness.v1\n";

/// A witness's statement that it has seen, and keeps, a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosignature {
    v: u32,
    /// SHA-256 of the checkpoint's line.
    pub checkpoint: Digest,
    /// Time at which the witness saw it, by its own clock.
    pub at: Timestamp,
}

impl Cosignature {
    /// Creates the signed line of a statement, without the line feed.
    ///
    /// # Errors
    /// None in practice: digests and numbers always serialise.
    pub fn sign(checkpoint: Digest, at: Timestamp, key: &SigningKey) -> io::Result<Vec<u8>> {
        signed_line(DOMAIN, serde_json::to_vec(&Self { v: VERSION, checkpoint, at })?, key)
    }

    /// Parses a line and checks its signature.
    ///
    /// # Errors
    /// [`MalformedLine`] if the line is not a statement that this key signed.
    pub fn parse(line: &[u8], key: &PublicKey) -> Result<Self, MalformedLine> {
        let body = signed_body(DOMAIN, line, key).map_err(|why| MalformedLine(format!("witness: {why}")))?;
        serde_json::from_slice(&body).map_err(|error| MalformedLine(format!("witness: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_back_and_passes_for_no_other_key() {
        let (key, other) = ([7; 32], [8; 32]);
        let [key, other] = [key, other].map(|seed| SigningKey::from_seed(&seed).unwrap());
        let (digest, at) = (Digest::of(b"a checkpoint"), Timestamp::from_micros(5));
        let line = Cosignature::sign(digest, at, &key).unwrap();
        assert_eq!(Cosignature::parse(&line, &key.public()).unwrap().checkpoint, digest);
        assert!(Cosignature::parse(&line, &other.public()).is_err());
    }
}
