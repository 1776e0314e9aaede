//! A write that was heard and whose answer was not: through a relay that swallows answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_testkit::Etcd;
use futures::{FutureExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::{EtcdConfig, EtcdStore};
use crate::store::{Outcome, Store as _, StoreError, Transaction};

/// Etcd behind a relay, and beside it.
struct Relayed {
    through: EtcdStore,
    beside: EtcdStore,
    /// The next connection that gets an answer gets none from then on.
    swallow: Arc<AtomicBool>,
    _etcd: Etcd,
}

impl Relayed {
    async fn start() -> Self {
        let etcd = Etcd::start().unwrap();
        let swallow = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = format!("http://{}", listener.local_addr().unwrap());
        let server = etcd.endpoint().strip_prefix("http://").unwrap().to_owned();
        tokio::spawn(accept(listener, server, Arc::clone(&swallow)));
        let through = EtcdStore::open(EtcdConfig::new([relay])).await.unwrap();
        let beside = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
        Self { through, beside, swallow, _etcd: etcd }
    }

    /// Makes a write of which etcd hears and whose first answer is lost.
    async fn unheard(
        &self,
        transaction: Transaction,
    ) -> tokio::task::JoinHandle<Result<Outcome, StoreError>> {
        let before = self.beside.revision().await.unwrap();
        let mut changes = self.beside.watch("/cs/", before).await.unwrap();
        self.swallow.store(true, Ordering::SeqCst);
        let through = self.through.clone();
        let writing = tokio::spawn(async move { through.transact(transaction).await });
        changes.next().await.unwrap().unwrap();
        assert!(!self.swallow.load(Ordering::SeqCst), "its answer is being swallowed");
        writing
    }
}

async fn accept(listener: TcpListener, server: String, swallow: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(&server).await.unwrap();
        tokio::spawn(relay(client, server, Arc::clone(&swallow)));
    }
}

async fn relay(client: TcpStream, server: TcpStream, swallow: Arc<AtomicBool>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let down = async {
        let (mut buffer, mut silent) = (vec![0; 64 * 1024], false);
        loop {
            let count = from_server.read(&mut buffer).await?;
            silent |= swallow.swap(false, Ordering::SeqCst);
            match count {
                0 => return Ok(()),
                _ if silent => {}
                count => to_client.write_all(&buffer[..count]).await?,
            }
        }
    };
    let _: Result<(), std::io::Error> = tokio::select! { done = up => done, done = down => done };
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_once_a_swap_whose_answer_was_lost_is_recognised_and_written_once() {
    let relayed = Relayed::start().await;
    let after = relayed.beside.revision().await.unwrap();
    let swap = Transaction::new().if_absent("/cs/x").put_own("/cs/x", "mine").put("/cs/y", "mine");
    let told = relayed.unheard(swap).await.await.unwrap().unwrap();
    let stands = relayed.beside.get("/cs/x").await.unwrap().unwrap();
    assert_eq!(told, Outcome::Committed(stands.modified));
    // Two keys in one revision, and nothing after them.
    let mut changes = relayed.beside.watch("/cs/", after).await.unwrap();
    for _ in 0..2 {
        assert_eq!(changes.next().await.unwrap().unwrap().revision(), stands.modified);
    }
    assert!(changes.next().now_or_never().is_none());
    assert_eq!(relayed.beside.revision().await.unwrap(), stands.modified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_whose_answer_was_lost_and_that_somebody_has_written_over_is_unknown() {
    let relayed = Relayed::start().await;
    let swap = Transaction::new().if_absent("/cs/x").put_own("/cs/x", "mine");
    let writing = relayed.unheard(swap).await;
    relayed.beside.transact(Transaction::new().put("/cs/x", "theirs")).await.unwrap();
    let told = writing.await.unwrap();
    assert!(matches!(told, Err(StoreError::Unknown(_))), "{told:?}");
    assert_eq!(relayed.beside.get("/cs/x").await.unwrap().unwrap().value, b"theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_compares_nothing_is_not_sent_twice() {
    let relayed = Relayed::start().await;
    let writing = relayed.unheard(Transaction::new().put("/cs/x", "mine")).await;
    let stands = relayed.beside.get("/cs/x").await.unwrap().unwrap();
    let told = writing.await.unwrap();
    assert!(matches!(told, Err(StoreError::Unknown(_))), "{told:?}");
    assert_eq!(relayed.beside.revision().await.unwrap(), stands.modified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_and_a_lease_whose_answer_was_lost_are_asked_for_again() {
    let relayed = Relayed::start().await;
    relayed.beside.transact(Transaction::new().put("/cs/x", "1")).await.unwrap();
    relayed.swallow.store(true, Ordering::SeqCst);
    assert!(relayed.through.get("/cs/x").await.unwrap().is_some());
    relayed.swallow.store(true, Ordering::SeqCst);
    let lease = relayed.through.grant(Duration::from_secs(600)).await.unwrap();
    assert!(!relayed.swallow.load(Ordering::SeqCst));
    let put = Transaction::new().put_under(lease, "/cs/y", "1");
    assert!(matches!(relayed.beside.transact(put).await, Ok(Outcome::Committed(_))));
}
