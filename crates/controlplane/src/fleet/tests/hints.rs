//! A decision at one node, a gateway that waits at another, and a store that tells nobody of changes: what arrives, came
//! by a hint.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_common::Secret;
use countersign_common::approval::{Approval, State, Vote};
use countersign_common::id::{ApprovalId, NodeId};
use countersign_testkit as testkit;

use super::bed::{Bed, Running, eventually};
use super::commands::hold;
use super::gateway::{Linked, Member};
use crate::approvals::Decide;
use crate::hints::{Heard, Hint, Hints, LocalHints, RedisHints};
use crate::redis::{Redis, RedisOptions, RedisTls};
use crate::store::{EtcdConfig, EtcdStore};
use crate::testing::{agent, human, request};

/// Two nodes; a gateway that has its link to the second.
struct Stage {
    bed: Bed,
    first: Running,
    second: Running,
    link: Linked,
}

impl Stage {
    async fn with(hints: Arc<dyn Hints>) -> Self {
        Self::start(Some(hints)).await
    }

    async fn start(hints: Option<Arc<dyn Hints>>) -> Self {
        let mut bed = Bed::new().await;
        bed.hints = hints;
        Self::on(bed).await
    }

    async fn on(mut bed: Bed) -> Self {
        let (first, second) = (bed.node().await, bed.node().await);
        let link = Member::join(&second, "gateway-1").await.link(&second).await;
        eventually("the first node to know of the link", async || first.node(link.id).is_some()).await;
        Self { bed, first, second, link }
    }

    /// The store tells nobody of changes of approvals, or does again.
    fn mute(&self, mute: bool) {
        self.bed.store.mute.store(mute, Ordering::SeqCst);
    }

    /// The gateway asks, and waits.
    async fn held(&mut self, text: &str) -> Approval {
        let session = self.second.scratch.session(&agent()).await;
        let held = self.link.approval(hold(&request(&session, text))).await;
        self.link.attach(&[held.session.to_string()]).await;
        let follow = v1::FollowApproval { approval_id: held.id.to_string(), seen_revision: held.revision };
        self.link.send(FromGateway::Follow(follow)).await;
        eventually("the approval to be followed", async || self.second.fleet.links().follows(held.id)).await;
        held
    }

    /// A person decides at the first node.
    async fn decide(&self, held: &Approval, vote: Vote) -> Approval {
        decide_at(&self.first, held, vote).await
    }

    /// The next state that the gateway is told of.
    async fn told(&mut self) -> Approval {
        let told = |frame| match frame {
            Frame::Approval(told) => Some(Approval::try_from(told).unwrap()),
            _ => None,
        };
        self.link.wait_for(told).await
    }

    fn knows(&self, held: &Approval) -> State {
        self.second.scratch.control.approvals().known(held.id).unwrap().approval.state.clone()
    }
}

#[tokio::test]
async fn a_decision_at_one_node_reaches_the_gateway_of_another_before_the_store_tells() {
    let mut stage = Stage::with(Arc::new(LocalHints::default())).await;
    stage.mute(true);
    for vote in [Vote::Approve, Vote::Deny] {
        let held = stage.held(&format!("DELETE FROM carts -- {vote:?}")).await;
        let decided = stage.decide(&held, vote).await;
        assert_eq!(stage.told().await, decided);
    }
}

#[tokio::test]
async fn what_ends_otherwise_is_hinted_too() {
    let mut stage = Stage::with(Arc::new(LocalHints::default())).await;
    stage.mute(true);
    let held = stage.held("DELETE FROM carts").await;
    let withdrawn = stage.first.scratch.control.approvals().withdraw(held.id, held.session).await.unwrap();
    assert_eq!(stage.told().await, withdrawn);
}

#[tokio::test]
async fn lost_doubled_late_and_forged_hints_change_nothing() {
    let hints = LocalHints::default();
    let mut stage = Stage::with(Arc::new(hints.clone())).await;
    let (first, second) = (stage.first.scratch.control.node(), stage.second.scratch.control.node());
    stage.mute(true);
    let held = stage.held("DELETE FROM carts").await;
    let forged = Hint { approval: held.id, revision: u64::MAX };
    let strange = Hint { approval: ApprovalId::generate(), revision: 7 };
    for heard in [Heard::Hint(forged), Heard::Hint(strange), Heard::Strange, Heard::Deaf, Heard::Gap] {
        hints.say(second, heard).unwrap();
        hints.say(first, heard).unwrap();
    }
    let decided = stage.decide(&held, Vote::Approve).await;
    for _ in 0..3 {
        hints.say(second, Heard::Hint(Hint { approval: held.id, revision: decided.revision })).unwrap();
    }
    // The first that the gateway hears is the decision: nothing before it, and nothing twice.
    assert_eq!(stage.told().await, decided);
    let next = stage.held("DELETE FROM orders").await;
    let late = Hint { approval: held.id, revision: 1 };
    hints.say(second, Heard::Hint(late)).unwrap();
    let denied = stage.decide(&next, Vote::Deny).await;
    assert_eq!(stage.told().await, denied);
}

#[tokio::test]
async fn without_hints_the_store_tells() {
    let mut stage = Stage::start(None).await;
    let held = stage.held("DELETE FROM carts").await;
    let decided = stage.decide(&held, Vote::Approve).await;
    assert_eq!(stage.told().await, decided);
}

