//! Reading from the store what another node wrote a moment ago, and memory may not know yet.

use std::collections::BTreeSet;

use countersign_common::Digest;
use countersign_common::id::{SessionId, Subject};

use super::record;
use super::{Session, Sessions};
use crate::store::{Change, Revision, StoreError, Transaction, WRITES_MAX};

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

    /// With the conditions that a session, its token, the stop buttons of `involved` and the live tokens of `voters` stand in
    /// the store as memory has them. `None`: memory does not have all of it, or there are too many for one transaction.
    pub(crate) fn still(
        &self,
        transaction: Transaction,
        session: SessionId,
        involved: &BTreeSet<Subject>,
        voters: &BTreeSet<Subject>,
    ) -> Option<Transaction> {
        let (index, now) = (self.index.read(), self.clock.now());
        let tokens = voters.iter().flat_map(|subject| index.tokens_of(subject));
        let live = tokens.filter(|token| token.revoked.is_none() && now < token.expires_at);
        let votes: Vec<(Digest, Revision)> = live
            .filter_map(|token| index.token_by_id(token.id))
            .filter_map(|(hash, _)| Some((*hash, index.token_at(hash)?)))
            .collect();
        if involved.len() + votes.len() > WRITES_MAX / 2 {
            return None;
        }
        let (session_at, known) = index.session_at(session)?;
        let hash = known.token_hash.or_else(|| index.token_by_id(known.token).map(|(hash, _)| *hash))?;
        let still = transaction
            .if_modified(record::session_key(session), session_at)
            .if_modified(record::token_key(&hash), index.token_at(&hash)?);
        let still =
            votes.iter().fold(still, |still, (hash, at)| still.if_modified(record::token_key(hash), *at));
        Some(involved.iter().fold(still, |still, subject| {
            let key = record::revocation_key(subject);
            match index.stopped_at(subject) {
                Some(at) => still.if_modified(key, at),
                None => still.if_absent(key),
            }
        }))
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
