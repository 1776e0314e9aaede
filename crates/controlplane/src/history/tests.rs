//! What has ended goes to the archive once, whatever dies meanwhile, and nothing else goes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::approval::{Evidence, Outcome as Ended, State};
use countersign_common::id::ApprovalId;
use countersign_common::time::ManualClock;
use countersign_recording::history::verify_folder;
use countersign_recording::{ArchiveStore, SigningKey};
use countersign_testkit::Etcd;
use tempfile::TempDir;

use super::{APPROVALS_KEPT, History, HistoryArchive, HistoryOptions, RetainError, Retention};
use crate::ControlPlane;
use crate::approvals::{ApprovalError, Details, Held, Joined, Redeem, Snapshot};
use crate::sessions::Session;
use crate::store::{
    Changes, EmbeddedStore, Entry, EtcdConfig, EtcdStore, Kept, LeaseId, Outcome, Page, Revision, Store,
    StoreError, Transaction, range_all,
};
use crate::testing::{START, agent, bundle, human, no, options, order, request, subject, target, yes};

/// A store with a control plane on it, and an archive.
struct Bed {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    control: Arc<ControlPlane>,
    session: Session,
    archive: PathBuf,
    dir: TempDir,
    _etcd: Option<Etcd>,
}

fn sealing() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

