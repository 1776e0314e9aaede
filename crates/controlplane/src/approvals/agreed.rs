//! What people have agreed to and nobody has used yet, whole, and when it was written: so that redeeming takes one write,
//! which compares, instead of a row of reads before it. Memory only; what is not here is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_common::approval::State;
use countersign_common::id::ApprovalId;

use super::record::{Details, Stored};
use crate::store::Revision;

/// How many are kept. What people agree to is used within milliseconds, or waits for its client to come back; beyond
/// this the oldest requests are forgotten, and read when they are redeemed.
const AGREED_MAX: usize = 1024;

/// The largest text that is kept, in bytes as stored.
const DETAILS_BYTES_MAX: usize = 64 * 1024;

/// The approvals of which this node knows that they may be redeemed. Ids grow with time, so the first are the oldest.
#[derive(Debug, Default)]
pub(super) struct AgreedTo(BTreeMap<ApprovalId, Agreed>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    /// When the record was written.
    pub(super) written: Revision,
    pub(super) stored: Arc<Stored>,
    /// The text, when it was read already.
    pub(super) details: Option<Arc<Details>>,
}

impl AgreedTo {
    /// An approval stands so, written at this revision if that is known.
    pub(super) fn take(&mut self, stored: &Stored, written: Option<Revision>) {
        let id = stored.approval.id;
        let known = self.0.get(&id).map(|agreed| agreed.stored.approval.revision);
        if known.is_some_and(|known| known >= stored.approval.revision) {
            return;
        }
        match written {
            Some(written) if stored.approval.state == State::Approved => {
                let agreed = Agreed { written, stored: Arc::new(stored.clone()), details: None };
                self.0.insert(id, agreed);
                if self.0.len() > AGREED_MAX {
                    self.0.pop_first();
                }
            }
            _ => drop(self.0.remove(&id)),
        }
    }

    /// Nobody knows any more how it stands.
    pub(super) fn forget(&mut self, id: ApprovalId) {
        self.0.remove(&id);
    }

    pub(super) fn get(&self, id: ApprovalId) -> Option<Agreed> {
        self.0.get(&id).cloned()
    }

    /// The record whose text is worth reading ahead.
    pub(super) fn without_details(&self, id: ApprovalId) -> Option<Arc<Stored>> {
        let agreed = self.0.get(&id)?;
        let small = agreed.stored.details_bytes <= DETAILS_BYTES_MAX;
        (agreed.details.is_none() && small).then(|| Arc::clone(&agreed.stored))
    }

    /// The text has been read. It never changes.
    pub(super) fn put_details(&mut self, id: ApprovalId, details: Details) {
        if let Some(agreed) = self.0.get_mut(&id) {
            agreed.details = Some(Arc::new(details));
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::approval::{Event, step};
    use countersign_common::id::AttemptId;

    use super::*;
    use crate::testing::{START, Scratch, agent, subject};

    async fn approved() -> Stored {
        let scratch = Scratch::new().await;
        let session = scratch.session(&agent()).await;
        let held = scratch.approved(&session, "UPDATE t").await;
        let approvals = scratch.control.approvals();
        let (_, stored) = approvals.read(held.approval.id).await.unwrap();
        stored
    }

    fn next(stored: &Stored, event: &Event) -> Stored {
        let approval = step(&stored.approval, event, START).unwrap();
        Stored { approval, attempt: AttemptId::generate(), ..stored.clone() }
    }

    #[tokio::test]
    async fn what_has_gone_on_is_forgotten_whatever_comes_late() {
        let stored = approved().await;
        let id = stored.approval.id;
        let mut agreed = AgreedTo::default();
        agreed.take(&stored, None);
        assert!(agreed.get(id).is_none(), "nobody knows when it was written");
        agreed.take(&stored, Some(Revision(7)));
        assert_eq!(agreed.get(id).unwrap().written, Revision(7));
        let revoked = next(&stored, &Event::Revoke { by: subject("bob") });
        agreed.take(&revoked, Some(Revision(8)));
        assert!(agreed.get(id).is_none());
    }

    #[tokio::test]
    async fn no_more_are_kept_than_that_and_the_oldest_go_first() {
        let stored = approved().await;
        let mut agreed = AgreedTo::default();
        let with = |number: usize| {
            let mut one = stored.clone();
            one.approval.id = ApprovalId::from_u128(number as u128);
            one
        };
        for number in 0..=AGREED_MAX {
            agreed.take(&with(number), Some(Revision(1)));
        }
        assert_eq!(agreed.0.len(), AGREED_MAX);
        assert!(agreed.get(ApprovalId::from_u128(0)).is_none());
        assert!(agreed.get(ApprovalId::from_u128(AGREED_MAX as u128)).is_some());
    }
}
