//! Names and identifiers. Each is its own type, so that a session's id is never taken for an
//! approval's; ids carry a prefix (`apr_…`) that a person can tell apart in a log.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::digest::DigestBuilder;
use crate::{skeleton, visible};

/// Why a text is not a valid name or identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text lacks the prefix of its kind.
    #[error("`{text}` is not a {kind} (expected it to start with `{prefix}`)")]
    Prefix {
        /// What was expected, in words.
        kind: &'static str,
        /// The expected prefix.
        prefix: &'static str,
        /// What was given.
        text: String,
    },
    /// The part after the prefix is not a ULID.
    #[error("`{text}` is not a {kind}: the part after the prefix is malformed")]
    Body {
        /// What was expected, in words.
        kind: &'static str,
        /// What was given.
        text: String,
    },
    /// A name is empty, too long or has a character that names may not have.
    #[error("`{text}` is not a valid {kind}: use 1 to {NAME_BYTES_MAX} printable characters, no spaces")]
    Name {
        /// What was expected, in words.
        kind: &'static str,
        /// What was given, cut to a bounded length.
        text: String,
    },
}

/// The longest name, in bytes. Names stand in records that must stay small (1 KiB in the store).
pub const NAME_BYTES_MAX: usize = 128;

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// A new identifier: 48 bits of time, 80 random bits.
            #[must_use]
            pub fn generate() -> Self {
                Self(ulid::Ulid::generate())
            }

            /// The identifier with these 128 bits; for tests and for decoding.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(ulid::Ulid(bits))
            }

            /// The 128 bits, as in the canonical encoding of digests.
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
                // In one piece: each record has one, and formatting writes it in many.
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

/// A name in the form in which it is kept. `None`: it is not a name.
fn checked(text: &str) -> Option<&str> {
    let fits = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.chars().any(char::is_whitespace)
        && !visible::has_hidden(text);
    fits.then_some(text)
}

/// The name of a person or group: the same, in Unicode's compatibility form (NFKC), so that what is only encoded in another
/// way is the same name.
fn normalised(text: &str) -> Option<Cow<'_, str>> {
    if text.is_ascii() {
        return checked(text).map(Cow::Borrowed);
    }
    // Before and after: some characters that hide are normalised to a space, others away.
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
            /// The name, checked.
            ///
            /// # Errors
            /// When it is empty, longer than [`NAME_BYTES_MAX`], or has spaces or characters that hide
            /// (see [`visible::has_hidden`]).
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let check: fn(&str) -> Option<Cow<'_, str>> = $check;
                check(text)
                    .map(|name| Self(name.as_ref().into()))
                    .ok_or_else(|| InvalidId::Name { kind: $kind, text: cut(text) })
            }

            /// The name as text.
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
    /// One run of one principal against one target.
    SessionId, "ses_", "session id"
);
ulid_id!(
    /// One connection of a session; its records form one chain.
    StreamId, "str_", "stream id"
);
/// Bytes of a stream's id that say when it began, and the how many-th it was.
const STREAM_OWN_BYTES: usize = 8;

impl StreamId {
    /// A new stream of this start of a gateway: 48 bits of time, 16 that count, and 64 by which everybody can tell that it
    /// is this start's, and nobody can take it for another's.
    #[must_use]
    pub fn of(node: NodeId) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let mut bytes = Self::generate().to_bytes();
        let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [_, _, _, _, _, _, high, low, ..] = &mut bytes;
        [*high, *low] = count;
        Self::bound(bytes, node)
    }

    /// Whether it is a stream of this start of a gateway.
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
    /// One judged command.
    CommandId, "cmd_", "command id"
);
ulid_id!(
    /// One start of one process of the fleet; a restart is another incarnation.
    NodeId, "nod_", "node id"
);
ulid_id!(
    /// One attempt to write, so that an ambiguous write can be told from somebody else's.
    AttemptId, "att_", "attempt id"
);

ulid_id!(
    /// One issued token; the name of the token, never the token itself.
    TokenId, "tok_", "token id"
);

name!(
    /// Name of a target, as a client gives it for its user name.
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
    /// Whether a reader takes the two for one: a person counts once, however they spell their name.
    #[must_use]
    pub fn passes_for(&self, other: &Self) -> bool {
        skeleton::pass_for_each_other(self.as_str(), other.as_str())
    }
}

name!(
    /// Name of a chain of approval.
    ChainName, "chain name"
);
name!(
    /// Name of an environment, such as `production`.
    EnvironmentName, "environment name"
);
name!(
    /// Name of a role that a target offers, with a credential of its own.
    RoleName, "role name"
);
name!(
    /// The `@id` of a policy in a bundle.
    PolicyId, "policy id"
);

/// Version of a bundle: the first 16 hex digits of the digest over its files, so that equal bundles
/// have equal versions on every node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleVersion(Arc<str>);

impl BundleVersion {
    /// The version of a bundle with this digest.
    #[must_use]
    pub fn of(digest: &crate::Digest) -> Self {
        let hex = digest.to_string();
        Self(hex.get(..16).unwrap_or(&hex).into())
    }

    /// As text.
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

/// At most the first 64 characters, nothing of them hidden: error texts stay short and legible whatever was given.
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
        // What would become a space, or too long, is no name.
        assert!(Subject::new("a\u{b4}b").is_err(), "NFKC makes a space and a mark of it");
        assert!(Subject::new("\u{fdfa}".repeat(40)).is_err());
    }
}
