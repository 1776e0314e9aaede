//! The requester of a command: a verified principal and its delegation chain.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::DigestBuilder;
use crate::id::{GroupName, Subject};

/// Kind of a principal. Only humans can approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person, authenticated as themselves.
    Human,
    /// A program that decides on its own what to send, such as a language-model agent.
    Agent,
    /// A program that sends what its authors wrote.
    Service,
}

impl Kind {
    /// Name of the kind in configuration, records and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Service => "service",
        }
    }
}

/// A verified principal with its delegation chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Identity of the actor.
    pub subject: Subject,
    /// Kind of the actor; only humans can approve.
    pub kind: Kind,
    /// Groups of the actor, as given by its identity provider or token.
    #[serde(default)]
    pub groups: BTreeSet<GroupName>,
    /// Subjects the actor acts for, nearest first (the `act` chain of RFC 8693 read from the actor outwards).
    #[serde(default)]
    pub on_behalf_of: Vec<Subject>,
}

impl Principal {
    /// Iterates over the chain: the actor, then those it acts for.
    pub fn chain(&self) -> impl Iterator<Item = &Subject> {
        std::iter::once(&self.subject).chain(&self.on_behalf_of)
    }

    /// Returns `true` if `subject` is the actor or anyone it acts for.
    #[must_use]
    pub fn involves(&self, subject: &Subject) -> bool {
        self.chain().any(|one| one == subject)
    }

    /// Adds the chain to a digest. Groups are left out, because they determine eligibility and not the meaning of a
    /// command.
    pub(crate) fn digest_into(&self, digest: &mut DigestBuilder) {
        digest.text(self.kind.as_str()).text(self.subject.as_str());
        digest.list(self.on_behalf_of.iter().map(|s| s.as_str().as_bytes()));
    }
}
