//! Compares what the recordings name with what the store has: what was deleted in one of them shows in the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use countersign_common::approval::State;
use countersign_common::id::{ApprovalId, SessionId};
use countersign_common::{Digest, Timestamp};
use countersign_recording::{Recorded, RecordedApproval};

use crate::approvals::Snapshot;
use crate::sessions::KEPT_AFTER_EXPIRY;

/// How far the clocks of nodes may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

/// An approval, as the store or the history has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownApproval {
    session: SessionId,
    digest: Digest,
    state: State,
}

impl From<&Snapshot> for KnownApproval {
    fn from(snapshot: &Snapshot) -> Self {
        let approval = &snapshot.approval;
        Self { session: approval.session, digest: approval.digest, state: approval.state.clone() }
    }
}

/// What the control plane knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) approvals: BTreeMap<ApprovalId, KnownApproval>,
    pub(crate) sessions: BTreeSet<SessionId>,
}

/// What the records name and the control plane does not know, or knows otherwise. `known` was read after the records were.
pub(crate) fn unknown_to_store(recorded: &Recorded, known: &Known, now: Timestamp) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, record) in &recorded.approvals {
        let RecordedApproval { session, stream, seq, .. } = record;
        let Some(approval) = known.approvals.get(id) else {
            faults.push(format!(
                "approval {id}, which record {seq} of {stream} names, is neither in the store nor in the history: it was deleted, or never was one"
            ));
            continue;
        };
        if approval.session != *session {
            let other = approval.session;
            faults.push(format!(
                "approval {id} is one of {other}, record {seq} of {stream} names it for {session}"
            ));
        }
        faults.extend(record.redeemed.and_then(|redeemed| misused(*id, redeemed, approval)));
    }
    for (session, opened) in &recorded.sessions {
        // The store keeps a session for longer than that after its end; of older ones nobody can tell.
        let kept = opened.after(KEPT_AFTER_EXPIRY.saturating_sub(CLOCKS_APART)) > now;
        if kept && !known.sessions.contains(session) {
            faults.push(format!(
                "{session}, which was recorded at {opened}, is not in the store: it was deleted"
            ));
        }
    }
    faults
}

/// INVARIANT: I12 - what the records say was redeemed, was.
fn misused(id: ApprovalId, (_, digest): (SessionId, Digest), approval: &KnownApproval) -> Option<String> {
    if digest != approval.digest {
        return Some(format!("approval {id} is for {}, and was redeemed for {digest}", approval.digest));
    }
    let used = match &approval.state {
        State::Redeemed { .. } | State::InDoubt { .. } | State::Done { .. } | State::NotRun { .. } => true,
        State::Pending { .. }
        | State::Approved
        | State::Denied
        | State::Expired
        | State::Withdrawn
        | State::Voided { .. }
        | State::Revoked { .. } => false,
    };
    let state = approval.state.as_str();
    (!used).then(|| {
        format!("approval {id} is {state} in the store, and the recordings say that it was redeemed")
    })
}

/// What the control plane knows to have run, and no record says so. `known` was read before the records were.
pub(crate) fn unrecorded(recorded: &Recorded, known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, approval) in &known.approvals {
        // That an approval was redeemed is synced to the recordings before a byte of its command goes to the target.
        let has_run = matches!(approval.state, State::Done { .. });
        let is_recorded = recorded.approvals.get(id).is_some_and(|record| record.redeemed.is_some());
        if has_run && !is_recorded {
            let session = approval.session;
            faults.push(format!(
                "approval {id} of {session} was used, and no record says so: recordings were taken away"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use countersign_common::approval::Outcome;
    use countersign_common::id::StreamId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
    const SESSION: SessionId = SessionId::from_u128(1);

    fn done() -> State {
        State::Done { outcome: Outcome::Completed }
    }

    fn known(state: State) -> Known {
        let approval = KnownApproval { session: SESSION, digest: Digest::of(b"DELETE"), state };
        Known { approvals: [(ApprovalId::from_u128(1), approval)].into(), sessions: [SESSION].into() }
    }

    fn recorded(redeemed: Option<&[u8]>) -> Recorded {
        let stream = StreamId::from_u128(1);
        let redeemed = redeemed.map(|bytes| (SESSION, Digest::of(bytes)));
        let record = RecordedApproval { session: SESSION, stream, seq: 2, at: NOW, redeemed };
        Recorded { approvals: [(ApprovalId::from_u128(1), record)].into(), sessions: [(SESSION, NOW)].into() }
    }

    #[test]
    fn what_store_and_records_agree_on_is_no_fault() {
        for (state, redeemed) in
            [(done(), Some(b"DELETE".as_slice())), (State::Denied, None), (State::Expired, None)]
        {
            assert_eq!(unknown_to_store(&recorded(redeemed), &known(state.clone()), NOW), [""; 0]);
            assert_eq!(unrecorded(&recorded(redeemed), &known(state)), [""; 0]);
        }
    }

    #[test]
    fn i12_complete_what_was_deleted_in_the_store_is_named_by_the_records() {
        let nothing = Known::default();
        let faults = unknown_to_store(&recorded(None), &nothing, NOW);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("apr_") && faults[1].contains("ses_"), "{faults:?}");
        // Of a session that ended long ago the store knows nothing any more, and that is in order.
        let later = NOW.after(KEPT_AFTER_EXPIRY);
        assert_eq!(unknown_to_store(&recorded(None), &nothing, later).len(), 1);
    }

    #[test]
    fn i12_complete_a_command_that_ran_without_its_approval_is_named() {
        for state in [State::Denied, State::Approved, State::Pending { stage: 0 }, State::Withdrawn] {
            let faults = unknown_to_store(&recorded(Some(b"DELETE")), &known(state), NOW);
            assert_eq!(faults.len(), 1, "{faults:?}");
        }
        let faults = unknown_to_store(&recorded(Some(b"DROP")), &known(done()), NOW);
        assert!(faults.len() == 1 && faults[0].contains("redeemed for"), "{faults:?}");
        let mut others = known(done());
        others.approvals.values_mut().for_each(|approval| approval.session = SessionId::from_u128(2));
        assert_eq!(unknown_to_store(&recorded(Some(b"DELETE")), &others, NOW).len(), 1);
    }

    #[test]
    fn i12_complete_a_use_that_no_record_names_is_named_by_the_store() {
        assert_eq!(unrecorded(&Recorded::default(), &known(done())).len(), 1);
        assert_eq!(unrecorded(&recorded(None), &known(done())).len(), 1);
        assert_eq!(unrecorded(&Recorded::default(), &known(State::Denied)), [""; 0]);
    }
}
