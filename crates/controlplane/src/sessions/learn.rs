//! Reading from the store what another node wrote a moment ago, and memory may not know yet.

use std::collections::BTreeSet;

use countersign_common::Digest;
use countersign_common::id::{SessionId, Subject};

use super::record;
use super::{Session, Sessions};
use crate::store::{Change, StoreError};

/// How many tokens of one person are read at once.
const TOKENS_AT_ONCE: usize = 16;

impl Sessions {
    /// Reads a session, its token and the stop buttons of `involved` from the store into memory.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn look_again(
        &self,
        session: SessionId,
        involved: &BTreeSet<Subject>,
    ) -> Result<(), StoreError> {
        let stops = involved.iter().map(async |subject| self.learn(&record::revocation_key(subject)).await);
        let session = async {
            self.learn(&record::session_key(session)).await?;
            match self.get(session).and_then(|session| self.hash_of(&session)) {
                Some(hash) => self.learn(&record::token_key(&hash)).await,
                None => Ok(()),
            }
        };
        futures::try_join!(futures::future::try_join_all(stops), session).map(drop)
    }

    /// Reads the live tokens of these from the store again, those that memory knows: one may have been revoked.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn look_again_at_tokens(&self, of: &BTreeSet<Subject>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let keys: Vec<String> = {
            let index = self.index.read();
            let tokens = of.iter().flat_map(|subject| index.tokens_of(subject));
            let live = tokens.filter(|token| token.revoked.is_none() && now < token.expires_at);
            live.filter_map(|token| Some(record::token_key(index.token_by_id(token.id)?.0))).collect()
        };
        for batch in keys.chunks(TOKENS_AT_ONCE) {
            futures::future::try_join_all(batch.iter().map(async |key| self.learn(key).await)).await?;
        }
        Ok(())
    }

    /// Reads a token that memory does not know.
    pub(super) async fn learn_token(&self, hash: &Digest) -> Result<(), StoreError> {
        // Anybody may come with made-up tokens; they wait for each other, not for everybody.
        let Ok(_permit) = self.unknown_tokens.acquire().await else { return Ok(()) };
        self.learn(&record::token_key(hash)).await
    }

    async fn learn(&self, key: &str) -> Result<(), StoreError> {
        match self.store.get(key).await? {
            Some(entry) => self.apply(&Change::Put(entry)),
            None => Ok(()),
        }
    }

    fn hash_of(&self, session: &Session) -> Option<Digest> {
        session.token_hash.or_else(|| self.index.read().token_by_id(session.token).map(|(hash, _)| *hash))
    }
}
