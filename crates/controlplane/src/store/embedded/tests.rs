//! The embedded store: durable, one writer, watched without gaps.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::error::{Report, code};
use futures::StreamExt as _;

use super::{EmbeddedStore, History};
use crate::store::{Kept, Outcome, Revision, Store, StoreError, Transaction, conformance};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance::all(Arc::new(EmbeddedStore::open(dir.path().join("s")).await.unwrap())).await;
}

#[tokio::test]
async fn a_file_in_use_is_refused_with_a_clear_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _first = EmbeddedStore::open(&path).await.unwrap();
    let error = EmbeddedStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    assert_eq!(error.code(), code::STORE_FAILED);
    assert!(error.to_string().contains("in use by another process"));
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let junk = b"this is not a store, whatever its name says".repeat(200);
    std::fs::write(&path, &junk).unwrap();
    let error = EmbeddedStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(error.code(), code::STORE_FAILED);
    assert_eq!(std::fs::read(&path).unwrap(), junk);
}

#[tokio::test]
async fn a_store_of_another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    {
        let database = redb::Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(super::tables::META).unwrap().insert("format", 99).unwrap();
        write.commit().unwrap();
    }
    let error = EmbeddedStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::OtherFormat { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn what_was_committed_and_its_revision_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = EmbeddedStore::open(&path).await.unwrap();
    let mut last = Revision(0);
    for n in 0..20 {
        let Outcome::Committed(revision) =
            store.transact(Transaction::new().put(format!("/{n}"), "v")).await.unwrap()
        else {
            panic!()
        };
        last = revision;
    }
    drop(store);
    let store = loop {
        match EmbeddedStore::open(&path).await {
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(store.revision().await.unwrap(), last);
    assert_eq!(store.range("/", None, 100).await.unwrap().entries.len(), 20);
    assert_eq!(store.watch("/", Revision(0)).await.unwrap().take(20).count().await, 20);
}

#[tokio::test]
async fn a_watch_from_before_the_history_is_told_to_list_again() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { revisions_max: 10, bytes_max: 1 << 20 };
    let store = EmbeddedStore::open_with(dir.path().join("s"), history).await.unwrap();
    for n in 0..30 {
        store.transact(Transaction::new().put("/x", format!("{n}"))).await.unwrap();
    }
    let Err(StoreError::Compacted { oldest, .. }) = store.watch("/", Revision(5)).await else { panic!() };
    assert_eq!(oldest, Revision(20));
    assert_eq!(store.watch("/", oldest).await.unwrap().take(10).count().await, 10);
}

#[tokio::test]
async fn large_values_push_old_ones_out_of_the_history() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { revisions_max: 1000, bytes_max: 4096 };
    let store = EmbeddedStore::open_with(dir.path().join("s"), history).await.unwrap();
    for _ in 0..30 {
        store.transact(Transaction::new().put("/x", vec![7; 1000])).await.unwrap();
    }
    let Err(StoreError::Compacted { oldest, .. }) = store.watch("/", Revision(0)).await else { panic!() };
    assert_eq!(oldest, Revision(26));
    assert_eq!(store.get("/x").await.unwrap().unwrap().modified, Revision(30));
}

#[tokio::test]
async fn a_watcher_that_sleeps_past_the_history_gets_an_error_and_not_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { revisions_max: 10, bytes_max: 1 << 20 };
    let store = EmbeddedStore::open_with(dir.path().join("s"), history).await.unwrap();
    let mut changes = store.watch("/", Revision(0)).await.unwrap();
    for n in 0..30 {
        store.transact(Transaction::new().put("/x", format!("{n}"))).await.unwrap();
    }
    assert!(matches!(changes.next().await, Some(Err(StoreError::Compacted { .. }))));
    assert!(changes.next().await.is_none());
}

/// Opens it once the writer's thread of the last to have it open has closed it.
async fn reopen(path: &std::path::Path) -> EmbeddedStore {
    loop {
        match EmbeddedStore::open(path).await {
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_lease_outlives_a_restart_and_ends_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = EmbeddedStore::open(&path).await.unwrap();
    let long = store.grant(Duration::from_secs(600)).await.unwrap();
    let short = store.grant(Duration::from_secs(1)).await.unwrap();
    let put = Transaction::new().put_under(long, "/long", "v").put_under(short, "/short", "v");
    let Outcome::Committed(after) = store.transact(put).await.unwrap() else { panic!() };
    drop(store);
    let store = reopen(&path).await;
    let mut changes = store.watch("/", after).await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!(change.key(), "/short");
    assert_eq!(store.keep_alive(short).await.unwrap(), Kept::Lost);
    assert!(matches!(store.keep_alive(long).await.unwrap(), Kept::For(_)));
    assert_eq!(store.get("/long").await.unwrap().unwrap().lease, Some(long));
}

#[tokio::test]
async fn a_store_from_before_leases_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    {
        let database = redb::Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(super::tables::META).unwrap().insert("format", 1).unwrap();
        write.open_table(super::tables::META).unwrap().insert("revision", 7).unwrap();
        write.open_table(super::tables::ENTRIES).unwrap().insert("/x", (7, b"v".as_slice())).unwrap();
        write.commit().unwrap();
    }
    let store = EmbeddedStore::open(&path).await.unwrap();
    let found = store.get("/x").await.unwrap().unwrap();
    assert_eq!((found.modified, found.lease), (Revision(7), None));
    let lease = store.grant(Duration::from_secs(600)).await.unwrap();
    let put = Transaction::new().if_modified("/x", Revision(7)).put_under(lease, "/x", "v");
    assert_eq!(store.transact(put).await.unwrap(), Outcome::Committed(Revision(8)));
}
