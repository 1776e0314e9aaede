//! Several control-plane nodes on one etcd: what one wrote, the others go by.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{Evidence, Rejection, State};
use countersign_common::id::{AttemptId, NodeId};
use countersign_common::time::ManualClock;
use countersign_testkit::Etcd;
use tokio::sync::watch;

use crate::ControlPlane;
use crate::approvals::{ApprovalError, Joined, Redeem};
use crate::sessions::{Session, SessionRefused, What};
use crate::store::{EtcdConfig, EtcdStore, Store, range_all};
use crate::testing::{START, agent, bundle, human, options, order, request, subject, target, yes};

const UPDATE: &str = "UPDATE orders SET paid = true";

/// Two nodes, each with a store, a directory and a follower of its own; one clock.
struct Pair {
    first: Arc<ControlPlane>,
    second: Arc<ControlPlane>,
    clock: Arc<ManualClock>,
    stores: Vec<EtcdStore>,
    stop: watch::Sender<bool>,
    _dir: tempfile::TempDir,
    _etcd: Etcd,
}

impl Pair {
    async fn start(running: bool) -> Self {
        let etcd = Etcd::start().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let dir = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (mut nodes, mut stores) = (Vec::new(), Vec::new());
        for name in ["first", "second"] {
            let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
            stores.push(store.clone());
            let options = options(&dir.path().join(name), &clock);
            let control = ControlPlane::over(Arc::new(store), options).await.unwrap();
            if running {
                tokio::spawn(Arc::clone(&control).run(stopped.clone()));
            }
            nodes.push(control);
        }
        let (second, first) = (nodes.pop().unwrap(), nodes.pop().unwrap());
        first.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
        second.bundles().reload().await.unwrap();
        Self { first, second, clock, stores, stop, _dir: dir, _etcd: etcd }
    }

