//! What redeeming asks of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::approval::{Evidence, State};
use countersign_common::time::ManualClock;

use crate::ControlPlane;
use crate::approvals::Redeem;
use crate::store::{
    Changes, EmbeddedStore, Entry, Kept, LeaseId, Outcome, Page, Revision, Store, StoreError, Transaction,
};
use crate::testing::{START, Scratch, agent, bundle, human, options, order, request, subject, target, yes};

const UPDATE: &str = "UPDATE orders SET paid = true";

/// A store whose reads and transactions are counted.
#[derive(Debug)]
struct Counted {
    store: EmbeddedStore,
    reads: AtomicUsize,
    transactions: AtomicUsize,
}

impl Counted {
    /// Reads and transactions since it was asked last.
    fn count(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::Relaxed), self.transactions.swap(0, Ordering::Relaxed))
    }
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.get(key).await
    }

    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.range(prefix, after, limit).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.store.transact(transaction).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Changes, StoreError> {
        self.store.watch(prefix, after).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.store.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Kept, StoreError> {
        self.store.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
}

#[tokio::test]
async fn what_a_node_knows_is_redeemed_with_its_evidence_in_one_write_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path().join("counted")).await.unwrap();
    let store = Arc::new(Counted { store, reads: 0.into(), transactions: 0.into() });
    let clock = Arc::new(ManualClock::at(START));
    let control = ControlPlane::over(Arc::clone(&store) as _, options(dir.path(), &clock)).await.unwrap();
    control.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
    let token = control.sessions().issue(order(&agent())).await.unwrap().secret;
    let session = control.sessions().open_session(&token, &target("shop")).await.unwrap();
    let approvals = control.approvals();
    for read_ahead in [true, false] {
        let held = approvals.hold(request(&session, &format!("{UPDATE} -- {read_ahead}"))).await.unwrap();
        approvals.decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
        if read_ahead {
            approvals.get_ready(held.approval.id).await.unwrap();
        }
        store.count();
        let redeem = Redeem {
            id: held.approval.id,
            session: session.id,
            digest: held.approval.digest,
            owner: control.node(),
            attempt: countersign_common::id::AttemptId::generate(),
            evidence: Evidence::Presented("xid:7".into()),
        };
        let redeemed = approvals.redeem(redeem.clone()).await.unwrap();
        // The text is all that is read, where nobody has read it ahead.
        assert_eq!(store.count(), (usize::from(!read_ahead), 1));
        assert!(matches!(redeemed.state, State::Redeemed { .. }), "{redeemed:?}");
        assert_eq!(redeemed.evidence, Evidence::Presented("xid:7".into()));
        // INVARIANT: I1. Used up is used up, and the same attempt is answered the same.
        assert_eq!(approvals.redeem(redeem).await.unwrap(), redeemed);
    }
}

#[tokio::test]
async fn evidence_that_came_with_the_redemption_leaves_a_lost_owner_in_doubt_until_the_target_is_asked() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    let evidence = Evidence::Presented("xid:7".into());
    let redeem = Redeem { evidence: evidence.clone(), ..scratch.redeem(&session, &held) };
    let approvals = scratch.control.approvals();
    let fence = approvals.redeem(redeem).await.unwrap().revision;
    let doubtful = approvals.in_doubt(held.approval.id, fence).await.unwrap();
    assert!(matches!(doubtful.state, State::InDoubt { .. }), "{doubtful:?}");
    assert_eq!(doubtful.evidence, evidence);
}
