//! How many requests may be open: counted, refused, freed again; and kept in a race of many connections on several nodes.

use std::sync::Arc;

use countersign_common::approval::State;
use countersign_testkit::Etcd;

use crate::ControlPlane;
use crate::approvals::{ApprovalError, Joined};
use crate::sessions::Session;
use crate::store::{EtcdConfig, EtcdStore};
use crate::testing::{
    Scratch, agent, bundle, human, no, options, order, principal, request, subject, target, yes,
};

fn limited(result: Result<impl std::fmt::Debug, ApprovalError>) -> (String, u32, u32) {
    match result {
        Err(ApprovalError::Limited { whose, open, limit }) => (whose, open, limit),
        other => panic!("not limited: {other:?}"),
    }
}

async fn with_limits(limits: &str) -> Scratch {
    let scratch = Scratch::new().await;
    scratch.control.apply_bundle(bundle(&format!("limited {limits}")), &subject("operator")).await.unwrap();
    scratch
}

#[tokio::test]
async fn a_session_opens_so_many_requests_and_joining_one_does_not_count() {
    let scratch = with_limits("3 50 500").await;
    let session = scratch.session(&agent()).await;
    let approvals = scratch.control.approvals();
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(scratch.hold(&session, &format!("UPDATE t{number}")).await);
    }
    let (whose, open, limit) = limited(approvals.hold(request(&session, "UPDATE more")).await);
    assert_eq!((whose.as_str(), open, limit), ("the session has", 3, 3));
    assert_eq!(scratch.hold(&session, "UPDATE t1").await.joined, Joined::Open);
    assert_eq!(approvals.list_going_on().0.len(), 3, "what was refused asks nobody");
    // An approved one counts until it is used: its command can still come to run.
    approvals.decide(yes(&held[0], &human("bob", &["dba"]))).await.unwrap();
    limited(approvals.hold(request(&session, "UPDATE more")).await);
    approvals.redeem(scratch.redeem(&session, &held[0])).await.unwrap();
    scratch.hold(&session, "UPDATE more").await;
    limited(approvals.hold(request(&session, "UPDATE evermore")).await);
    approvals.decide(no(&held[1], &human("bob", &["dba"]))).await.unwrap();
    scratch.hold(&session, "UPDATE evermore").await;
    approvals.withdraw(held[2].approval.id, session.id).await.unwrap();
    scratch.hold(&session, "UPDATE and so on").await;
}

#[tokio::test]
async fn a_subject_is_limited_over_its_sessions_and_a_target_over_all_subjects() {
    let scratch = with_limits("10 3 5").await;
    let (one, two) = (scratch.session(&agent()).await, scratch.session(&agent()).await);
    let approvals = scratch.control.approvals();
    for (number, session) in [&one, &two, &one].into_iter().enumerate() {
        scratch.hold(session, &format!("UPDATE t{number}")).await;
    }
    let (whose, ..) = limited(approvals.hold(request(&two, "UPDATE more")).await);
    assert_eq!(whose, "`agent-7` has");
    let other =
        scratch.session(&principal(countersign_common::principal::Kind::Agent, "agent-8", &[], &[])).await;
    scratch.hold(&other, "UPDATE a").await;
    scratch.hold(&other, "UPDATE b").await;
    let (whose, ..) = limited(approvals.hold(request(&other, "UPDATE c")).await);
    assert_eq!(whose, "target `shop` has");
}

#[tokio::test]
async fn a_restart_forgets_no_open_request() {
    let scratch = with_limits("2 50 500").await;
    let session = scratch.session(&agent()).await;
    scratch.hold(&session, "UPDATE a").await;
    scratch.hold(&session, "UPDATE b").await;
    let scratch = scratch.restart().await;
    limited(scratch.control.approvals().hold(request(&session, "UPDATE c")).await);
}

async fn race(nodes: &[Arc<ControlPlane>], session: &Session, tries: usize) -> usize {
    let holds = (0..tries).map(|number| {
        let (approvals, request) = (
            Arc::clone(nodes[number % nodes.len()].approvals()),
            request(session, &format!("UPDATE t{number}")),
        );
        tokio::spawn(async move { approvals.hold(request).await })
    });
    let mut held = 0;
    for outcome in futures::future::join_all(holds).await {
        match outcome.unwrap() {
            Ok(_) => held += 1,
            Err(ApprovalError::Limited { .. } | ApprovalError::Contended) => {}
            Err(error) => panic!("{error}"),
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_connections_at_once_exactly_so_many_get_theirs() {
    let scratch = with_limits("20 50 500").await;
    let session = scratch.session(&agent()).await;
    let held = race(&[Arc::clone(&scratch.control)], &session, 300).await;
    assert_eq!(held, 20);
    let open = scratch.control.approvals().list_going_on().0;
    assert_eq!(open.iter().filter(|known| matches!(known.approval.state, State::Pending { .. })).count(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_connections_on_several_nodes_that_do_not_hear_of_each_other_no_more_get_theirs() {
    let etcd = Etcd::start().unwrap();
    let clock = Arc::new(countersign_common::time::ManualClock::at(crate::testing::START));
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = Vec::new();
    for name in ["one", "two", "three"] {
        let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
        // None of them follows the store: each knows of the others by the fences alone.
        nodes.push(
            ControlPlane::over(Arc::new(store), options(&dir.path().join(name), &clock)).await.unwrap(),
        );
    }
    nodes[0].apply_bundle(bundle("limited 20 50 500"), &subject("operator")).await.unwrap();
    let token = nodes[0].sessions().issue(order(&agent())).await.unwrap().secret;
    let session = nodes[0].sessions().open_session(&token, &target("shop")).await.unwrap();
    for node in &nodes {
        node.bundles().reload().await.unwrap();
        node.sessions().look_up(session.id).await.unwrap();
    }
    let held = race(&nodes, &session, 90).await;
    assert_eq!(held, 20);
}
