//! Proofs that sessions may be recorded by this gateway, issued by the control plane. The opening record of every
//! stream carries the proof of its session; the control plane rejects a stream without it.

use bytes::Bytes;
use countersign_common::id::SessionId;
use countersign_recording::{Envelope, Record};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// Proofs by session. Bounded by the number of connections.
#[derive(Debug, Default)]
pub(super) struct RecordProofs(Mutex<FxHashMap<SessionId, Bytes>>);

impl RecordProofs {
    /// Adds the proof of a session with a connection here.
    pub(super) fn insert(&self, session: SessionId, proof: Bytes) {
        self.0.lock().insert(session, proof);
    }

    /// Removes the proof of a session without connections.
    pub(super) fn remove(&self, session: SessionId) {
        self.0.lock().remove(&session);
    }

    /// Returns the proof for an opening record; empty for any other line. Parses the line, once per connection.
    pub(super) fn of_opening(&self, line: &[u8]) -> Bytes {
        match Envelope::parse(line) {
            Ok(Envelope { record: Record::Opened(opened), .. }) => {
                self.0.lock().get(&opened.session).cloned().unwrap_or_default()
            }
            _ => Bytes::new(),
        }
    }
}
