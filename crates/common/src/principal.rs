//! Who asks: a verified principal, and on whose behalf.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::DigestBuilder;
use crate::id::{GroupName, Subject};

/// What sort of principal it is. Only humans countersign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person.
    Human,
    /// A program that decides by itself what to send, such as a language-model agent.
    Agent,
    /// A program that sends what its authors wrote.
    Service,
}

impl Kind {
    /// The word used in configuration, records and the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Service => "service",
        }
    }
}

/// A verified principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Who acts.
    pub subject: Subject,
    /// What sort of principal acts.
    pub kind: Kind,
    /// The groups it is in, as its identity provider or token said.
    #[serde(default)]
    pub groups: BTreeSet<GroupName>,
    /// On whose behalf it acts, nearest first (the `act` chain of RFC 8693 read from the actor outwards).
    #[serde(default)]
    pub on_behalf_of: Vec<Subject>,
}

impl Principal {
    /// Everyone in the chain: the actor, then those it acts for.
    pub fn chain(&self) -> impl Iterator<Item = &Subject> {
        std::iter::once(&self.subject).chain(&self.on_behalf_of)
    }

    /// Whether `subject` is the actor or anyone it acts for.
    #[must_use]
    pub fn involves(&self, subject: &Subject) -> bool {
        self.chain().any(|one| one == subject)
    }

    /// Adds the chain to a digest. Groups are left out: they decide eligibility, not meaning.
    pub(crate) fn digest_into(&self, digest: &mut DigestBuilder) {
        digest.text(self.kind.as_str()).text(self.subject.as_str());
        digest.list(self.on_behalf_of.iter().map(|s| s.as_str().as_bytes()));
    }
}