    /// A session that the first node opened.
    async fn session(&self) -> Session {
        let token = self.first.sessions().issue(order(&agent())).await.unwrap().secret;
        self.first.sessions().open_session(&token, &target("shop")).await.unwrap()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

fn redeem(session: &Session, held: &crate::approvals::Held, owner: NodeId) -> Redeem {
    Redeem {
        id: held.approval.id,
        session: session.id,
        digest: held.approval.digest,
        owner,
        attempt: AttemptId::generate(),
        evidence: Evidence::None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_one_session_at_another_node_before_that_has_heard_of_it() {
    let pair = Pair::start(false).await;
    let token = pair.first.sessions().issue(order(&agent())).await.unwrap().secret;
    let session = pair.second.sessions().open_session(&token, &target("shop")).await.unwrap();
    let again = pair.first.sessions().open_session(&token, &target("shop")).await.unwrap();
    assert_eq!(session.id, again.id);
    let unknown = countersign_common::Secret::new("cst_00".into());
    let refused = pair.second.sessions().open_session(&unknown, &target("shop")).await;
    assert!(matches!(refused, Err(SessionRefused::UnknownToken)));
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_once_a_command_held_here_approved_there_is_redeemed_once_at_both() {
    let pair = Pair::start(false).await;
    let session = pair.session().await;
    for round in 0..5 {
        let text = format!("{UPDATE} -- {round}");
        // The second node has not heard of the session.
        let held = pair.second.approvals().hold(request(&session, &text)).await.unwrap();
        let joined = pair.first.approvals().hold(request(&session, &text)).await.unwrap();
        assert_eq!((joined.joined, joined.approval.id), (Joined::Open, held.approval.id));
        pair.first.approvals().decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
        let redeemers = (0..20).map(|n| {
            let node = if n % 2 == 0 { &pair.first } else { &pair.second };
            let (node, redeem) = (Arc::clone(node), redeem(&session, &held, NodeId::generate()));
            tokio::spawn(async move { node.approvals().redeem(redeem).await })
        });
        let outcomes = futures::future::join_all(redeemers).await;
        let won = outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
        assert_eq!(won, 1);
        for lost in outcomes.into_iter().filter_map(|outcome| outcome.unwrap().err()) {
            assert!(
                matches!(lost, ApprovalError::Rejected(Rejection::WrongState { state: "redeemed", .. })),
                "{lost:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_no_means_no_what_was_stopped_at_one_node_is_not_redeemed_at_another_that_has_not_heard() {
    let pair = Pair::start(false).await;
    let things =
        ["session", "token", "agent", "principal behind it", "approver's token", "approver", "policy"];
    for what in things {
        let token = pair.first.sessions().issue(order(&agent())).await.unwrap();
        let session = pair.first.sessions().open_session(&token.secret, &target("shop")).await.unwrap();
        // The second node knows all of it, and then hears no more.
        let held = pair.second.approvals().hold(request(&session, UPDATE)).await.unwrap();
        let bobs = pair.first.sessions().issue(order(&human("bob", &["dba"]))).await.unwrap();
        pair.second.sessions().open_session(&bobs.secret, &target("shop")).await.unwrap();
        pair.second.approvals().decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
        let operator = subject("operator");
        let stop = match what {
            "session" => Some(What::Session(session.id)),
            "token" => Some(What::Token(token.id)),
            "agent" => Some(What::Subject(subject("agent-7"))),
            "principal behind it" => Some(What::Subject(subject("alice"))),
            "approver's token" => Some(What::Token(bobs.id)),
            "approver" => Some(What::Subject(subject("bob"))),
            _ => None,
        };
        match stop {
            Some(stop) => pair.first.sessions().revoke(&stop, &operator, "stop").await.unwrap(),
            None => drop(pair.first.bundles().apply(bundle("block"), &operator).await.unwrap()),
        }
        let refused = pair.second.approvals().redeem(redeem(&session, &held, NodeId::generate())).await;
        assert!(refused.is_err(), "{what}: {refused:?}");
        let stands = pair.first.approvals().get(held.approval.id).await.unwrap().approval;
        assert!(!matches!(stands.state, State::Redeemed { .. }), "{what}: {stands:?}");
        pair.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_at_one_node_sees_what_happens_at_the_other() {
    let pair = Pair::start(true).await;
    let session = pair.session().await;
    let held = pair.first.approvals().hold(request(&session, UPDATE)).await.unwrap();
    let mut waiting = pair.first.approvals().watch(held.approval.id).await.unwrap();
    pair.second.approvals().decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(30), waiting.changed()).await.unwrap().unwrap();
    assert_eq!(heard.state, State::Approved);
    // A bundle that is applied at one voids at whichever node is first, and once.
    pair.second.apply_bundle(bundle("block"), &subject("operator")).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(30), waiting.changed()).await.unwrap().unwrap();
    assert!(matches!(heard.state, State::Voided { .. }), "{heard:?}");
    assert_eq!(heard.revision, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_nodes_do_at_the_same_time_happens_once() {
    let pair = Pair::start(true).await;
    let session = pair.session().await;
    let mut waiting = Vec::new();
    for n in 0..20 {
        let held = pair.first.approvals().hold(request(&session, &format!("{UPDATE} -- {n}"))).await.unwrap();
        waiting.push(pair.second.approvals().watch(held.approval.id).await.unwrap());
    }
    pair.clock.advance(Duration::from_secs(3600));
    for waiting in &mut waiting {
        let heard = tokio::time::timeout(Duration::from_secs(30), waiting.changed()).await.unwrap().unwrap();
        assert_eq!((heard.state, heard.revision), (State::Expired, 2));
    }
    let due = futures::join!(pair.first.approvals().expire_due(), pair.second.approvals().expire_due());
    assert_eq!((due.0.unwrap(), due.1.unwrap()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_once_a_start_beside_others_puts_nothing_of_theirs_in_doubt_but_a_lost_owner_does() {
    let pair = Pair::start(false).await;
    let session = pair.session().await;
    let held = pair.first.approvals().hold(request(&session, UPDATE)).await.unwrap();
    pair.first.approvals().decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
    let gateway = NodeId::generate();
    let redeemed = pair.first.approvals().redeem(redeem(&session, &held, gateway)).await.unwrap();
    let third = options(&pair._dir.path().join("third"), &pair.clock);
    let third = ControlPlane::over(Arc::new(pair.stores[0].clone()), third).await.unwrap();
    assert_eq!(third.approvals().get(held.approval.id).await.unwrap().approval, redeemed);
    // Whoever sees the gateway's lease go says so, at any node; all of them may.
    let (one, other) =
        futures::join!(third.approvals().owner_lost(gateway), pair.first.approvals().owner_lost(gateway));
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    let found = pair.second.approvals().get(held.approval.id).await.unwrap().approval;
    assert_eq!(found.state, State::InDoubt { owner: gateway, fence: redeemed.revision });
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_sessions_of_a_minute_share_a_lease_over_all_nodes() {
    let pair = Pair::start(false).await;
    let mut session = None;
    for node in [&pair.first, &pair.second, &pair.first] {
        let token = node.sessions().issue(order(&agent())).await.unwrap().secret;
        session = Some(node.sessions().open_session(&token, &target("shop")).await.unwrap());
        pair.clock.advance(Duration::from_secs(5));
    }
    let store: &dyn Store = &pair.stores[0];
    let mut leases = std::collections::BTreeSet::new();
    for prefix in ["/cs/tokens/", "/cs/sessions/", "/cs/session-of/"] {
        for entry in range_all(store, prefix).await.unwrap().0 {
            if !String::from_utf8_lossy(&entry.value).contains("operator\",\"kind\":\"human") {
                leases.insert(entry.lease.unwrap());
            }
        }
    }
    assert_eq!(leases.len(), 1, "{leases:?}");
    // A revocation does not take the record out from under its lease.
    let session = session.unwrap();
    pair.first.sessions().revoke(&What::Session(session.id), &subject("operator"), "why").await.unwrap();
    let revoked = range_all(store, "/cs/sessions/").await.unwrap().0;
    assert!(revoked.iter().all(|entry| entry.lease.is_some_and(|lease| leases.contains(&lease))));
    // One that was lost all the same is replaced.
    let lease = *leases.first().unwrap();
    store.revoke(lease).await.unwrap();
    let token = pair.second.sessions().issue(order(&agent())).await.unwrap().secret;
    pair.first.sessions().open_session(&token, &target("shop")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_command_and_a_large_bundle_fit_into_etcd() {
    let pair = Pair::start(false).await;
    let session = pair.session().await;
    let text = format!("UPDATE t SET a = '{}'", "x".repeat(5 << 20));
    let held = pair.first.approvals().hold(request(&session, &text)).await.unwrap();
    let details = pair.second.approvals().details(held.approval.id).await.unwrap();
    assert!(details.rendering.contains("xxx") && details.command.text.len() == text.len());
    let policy = format!("hold dba 1 {}", "x".repeat(2 << 20));
    let version = pair.first.apply_bundle(bundle(&policy), &subject("operator")).await.unwrap();
    assert!(pair.second.bundles().reload().await.unwrap());
    assert_eq!(pair.second.bundles().current().unwrap().version, version);
    assert_eq!(range_all(&pair.stores[0], "/cs/unfinished/").await.unwrap().0.len(), 1, "the replaced one");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_has_an_operators_token_that_all_accept() {
    let pair = Pair::start(false).await;
    for (node, other) in [(&pair.first, &pair.second), (&pair.second, &pair.first)] {
        let token = std::fs::read_to_string(node.operator_token()).unwrap();
        let token = countersign_common::Secret::new(token.trim().to_owned());
        other.sessions().open_session(&token, &target("shop")).await.unwrap();
    }
}
