//! What is stored of a catalogue: a small record by its digest, and beside it, in chunks, its content.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_common::facts_basis::CatalogueStanding;
use countersign_common::id::{AttemptId, TargetName};
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use super::Claim;
use crate::Also;

/// Where the records stand: `/cs/catalogues/known/<digest>`.
pub(super) const KNOWN: &str = "/cs/catalogues/known/";

/// Where the contents stand: `/cs/catalogues/content/<digest>/<attempt>/<chunk>`.
const CONTENT: &str = "/cs/catalogues/content/";

/// For how long the word of another gateway counts: definitions change, and an old catalogue says what was true once.
const WORD_COUNTS_FOR: Duration = Duration::from_secs(3600);

/// How exactly it is noted when a gateway last said so.
const NOTED_EVERY: Duration = Duration::from_secs(900);

/// So many gateways are noted to have read one; more say nothing more.
const GATEWAYS_MAX: usize = 8;

/// A catalogue, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// Which attempt stored the content.
    pub(super) attempt: AttemptId,
    /// The target.
    pub(super) target: TargetName,
    /// The database.
    pub(super) database: String,
    /// How many bytes of content are stored.
    pub(super) bytes: usize,
    /// The gateway that uploaded it.
    pub(super) by: String,
    /// The gateways that have read the same, and when they last said so, to a quarter of an hour.
    pub(super) gateways: BTreeMap<String, Timestamp>,
    /// When a command was last held by it, to a quarter of an hour.
    pub(super) used_at: Timestamp,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub(super) also: Also,
}

impl Known {
    pub(super) fn new(claim: &Claim<'_>, bytes: usize, now: Timestamp) -> Self {
        Self {
            attempt: AttemptId::generate(),
            target: claim.target.clone(),
            database: claim.database.to_owned(),
            bytes,
            by: claim.gateway.to_owned(),
            gateways: [(claim.gateway.to_owned(), now)].into(),
            used_at: now,
            also: Also::default(),
        }
    }

    /// Who vouches for it, besides the gateway that asks.
    pub(super) fn standing(&self, gateway: &str, now: Timestamp) -> CatalogueStanding {
        let mut others = self.gateways.iter().filter(|(other, _)| other.as_str() != gateway);
        match others.any(|(_, said)| now < said.after(WORD_COUNTS_FOR)) {
            true => CatalogueStanding::Agreed,
            false => CatalogueStanding::Claimed,
        }
    }

    /// The record after a gateway has named it; `None`: nothing is new.
    pub(super) fn noting(&self, gateway: &str, now: Timestamp) -> Option<Self> {
        let is_due = |said: &Timestamp| now >= said.after(NOTED_EVERY);
        if self.gateways.get(gateway).is_some_and(|said| !is_due(said)) {
            return None;
        }
        let mut noted = self.clone();
        if noted.gateways.len() >= GATEWAYS_MAX {
            // Whose word is the oldest counts least.
            let oldest = noted.gateways.iter().min_by_key(|(_, said)| **said).map(|(one, _)| one.clone());
            oldest.map(|oldest| noted.gateways.remove(&oldest));
        }
        noted.gateways.insert(gateway.to_owned(), now);
        noted.used_at = noted.used_at.max(now);
        Some(noted)
    }
}

pub(super) fn known_key(digest: &Digest) -> String {
    format!("{KNOWN}{digest}")
}

/// The catalogue of such a key.
pub(super) fn digest_of(key: &str) -> Option<Digest> {
    key.strip_prefix(KNOWN)?.parse().ok()
}

pub(super) fn content_prefix(digest: &Digest, attempt: AttemptId) -> String {
    format!("{CONTENT}{digest}/{attempt}/")
}
