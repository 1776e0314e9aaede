//! All tokens and sessions in memory, so that a login costs a few look-ups: rebuilt from the store at
//! the start, kept by its changes. Applying the same change twice, or an older one late, changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_common::id::{SessionId, Subject, TargetName, TokenId};
use countersign_common::{Digest, Principal, Timestamp};

use super::record::{self, Mark, Session, Token};
use crate::Also;
use crate::store::{Change, Entry, Revision, StoreError};

/// Something, and when it was last written.
type At<T> = (Revision, T);

/// The last moment that every reader can show: the end of the year 9999.
const END_OF_TIME: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

/// All tokens and sessions.
#[derive(Debug, Default)]
pub(super) struct Index {
    tokens: HashMap<Digest, At<Arc<Token>>>,
    token_hashes: HashMap<TokenId, Digest>,
    tokens_of: HashMap<Subject, Vec<TokenId>>,
    sessions: BTreeMap<SessionId, At<Arc<Session>>>,
    session_of: HashMap<(TokenId, TargetName), SessionId>,
    stopped: HashMap<Subject, At<Mark>>,
    /// Tokens whose newest record cannot be read here: it may say that they were revoked.
    unreadable: HashMap<Digest, Revision>,
}

impl Index {
    /// Takes a change over. `Ok(true)`: somebody may have lost their access by it.
    ///
    /// # Errors
    /// When the record cannot be read. Whoever it is about has lost their access then.
    pub(super) fn apply(&mut self, change: &Change) -> Result<bool, StoreError> {
        match change {
            Change::Put(entry) if entry.key.starts_with(record::TOKENS) => self.put_token(entry),
            Change::Put(entry) if entry.key.starts_with(record::SESSIONS) => self.put_session(entry),
            Change::Put(entry) if entry.key.starts_with(record::REVOCATIONS) => self.put_stop(entry),
            Change::Put(_) => Ok(false),
            Change::Deleted { key, revision } => {
                self.delete(key, *revision);
                Ok(false)
            }
        }
    }

    fn put_token(&mut self, entry: &Entry) -> Result<bool, StoreError> {
        let hash =
            record::token_hash(&entry.key).ok_or_else(|| crate::bad_value(entry, "not a token's key"))?;
        if self.tokens.get(&hash).is_some_and(|(known, _)| *known >= entry.modified) {
            return Ok(false);
        }
        let token: Token = crate::decode(entry).inspect_err(|_| self.withhold_token(hash, entry.modified))?;
        self.unreadable.remove(&hash);
        if self.token_hashes.insert(token.id, hash).is_none() {
            self.tokens_of.entry(token.principal.subject.clone()).or_default().push(token.id);
        }
        let revoked = token.revoked.is_some();
        self.tokens.insert(hash, (entry.modified, Arc::new(token)));
        Ok(revoked)
    }

    /// INVARIANT: I3, I8. Fail closed: what this version cannot read may take access back.
    fn withhold_token(&mut self, hash: Digest, at: Revision) {
        self.unreadable.insert(hash, at);
        if let Some((known, token)) = self.tokens.get_mut(&hash) {
            (*known, *token) = (at, Arc::new(Token { revoked: Some(unreadable()), ..Token::clone(token) }));
        }
    }

    /// The same for a session that is known here; one that is not is not accepted anyway.
    fn withhold_session(&mut self, entry: &Entry) {
        let known = session_id(&entry.key).and_then(|id| self.sessions.get_mut(&id));
        if let Some((known, session)) = known.filter(|(known, _)| *known < entry.modified) {
            let withheld = Session { revoked: Some(unreadable()), ..Session::clone(session) };
            (*known, *session) = (entry.modified, Arc::new(withheld));
        }
    }

    fn put_session(&mut self, entry: &Entry) -> Result<bool, StoreError> {
        let session: Session = crate::decode(entry).inspect_err(|_| self.withhold_session(entry))?;
        if self.sessions.get(&session.id).is_some_and(|(known, _)| *known >= entry.modified) {
            return Ok(false);
        }
        let revoked = session.revoked.is_some();
        self.session_of.insert((session.token, session.target.clone()), session.id);
        self.sessions.insert(session.id, (entry.modified, Arc::new(session)));
        Ok(revoked)
    }

    fn put_stop(&mut self, entry: &Entry) -> Result<bool, StoreError> {
        let subject = entry.key.strip_prefix(record::REVOCATIONS).map(Subject::new);
        let Some(Ok(subject)) = subject else {
            return Err(crate::bad_value(entry, "not a subject's key"));
        };
        if self.stopped.get(&subject).is_some_and(|(known, _)| *known >= entry.modified) {
            return Ok(false);
        }
        let mark = crate::decode(entry);
        // Fail closed: that the button was pressed shows by the key alone.
        let stands = mark.clone().unwrap_or_else(|_| unreadable());
        self.stopped.insert(subject, (entry.modified, stands));
        mark.map(|_| true)
    }

