//! Sessions that have connections on this gateway, and their stop signals.

use bytes::Bytes;
use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;
use countersign_common::Timestamp;
use countersign_common::id::SessionId;
use countersign_lifecycle::ports::Stop;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::state::Outbox;

/// Number of sessions per frame.
const TOLD_AT_ONCE: usize = 1000;

/// The attached sessions. Bounded by the number of connections.
#[derive(Debug, Default)]
pub(super) struct Attached(FxHashMap<SessionId, One>);

#[derive(Debug)]
struct One {
    stop: watch::Sender<Stop>,
    expires_at: Timestamp,
    proof: Bytes,
}

/// A session that was opened here.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) id: SessionId,
    pub(super) expires_at: Timestamp,
    /// Proof that the session was opened here.
    pub(super) proof: Bytes,
}

impl Attached {
    /// Adds a connection to the session, and returns its stop signal.
    pub(super) fn attach(
        &mut self,
        opened: Opened,
        first: Stop,
        outbox: &mut Outbox,
    ) -> watch::Receiver<Stop> {
        let Opened { id, expires_at, proof } = opened;
        let one = self.0.entry(id).or_insert_with(|| {
            let one = One { stop: watch::Sender::new(first), expires_at, proof };
            outbox.push(attach([(&id, &one)]));
            one
        });
        one.stop.subscribe()
    }

    /// Proof that the session was opened here; empty if it has no connection here.
    pub(super) fn proof(&self, id: SessionId) -> Vec<u8> {
        self.0.get(&id).map(|one| one.proof.to_vec()).unwrap_or_default()
    }

    /// Ends the connections of a session.
    pub(super) fn end(&mut self, id: SessionId, reason: &str) {
        if let Some(one) = self.0.get(&id) {
            tracing::info!(session = %id, reason, "the connections of a session are stopped");
            one.revoke(reason);
        }
    }

    /// Ends all connections of all sessions.
    pub(super) fn end_all(&mut self, reason: &str) {
        self.0.values().for_each(|one| one.revoke(reason));
    }

    /// Signals a drain to all connections.
    pub(super) fn drain(&mut self) {
        for one in self.0.values() {
            one.stop.send_if_modified(|stop| {
                let goes_on = *stop == Stop::None;
                if goes_on {
                    *stop = Stop::Drain;
                }
                goes_on
            });
        }
    }

    /// Ends expired sessions, even without a message from the control plane. Removes and returns the sessions without
    /// connections.
    pub(super) fn sweep(&mut self, now: Timestamp, outbox: &mut Outbox) -> Vec<SessionId> {
        let mut gone = Vec::new();
        self.0.retain(|id, one| {
            let stays = one.stop.receiver_count() > 0;
            if !stays {
                gone.push(*id);
            } else if one.expires_at <= now {
                one.revoke("the session has expired");
            }
            stays
        });
        if !gone.is_empty() {
            let session_ids = gone.iter().map(ToString::to_string).collect();
            outbox.push(Frame::Detach(v1::DetachSessions { session_ids }));
        }
        gone
    }

    /// Number of sessions that are attached.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Attaches all sessions on a new link.
    pub(super) fn tell_all(&self, outbox: &mut Outbox) {
        let all: Vec<_> = self.0.iter().collect();
        for some in all.chunks(TOLD_AT_ONCE) {
            outbox.push(attach(some.iter().copied()));
        }
    }
}

fn attach<'a>(sessions: impl IntoIterator<Item = (&'a SessionId, &'a One)>) -> Frame {
    let (session_ids, proofs) =
        sessions.into_iter().map(|(id, one)| (id.to_string(), one.proof.to_vec())).unzip();
    Frame::Attach(v1::AttachSessions { session_ids, proofs })
}

impl One {
    /// INVARIANT: I3. A revoked session stays revoked; a drain does not change that.
    fn revoke(&self, reason: &str) {
        self.stop.send_if_modified(|stop| {
            let first = !matches!(stop, Stop::Revoked(_));
            if first {
                *stop = Stop::Revoked(reason.to_owned());
            }
            first
        });
    }
}
