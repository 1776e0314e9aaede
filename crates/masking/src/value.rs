//! What becomes of one value.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use bytes::{BufMut as _, BytesMut};
use countersign_common::Secret;
use countersign_common::verdict::MaskAction;

/// What stands in place of redacted text.
pub(crate) const REDACTED: &[u8] = b"[redacted]";

/// The key of hashed values. Equal values stay equal within one key, so that they can be joined; who has
/// the key can try values.
#[derive(Clone)]
pub struct HashKey(Arc<hmac::Key>);

impl HashKey {
    /// The key with these bytes; 32 random ones are right.
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

/// What is done to the values of one column.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// They pass as they are.
    Pass,
    /// They become a fixed text.
    Redact,
    /// All become a fixed text, NULL too: whether a computed value is NULL can tell its sources.
    Replace,
    /// They become NULL.
    Null,
    /// The last characters stay.
    Partial { keep: usize },
    /// They become a keyed hash.
    Hash(HashKey),
}

/// What a value has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Null,
    Text,
}

impl Operation {
    /// What an action means for a column. Where the type has no room for text, every action means NULL.
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

    /// The same for a computed value.
    pub(crate) fn of_computed(action: MaskAction, text_like: bool, key: &HashKey) -> Self {
        match Self::of(action, text_like, key) {
            Self::Redact => Self::Replace,
            other => other,
        }
    }

    /// Whether NULL does not stay NULL.
    pub(crate) const fn replaces_null(&self) -> bool {
        matches!(self, Self::Replace)
    }

    /// Whether the outcome depends on the value, so that the value has to be there whole.
    pub(crate) const fn needs_value(&self) -> bool {
        matches!(self, Self::Partial { .. } | Self::Hash(_))
    }

    /// Writes what becomes of a value that is not NULL. Text is the same bytes in PostgreSQL's text and
    /// binary formats, so the format does not matter here.
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

/// Keeps the last characters, never more than half of them. What is not UTF-8 is redacted: its
/// characters cannot be told apart here.
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

/// HMAC-SHA-256, its first 16 bytes as hex.
fn hash(value: &[u8], key: &HashKey, out: &mut BytesMut) {
    let tag = hmac::sign(&key.0, value);
    let half = tag.as_ref().get(..16).unwrap_or_default();
    let mut digits = [0; 32];
    // Two digits a byte: it fits. If it did not, zeros would stand there, and nothing of the value.
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
