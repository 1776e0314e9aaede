//! Tokens and the sessions they open. Only the hash of a token is stored; a session is named by its
//! token and its target, so that the same token at the same target, on any connection or node, is the
//! same session. Absolute times in the records decide, never a lease or a timer.

mod error;
mod expiry;
mod index;
mod learn;
mod names;
mod record;
mod revoke;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use countersign_common::id::{SessionId, Subject, TargetName, TokenId};
use countersign_common::principal::Kind;
use countersign_common::time::Clock;
use countersign_common::{Digest, Principal, Secret, Timestamp};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, broadcast};

pub use error::{IssueError, SessionRefused};
pub(crate) use names::register_groups;
pub use record::{Mark, Session, Token};
pub(crate) use record::{REVOCATIONS, SESSIONS, TOKENS};
pub use revoke::{Revocation, Revocations, RevokeError, What};

use self::index::Index;
use crate::Also;
use crate::store::{Change, Outcome, Revision, Store, StoreError, Transaction, WRITES_MAX, range_all};

/// How every token begins, so that scanners for leaked secrets find it.
const TOKEN_PREFIX: &str = "cst_";

/// Random bits of a token, in bytes.
const TOKEN_BYTES: usize = 32;

/// The longest life of a token.
const TTL_MAX_DAYS: u64 = 3660;

/// The most people who have a part in issuing a token: votes carry their names, and records stay small.
const ISSUERS_MAX: usize = 8;

/// The largest record of a token, in bytes.
const TOKEN_RECORD_BYTES_MAX: usize = 16 * 1024;

/// How long records of expired tokens and sessions stay, so that people can look back and a revocation
/// still undoes votes. Longer than any approval lives.
pub(crate) const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often a lost race is tried again.
const ATTEMPTS_MAX: usize = 16;

/// The shortest time.
const A_MOMENT: Duration = Duration::from_micros(1);

/// How many revocations a listener may be behind before it is told to look again.
const REVOCATIONS_BEHIND_MAX: usize = 1024;

/// How many unknown tokens are looked up in the store at once.
const UNKNOWN_TOKENS_MAX: usize = 16;

/// What a token is issued for.
#[derive(Debug, Clone)]
pub struct IssueToken {
    /// Whom it will stand for.
    pub principal: Principal,
    /// How long it lives.
    pub ttl: Duration,
    /// The only target it opens; `None`: every target.
    pub target: Option<TargetName>,
    /// Who issues it.
    pub issued_by: Subject,
    /// For whom else the issuer acts, and who had a part in issuing the issuer's own token.
    pub issuers: BTreeSet<Subject>,
}

/// An issued token.
#[derive(Debug)]
pub struct Issued {
    /// Its name.
    pub id: TokenId,
    /// The token itself; this is the only time that it is seen.
    pub secret: Secret<String>,
    /// From when on it is not accepted any more.
    pub expires_at: Timestamp,
}

/// A caller, as its token says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token.
    pub token: TokenId,
    /// Whom it stands for.
    pub principal: Arc<Principal>,
    /// From when on it is not accepted any more.
    pub expires_at: Timestamp,
    /// The only target that the token is for; `None`: every target.
    pub target: Option<TargetName>,
    /// Everybody who had a part in issuing the token.
    pub issuers: BTreeSet<Subject>,
    /// Whether the principal administers: see [`Administrators`].
    pub administers: bool,
}

impl Caller {
    /// Whether the caller's token is good for this target.
    #[must_use]
    pub fn reaches(&self, target: &TargetName) -> bool {
        self.target.as_ref().is_none_or(|only| only == target)
    }
}

/// Who administers, of the members of the group `admin`: people, and the services named here. Never an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Administrators {
    /// The services that are trusted with it.
    pub services: BTreeSet<Subject>,
}

impl Administrators {
    fn include(&self, principal: &Principal) -> bool {
        let trusted = match principal.kind {
            Kind::Human => true,
            Kind::Service => self.services.contains(&principal.subject),
            Kind::Agent => false,
        };
        trusted && principal.groups.iter().any(|group| group.as_str() == crate::ADMIN)
    }
}

/// Tokens and sessions.
#[derive(Debug)]
pub struct Sessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    index: RwLock<Index>,
    revocations: broadcast::Sender<Revocation>,
    leases: Mutex<expiry::Known>,
    unknown_tokens: Semaphore,
    administrators: Administrators,
}

