//! The store on real etcd servers.

mod faults;
mod lost_answers;
mod start;

use std::sync::Arc;

use countersign_testkit::{Etcd, EtcdCluster};

use super::{EtcdConfig, EtcdStore};
use crate::store::{Store as _, Transaction, conformance, range_all};

async fn open(cluster: &EtcdCluster) -> EtcdStore {
    EtcdStore::open(EtcdConfig::new(cluster.endpoints())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_etcd_store_conforms() {
    let etcd = Etcd::start().unwrap();
    let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
    conformance::all(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_a_prefix_conforms_and_stays_below_it() {
    let mut etcd = Etcd::start().unwrap();
    let prefix = "/installation-7";
    let below = EtcdConfig { prefix: prefix.into(), ..EtcdConfig::new([etcd.endpoint()]) };
    conformance::all(Arc::new(EtcdStore::open(below).await.unwrap())).await;
    let keys = etcd.cluster().control(0, &["get", "", "--prefix", "--keys-only"]).unwrap();
    let mut keys = keys.lines().filter(|line| !line.is_empty()).peekable();
    assert!(keys.peek().is_some());
    assert!(keys.all(|key| key.starts_with(prefix)));
    let beside = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
    assert_eq!(range_all(&beside, "/a/").await.unwrap().0, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_changes_comes_to_a_watch_whole_also_in_fragments() {
    let etcd = Etcd::start().unwrap();
    let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
    let after = store.revision().await.unwrap();
    // More than etcd puts into one answer: it comes in pieces, in the middle of a revision.
    for round in 0..6 {
        let large = (0..15).fold(Transaction::new(), |all, n| {
            all.put(format!("/large/{n:02}"), vec![b'a' + round; 60 * 1024])
        });
        store.transact(large).await.unwrap();
    }
    let changes = store.watch("/large/", after).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut changes = futures::StreamExt::take(changes, 90);
    while let Some(change) = futures::StreamExt::next(&mut changes).await {
        let change = change.unwrap();
        assert!(seen.insert((change.revision(), change.key().to_owned())));
    }
    assert_eq!(seen.len(), 90);
}

/// The sum of one of etcd's own counters over its lines that hold `label`.
fn counter(endpoint: &str, name: &str, label: &str) -> u64 {
    use std::io::{Read as _, Write as _};

    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeping_leases_alive_leaves_no_stream_behind() {
    let etcd = Etcd::start().unwrap();
    let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
    let label = "grpc_method=\"LeaseKeepAlive\"";
    for _ in 0..20 {
        let lease = store.grant(std::time::Duration::from_secs(600)).await.unwrap();
        for _ in 0..5 {
            store.keep_alive(lease).await.unwrap();
        }
    }
    let begun = counter(&etcd.endpoint(), "grpc_server_started_total", label);
    assert_eq!(begun, 100);
    let patience = std::time::Duration::from_secs(30);
    countersign_testkit::eventually("the end of the streams", patience, || {
        let ended = counter(&etcd.endpoint(), "grpc_server_handled_total", label);
        Ok((ended == begun).then_some(()))
    })
    .unwrap();
}