async fn decide_at(node: &Running, held: &Approval, vote: Vote) -> Approval {
    let (by, method) = (human("bob", &["dba"]), "token".into());
    let (reason, rendering, issuers, only_target) = (None, held.rendering, Default::default(), None);
    let decide = Decide { id: held.id, by, vote, reason, method, rendering, issuers, only_target };
    node.scratch.control.approvals().decide(decide).await.unwrap()
}

fn over(options: RedisOptions) -> Arc<dyn Hints> {
    Arc::new(RedisHints::new(Arc::new(Redis::new(options))))
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_carries_hints_over_tls_for_an_acl_user_and_may_die_and_return() {
    let certificates = testkit::Certificates::make("redis").unwrap();
    let settings = testkit::RedisOptions {
        user: Some(("cs", "secret")),
        tls: Some(&certificates),
        ..Default::default()
    };
    let mut server = testkit::Redis::start(&settings).unwrap();
    let mut options = RedisOptions::new(vec![server.endpoint()]);
    options.username = Some("cs".into());
    options.password = Some(Secret::new("secret".into()));
    options.tls = RedisTls::Authority(certificates.ca());
    let mut stage = Stage::with(over(options)).await;
    stage.mute(true);
    let held = stage.held("DELETE FROM carts").await;
    let decided = stage.decide(&held, Vote::Approve).await;
    assert_eq!(stage.told().await, decided);

    // Its hint is lost, and the store tells nobody: it is found when Redis is back.
    let held = stage.held("DELETE FROM orders").await;
    server.kill().unwrap();
    let decided = stage.decide(&held, Vote::Deny).await;
    assert!(matches!(stage.knows(&held), State::Pending { .. }));
    server.restart().unwrap();
    assert_eq!(stage.told().await, decided);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_be_away_from_the_start() {
    let mut server = testkit::Redis::start(&testkit::RedisOptions::default()).unwrap();
    server.kill().unwrap();
    let hints = over(RedisOptions::new(vec![server.endpoint()]));
    let mut stage = Stage::with(Arc::clone(&hints)).await;
    let held = stage.held("DELETE FROM carts").await;
    let decided = stage.decide(&held, Vote::Approve).await;
    assert_eq!(stage.told().await, decided);

    let held = stage.held("DELETE FROM orders").await;
    stage.mute(true);
    server.restart().unwrap();
    // It was left alone for a while after it had failed.
    let (nobody, any) = (NodeId::generate(), Hint { approval: held.id, revision: 1 });
    eventually("redis to take hints", async || hints.tell(nobody, any).await.is_ok()).await;
    let decided = stage.decide(&held, Vote::Deny).await;
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), stage.told()).await.unwrap(), decided);
}

#[test]
fn a_hint_is_read_as_it_is_written_and_nothing_else_is_one() {
    let hint = Hint { approval: ApprovalId::generate(), revision: 7 };
    assert_eq!(Hint::read(hint.to_string().as_bytes()), Ok(hint));
    let id = hint.approval;
    for bad in ["", "7", &format!("{id}"), &format!("{id} "), &format!("{id} +7"), &format!("{id} -1")] {
        assert!(Hint::read(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [format!("{id} 7 "), format!("{id} {}0", u64::MAX), format!("ses{} 7", id)] {
        assert!(Hint::read(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(Hint::read(&[0xff; 10]).is_err());
    assert!(Hint::read(&[b'1'; 4096]).is_err());
}

/// A measurement, printed: from a decision at one node, stored in etcd, to its frame at a gateway of another node.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: see docs/benchmarks.md"]
async fn how_long_a_decision_takes_with_and_without_redis() {
    const DECISIONS: usize = 300;
    let server = testkit::Redis::start(&testkit::RedisOptions::default()).unwrap();
    for hints in [None, Some(over(RedisOptions::new(vec![server.endpoint()])))] {
        let etcd = testkit::EtcdCluster::start(3).unwrap();
        let store = EtcdStore::open(EtcdConfig::new(etcd.endpoints())).await.unwrap();
        let mut bed = Bed::over(tempfile::tempdir().unwrap(), Arc::new(store));
        let with = if hints.is_some() { "with redis" } else { "without redis" };
        bed.hints = hints;
        let mut stage = Stage::on(bed).await;
        let (mut from_click, mut from_stored) = (Vec::new(), Vec::new());
        for number in 0..DECISIONS {
            let held = stage.held(&format!("DELETE FROM carts WHERE id = {number}")).await;
            let Stage { first, link, .. } = &mut stage;
            let told = async {
                let told = link.wait_for(|frame| matches!(frame, Frame::Approval(_)).then_some(()));
                told.await;
                Instant::now()
            };
            let clicked = Instant::now();
            let decide = async {
                decide_at(first, &held, Vote::Approve).await;
                Instant::now()
            };
            let (told, stored) = tokio::join!(told, decide);
            from_click.push(told - clicked);
            from_stored.push(told.saturating_duration_since(stored));
        }
        for (what, mut all) in [("click", from_click), ("stored", from_stored)] {
            all.sort();
            let at = |share: usize| all[(all.len() * share / 100).min(all.len() - 1)];
            println!("{with}, from {what}: p50 {:?} p99 {:?}", at(50), at(99));
        }
    }
}
