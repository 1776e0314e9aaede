//! What happens to members happens to them, not to calls and watches: killed, stopped, without a
//! majority, and in the middle of a commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_common::id::AttemptId;
use countersign_testkit::{EtcdCluster, Signal};
use futures::StreamExt as _;

use super::open;
use crate::store::{
    Change, EtcdConfig, EtcdStore, Kept, Outcome, Revision, Store as _, StoreError, Transaction, range_all,
};

/// Longer than any recovery takes on a busy machine.
const PATIENT: u32 = 60;

async fn patient(cluster: &EtcdCluster) -> EtcdStore {
    let config = EtcdConfig { call_seconds: PATIENT, ..EtcdConfig::new(cluster.endpoints()) };
    EtcdStore::open(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_nobody_needs_is_missed_all_the_same() {
    let mut cluster = EtcdCluster::start(3).unwrap();
    let store = patient(&cluster).await;
    assert_eq!(store.answering().await, [true, true, true]);
    cluster.kill(1).unwrap();
    assert_eq!(store.answering().await, [true, false, true]);
    cluster.signal(2, Signal::Stop).unwrap();
    assert_eq!(store.answering().await, [true, false, false]);
    cluster.signal(2, Signal::Continue).unwrap();
    cluster.restart(1).unwrap();
    assert_eq!(store.answering().await, [true, true, true]);
}

/// Calls, until it is told to stop: a counter is raised by compare-and-swap, read, and a lease kept alive.
/// How often it was raised.
async fn work(store: EtcdStore, stop: Arc<AtomicBool>) -> u64 {
    let lease = store.grant(Duration::from_secs(600)).await.unwrap();
    let (mut count, mut entry) = (0_u64, None);
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let value = format!("{count} {}", AttemptId::generate());
        let raise = Transaction::new().if_unchanged("/w/count", entry.as_ref());
        let raised = store.transact(raise.put_own("/w/count", value.as_str())).await;
        assert!(matches!(raised, Ok(Outcome::Committed(_))), "{raised:?}");
        entry = store.get("/w/count").await.unwrap();
        assert_eq!(entry.as_ref().unwrap().value, value.as_bytes());
        assert!(matches!(store.keep_alive(lease).await, Ok(Kept::For(_))));
    }
    count
}

/// Every change of the counter, in order, until the last.
async fn follow(store: EtcdStore, last: tokio::sync::oneshot::Receiver<u64>) -> Vec<u64> {
    let mut changes = store.watch("/w/", Revision(0)).await.unwrap();
    let (mut seen, mut last) = (Vec::new(), Box::pin(last));
    let mut until = u64::MAX;
    while seen.last().is_none_or(|seen| *seen < until) {
        tokio::select! {
            change = changes.next() => {
                let Some(Ok(Change::Put(entry))) = change else { panic!("{change:?}") };
                let text = String::from_utf8(entry.value).unwrap();
                seen.push(text.split(' ').next().unwrap().parse().unwrap());
            }
            told = &mut last, if until == u64::MAX => until = told.unwrap(),
        }
    }
    seen
}

/// What is done to each member in turn does not show in calls or watches.
async fn nothing_shows(mut cluster: EtcdCluster, fault: impl Fn(&mut EtcdCluster, usize)) {
    let store = patient(&cluster).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, last) = tokio::sync::oneshot::channel();
    let following = tokio::spawn(follow(patient(&cluster).await, last));
    let working = tokio::spawn(work(store.clone(), Arc::clone(&stop)));
    // The leader first: it is the hardest to lose. Each has its turn, so the one that the watch is at, too.
    let leader = cluster.leader().unwrap();
    for index in [leader, (leader + 1) % 3, (leader + 2) % 3] {
        let before = store.revision().await.unwrap();
        fault(&mut cluster, index);
        // The work goes on afterwards.
        let mut changes = store.watch("/w/", before).await.unwrap();
        for _ in 0..5 {
            let change = tokio::time::timeout(Duration::from_secs(PATIENT.into()), changes.next()).await;
            change.expect("the work goes on").unwrap().unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let count = working.await.unwrap();
    tell.send(count).unwrap();
    let seen = following.await.unwrap();
    let wrong = seen.iter().zip(1..).find(|(seen, expected)| **seen != *expected);
    assert_eq!((wrong, seen.len() as u64), (None, count), "no change missed, none doubled");
    assert!(store.members().iter().any(|member| !member.suspect));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_fails_no_call_and_no_watch() {
    nothing_shows(EtcdCluster::start(3).unwrap(), |cluster, index| {
        tokio::task::block_in_place(|| {
            cluster.kill(index).unwrap();
            cluster.leader().unwrap();
            cluster.restart(index).unwrap();
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stands_still_fails_no_call_and_no_watch() {
    nothing_shows(EtcdCluster::start(3).unwrap(), |cluster, index| {
        tokio::task::block_in_place(|| {
            cluster.signal(index, Signal::Stop).unwrap();
            // Longer than an election and longer than a watch waits for a sign of life.
            std::thread::sleep(Duration::from_secs(12));
            cluster.signal(index, Signal::Continue).unwrap();
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_calls_fail_clearly_and_work_again_when_it_is_back() {
    let mut cluster = EtcdCluster::start(3).unwrap();
    let config = EtcdConfig { call_seconds: 3, ..EtcdConfig::new(cluster.endpoints()) };
    let store = EtcdStore::open(config).await.unwrap();
    let after = store.revision().await.unwrap();
    let mut changes = store.watch("/cs/", after).await.unwrap();
    cluster.kill(0).unwrap();
    cluster.kill(1).unwrap();
    let read = store.get("/cs/x").await.unwrap_err();
    assert!(matches!(read, StoreError::Unreachable { .. }), "{read:?}");
    let swap = || Transaction::new().if_absent("/cs/x").put_own("/cs/x", "mine");
    let written = store.transact(swap()).await.unwrap_err();
    assert!(matches!(written, StoreError::Unreachable { .. } | StoreError::Unknown(_)), "{written:?}");
    assert!(store.grant(Duration::from_secs(5)).await.is_err());
    // It comes back by itself, and so do the watches.
    cluster.restart_without_waiting(0).unwrap();
    cluster.restart(1).unwrap();
    let again = loop {
        match store.transact(swap()).await {
            Ok(outcome) => break outcome,
            Err(StoreError::Unreachable { .. } | StoreError::Unknown(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    };
    // Also where the first attempt was written after all: this one recognises it.
    let Outcome::Committed(revision) = again else { panic!("{again:?}") };
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.key(), change.revision()), ("/cs/x", revision));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_behind_the_compacted_history_is_told_to_list_again() {
    let cluster = EtcdCluster::start(1).unwrap();
    let store = open(&cluster).await;
    for n in 0..20 {
        store.transact(Transaction::new().put("/cs/x", format!("{n}"))).await.unwrap();
    }
    // One that has seen everything is not concerned.
    let newest = store.revision().await.unwrap();
    let mut current = store.watch("/cs/", newest).await.unwrap();
    cluster.compact(0).unwrap();
    let told = match store.watch("/cs/", Revision(1)).await {
        Ok(mut changes) => {
            let told = changes.next().await.unwrap().unwrap_err();
            assert!(changes.next().await.is_none());
            told
        }
        Err(told) => told,
    };
    let StoreError::Compacted { asked: Revision(1), oldest } = told else { panic!("{told:?}") };
    let mut resumed = store.watch("/cs/", oldest).await.unwrap();
    assert!(matches!(resumed.next().await.unwrap().unwrap(), Change::Put(entry) if entry.value == b"19"));
    store.transact(Transaction::new().put("/cs/x", "20")).await.unwrap();
    assert!(matches!(current.next().await.unwrap().unwrap(), Change::Put(entry) if entry.value == b"20"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_lost_its_member_and_then_its_history_gets_an_error_and_not_a_gap() {
    let mut cluster = EtcdCluster::start(1).unwrap();
    let store = patient(&cluster).await;
    let after = store.revision().await.unwrap();
    let mut changes = store.watch("/cs/quiet/", after).await.unwrap();
    cluster.kill(0).unwrap();
    cluster.restart(0).unwrap();
    // While the watch may be away, its history goes.
    cluster.control(0, &["put", "/cs/quiet/x", "1"]).unwrap();
    cluster.control(0, &["put", "/cs/quiet/x", "2"]).unwrap();
    cluster.compact(0).unwrap();
    match changes.next().await.unwrap() {
        // It was back before.
        Ok(Change::Put(entry)) => assert_eq!(entry.value, b"1"),
        Err(StoreError::Compacted { .. }) => assert!(changes.next().await.is_none()),
        other => panic!("{other:?}"),
    }
}

/// What each attempt was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Committed,
    Conflict,
    Unknown,
}

/// One racer: writes the next line of a common log, by compare-and-swap on its length, again and again.
async fn race(store: EtcdStore, stop: Arc<AtomicBool>) -> Vec<(AttemptId, Told)> {
    let mut told = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(head) = store.get("/r/head").await else { continue };
        let length: u64 = head.as_ref().map_or(0, |head| {
            let text = std::str::from_utf8(&head.value).unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        });
        let attempt = AttemptId::generate();
        let append = Transaction::new()
            .if_unchanged("/r/head", head.as_ref())
            .put_own("/r/head", format!("{} {attempt}", length + 1))
            .put(format!("/r/line/{length:08}"), attempt.to_string());
        told.push((
            attempt,
            match store.transact(append).await {
                Ok(Outcome::Committed(_)) => Told::Committed,
                Ok(Outcome::Conflict) => Told::Conflict,
                Err(StoreError::Unknown(_)) => Told::Unknown,
                // Nothing was written.
                Err(StoreError::Unreachable { .. }) => Told::Conflict,
                other => panic!("{other:?}"),
            },
        ));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_once_an_ambiguous_commit_is_never_doubled_and_never_told_wrongly() {
    let mut cluster = EtcdCluster::start(3).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut racers = Vec::new();
    for _ in 0..4 {
        racers.push(tokio::spawn(race(open(&cluster).await, Arc::clone(&stop))));
    }
    let store = patient(&cluster).await;
    for _ in 0..3 {
        let before = store.revision().await.unwrap();
        tokio::task::block_in_place(|| {
            let leader = cluster.leader().unwrap();
            cluster.kill(leader).unwrap();
            cluster.leader().unwrap();
            cluster.restart(leader).unwrap();
        });
        let lines = store.watch("/r/line/", before).await.unwrap().take(20).count();
        let lines = tokio::time::timeout(Duration::from_secs(PATIENT.into()), lines).await;
        assert_eq!(lines.expect("the racers go on"), 20);
    }
    stop.store(true, Ordering::Relaxed);
    let mut told = BTreeMap::new();
    for racer in racers {
        told.extend(racer.await.unwrap());
    }
    let mut lines: BTreeMap<AttemptId, usize> = BTreeMap::new();
    for entry in range_all(&store, "/r/line/").await.unwrap().0 {
        *lines.entry(std::str::from_utf8(&entry.value).unwrap().parse().unwrap()).or_default() += 1;
    }
    for (attempt, told) in &told {
        let written = lines.get(attempt).copied().unwrap_or_default();
        match told {
            Told::Committed => assert_eq!(written, 1, "{attempt} was told to be written"),
            Told::Conflict => assert_eq!(written, 0, "{attempt} was told not to be written"),
            Told::Unknown => assert!(written <= 1, "{attempt} was written twice"),
        }
    }
    assert!(lines.keys().all(|attempt| told.contains_key(attempt)));
    let unknown = told.values().filter(|told| **told == Told::Unknown).count();
    println!("{} attempts, {} written, {unknown} unknown", told.len(), lines.len());
}