impl Bed {
    async fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path().join("control.redb")).await.unwrap();
        Self::over(Arc::new(store), dir, None).await
    }

    async fn etcd() -> Self {
        let etcd = Etcd::start().unwrap();
        let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
        Self::over(Arc::new(store), tempfile::tempdir().unwrap(), Some(etcd)).await
    }

    async fn over(store: Arc<dyn Store>, dir: TempDir, etcd: Option<Etcd>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let data = dir.path().join("data");
        let control = ControlPlane::over(Arc::clone(&store), options(&data, &clock)).await.unwrap();
        control.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
        let mut order = order(&agent());
        order.ttl = Duration::from_secs(3000 * 86_400);
        let token = control.sessions().issue(order).await.unwrap().secret;
        let session = control.sessions().open_session(&token, &target("shop")).await.unwrap();
        let archive = dir.path().join("archive");
        Self { store, clock, control, session, archive, dir, _etcd: etcd }
    }

    fn options(&self) -> HistoryOptions {
        let store = ArchiveStore::folder(&self.archive).unwrap();
        let archive = Some(HistoryArchive { store, key: Arc::new(sealing()) });
        HistoryOptions { archive, ..HistoryOptions::default() }
    }

    fn retention_over(&self, store: Arc<dyn Store>) -> Retention {
        Retention::new(store, Arc::clone(&self.clock) as _, self.options())
    }

    fn retention(&self) -> Retention {
        self.retention_over(Arc::clone(&self.store))
    }

    fn history(&self) -> History {
        History::new(Arc::clone(&self.store), self.options().archive.map(|archive| archive.store))
    }

    async fn hold(&self, text: &str) -> Held {
        self.control.approvals().hold(request(&self.session, text)).await.unwrap()
    }

    async fn denied(&self, text: &str) -> ApprovalId {
        let held = self.hold(text).await;
        self.control.approvals().decide(no(&held, &human("bob", &["dba"]))).await.unwrap();
        held.approval.id
    }

    async fn redeemed(&self, text: &str) -> (ApprovalId, u64) {
        let (held, approvals) = (self.hold(text).await, self.control.approvals());
        approvals.decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
        let redeem = Redeem {
            id: held.approval.id,
            session: self.session.id,
            digest: held.approval.digest,
            owner: self.control.node(),
            attempt: countersign_common::id::AttemptId::generate(),
            evidence: Evidence::None,
        };
        (held.approval.id, approvals.redeem(redeem).await.unwrap().revision)
    }

    /// As it stands in the store.
    async fn whole(&self, id: ApprovalId) -> (Snapshot, Details) {
        let approvals = self.control.approvals();
        (approvals.get(id).await.unwrap(), approvals.details(id).await.unwrap())
    }

    async fn is_in_store(&self, id: ApprovalId) -> bool {
        !matches!(self.control.approvals().get(id).await, Err(ApprovalError::NotFound(_)))
    }

    /// The keys of everything that is stored about approvals.
    async fn keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for prefix in ["/cs/approvals/", "/cs/commands/", "/cs/asked/"] {
            keys.extend(range_all(&*self.store, prefix).await.unwrap().0.into_iter().map(|entry| entry.key));
        }
        keys
    }

    /// How often each approval stands in the archive.
    async fn archived(&self) -> BTreeMap<ApprovalId, usize> {
        let mut found = BTreeMap::new();
        for snapshot in self.history().approvals(usize::MAX, |_| true).await.unwrap() {
            *found.entry(snapshot.approval.id).or_default() += 1;
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_goes_and_is_found_again_word_for_word() {
    let bed = Bed::embedded().await;
    let keys_before = bed.keys().await;
    let denied = bed.denied("DELETE FROM carts").await;
    let (done, fence) = bed.redeemed("UPDATE orders SET paid = true").await;
    bed.control.approvals().report(done, fence, Ended::Completed).await.unwrap();
    // More chunks than go in one transaction.
    let large = bed.denied(&format!("SELECT '{}'", "x".repeat(3 << 20))).await;
    let stood = [bed.whole(denied).await, bed.whole(done).await, bed.whole(large).await];

    assert_eq!(bed.retention().round().await.unwrap(), 0, "nothing is old yet");
    bed.clock.advance(APPROVALS_KEPT);
    assert_eq!(bed.retention().round().await.unwrap(), 3);
    assert_eq!(bed.retention().round().await.unwrap(), 0, "once");
    bed.clock.advance(Duration::from_secs(3600));
    crate::content::sweep(&*bed.store, countersign_common::time::Clock::now(&*bed.clock)).await.unwrap();
    assert_eq!(bed.keys().await, keys_before, "nothing of them is left");

    for (snapshot, details) in stood {
        let found = bed.history().approval(snapshot.approval.id).await.unwrap().unwrap();
        assert_eq!((found.snapshot, found.details), (snapshot, details));
    }
    assert_eq!(bed.history().approval(ApprovalId::generate()).await.unwrap(), None);
    let denied_ones = bed.history().approvals(10, |one| one.approval.state == State::Denied).await.unwrap();
    assert_eq!(denied_ones.iter().map(|one| one.approval.id).collect::<Vec<_>>(), [large, denied]);
    let report = bed.history().verify().await.unwrap();
    assert_eq!((report.faults, report.entries), (vec![], 3));
    // The same command is asked anew: nothing points to what is gone.
    assert_eq!(bed.hold("DELETE FROM carts").await.joined, Joined::New);
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_what_has_not_ended_or_is_in_doubt_stays_however_old_it_is() {
    let bed = Bed::embedded().await;
    let pending = bed.hold("DELETE FROM a").await.approval.id;
    let (redeemed, _) = bed.redeemed("DELETE FROM b").await;
    let (doubted, fence) = bed.redeemed("DELETE FROM c").await;
    bed.control.approvals().in_doubt(doubted, fence).await.unwrap();
    bed.clock.advance(APPROVALS_KEPT * 3);
    assert_eq!(bed.retention().round().await.unwrap(), 0);
    for id in [pending, redeemed, doubted] {
        assert!(bed.is_in_store(id).await);
    }
    // From the moment on at which it ends it is kept as long as any other.
    bed.control.approvals().resolve(doubted, false, &subject("bob"), "looked").await.unwrap();
    bed.clock.advance(APPROVALS_KEPT - Duration::from_secs(1));
    assert_eq!(bed.retention().round().await.unwrap(), 0);
    bed.clock.advance(Duration::from_secs(1));
    assert_eq!(bed.retention().round().await.unwrap(), 1);
    assert!(!bed.is_in_store(doubted).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_asked_again_keeps_its_newer_request() {
    let bed = Bed::embedded().await;
    let older = bed.denied("DELETE FROM carts").await;
    bed.clock.advance(APPROVALS_KEPT);
    let newer = bed.hold("DELETE FROM carts").await;
    assert_eq!(newer.joined, Joined::New);
    assert_eq!(bed.retention().round().await.unwrap(), 1);
    assert!(!bed.is_in_store(older).await);
    let again = bed.hold("DELETE FROM carts").await;
    assert_eq!((again.joined, again.approval.id), (Joined::Open, newer.approval.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_everything_stays() {
    let bed = Bed::embedded().await;
    let denied = bed.denied("DELETE FROM carts").await;
    bed.clock.advance(APPROVALS_KEPT * 3);
    let keys = bed.keys().await;
    let none = Retention::new(Arc::clone(&bed.store), Arc::clone(&bed.clock) as _, HistoryOptions::default());
    assert_eq!(none.round().await.unwrap(), 0);
    assert_eq!(bed.keys().await, keys);
    assert!(bed.is_in_store(denied).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looked_goes_to_the_archive_too() {
    let bed = Bed::embedded().await;
    for _ in 0..3 {
        bed.control.audit().list(1, &subject("ada")).await.unwrap();
    }
    bed.clock.advance(Duration::from_secs(90 * 86_400));
    bed.control.audit().list(1, &subject("bea")).await.unwrap();
    assert_eq!(bed.retention().round().await.unwrap(), 3);
    let left = bed.control.audit().events(10).await.unwrap();
    assert_eq!(left.iter().map(|event| event.by.as_str()).collect::<Vec<_>>(), ["bea"]);
    assert_eq!(bed.history().verify().await.unwrap().entries, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_share_an_archive() {
    let (one, mut other) = (Bed::embedded().await, Bed::embedded().await);
    other.archive.clone_from(&one.archive);
    for bed in [&one, &other] {
        let id = bed.denied("DELETE FROM carts").await;
        bed.clock.advance(APPROVALS_KEPT);
        assert_eq!(bed.retention().round().await.unwrap(), 1);
        assert_eq!(bed.archived().await, BTreeMap::from([(id, 1)]));
    }
}

fn pages(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.to_string_lossy().ends_with(".jsonl.zst") {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_a_page_that_is_changed_or_taken_away_shows() {
    let bed = Bed::embedded().await;
    let mut ids = Vec::new();
    for round in 0..3 {
        ids.push(bed.denied(&format!("DELETE FROM t{round}")).await);
        bed.clock.advance(APPROVALS_KEPT);
        assert_eq!(bed.retention().round().await.unwrap(), 1);
    }
    assert_eq!(bed.history().verify().await.unwrap().pages, 3);
    let mut found = Vec::new();
    pages(&bed.archive, &mut found);
    found.sort();
    for (index, page) in found.iter().enumerate() {
        let before = std::fs::read(page).unwrap();
        let plain = String::from_utf8(zstd::decode_all(&*before).unwrap()).unwrap();
        let forged = plain.replace(&format!("t{index}"), "t9");
        assert_ne!(forged, plain);
        std::fs::write(page, zstd::encode_all(forged.as_bytes(), 3).unwrap()).unwrap();
        let faults = bed.history().verify().await.unwrap().faults;
        assert_eq!(faults.len(), 1, "page {index}: {faults:?}");
        let read = bed.history().approval(ids[index]).await;
        assert!(read.is_err(), "the text is not the one that was asked about: {read:?}");
        std::fs::remove_file(page).unwrap();
        assert_eq!(bed.history().verify().await.unwrap().faults.len(), 1);
        std::fs::write(page, before).unwrap();
    }
    assert_eq!(bed.history().verify().await.unwrap().faults, Vec::<String>::new());
}

/// A store of a process that dies: after so many calls no other is answered. The last one may have been done.
#[derive(Debug)]
struct Dying {
    store: Arc<dyn Store>,
    calls_left: AtomicI64,
    last_is_done: bool,
}

impl Dying {
    fn dies(&self) -> (bool, bool) {
        let left = self.calls_left.fetch_sub(1, Ordering::SeqCst);
        (left <= 0, left == 0 && self.last_is_done)
    }
}

#[async_trait]
impl Store for Dying {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        if self.dies().0 { Err(StoreError::Closed) } else { self.store.get(key).await }
    }

    async fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        self.store.range(prefix, after, limit).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        match self.dies() {
            (false, _) => self.store.transact(transaction).await,
            (true, true) => self.store.transact(transaction).await.and(Err(StoreError::Closed)),
            (true, false) => Err(StoreError::Closed),
        }
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

/// A round dies at its first call, at its second, and so on; the next one goes on.
async fn whatever_dies_each_goes_once(bed: &Bed) {
    let mut asked = BTreeSet::new();
    for calls in 0.. {
        let mut died = false;
        for last_is_done in [false, true] {
            for n in 0..3 {
                asked.insert(bed.denied(&format!("DELETE FROM t{n} WHERE {calls} {last_is_done}")).await);
            }
            bed.clock.advance(APPROVALS_KEPT);
            let calls_left = AtomicI64::new(calls);
            let dying = Arc::new(Dying { store: Arc::clone(&bed.store), calls_left, last_is_done });
            died = bed.retention_over(dying).round().await.is_err();
            // Nothing is lost at any moment: it is in the store, in the archive, or for a moment in both.
            let archived = bed.archived().await;
            for id in &asked {
                assert!(bed.is_in_store(*id).await || archived.contains_key(id), "{id} is lost");
            }
            bed.retention().round().await.unwrap();
            let archived = bed.archived().await;
            assert_eq!(archived.keys().copied().collect::<BTreeSet<_>>(), asked);
            assert!(archived.values().all(|count| *count == 1), "{archived:?}");
            assert_eq!(bed.keys().await, BTreeSet::new());
            assert_eq!(bed.history().verify().await.unwrap().faults, Vec::<String>::new());
            let offline = verify_folder(&bed.archive, &[sealing().public()]).unwrap();
            assert!(offline.iter().all(|one| one.faults.is_empty() && !one.is_unsealed), "{offline:?}");
        }
        if !died {
            assert!(calls > 10, "it dies at every step: {calls}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_each_goes_once_from_the_embedded_store() {
    whatever_dies_each_goes_once(&Bed::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_each_goes_once_from_etcd() {
    whatever_dies_each_goes_once(&Bed::etcd().await).await;
}

#[tokio::test]
async fn what_stands_otherwise_in_the_archive_is_not_deleted() {
    let bed = Bed::embedded().await;
    let id = bed.denied("DELETE FROM carts").await;
    bed.clock.advance(APPROVALS_KEPT);
    // Until one dies between the archive and the store.
    for calls in 0.. {
        let calls_left = AtomicI64::new(calls);
        let dying = Arc::new(Dying { store: Arc::clone(&bed.store), calls_left, last_is_done: false });
        let _ = bed.retention_over(dying).round().await;
        if bed.archived().await.contains_key(&id) {
            break;
        }
    }
    assert!(bed.is_in_store(id).await);
    let key = range_all(&*bed.store, "/cs/approvals/").await.unwrap().0.remove(0);
    let changed = String::from_utf8(key.value).unwrap().replace("because", "reasons");
    bed.store.transact(Transaction::new().put(&key.key, changed)).await.unwrap();
    let refused = bed.retention().round().await;
    assert!(matches!(refused, Err(RetainError::Differs(_))), "{refused:?}");
    assert!(bed.is_in_store(id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_do_it_at_once_do_the_same() {
    let bed = Bed::etcd().await;
    let mut asked = BTreeSet::new();
    for n in 0..300 {
        asked.insert(bed.denied(&format!("DELETE FROM t{n}")).await);
    }
    bed.clock.advance(APPROVALS_KEPT);
    while !bed.keys().await.is_empty() {
        let rounds = (0..3).map(|_| {
            let retention = bed.retention();
            tokio::spawn(async move { retention.round().await })
        });
        futures::future::join_all(rounds).await;
    }
    let archived = bed.archived().await;
    assert_eq!(archived.keys().copied().collect::<BTreeSet<_>>(), asked);
    assert!(archived.values().all(|count| *count == 1));
    let report = bed.history().verify().await.unwrap();
    assert_eq!((report.faults, report.entries), (vec![], 300));
    assert!(bed.dir.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_runs_does_it_by_itself() {
    let bed = Bed::embedded().await;
    let id = bed.denied("DELETE FROM carts").await;
    bed.clock.advance(APPROVALS_KEPT);
    let mut options = options(&bed.dir.path().join("another"), &bed.clock);
    options.history = bed.options();
    let node = ControlPlane::over(Arc::clone(&bed.store), options).await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(Arc::clone(&node).run(stopped));
    let gone = async {
        while bed.is_in_store(id).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert!(node.history().approval(id).await.unwrap().is_some());
    stop.send_replace(true);
    running.await.unwrap();
    // Whoever ends gives its place up, so that the next one need not wait.
    assert_eq!(bed.store.get("/cs/leader/history").await.unwrap(), None);
}
