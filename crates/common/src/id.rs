//! Names and identifiers. Each is its own type, so that a session id cannot be used as an approval id. Identifiers
//! carry a prefix (`apr_…`) that distinguishes them in logs.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::digest::DigestBuilder;
use crate::{skeleton, visible};

/// Error for a text that is not a valid name or identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text lacks the prefix of its kind.
    #[error("`{text}` is not a {kind} (expected it to start with `{prefix}`)")]
    Prefix {
        /// Expected kind of identifier, in words.
        kind: &'static str,
        /// Prefix that the kind requires.
        prefix: &'static str,
        /// The rejected text, truncated to a bounded length.
        text: String,
    },
    /// The part after the prefix is not a ULID.
    #[error("`{text}` is not a {kind}: the part after the prefix is malformed")]
    Body {
        /// Expected kind of identifier, in words.
        kind: &'static str,
        /// The rejected text, truncated to a bounded length.
        text: String,
    },
    /// A name is empty, too long or contains a forbidden character.
    #[error("`{text}` is not a valid {kind}: use 1 to {NAME_BYTES_MAX} printable characters, no spaces")]
    Name {
        /// Expected kind of name, in words.
        kind: &'static str,
        /// The rejected text, truncated to a bounded length.
        text: String,
    },
}

/// Maximum length of a name, in bytes. Names are part of records that must stay small (1 KiB in the store).
pub const NAME_BYTES_MAX: usize = 128;

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// Generates a new identifier: 48 bits of time, 80 random bits.
            #[must_use]
            pub fn generate() -> Self {
                Self(ulid::Ulid::generate())
            }

            /// Creates an identifier from 128 bits, for tests and for decoding.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(ulid::Ulid(bits))
            }

            /// Returns the 128 bits, as in the canonical encoding of digests.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.0.to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let body = text.strip_prefix($prefix).ok_or_else(|| InvalidId::Prefix {
                    kind: $kind,
                    prefix: $prefix,
                    text: cut(text),
                })?;
                body.parse()
                    .map(Self)
                    .map_err(|_| InvalidId::Body { kind: $kind, text: cut(text) })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Written in one piece: every record has one, and formatting would write it in many.
                serializer.serialize_str(&[$prefix, self.0.array_to_str(&mut [0; ulid::ULID_LEN])].concat())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Returns the name if it is valid.
fn checked(text: &str) -> Option<&str> {
    let fits = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.chars().any(char::is_whitespace)
        && !visible::has_hidden(text);
    fits.then_some(text)
}

/// Returns the name of a person or group in Unicode's compatibility form (NFKC), if it is valid. Different encodings
/// of a name are thereby the same name.
fn normalised(text: &str) -> Option<Cow<'_, str>> {
    if text.is_ascii() {
        return checked(text).map(Cow::Borrowed);
    }
    // Checked before and after: NFKC turns some hidden characters into a space and removes others.
    let name: String = checked(text)?.nfkc().collect();
    checked(&name).is_some().then_some(Cow::Owned(name))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        name!($(#[$doc])* $name, $kind, |text| checked(text).map(Cow::Borrowed));
    };
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and creates a name.
            ///
            /// # Errors
            /// [`InvalidId::Name`] if it is empty, longer than [`NAME_BYTES_MAX`], or has spaces or hidden characters
            /// (see [`visible::has_hidden`]).
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let check: fn(&str) -> Option<Cow<'_, str>> = $check;
                check(text)
                    .map(|name| Self(name.as_ref().into()))
                    .ok_or_else(|| InvalidId::Name { kind: $kind, text: cut(text) })
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

ulid_id!(
    /// One principal's use of one target.
    SessionId, "ses_", "session id"
);
ulid_id!(
    /// One connection of a session; its records form one chain.
    StreamId, "str_", "stream id"
);
/// Number of bytes of a stream id that hold its time and its counter.
const STREAM_OWN_BYTES: usize = 8;

impl StreamId {
    /// Creates the id of a new stream of this gateway incarnation: 48 bits of time, 16 bits of a counter, and a
    /// 64-bit tag. The tag proves that the stream belongs to this incarnation and to no other.
    #[must_use]
    pub fn of(node: NodeId) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let mut bytes = Self::generate().to_bytes();
        let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [_, _, _, _, _, _, high, low, ..] = &mut bytes;
        [*high, *low] = count;
        Self::bound(bytes, node)
    }

    /// Returns `true` if the stream belongs to this gateway incarnation.
    #[must_use]
    pub fn is_of(self, node: NodeId) -> bool {
        Self::bound(self.to_bytes(), node) == self
    }

    fn bound(mut bytes: [u8; 16], node: NodeId) -> Self {
        let (own, tag) = bytes.split_at_mut(STREAM_OWN_BYTES);
        let mut digest = DigestBuilder::new("countersign.stream.v1");
        digest.bytes(&node.to_bytes()).bytes(own);
        tag.iter_mut().zip(digest.finish().as_bytes()).for_each(|(to, from)| *to = *from);
        Self::from_u128(u128::from_be_bytes(bytes))
    }
}

