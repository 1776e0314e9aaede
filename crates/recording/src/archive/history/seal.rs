//! The seal of a page: its digest, signed. Put once; if two nodes put the same page, one of them seals it.

use countersign_common::Digest;
use serde::{Deserialize, Serialize};

use super::{Chapter, Day, Page};
use crate::archive::{ArchiveStore, ArchiveStoreError};
use crate::line::VERSION;
use crate::signing::{PublicKey, SigningKey, signed_body, signed_line};

/// Prefix of the line when it is signed.
const DOMAIN: &[u8] = b"countersign.history.v1\n";

/// File name suffix of a seal.
pub(super) const SUFFIX: &str = ".seal.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seal {
    v: u32,
    installation: String,
    chapter: String,
    page: u64,
    digest: Digest,
}

impl Seal {
    pub(super) fn of(chapter: &Chapter, page: u64, digest: Digest) -> Self {
        let Chapter { installation, name } = chapter.clone();
        Self { v: VERSION, installation, chapter: name, page, digest }
    }

    fn sign(&self, key: &SigningKey) -> std::io::Result<Vec<u8>> {
        signed_line(DOMAIN, serde_json::to_vec(self)?, key)
    }

    /// Returns `true` if the line is this seal, signed by one of these keys.
    pub(super) fn is_in(&self, line: &[u8], keys: &[PublicKey]) -> bool {
        let said = keys.iter().find_map(|key| signed_body(DOMAIN, line, key).ok());
        said.is_some_and(|said| serde_json::to_vec(self).is_ok_and(|own| own == said))
    }
}

impl ArchiveStore {
    /// Seals a page in the archive unless it is already sealed.
    ///
    /// # Errors
    /// Fails if the archive does not answer.
    ///
    /// # Cancel safety
    /// Cancel safe: a repeated call completes the work.
    pub async fn seal_page(
        &self,
        chapter: &Chapter,
        page: &Page,
        key: &SigningKey,
    ) -> Result<(), ArchiveStoreError> {
        let line = Seal::of(chapter, page.number, page.digest(chapter)?).sign(key)?;
        self.put(&chapter.seal_key(&page.day, page.number), line.into()).await.map(drop)
    }
}

impl Chapter {
    fn seal_key(&self, day: &Day, number: u64) -> object_store::path::Path {
        self.of_day(day).join(format!("{number:010}{SUFFIX}"))
    }
}
