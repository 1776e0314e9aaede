//! The sessions that have connections at a gateway: it is told when one ends, by revocation or by its time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::Timestamp;
use countersign_common::id::SessionId;
use countersign_common::time::Clock;
use parking_lot::Mutex;

use super::outbox::Outbox;
use crate::sessions::{Revocation, Session, Sessions};

/// How often it is looked for sessions whose time is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the client is told.
const ENDED: &str = "the session was revoked or has expired";

/// The sessions that have connections there.
#[derive(Debug, Default)]
pub(super) struct Attached(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, Timestamp>,
    by_expiry: BTreeSet<(Timestamp, SessionId)>,
}

impl State {
    fn remove(&mut self, id: SessionId) -> bool {
        let Some(expires_at) = self.sessions.remove(&id) else { return false };
        self.by_expiry.remove(&(expires_at, id));
        true
    }
}

impl Attached {
    /// Watches over a session from here on; when it has ended already, the gateway is told at once.
    pub(super) fn attach(&self, sessions: &Sessions, outbox: &Outbox, session: &Session) {
        {
            let mut state = self.0.lock();
            // Whenever it ended before: one place in each of the two.
            state.remove(session.id);
            state.sessions.insert(session.id, session.expires_at);
            state.by_expiry.insert((session.expires_at, session.id));
        }
        // After it is attached: a revocation in between is seen here or by who listens.
        self.look_at(sessions, outbox, session.id);
    }

    /// No longer.
    pub(super) fn detach(&self, id: SessionId) {
        self.0.lock().remove(id);
    }

    /// A session that there is not: its connections end.
    pub(super) fn unknown(outbox: &Outbox, id: SessionId) {
        tell(outbox, [id]);
    }

    /// Tells of every session that ends, until the control plane does.
    pub(super) async fn run(&self, sessions: &Sessions, clock: &dyn Clock, outbox: &Outbox) {
        let mut revocations = sessions.watch_revocations();
        self.look_at_all(sessions, outbox);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                revocation = revocations.next() => match revocation {
                    Some(Revocation::Session(id)) => self.look_at(sessions, outbox, id),
                    Some(Revocation::LookAgain) => self.look_at_all(sessions, outbox),
                    None => return,
                },
                _ = look.tick() => self.expire(clock.now(), outbox),
            }
        }
    }

    fn look_at(&self, sessions: &Sessions, outbox: &Outbox, id: SessionId) {
        if sessions.check(id).is_err() && self.0.lock().remove(id) {
            tell(outbox, [id]);
        }
    }

    fn look_at_all(&self, sessions: &Sessions, outbox: &Outbox) {
        let ids: Vec<SessionId> = self.0.lock().sessions.keys().copied().collect();
        for id in ids {
            self.look_at(sessions, outbox, id);
        }
    }

    fn expire(&self, now: Timestamp, outbox: &Outbox) {
        let mut ended = Vec::new();
        let mut state = self.0.lock();
        while let Some((_, id)) = state.by_expiry.first().filter(|(at, _)| *at <= now).copied() {
            state.remove(id);
            ended.push(id);
        }
        drop(state);
        if !ended.is_empty() {
            tell(outbox, ended);
        }
    }
}

fn tell(outbox: &Outbox, ids: impl IntoIterator<Item = SessionId>) {
    let session_ids = ids.into_iter().map(|id| id.to_string()).collect();
    outbox.send(Frame::SessionsEnded(v1::SessionsEnded { session_ids, reason: ENDED.into() }));
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;
    use crate::fleet::link::outbox::outbox;
    use crate::testing::{Scratch, agent};

    #[tokio::test]
    async fn a_session_that_is_attached_again_with_another_end_ends_once_by_its_last_one() {
        let scratch = Scratch::new().await;
        let session = scratch.session(&agent()).await;
        let later = session.expires_at.after(Duration::from_secs(60));
        let (attached, (outbox, outgoing)) = (Attached::default(), outbox());
        let sessions = scratch.control.sessions();
        attached.attach(sessions, &outbox, &session);
        attached.attach(sessions, &outbox, &Session { expires_at: later, ..session.clone() });
        attached.expire(session.expires_at, &outbox);
        attached.expire(later, &outbox);
        outbox.close(None);
        let told: Vec<_> = outgoing.map(|message| message.unwrap().frames).concat().await;
        assert_eq!(told.len(), 1, "{told:?}");
        let state = attached.0.lock();
        assert!(state.sessions.is_empty() && state.by_expiry.is_empty());
    }
}
