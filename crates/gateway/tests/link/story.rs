//! Scenarios without faults.

use countersign_common::approval::{Evidence, Outcome, State};
use countersign_common::id::{AttemptId, TargetName};
use countersign_common::{Digest, Secret};
use countersign_lifecycle::ports::{NotAdmitted, Ports, Redeem, RedeemError, Stop, Testimony};

use crate::plane::Plane;
use crate::stage::{Nodes, eventually};
use crate::words;

pub(crate) fn shop() -> TargetName {
    TargetName::new("shop").unwrap()
}

pub(crate) fn token() -> Secret<String> {
    Secret::new(words::TOKEN.to_owned())
}

pub(crate) fn redeem(ports: &Ports, approval: &countersign_common::approval::Approval) -> Redeem {
    Redeem {
        id: approval.id,
        session: approval.session,
        digest: approval.digest,
        owner: ports.node,
        attempt: AttemptId::generate(),
        evidence: Some("xid:7".into()),
    }
}

#[tokio::test]
async fn a_session_is_opened_attached_and_detached_when_its_last_connection_is_gone() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let admitted = ports.sessions.open(&token(), &shop()).await.unwrap();
    assert_eq!(admitted.session, words::SESSION);
    assert_eq!(*admitted.stop.borrow(), Stop::None);
    eventually("attached", || plane.truth.lock().has(words::SESSION)).await;
    drop(admitted);
    eventually("detached", || !plane.truth.lock().has(words::SESSION)).await;
    let refused = ports.sessions.open(&Secret::new("cst_bad".into()), &shop()).await;
    assert!(matches!(refused, Err(NotAdmitted::Refused)));
}

#[tokio::test]
async fn a_command_is_held_followed_redeemed_and_reported() {
    let plane = Plane::new(2);
    plane.truth.lock().approves = false;
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    assert!(matches!(held.state, State::Pending { .. }));
    let (approved, ()) = tokio::join!(ports.approvals.changed(held.id, held.revision), async {
        plane.approve(held.id);
    });
    assert_eq!(approved.unwrap().state, State::Approved);
    // INVARIANT: I2. Another digest is not redeemed.
    let mut other = redeem(&ports, &held);
    other.digest = Digest::of(b"something else");
    let refused = ports.approvals.redeem(other).await;
    assert!(matches!(refused, Err(RedeemError::Rejected { .. })), "{refused:?}");
    let redeemed = ports.approvals.redeem(redeem(&ports, &held)).await.unwrap();
    let State::Redeemed { owner, fence } = redeemed.state else { panic!("{redeemed:?}") };
    assert_eq!(owner, ports.node);
    assert_eq!(redeemed.evidence, Evidence::Presented("xid:7".into()));
    // INVARIANT: I1. The approval is not redeemed twice.
    assert!(ports.approvals.redeem(redeem(&ports, &held)).await.is_err());
    ports.approvals.report(held.id, fence, Testimony::Ended(Outcome::Completed)).await;
    let done = plane.truth.lock().approvals[&held.id].state.clone();
    assert_eq!(done, State::Done { outcome: Outcome::Completed });
}

#[tokio::test]
async fn a_withdrawn_request_is_withdrawn_and_a_cancel_finds_its_way() {
    let plane = Plane::new(3);
    plane.truth.lock().approves = false;
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    let withdrawn = ports.approvals.withdraw(held.id, held.session).await.unwrap();
    assert_eq!(withdrawn.state, State::Withdrawn);
    assert_eq!(plane.truth.lock().approvals[&held.id], withdrawn);
    // The request has already ended, and the answer has its state.
    assert_eq!(ports.approvals.withdraw(held.id, held.session).await.unwrap(), withdrawn);
    assert_eq!(ports.cancels.route(), 7);
    assert!(ports.cancels.vouch(b"key").is_some());
    assert_ne!(ports.cancels.vouch(b"key"), ports.cancels.vouch(b"another"));
    ports.cancels.forward(9, "postgres", vec![1, 2, 3, 4], 2).await;
    let cancels = plane.truth.lock().cancels.clone();
    assert_eq!((cancels[0].route, cancels[0].key.as_slice()), (9, [1, 2, 3, 4].as_slice()));
    assert_eq!(cancels[0].tag_bytes, 2);
}
