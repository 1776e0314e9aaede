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

use super::{Change, Changes, Outcome, Revision, Store, StoreError, Transaction, VALUE_BYTES_MAX, range_all};

/// Runs the whole suite on a store.
pub async fn all(store: Arc<dyn Store>) {
    a_put_value_is_read_back(&*store).await;
    a_transaction_writes_all_or_nothing(&*store).await;
    a_stale_comparison_conflicts(&*store).await;
    ranges_are_ordered_and_paged(&*store).await;
    a_watch_tells_what_happened_and_what_happens(&*store).await;
    a_watch_resumed_from_a_revision_misses_nothing(&*store).await;
    one_of_many_racing_swaps_wins(&store).await;
    what_is_too_large_is_refused(&*store).await;
}

async fn committed(store: &dyn Store, transaction: Transaction) -> Revision {
    match store.transact(transaction).await.unwrap() {
        Outcome::Committed(revision) => revision,
        Outcome::Conflict => panic!("unexpected conflict"),
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
    let next = tokio::time::timeout(Duration::from_secs(10), changes.next()).await;
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

async fn what_is_too_large_is_refused(store: &dyn Store) {
    let large = Transaction::new().put("/j/x", vec![0; VALUE_BYTES_MAX + 1]);
    assert!(matches!(store.transact(large).await, Err(StoreError::TooLarge { what: "value", .. })));
    assert_eq!(store.get("/j/x").await.unwrap(), None);
}
