//! What is stored of tokens, sessions and revocations, and under which keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::id::{SessionId, Subject, TargetName, TokenId};
use countersign_common::{Digest, Principal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Also;

/// Where tokens stand: `/cs/tokens/<SHA-256 of the token>`.
pub(crate) const TOKENS: &str = "/cs/tokens/";

/// Where sessions stand: `/cs/sessions/<bucket>/<id>`.
pub(crate) const SESSIONS: &str = "/cs/sessions/";

/// Which session a token has at a target: `/cs/session-of/<token id>/<target>`.
const SESSION_OF: &str = "/cs/session-of/";

/// Where the stop button of a subject stands: `/cs/revocations/<subject>`.
pub(crate) const REVOCATIONS: &str = "/cs/revocations/";

/// An issued token, as stored: its hash is in the key, the token itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name.
    pub id: TokenId,
    /// Whom it stands for.
    pub principal: Arc<Principal>,
    /// The only target it opens; `None`: every target.
    #[serde(default)]
    pub target: Option<TargetName>,
    /// Who issued it.
    pub issued_by: Subject,
    /// Who issued the token with which it was issued, and so on up to the first. None of them, nor the issuer, can have a
    /// request of theirs decided with it (I4).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub issuers: BTreeSet<Subject>,
    /// When.
    pub issued_at: Timestamp,
    /// From when on it is not accepted any more.
    pub expires_at: Timestamp,
    /// Since when, and why, it is not accepted although it has not expired.
    #[serde(default)]
    pub revoked: Option<Mark>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

impl Token {
    /// Everybody who had a part in issuing it.
    #[must_use]
    pub fn all_issuers(&self) -> BTreeSet<Subject> {
        self.issuers.iter().chain([&self.issued_by]).cloned().collect()
    }
}

/// One run of one principal against one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its id. The same token at the same target is the same session, on every connection and node.
    pub id: SessionId,
    /// The token that opened it.
    pub token: TokenId,
    /// The hash under which that token stands, so that a node that does not know it can look it up. `None`
    /// in records from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<Digest>,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// Where.
    pub target: TargetName,
    /// When it was first opened.
    pub opened_at: Timestamp,
    /// When it ends by itself: when its token expires.
    pub expires_at: Timestamp,
    /// Since when, and why, it has ended before that.
    #[serde(default)]
    pub revoked: Option<Mark>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Subject,
    /// Why.
    pub reason: String,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

/// The key of the token with this hash.
pub(super) fn token_key(hash: &Digest) -> String {
    format!("{TOKENS}{hash}")
}

/// The hash in a token's key.
pub(super) fn token_hash(key: &str) -> Option<Digest> {
    key.strip_prefix(TOKENS)?.parse().ok()
}

/// The key of a session. The bucket spreads them evenly over 256 ranges.
pub(super) fn session_key(id: SessionId) -> String {
    format!("{SESSIONS}{}/{id}", crate::bucket(&id.to_bytes()))
}

/// The key that says which session a token has at a target.
pub(super) fn session_of_key(token: TokenId, target: &TargetName) -> String {
    format!("{SESSION_OF}{token}/{target}")
}

/// The key of the stop button of a subject.
pub(super) fn revocation_key(subject: &Subject) -> String {
    format!("{REVOCATIONS}{subject}")
}
