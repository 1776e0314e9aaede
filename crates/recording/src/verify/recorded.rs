//! The approvals and sessions that the records name. A control plane compares them with its store, in both
//! directions.

use std::collections::BTreeMap;

use countersign_common::id::{ApprovalId, SessionId, StreamId};
use countersign_common::{Digest, Timestamp};

use crate::line::Envelope;
use crate::record::Record;

/// Approvals and sessions named by the records. Uses about 150 bytes per approval and 50 per session.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Approvals that commands waited for or redeemed.
    pub approvals: BTreeMap<ApprovalId, RecordedApproval>,
    /// Sessions, with the time at which each last opened a stream.
    pub sessions: BTreeMap<SessionId, Timestamp>,
}

/// An approval as named by the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedApproval {
    /// Session whose command waited for it.
    pub session: SessionId,
    /// Stream that names it first.
    pub stream: StreamId,
    /// Number of that record in the stream.
    pub seq: u64,
    /// Time of that record.
    pub at: Timestamp,
    /// Session and digest of its redemption.
    pub redeemed: Option<(SessionId, Digest)>,
}

impl Recorded {
    pub(super) fn take(&mut self, envelope: &Envelope, session: SessionId) {
        match &envelope.record {
            Record::Opened(_) => {
                let opened = self.sessions.entry(session).or_insert(envelope.at);
                *opened = (*opened).max(envelope.at);
            }
            Record::Hold(held) => {
                self.approval(held.approval, envelope, session);
            }
            Record::Redeemed(redeemed) => {
                let found = self.approval(redeemed.approval, envelope, session);
                found.redeemed = Some((session, redeemed.digest));
            }
            _ => {}
        }
    }

    fn approval(&mut self, id: ApprovalId, envelope: &Envelope, session: SessionId) -> &mut RecordedApproval {
        let (stream, seq, at) = (envelope.stream, envelope.seq, envelope.at);
        self.approvals.entry(id).or_insert(RecordedApproval { session, stream, seq, at, redeemed: None })
    }

    pub(super) fn keep_session(&mut self, session: SessionId) {
        self.approvals.retain(|_, approval| approval.session == session);
        self.sessions.retain(|one, _| *one == session);
    }
}
