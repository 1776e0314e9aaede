//! Taking access back: of a session, of a token, of a subject (the stop button). Each is one write, and
//! holds as soon as it is answered; gateways are told by [`Revocations`].

use std::sync::Arc;

use countersign_common::Timestamp;
use countersign_common::id::{SessionId, Subject, TokenId};
use tokio::sync::broadcast;

use super::record::{self, Mark, Session, Token};
use super::{ATTEMPTS_MAX, Sessions};
use crate::Also;
use crate::store::{Change, Entry, Outcome, StoreError, Transaction};

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One session; its token opens others.
    Session(SessionId),
    /// A token, and all sessions that it opened.
    Token(TokenId),
    /// Everything that a subject has, or that others have on its behalf, up to now. Tokens issued later
    /// are accepted again.
    Subject(Subject),
}

/// What a gateway is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// This session has ended.
    Session(SessionId),
    /// Something may have been missed: check every session with [`Sessions::check`].
    LookAgain,
}

/// Why something was not revoked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RevokeError {
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownSession(SessionId),
    /// There is no such token.
    #[error("there is no token {0}")]
    UnknownToken(TokenId),
    /// It kept changing under our hands.
    #[error("it was changed by others again and again; try again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Revocations as they happen.
#[derive(Debug)]
pub struct Revocations(broadcast::Receiver<Revocation>);

impl Revocations {
    /// The next one. `None`: the control plane has ended.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn next(&mut self) -> Option<Revocation> {
        match self.0.recv().await {
            Ok(revocation) => Some(revocation),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Revocation::LookAgain),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Sessions {
    /// Tells of every session that ends by revocation from now on.
    #[must_use]
    pub fn watch_revocations(&self) -> Revocations {
        Revocations(self.revocations.subscribe())
    }

    /// Takes access back. When it returns, nothing of it is accepted here any more. What is already
    /// revoked stays as it was.
    ///
    /// # Errors
    /// When there is no such session or token, or the store fails.
    pub async fn revoke(&self, what: &What, by: &Subject, reason: &str) -> Result<(), RevokeError> {
        self.revoke_since(self.clock.now(), what, by, reason).await
    }

    /// The same, for what the control plane knows to have happened before: `seen` is the time of that, by whichever
    /// clock. The clocks of nodes differ, and what was there is stopped all the same.
    pub(crate) async fn revoke_since(
        &self,
        seen: Timestamp,
        what: &What,
        by: &Subject,
        reason: &str,
    ) -> Result<(), RevokeError> {
        let issued = match what {
            What::Subject(subject) => self.index.read().newest_token_of(subject),
            What::Session(_) | What::Token(_) => None,
        };
        let at = self.clock.now().max(seen).max(issued.unwrap_or(seen));
        let mark = Mark { at, by: by.clone(), reason: cut(reason), also: Also::default() };
        for _ in 0..ATTEMPTS_MAX {
            let Some(transaction) = self.revoking(what, &mark).await? else { return Ok(()) };
            match self.write(transaction).await {
                Ok(Outcome::Committed(_)) => return Ok(()),
                // After an ambiguous error the next round finds it done, or does it.
                Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RevokeError::Contended)
    }

    /// The write that revokes; `None` when it is revoked already.
    async fn revoking(&self, what: &What, mark: &Mark) -> Result<Option<Transaction>, RevokeError> {
        let (key, value) = match what {
            What::Session(id) => {
                let key = record::session_key(*id);
                let entry = self.store.get(&key).await?.ok_or(RevokeError::UnknownSession(*id))?;
                let session: Session = crate::decode(&entry)?;
                if session.revoked.is_some() {
                    self.apply(&Change::Put(entry))?;
                    return Ok(None);
                }
                let revoked = crate::encode(&Session { revoked: Some(mark.clone()), ..session });
                return Ok(Some(rewriting(&entry, revoked)));
            }
            What::Token(id) => {
                let hash = self.index.read().token_by_id(*id).map(|(hash, _)| *hash);
                let key = record::token_key(&hash.ok_or(RevokeError::UnknownToken(*id))?);
                let entry = self.store.get(&key).await?.ok_or(RevokeError::UnknownToken(*id))?;
                let token: Token = crate::decode(&entry)?;
                if token.revoked.is_some() {
                    self.apply(&Change::Put(entry))?;
                    return Ok(None);
                }
                let revoked = crate::encode(&Token { revoked: Some(mark.clone()), ..token });
                return Ok(Some(rewriting(&entry, revoked)));
            }
            What::Subject(subject) => (record::revocation_key(subject), crate::encode(mark)),
        };
        Ok(Some(Transaction::new().put(key, value)))
    }

    /// Tells gateways which sessions a change has ended.
    pub(super) fn announce_ended(&self, change: &Change) {
        let index = self.index.read();
        let ended = |session: &&Arc<Session>| match change {
            Change::Put(entry) if entry.key.starts_with(record::SESSIONS) => {
                entry.key.ends_with(&session.id.to_string())
            }
            // A token or a subject: rare enough to look at every session.
            _ => index.mark_on_session(session).is_some(),
        };
        for session in index.sessions().filter(ended) {
            // Nobody listens: nothing to tell.
            let _ = self.revocations.send(Revocation::Session(session.id));
        }
    }

    /// Whose votes `what` undoes.
    pub(crate) fn voter_of(&self, what: &What) -> Option<Subject> {
        match what {
            What::Session(_) => None,
            What::Token(id) => {
                self.index.read().token_by_id(*id).map(|(_, token)| token.principal.subject.clone())
            }
            What::Subject(subject) => Some(subject.clone()),
        }
    }

    /// The sessions that `what` ends.
    pub(crate) fn sessions_of(&self, what: &What) -> Vec<SessionId> {
        let index = self.index.read();
        let concerned = |session: &&Arc<Session>| match what {
            What::Session(id) => session.id == *id,
            What::Token(id) => session.token == *id,
            What::Subject(subject) => session.principal.involves(subject),
        };
        index.sessions().filter(concerned).map(|session| session.id).collect()
    }
}

/// The write of a record that goes when the one before it would have gone.
fn rewriting(entry: &Entry, value: Vec<u8>) -> Transaction {
    Transaction::new().if_modified(&entry.key, entry.modified).put_own_under(entry.lease, &entry.key, value)
}

/// At most 256 bytes of a reason: records stay small.
fn cut(reason: &str) -> String {
    let mut end = reason.len().min(256);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default().to_owned()
}
