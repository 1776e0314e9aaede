//! What every store has to do, as one suite that each implementation runs: `conformance::all(store)`.
//! It panics with what is not as it should be, and leaves its keys behind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite, compiled for tests only"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;

use super::{
    Change, Changes, Kept, LeaseId, Outcome, Revision, Store, StoreError, TRANSACTION_BYTES_MAX, Transaction,
    VALUE_BYTES_MAX, WRITES_MAX, range_all,
};

/// Runs the whole suite on a store.
pub async fn all(store: Arc<dyn Store>) {
    a_put_value_is_read_back(&*store).await;
    a_transaction_writes_all_or_nothing(&*store).await;
    a_stale_comparison_conflicts(&*store).await;
    ranges_are_ordered_and_paged(&*store).await;
    a_watch_tells_what_happened_and_what_happens(&*store).await;
    a_watch_resumed_from_a_revision_misses_nothing(&*store).await;
    one_of_many_racing_swaps_wins(&store).await;
    what_is_within_the_bounds_is_written_and_what_is_not_refused(&*store).await;
    what_stands_under_a_lease_goes_with_it_as_one_change(&*store).await;
    a_lease_that_is_kept_alive_lives_and_then_runs_out(&*store).await;
    a_lost_lease_is_an_answer(&*store).await;
    a_key_stands_under_the_lease_it_was_last_put_under(&*store).await;
    one_lease_carries_more_than_a_transaction_writes(&*store).await;
}

async fn committed(store: &dyn Store, transaction: Transaction) -> Revision {
    match store.transact(transaction).await.unwrap() {
        Outcome::Committed(revision) => revision,
        other => panic!("not committed: {other:?}"),
    }
}

async fn a_put_value_is_read_back(store: &dyn Store) {
    assert_eq!(store.get("/a/none").await.unwrap(), None);
    let first = committed(store, Transaction::new().put("/a/x", "1")).await;
    let second = committed(store, Transaction::new().put("/a/x", "2")).await;
    assert!(second > first, "revisions grow");
    let entry = store.get("/a/x").await.unwrap().unwrap();
    assert_eq!((entry.value.as_slice(), entry.modified), (b"2".as_slice(), second));
    assert!(store.revision().await.unwrap() >= second);
    committed(store, Transaction::new().delete("/a/x").delete("/a/never-was")).await;
    assert_eq!(store.get("/a/x").await.unwrap(), None);
}

async fn a_transaction_writes_all_or_nothing(store: &dyn Store) {
    let both = committed(store, Transaction::new().put("/b/x", "1").put("/b/y", "1")).await;
    assert_eq!(store.get("/b/x").await.unwrap().unwrap().modified, both);
    assert_eq!(store.get("/b/y").await.unwrap().unwrap().modified, both);
    let half = Transaction::new().if_modified("/b/x", both).if_absent("/b/y").put("/b/x", "2");
    assert_eq!(store.transact(half).await.unwrap(), Outcome::Conflict);
    assert_eq!(store.get("/b/x").await.unwrap().unwrap().value, b"1");
}

async fn a_stale_comparison_conflicts(store: &dyn Store) {
    let old = committed(store, Transaction::new().if_absent("/c/x").put("/c/x", "1")).await;
    let again = Transaction::new().if_absent("/c/x").put("/c/x", "1");
    assert_eq!(store.transact(again).await.unwrap(), Outcome::Conflict);
    committed(store, Transaction::new().if_modified("/c/x", old).put("/c/x", "2")).await;
    let stale = Transaction::new().if_modified("/c/x", old).put("/c/x", "3");
    assert_eq!(store.transact(stale).await.unwrap(), Outcome::Conflict);
    assert_eq!(store.get("/c/x").await.unwrap().unwrap().value, b"2");
    // A key that went and came again is not the same.
    committed(store, Transaction::new().delete("/c/x")).await;
    committed(store, Transaction::new().put("/c/x", "1")).await;
    let stale = Transaction::new().if_modified("/c/x", old).put("/c/x", "3");
    assert_eq!(store.transact(stale).await.unwrap(), Outcome::Conflict);
}

async fn ranges_are_ordered_and_paged(store: &dyn Store) {
    let many = (0..25).fold(Transaction::new(), |all, n| all.put(format!("/d/{n:02}"), format!("{n}")));
    committed(store, many.put("/d", "outside").put("/e", "outside")).await;
    let page = store.range("/d/", None, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (10, true));
    assert_eq!(page.entries[9].key, "/d/09");
    let page = store.range("/d/", Some("/d/09"), 100).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (15, false));
    assert_eq!(page.entries[0].key, "/d/10");
    assert_eq!(range_all(store, "/d/").await.unwrap().0.len(), 25);
    assert_eq!(range_all(store, "/no/").await.unwrap().0.len(), 0);
}

