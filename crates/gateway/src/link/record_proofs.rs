//! The proofs that sessions of connections here may be recorded, as the control plane gave them. The opening record of every
//! stream carries the proof of its session; the control plane takes no stream without it.

use bytes::Bytes;
use countersign_common::id::SessionId;
use countersign_recording::{Envelope, Record};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// The proofs by session. Bounded by the number of connections.
#[derive(Debug, Default)]
pub(super) struct RecordProofs(Mutex<FxHashMap<SessionId, Bytes>>);

impl RecordProofs {
    /// The session has a connection here.
    pub(super) fn insert(&self, session: SessionId, proof: Bytes) {
        self.0.lock().insert(session, proof);
    }

    /// It has none any more.
    pub(super) fn remove(&self, session: SessionId) {
        self.0.lock().remove(&session);
    }

    /// The proof that belongs to an opening record; empty if the line is none. Parses the line: once for each connection.
    pub(super) fn of_opening(&self, line: &[u8]) -> Bytes {
        match Envelope::parse(line) {
            Ok(Envelope { record: Record::Opened(opened), .. }) => {
                self.0.lock().get(&opened.session).cloned().unwrap_or_default()
            }
            _ => Bytes::new(),
        }
    }
}