    fn delete(&mut self, key: &str, revision: Revision) {
        if let Some(hash) = record::token_hash(key) {
            self.unreadable.remove(&hash);
        }
        if let Some(hash) = record::token_hash(key)
            && self.tokens.get(&hash).is_some_and(|(known, _)| *known < revision)
            && let Some((_, token)) = self.tokens.remove(&hash)
        {
            self.token_hashes.remove(&token.id);
            if let Some(tokens) = self.tokens_of.get_mut(&token.principal.subject) {
                tokens.retain(|id| *id != token.id);
                if tokens.is_empty() {
                    self.tokens_of.remove(&token.principal.subject);
                }
            }
        }
        if let Some(Ok(subject)) = key.strip_prefix(record::REVOCATIONS).map(Subject::new)
            && self.stopped.get(&subject).is_some_and(|(known, _)| *known < revision)
        {
            self.stopped.remove(&subject);
        }
        if let Some(id) = session_id(key)
            && self.sessions.get(&id).is_some_and(|(known, _)| *known < revision)
            && let Some((_, session)) = self.sessions.remove(&id)
        {
            self.session_of.remove(&(session.token, session.target.clone()));
        }
    }

    /// The token with this hash. The hash of 256 random bits tells nothing about other tokens, however
    /// long the look-up takes.
    pub(super) fn token(&self, hash: &Digest) -> Option<&Arc<Token>> {
        self.tokens.get(hash).map(|(_, token)| token)
    }

    /// The hash and record of the token of this name.
    pub(super) fn token_by_id(&self, id: TokenId) -> Option<(&Digest, &Arc<Token>)> {
        let hash = self.token_hashes.get(&id)?;
        Some((hash, self.token(hash)?))
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = (&Digest, &Arc<Token>)> {
        self.tokens.iter().map(|(hash, (_, token))| (hash, token))
    }

    pub(super) fn tokens_of(&self, subject: &Subject) -> impl Iterator<Item = &Arc<Token>> {
        let ids = self.tokens_of.get(subject).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.token_by_id(*id).map(|(_, token)| token))
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Arc<Session>> {
        self.sessions.get(&id).map(|(_, session)| session)
    }

    pub(super) fn session_of(&self, token: TokenId, target: &TargetName) -> Option<&Arc<Session>> {
        // A tuple of references is no key: the clone of a name is an atomic increment.
        self.session(*self.session_of.get(&(token, target.clone()))?)
    }

    /// The session, and when it was last written.
    pub(super) fn session_at(&self, id: SessionId) -> Option<(Revision, &Arc<Session>)> {
        self.sessions.get(&id).map(|(at, session)| (*at, session))
    }

    /// When the token with this hash was last written.
    pub(super) fn token_at(&self, hash: &Digest) -> Option<Revision> {
        self.tokens.get(hash).map(|(at, _)| *at)
    }

    /// When the stop button of a subject was last pressed, by the store's count.
    pub(super) fn stopped_at(&self, subject: &Subject) -> Option<Revision> {
        self.stopped.get(subject).map(|(at, _)| *at)
    }

    /// How many sessions there are.
    pub(super) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// All sessions, oldest first.
    pub(super) fn sessions(&self) -> impl DoubleEndedIterator<Item = &Arc<Session>> {
        self.sessions.values().map(|(_, session)| session)
    }

    /// The stop button of a subject.
    pub(super) fn stopped(&self, subject: &Subject) -> Option<&Mark> {
        self.stopped.get(subject).map(|(_, mark)| mark)
    }

    /// When somebody of a chain was last stopped.
    pub(super) fn newest_stop_of(&self, principal: &Principal) -> Option<Timestamp> {
        let marks = principal.chain().filter_map(|one| self.stopped(one));
        marks.map(|mark| mark.at).filter(|at| *at < END_OF_TIME).max()
    }

    /// When the newest of the tokens was issued that the stop button of a subject stops.
    pub(super) fn newest_token_of(&self, subject: &Subject) -> Option<Timestamp> {
        let tokens = self.tokens().filter(|(_, token)| token.principal.involves(subject));
        tokens.map(|(_, token)| token.issued_at).max()
    }

    /// What has ended a token before its time: its own revocation, or the stop button of anybody in its
    /// chain, pressed since it was issued.
    pub(super) fn mark_on_token(&self, token: &Token) -> Option<Mark> {
        token.revoked.clone().or_else(|| self.mark_on_chain(&token.principal, token.issued_at))
    }

    /// The same of a session. A session whose token is gone has ended with it, by expiry.
    pub(super) fn mark_on_session(&self, session: &Session) -> Option<Mark> {
        let of_token = || self.token_by_id(session.token).and_then(|(_, token)| self.mark_on_token(token));
        let of_unreadable = || {
            let hash = session.token_hash.filter(|hash| self.unreadable.contains_key(hash));
            hash.map(|_| unreadable())
        };
        session.revoked.clone().or_else(of_token).or_else(of_unreadable)
    }

    fn mark_on_chain(&self, principal: &Principal, since: Timestamp) -> Option<Mark> {
        principal.chain().filter_map(|one| self.stopped(one)).find(|mark| mark.at >= since).cloned()
    }
}

/// The session of a key.
fn session_id(key: &str) -> Option<SessionId> {
    let (_, id) = key.strip_prefix(record::SESSIONS)?.split_once('/')?;
    id.parse().ok()
}

/// What stands for a mark that cannot be read: whenever something was issued or voted, it was before.
fn unreadable() -> Mark {
    let reason = "its record cannot be read by this version".into();
    Mark { at: END_OF_TIME, by: crate::nobody(), reason, also: Also::default() }
}