async fn next(changes: &mut Changes) -> Change {
    next_within(changes, Duration::from_secs(30)).await
}

async fn next_within(changes: &mut Changes, patience: Duration) -> Change {
    let next = tokio::time::timeout(patience, changes.next()).await;
    next.unwrap_or_else(|_| panic!("the watch is silent")).unwrap().unwrap()
}

async fn a_watch_tells_what_happened_and_what_happens(store: &dyn Store) {
    let start = store.revision().await.unwrap();
    let first = committed(store, Transaction::new().put("/f/x", "1").put("/g/x", "elsewhere")).await;
    let mut changes = store.watch("/f/", start).await.unwrap();
    let change = next(&mut changes).await;
    assert_eq!((change.key(), change.revision()), ("/f/x", first));
    let second = committed(store, Transaction::new().delete("/f/x")).await;
    assert_eq!(next(&mut changes).await, Change::Deleted { key: "/f/x".into(), revision: second });
}

async fn a_watch_resumed_from_a_revision_misses_nothing(store: &dyn Store) {
    let start = store.revision().await.unwrap();
    let mut expected = Vec::new();
    for n in 0..200 {
        committed(store, Transaction::new().put(format!("/h/{}", n % 7), format!("{n}"))).await;
        expected.push(format!("{n}"));
    }
    // The watch is dropped and resumed again and again, in the middle of what it has ready.
    let (mut seen, mut after) = (Vec::new(), start);
    while seen.len() < expected.len() {
        let mut changes = store.watch("/h/", after).await.unwrap();
        for _ in 0..3 {
            if seen.len() < expected.len() {
                let Change::Put(entry) = next(&mut changes).await else { panic!("nothing was deleted") };
                after = entry.modified;
                seen.push(String::from_utf8(entry.value).unwrap());
            }
        }
    }
    assert_eq!(seen, expected);
}

async fn one_of_many_racing_swaps_wins(store: &Arc<dyn Store>) {
    for round in 0..10 {
        let key = format!("/i/{round}");
        let revision = committed(&**store, Transaction::new().put(&key, "free")).await;
        let racers = (0..32).map(|n| {
            let (store, key) = (Arc::clone(store), key.clone());
            tokio::spawn(async move {
                let swap = Transaction::new().if_modified(&key, revision).put(&key, format!("{n}"));
                store.transact(swap).await.unwrap()
            })
        });
        let outcomes = futures::future::join_all(racers).await;
        let won =
            outcomes.into_iter().filter(|outcome| matches!(outcome.as_ref().unwrap(), Outcome::Committed(_)));
        assert_eq!(won.count(), 1);
    }
}

async fn what_is_within_the_bounds_is_written_and_what_is_not_refused(store: &dyn Store) {
    let large = Transaction::new().put("/j/x", vec![0; VALUE_BYTES_MAX + 1]);
    assert!(matches!(store.transact(large).await, Err(StoreError::TooLarge { what: "value", .. })));
    assert_eq!(store.get("/j/x").await.unwrap(), None);
    let puts =
        |count: usize| (0..count).fold(Transaction::new(), |all, n| all.put(format!("/j/{n:04}"), "v"));
    committed(store, puts(WRITES_MAX)).await;
    let refused = store.transact(puts(WRITES_MAX + 1)).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { what: "transaction", .. })));
    // As many comparisons as writes, and as many bytes as may be.
    let value = vec![b'x'; TRANSACTION_BYTES_MAX / 16 - 64];
    let full = (0..16).fold(Transaction::new(), |all, n| all.put(format!("/j/{n:04}"), value.clone()));
    let full = (0..WRITES_MAX).fold(full, |all, n| all.if_absent(format!("/j/none/{n:04}")));
    committed(store, full.clone()).await;
    let more = store.transact(full.put("/j/more", vec![0; 2048])).await;
    assert!(matches!(more, Err(StoreError::TooLarge { .. })));
}

/// A lease that does not run out while a slow machine goes on with the test.
const LONG: Duration = Duration::from_secs(600);

