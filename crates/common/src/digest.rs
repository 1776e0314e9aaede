//! SHA-256 over a canonical encoding, for the digests that approvals bind and that link records.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{self, Context, SHA256};
use serde::{Deserialize, Serialize};

/// A SHA-256 digest of 32 bytes; as text 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps the 32 bytes of a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Computes the plain SHA-256 of the bytes, without a domain.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        // One-shot, because a context would be allocated and freed for every record.
        Self::from_slice(digest::digest(&SHA256, bytes).as_ref())
    }

    fn digits<'b>(&self, buffer: &'b mut [u8; 64]) -> &'b str {
        // Cannot fail: the buffer holds two digits per byte, and digits are UTF-8.
        let _ = hex::encode_to_slice(self.0, buffer);
        std::str::from_utf8(buffer).unwrap_or_default()
    }

    fn from_slice(digest: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest);
        Self(bytes)
    }

    fn finish(context: Context) -> Self {
        Self::from_slice(context.finish().as_ref())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits(&mut [0; 64]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.digits(&mut [0; 64]))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Error for a text that is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hex digits")]
pub struct InvalidDigest;

/// Builds a digest field by field. The encoding is canonical: first a domain, then each field as its length (8 bytes,
/// big-endian) and its bytes, and each list as its count and its items. Different sequences of fields therefore have
/// different encodings.
pub struct DigestBuilder(Context);

impl fmt::Debug for DigestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestBuilder")
    }
}

impl DigestBuilder {
    /// Starts a digest in its own domain, such as `countersign.command.v1`.
    #[must_use]
    pub fn new(domain: &'static str) -> Self {
        let mut builder = Self(Context::new(&SHA256));
        builder.bytes(domain.as_bytes());
        builder
    }

    /// Adds a field of bytes.
    pub fn bytes(&mut self, field: &[u8]) -> &mut Self {
        self.number(field.len() as u64);
        self.0.update(field);
        self
    }

    /// Adds a field of text.
    pub fn text(&mut self, field: &str) -> &mut Self {
        self.bytes(field.as_bytes())
    }

    /// Adds a number, without a length.
    pub fn number(&mut self, field: u64) -> &mut Self {
        self.0.update(&field.to_be_bytes());
        self
    }

    /// Adds an optional field; a missing field differs from an empty one.
    pub fn optional(&mut self, field: Option<&[u8]>) -> &mut Self {
        match field {
            None => self.number(0),
            Some(bytes) => self.number(1).bytes(bytes),
        }
    }

    /// Adds a list of fields.
    pub fn list<'a>(&mut self, fields: impl ExactSizeIterator<Item = &'a [u8]>) -> &mut Self {
        self.number(fields.len() as u64);
        for field in fields {
            self.bytes(field);
        }
        self
    }

    /// Adds a piece of a last field that arrives in pieces. The division into pieces does not change the digest. The
    /// number of bytes must follow as the end.
    pub fn piece(&mut self, piece: &[u8]) -> &mut Self {
        self.0.update(piece);
        self
    }

    /// Returns the digest of all fields so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::finish(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
        let digest = |fields: &[&str]| {
            let mut builder = DigestBuilder::new("test");
            for field in fields {
                builder.text(field);
            }
            builder.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a"]), digest(&["a", ""]));
    }

    #[test]
    fn a_missing_field_differs_from_an_empty_one() {
        let digest = |field: Option<&[u8]>| {
            let mut builder = DigestBuilder::new("test");
            builder.optional(field);
            builder.finish()
        };
        assert_ne!(digest(None), digest(Some(b"")));
    }

    #[test]
    fn sha_256_agrees_with_its_test_vector() {
        // Test vector of FIPS 180-4 for "abc".
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
