//! Masking of one value.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use bytes::{BufMut as _, BytesMut};
use countersign_common::Secret;
use countersign_common::verdict::MaskAction;

/// Text that replaces a redacted value.
pub(crate) const REDACTED: &[u8] = b"[redacted]";

/// Key of hashed values. Equal values have equal hashes under one key, so that they can be joined. The holder of the
/// key can guess values and compare hashes.
#[derive(Clone)]
pub struct HashKey(Arc<hmac::Key>);

impl HashKey {
    /// Creates a key from these bytes; use 32 random bytes.
    #[must_use]
    pub fn new(secret: &Secret<Vec<u8>>) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose())))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// Operation on the values of one column.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Keeps the value unchanged.
    Pass,
    /// Replaces the value by a fixed text.
    Redact,
    /// Replaces the value by a fixed text, NULL included: the NULL of a computed value can reveal its sources.
    Replace,
    /// Replaces the value by NULL.
    Null,
    /// Keeps only the last characters.
    Partial { keep: usize },
    /// Replaces the value by a keyed hash.
    Hash(HashKey),
}

/// Kind of the result of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Null,
    Text,
}

impl Operation {
    /// Returns the operation for an action on a column. For a type that does not accept any text, every action means
    /// NULL.
    pub(crate) fn of(action: MaskAction, text_like: bool, key: &HashKey) -> Self {
        match action {
            _ if !text_like => Self::Null,
            MaskAction::Redact => Self::Redact,
            MaskAction::Null => Self::Null,
            MaskAction::Partial { keep } => Self::Partial { keep },
            MaskAction::Hash => Self::Hash(key.clone()),
        }
    }

    pub(crate) const fn passes(&self) -> bool {
        matches!(self, Self::Pass)
    }

    /// Returns the same for a computed value.
    pub(crate) fn of_computed(action: MaskAction, text_like: bool, key: &HashKey) -> Self {
        match Self::of(action, text_like, key) {
            Self::Redact => Self::Replace,
            other => other,
        }
    }

    /// Returns `true` if NULL is replaced as well.
    pub(crate) const fn replaces_null(&self) -> bool {
        matches!(self, Self::Replace)
    }

    /// Returns `true` if the result depends on the value; the whole value is needed then.
    pub(crate) const fn needs_value(&self) -> bool {
        matches!(self, Self::Partial { .. } | Self::Hash(_))
    }

    /// Writes the result for a value that is not NULL. Text has the same bytes in PostgreSQL's text and binary
    /// formats, so the format does not matter here.
    pub(crate) fn apply(&self, value: &[u8], out: &mut BytesMut) -> Outcome {
        match self {
            Self::Pass => out.extend_from_slice(value),
            Self::Redact | Self::Replace => out.extend_from_slice(REDACTED),
            Self::Null => return Outcome::Null,
            Self::Partial { keep } => partial(value, *keep, out),
            Self::Hash(key) => hash(value, key, out),
        }
        Outcome::Text
    }
}

/// Keeps the last characters, but at most half of them. A value that is not UTF-8 is redacted: its characters cannot
/// be separated here.
fn partial(value: &[u8], keep: usize, out: &mut BytesMut) {
    if value.is_ascii() {
        let kept = keep.min(value.len() / 2);
        out.put_bytes(b'*', value.len() - kept);
        return out.extend_from_slice(value.get(value.len() - kept..).unwrap_or_default());
    }
    let Ok(text) = std::str::from_utf8(value) else {
        return out.extend_from_slice(REDACTED);
    };
    let characters = text.chars().count();
    let kept = keep.min(characters / 2);
    out.put_bytes(b'*', characters - kept);
    let tail = text.char_indices().nth(characters - kept).and_then(|(at, _)| text.get(at..));
    out.extend_from_slice(tail.unwrap_or_default().as_bytes());
}

/// Writes the first 16 bytes of the HMAC-SHA-256, in hex.
fn hash(value: &[u8], key: &HashKey, out: &mut BytesMut) {
    let tag = hmac::sign(&key.0, value);
    let half = tag.as_ref().get(..16).unwrap_or_default();
    let mut digits = [0; 32];
    // Cannot fail: each byte has two digits. After a failure the digits would be zeros and tell nothing about the
    // value.
    let _ = hex::encode_to_slice(half, &mut digits);
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(operation: &Operation, value: &str) -> String {
        let mut out = BytesMut::new();
        assert_eq!(operation.apply(value.as_bytes(), &mut out), Outcome::Text);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn partial_keeps_characters_not_bytes_and_never_more_than_half() {
        for (value, keep, expected) in [
            ("4111111111111111", 4, "************1111"),
            ("äöüß", 2, "**üß"),
            ("abc", 4, "**c"),
            ("a", 4, "*"),
            ("", 4, ""),
            ("ab", 0, "**"),
        ] {
            assert_eq!(applied(&Operation::Partial { keep }, value), expected);
        }
    }

    #[test]
    fn partial_of_what_is_not_utf_8_is_redacted() {
        let mut out = BytesMut::new();
        Operation::Partial { keep: 4 }.apply(b"\xff\xfe1234", &mut out);
        assert_eq!(out, REDACTED);
    }

    #[test]
    fn equal_values_hash_equal_within_one_key_only() {
        let key = |byte| Operation::Hash(HashKey::new(&Secret::new(vec![byte; 32])));
        assert_eq!(applied(&key(1), "alice"), applied(&key(1), "alice"));
        assert_ne!(applied(&key(1), "alice"), applied(&key(1), "bob"));
        assert_ne!(applied(&key(1), "alice"), applied(&key(2), "alice"));
        assert_eq!(applied(&key(1), "alice").len(), 32);
    }
}