async fn what_stands_under_a_lease_goes_with_it_as_one_change(store: &dyn Store) {
    let lease = store.grant(LONG).await.unwrap();
    let put = Transaction::new().put_under(lease, "/k/x", "1").put_under(lease, "/k/y", "1").put("/k/z", "1");
    let after = committed(store, put).await;
    assert_eq!(store.get("/k/x").await.unwrap().unwrap().lease, Some(lease));
    let page = store.range("/k/", None, 10).await.unwrap();
    let leases: Vec<_> = page.entries.iter().map(|entry| entry.lease).collect();
    assert_eq!(leases, [Some(lease), Some(lease), None]);
    let mut changes = store.watch("/k/", after).await.unwrap();
    store.revoke(lease).await.unwrap();
    let (first, second) = (next(&mut changes).await, next(&mut changes).await);
    assert_eq!(first.revision(), second.revision());
    let mut keys = [first.key(), second.key()];
    keys.sort_unstable();
    assert_eq!(keys, ["/k/x", "/k/y"]);
    assert!(matches!((&first, &second), (Change::Deleted { .. }, Change::Deleted { .. })));
    assert_eq!(store.get("/k/x").await.unwrap(), None);
    assert!(store.get("/k/z").await.unwrap().is_some(), "what does not stand under it stays");
    assert!(store.revision().await.unwrap() >= first.revision());
}

async fn a_lease_that_is_kept_alive_lives_and_then_runs_out(store: &dyn Store) {
    let ttl = Duration::from_secs(2);
    let lease = store.grant(ttl).await.unwrap();
    let after = committed(store, Transaction::new().put_under(lease, "/l/x", "1")).await;
    let mut changes = store.watch("/l/", after).await.unwrap();
    let start = std::time::Instant::now();
    while start.elapsed() < ttl * 2 {
        match store.keep_alive(lease).await.unwrap() {
            Kept::For(left) => assert!(left >= ttl),
            Kept::Lost => panic!("lost although it was kept alive"),
        }
        tokio::time::sleep(ttl / 8).await;
    }
    assert!(store.get("/l/x").await.unwrap().is_some());
    // Nobody keeps it alive any more; watchers see it go.
    assert!(matches!(next_within(&mut changes, LONG).await, Change::Deleted { key, .. } if key == "/l/x"));
    assert_eq!(store.keep_alive(lease).await.unwrap(), Kept::Lost);
}

async fn a_lost_lease_is_an_answer(store: &dyn Store) {
    let lease = store.grant(LONG).await.unwrap();
    store.revoke(lease).await.unwrap();
    store.revoke(lease).await.unwrap();
    store.revoke(LeaseId(4711)).await.unwrap();
    assert_eq!(store.keep_alive(lease).await.unwrap(), Kept::Lost);
    let late = Transaction::new().if_absent("/m/x").put_own_under(lease, "/m/x", "1").put("/m/y", "1");
    assert_eq!(store.transact(late).await.unwrap(), Outcome::LeaseLost);
    assert_eq!(range_all(store, "/m/").await.unwrap().0, []);
    // Whether the comparisons hold is asked first.
    committed(store, Transaction::new().put("/m/x", "1")).await;
    let late = Transaction::new().if_absent("/m/x").put_under(lease, "/m/x", "2");
    assert_eq!(store.transact(late).await.unwrap(), Outcome::Conflict);
}

async fn a_key_stands_under_the_lease_it_was_last_put_under(store: &dyn Store) {
    let (first, second) = (store.grant(LONG).await.unwrap(), store.grant(LONG).await.unwrap());
    committed(store, Transaction::new().put_under(first, "/n/x", "1").put_under(first, "/n/y", "1")).await;
    committed(store, Transaction::new().put_under(second, "/n/x", "2").put("/n/y", "2")).await;
    store.revoke(first).await.unwrap();
    assert_eq!(range_all(store, "/n/").await.unwrap().0.len(), 2);
    store.revoke(second).await.unwrap();
    let left: Vec<_> = range_all(store, "/n/").await.unwrap().0.into_iter().map(|entry| entry.key).collect();
    assert_eq!(left, ["/n/y"]);
}

async fn one_lease_carries_more_than_a_transaction_writes(store: &dyn Store) {
    let lease = store.grant(LONG).await.unwrap();
    for batch in 0..3 {
        let puts = (0..WRITES_MAX)
            .fold(Transaction::new(), |all, n| all.put_under(lease, format!("/o/{batch}/{n}"), "v"));
        committed(store, puts).await;
    }
    let before = store.revision().await.unwrap();
    let mut changes = store.watch("/o/", before).await.unwrap();
    store.revoke(lease).await.unwrap();
    let mut gone = std::collections::BTreeSet::new();
    for _ in 0..3 * WRITES_MAX {
        assert!(gone.insert(next(&mut changes).await.key().to_owned()), "told once");
    }
    assert_eq!(range_all(store, "/o/").await.unwrap().0, []);
}