ulid_id!(
    /// The durable record of one held command; shown to clients as the ticket.
    ApprovalId, "apr_", "approval id"
);
ulid_id!(
    /// One command that was judged.
    CommandId, "cmd_", "command id"
);
ulid_id!(
    /// One incarnation of a gateway or control-plane process; a restart creates another.
    NodeId, "nod_", "node id"
);
ulid_id!(
    /// One attempt to write. It tells the attempt's own write from others after an ambiguous error.
    AttemptId, "att_", "attempt id"
);

ulid_id!(
    /// One issued token; identifies the token and is not secret.
    TokenId, "tok_", "token id"
);

name!(
    /// Name of a target. Clients give it as their user name.
    TargetName, "target name"
);
name!(
    /// A verified identity: an OIDC subject, or the subject a token was issued to.
    Subject, "subject", normalised
);
name!(
    /// Name of a group of principals.
    GroupName, "group name", normalised
);

impl Subject {
    /// Returns `true` if a reader may mistake one name for the other. A person counts once, however their name is
    /// spelt.
    #[must_use]
    pub fn passes_for(&self, other: &Self) -> bool {
        skeleton::pass_for_each_other(self.as_str(), other.as_str())
    }
}

name!(
    /// Name of an approval chain.
    ChainName, "chain name"
);
name!(
    /// Name of an environment, such as `production`.
    EnvironmentName, "environment name"
);
name!(
    /// Name of a login role that a target offers, with its own credential.
    RoleName, "role name"
);
name!(
    /// The `@id` of a policy in a bundle.
    PolicyId, "policy id"
);

/// Version of a bundle: the first 16 hex digits of the digest of its files. Equal bundles have equal versions on
/// every node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleVersion(Arc<str>);

impl BundleVersion {
    /// Returns the version of a bundle with this digest.
    #[must_use]
    pub fn of(digest: &crate::Digest) -> Self {
        let hex = digest.to_string();
        Self(hex.get(..16).unwrap_or(&hex).into())
    }

    /// Returns the version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BundleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BundleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for BundleVersion {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Returns the first 64 characters, with hidden ones written out, so that error texts stay short and legible.
fn cut(text: &str) -> String {
    visible::on_one_line(&text.chars().take(64).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_of_the_start_that_began_it_and_of_no_other() {
        let (one, other) = (NodeId::generate(), NodeId::generate());
        let streams: std::collections::BTreeSet<StreamId> = (0..10_000).map(|_| StreamId::of(one)).collect();
        assert_eq!(streams.len(), 10_000, "no two are the same");
        assert!(streams.iter().all(|stream| stream.is_of(one) && !stream.is_of(other)));
        assert!(!StreamId::generate().is_of(one));
    }

    #[test]
    fn an_id_survives_its_text_form() {
        let id = ApprovalId::generate();
        assert_eq!(id.to_string().parse::<ApprovalId>(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let session = SessionId::generate().to_string();
        assert!(matches!(session.parse::<ApprovalId>(), Err(InvalidId::Prefix { .. })));
    }

    #[test]
    fn a_name_with_spaces_or_nothing_in_it_is_refused() {
        assert!(TargetName::new("").is_err());
        assert!(TargetName::new("a b").is_err());
        assert!(TargetName::new("x".repeat(129)).is_err());
        assert!(TargetName::new("shop").is_ok());
    }

    #[test]
    fn a_name_in_which_something_hides_is_refused() {
        for hidden in [
            "\u{200b}",
            "\u{202e}",
            "\u{2800}",
            "\u{ad}",
            "\u{fe0f}",
            "\u{e0041}",
            "\t",
            "\u{3164}",
            "\u{e000}",
        ] {
            let name = format!("al{hidden}ice");
            assert!(Subject::new(&name).is_err(), "{name:?}");
            assert!(GroupName::new(&name).is_err(), "{name:?}");
            assert!(TargetName::new(&name).is_err(), "{name:?}");
            let text = Subject::new(&name).unwrap_err().to_string();
            assert!(text.contains(&visible::on_one_line(&name)), "{text}");
        }
        assert!(Subject::new("a\u{301}\u{302}\u{303}").is_err());
        assert!(Subject::new("DOMAIN\\alice").is_ok());
    }

    #[test]
    fn encodings_of_one_name_are_one_name() {
        assert_eq!(Subject::new("jos\u{e9}"), Subject::new("jose\u{301}"));
        assert_eq!(GroupName::new("\u{ff44}ba"), GroupName::new("dba"));
        // A name that becomes a space or too long under NFKC is invalid.
        assert!(Subject::new("a\u{b4}b").is_err(), "NFKC makes a space and a mark of it");
        assert!(Subject::new("\u{fdfa}".repeat(40)).is_err());
    }
}