impl Sessions {
    /// Reads all tokens and sessions; the revision after which changes are to be applied.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        administrators: Administrators,
    ) -> Result<(Self, Revision), StoreError> {
        let (revocations, _) = broadcast::channel(REVOCATIONS_BEHIND_MAX);
        let sessions = Self {
            store,
            clock,
            index: RwLock::new(Index::default()),
            revocations,
            leases: Mutex::default(),
            unknown_tokens: Semaphore::new(UNKNOWN_TOKENS_MAX),
            administrators,
        };
        let revision = sessions.reload().await?;
        Ok((sessions, revision))
    }

    /// Reads everything again, on top of what is known: what was written here meanwhile stays. A
    /// deletion that was missed is harmless; only what expired long ago is deleted.
    pub(crate) async fn reload(&self) -> Result<Revision, StoreError> {
        let mut oldest = self.store.revision().await?;
        for prefix in [TOKENS, SESSIONS, REVOCATIONS] {
            let (entries, revision) = range_all(&*self.store, prefix).await?;
            oldest = oldest.min(revision);
            for entry in entries {
                // It is closed to whoever it is about, and to nobody else.
                if let Err(error) = self.index.write().apply(&Change::Put(entry)) {
                    tracing::error!(%error, "a record cannot be read; whoever it is about is not let in");
                }
            }
        }
        // Whoever listens may have missed something while we did not look.
        let _ = self.revocations.send(Revocation::LookAgain);
        Ok(oldest)
    }

    /// Takes over a change that another node, or an earlier call here, made.
    ///
    /// # Errors
    /// When the record cannot be read; whoever it is about has lost their access then, and listeners are told.
    pub(crate) fn apply(&self, change: &Change) -> Result<(), StoreError> {
        let applied = self.index.write().apply(change);
        if !matches!(applied, Ok(false)) {
            self.announce_ended(change);
        }
        applied.map(drop)
    }

    /// Issues a token. The token itself is returned once and stored nowhere.
    ///
    /// # Errors
    /// When its life is out of bounds, a name in it looks like one that is used already, there are no random bytes, or the
    /// store fails.
    pub async fn issue(&self, order: IssueToken) -> Result<Issued, IssueError> {
        if order.ttl < Duration::from_secs(1) || order.ttl > Duration::from_secs(TTL_MAX_DAYS * 86_400) {
            return Err(IssueError::Lifetime { max_days: TTL_MAX_DAYS });
        }
        let secret = new_secret()?;
        let hash = Digest::of(secret.expose().as_bytes());
        let now = self.clock.now();
        // A stop button that was pressed by a clock before this one stops what was issued before it, and not this.
        let stopped = self.index.read().newest_stop_of(&order.principal);
        let token = Token {
            id: TokenId::generate(),
            principal: Arc::new(order.principal),
            target: order.target,
            issued_by: order.issued_by,
            issuers: order.issuers,
            issued_at: stopped.map_or(now, |stopped| now.max(stopped.after(A_MOMENT))),
            expires_at: now.after(order.ttl),
            revoked: None,
            also: Also::default(),
        };
        let value = crate::encode(&token);
        if value.len() > TOKEN_RECORD_BYTES_MAX {
            return Err(IssueError::TooLarge { bytes: value.len(), bytes_max: TOKEN_RECORD_BYTES_MAX });
        }
        if token.issuers.len() > ISSUERS_MAX {
            return Err(IssueError::ManyIssuers { issuers: token.issuers.len(), issuers_max: ISSUERS_MAX });
        }
        // INVARIANT: I4. Two names that a reader takes for one are not two people, nor two groups.
        self.register(&token.principal).await?;
        let key = record::token_key(&hash);
        let write = |lease| Transaction::new().if_absent(&key).put_own_under(lease, &key, value.as_slice());
        match self.write_until(token.expires_at, write).await? {
            Outcome::LeaseLost => Err(IssueError::NoLease),
            // 256 random bits do not meet twice; if they do, the machine's random bytes are broken.
            Outcome::Conflict => Err(IssueError::NoRandom),
            Outcome::Committed(_) => Ok(Issued { id: token.id, secret, expires_at: token.expires_at }),
        }
    }

    /// Who calls with this token. Reads memory only.
    ///
    /// # Errors
    /// When the token is unknown, expired or revoked.
    pub fn authenticate(&self, token: &Secret<String>) -> Result<Caller, SessionRefused> {
        let token = self.live_token(token)?;
        Ok(Caller {
            token: token.id,
            principal: Arc::clone(&token.principal),
            expires_at: token.expires_at,
            target: token.target.clone(),
            issuers: token.all_issuers(),
            administers: self.administrators.include(&token.principal),
        })
    }

    /// Whether a caller that was authenticated before still is: for streams that outlive their token.
    ///
    /// # Errors
    /// When its token has expired or was revoked since.
    pub fn still_accepted(&self, caller: &Caller) -> Result<(), SessionRefused> {
        let index = self.index.read();
        let (_, token) = index.token_by_id(caller.token).ok_or(SessionRefused::UnknownToken)?;
        self.accepted(&index, token)
    }

    /// Opens the session of this token at this target, or joins it where it is already open. Writes only
    /// when it is the first; otherwise it costs a few look-ups in memory.
    ///
    /// # Errors
    /// When the token is unknown, expired, revoked or for another target, the session was revoked, or
    /// the store fails.
    ///
    /// # Cancel safety
    /// The session may have been opened all the same; the next call joins it.
    pub async fn open_session(
        &self,
        token: &Secret<String>,
        target: &TargetName,
    ) -> Result<Session, SessionRefused> {
        let token = match self.live_token(token) {
            // It may have been issued at another node a moment ago.
            Err(SessionRefused::UnknownToken) => {
                self.learn_token(&Digest::of(token.expose().as_bytes())).await?;
                self.live_token(token)?
            }
            known => known?,
        };
        if token.target.as_ref().is_some_and(|only| only != target) {
            return Err(SessionRefused::OtherTarget { token: token.id, target: target.clone() });
        }
        for _ in 0..ATTEMPTS_MAX {
            let known = self.index.read().session_of(token.id, target).map(Arc::clone);
            if let Some(session) = known {
                return self.check(session.id);
            }
            self.create_or_learn(&token, target).await?;
        }
        Err(SessionRefused::Contended)
    }

    /// Creates the session, or reads the one that somebody else has just created.
    async fn create_or_learn(&self, token: &Token, target: &TargetName) -> Result<(), SessionRefused> {
        let session = Session {
            id: SessionId::generate(),
            token: token.id,
            token_hash: self.index.read().token_by_id(token.id).map(|(hash, _)| *hash),
            principal: Arc::clone(&token.principal),
            target: target.clone(),
            opened_at: self.clock.now(),
            expires_at: token.expires_at,
            revoked: None,
            also: Also::default(),
        };
        let (key, of_key) = (record::session_key(session.id), record::session_of_key(token.id, target));
        let write = |lease| {
            Transaction::new()
                .if_absent(&of_key)
                .put_own_under(lease, &of_key, session.id.to_string())
                .put_under(lease, &key, crate::encode(&session))
        };
        match self.write_until(session.expires_at, write).await {
            Ok(Outcome::Committed(_)) => {
                crate::metrics::session_opened();
                Ok(())
            }
            // After an ambiguous error either it is there, or the next attempt creates it.
            Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {
                self.learn_session_of(&of_key).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the session that stands under an index key.
    async fn learn_session_of(&self, of_key: &str) -> Result<(), SessionRefused> {
        let Some(entry) = self.store.get(of_key).await? else { return Ok(()) };
        let id = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok());
        let id: SessionId = id.ok_or_else(|| crate::bad_value(&entry, "not a session id"))?;
        let session = self.store.get(&record::session_key(id)).await?;
        let session = session.ok_or(SessionRefused::UnknownSession(id))?;
        self.apply(&Change::Put(session))?;
        Ok(())
    }

    /// The session, if it goes on.
    ///
    /// # Errors
    /// When there is none, or it has expired or was revoked.
    pub fn check(&self, id: SessionId) -> Result<Session, SessionRefused> {
        let session = self.get(id).ok_or(SessionRefused::UnknownSession(id))?;
        if let Some(Mark { at, by, .. }) = &session.revoked {
            return Err(SessionRefused::Revoked { token: session.token, at: *at, by: by.clone() });
        }
        if self.clock.now() >= session.expires_at {
            return Err(SessionRefused::Expired { token: session.token, at: session.expires_at });
        }
        Ok(session)
    }

    /// Reads a session from the store, where this node does not know it yet; `None`: there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn look_up(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        if self.get(id).is_none()
            && let Some(entry) = self.store.get(&record::session_key(id)).await?
        {
            self.apply(&Change::Put(entry))?;
        }
        Ok(self.get(id))
    }

    /// How many sessions are stored, ended ones that are not swept yet among them.
    pub(crate) fn count(&self) -> usize {
        self.index.read().session_count()
    }

    /// Whether a session as [`Sessions::get`] and [`Sessions::list`] give it has not ended.
    #[must_use]
    pub fn goes_on(&self, session: &Session) -> bool {
        session.revoked.is_none() && self.clock.now() < session.expires_at
    }

    /// The session, also one that has ended; with the revocation of its token or subject, if there is one.
    #[must_use]
    pub fn get(&self, id: SessionId) -> Option<Session> {
        let index = self.index.read();
        let session = index.session(id)?;
        Some(Session { revoked: index.mark_on_session(session), ..Session::clone(session) })
    }

    /// At most `limit` sessions that `wanted` selects, newest first.
    #[must_use]
    pub fn list(&self, limit: usize, wanted: impl Fn(&Session) -> bool) -> Vec<Session> {
        let index = self.index.read();
        let with_marks = |session: &Arc<Session>| Session {
            revoked: index.mark_on_session(session),
            ..Session::clone(session)
        };
        index.sessions().rev().map(with_marks).filter(wanted).take(limit).collect()
    }

    /// Which of those who voted at the given times no longer count: someone of theirs was stopped since,
    /// a token they may have voted with was revoked since, or their newest token puts them into none of
    /// `groups`. That a token has merely expired undoes nothing.
    #[must_use]
    pub(crate) fn lost_eligibility(
        &self,
        voter: &Subject,
        voted_at: Timestamp,
        in_groups: impl Fn(&Principal) -> bool,
    ) -> bool {
        let index = self.index.read();
        if index.stopped(voter).is_some_and(|mark| mark.at >= voted_at) {
            return true;
        }
        let revoked_since = |token: &&Arc<Token>| {
            token.issued_at <= voted_at && index.mark_on_token(token).is_some_and(|mark| mark.at >= voted_at)
        };
        if index.tokens_of(voter).any(|token| revoked_since(&token)) {
            return true;
        }
        let newest = index.tokens_of(voter).max_by_key(|token| token.issued_at);
        newest.is_some_and(|token| !in_groups(&token.principal))
    }

    /// Deletes what expired long ago; returns how many records. Safe to run at any time, by any node.
    ///
    /// # Errors
    /// When the store fails; what was deleted until then stays deleted.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let long_gone = |expires_at: Timestamp| now >= expires_at.after(KEPT_AFTER_EXPIRY);
        let keys: Vec<String> = {
            let index = self.index.read();
            let tokens = index.tokens().filter(|(_, token)| long_gone(token.expires_at));
            let sessions = index.sessions().filter(|session| long_gone(session.expires_at));
            let of_sessions = sessions.flat_map(|session| {
                [record::session_key(session.id), record::session_of_key(session.token, &session.target)]
            });
            tokens.map(|(hash, _)| record::token_key(hash)).chain(of_sessions).collect()
        };
        for batch in keys.chunks(WRITES_MAX) {
            let delete = batch.iter().fold(Transaction::new(), |all, key| all.delete(key));
            self.write(delete).await?;
        }
        Ok(keys.len() + self.sweep_stops(now).await? + self.sweep_names(now).await?)
    }

    /// Deletes stop buttons that stop nothing any more: no token is left, not even an expired one, that was issued to
    /// somebody of that chain before it was pressed. Tokens are there for a week after they expire, so votes that were
    /// undone stay so for as long as there is anything to vote on.
    async fn sweep_stops(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        for entry in range_all(&*self.store, REVOCATIONS).await?.0 {
            let Ok(subject) = Subject::new(entry.key.strip_prefix(REVOCATIONS).unwrap_or_default()) else {
                continue;
            };
            let Some(mark) = crate::readable::<Mark>(&entry) else { continue };
            // The clocks of nodes differ, and this one may not have heard of every token yet.
            let is_old = mark.at.after(KEPT_AFTER_EXPIRY) <= now;
            let stops = |token: &Token| token.issued_at <= mark.at && token.principal.involves(&subject);
            if is_old && !self.index.read().tokens().any(|(_, token)| stops(token)) {
                let delete = Transaction::new().if_modified(&entry.key, entry.modified).delete(&entry.key);
                self.write(delete).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn live_token(&self, token: &Secret<String>) -> Result<Arc<Token>, SessionRefused> {
        let hash = Digest::of(token.expose().as_bytes());
        let index = self.index.read();
        let token = index.token(&hash).ok_or(SessionRefused::UnknownToken)?;
        self.accepted(&index, token)?;
        Ok(Arc::clone(token))
    }

    fn accepted(&self, index: &Index, token: &Token) -> Result<(), SessionRefused> {
        if let Some(Mark { at, by, .. }) = index.mark_on_token(token) {
            return Err(SessionRefused::Revoked { token: token.id, at, by });
        }
        if self.clock.now() >= token.expires_at {
            return Err(SessionRefused::Expired { token: token.id, at: token.expires_at });
        }
        Ok(())
    }

    /// Writes, and takes over at once what was written: who is answered sees it, and a revocation holds
    /// before its caller is told so.
    async fn write(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let writes = transaction.writes.clone();
        let outcome = self.store.transact(transaction).await?;
        if let Outcome::Committed(revision) = outcome {
            for write in writes {
                self.apply(&crate::change_of(write, revision))?;
            }
        }
        Ok(outcome)
    }
}

/// A new token.
fn new_secret() -> Result<Secret<String>, IssueError> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    rand::fill(&mut bytes).map_err(|_| IssueError::NoRandom)?;
    Ok(Secret::new(format!("{TOKEN_PREFIX}{}", hex::encode(bytes))))
}

#[cfg(test)]
mod tests;
