//! Gateways and nodes come, move, end and are lost.

use std::sync::atomic::Ordering;

use aws_lc_rs::hmac;
use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_api::v1::report_command::Testimony;
use countersign_common::id::{ApprovalId, AttemptId, NodeId};
use tonic::Code;

use super::bed::{Bed, Running, eventually};
use super::commands::{approved, completed, redeem, redeemed, report};
use super::gateway::{Linked, Member};
use crate::store::Transaction;
use crate::testing::{agent, target};

async fn state(node: &Running, approval: &countersign_common::approval::Approval) -> &'static str {
    node.scratch.control.approvals().get(approval.id).await.unwrap().approval.state.as_str()
}

fn leave(frame: Frame) -> Option<v1::Leave> {
    match frame {
        Frame::Leave(leave) => Some(leave),
        _ => None,
    }
}

#[tokio::test]
async fn a_gateway_that_is_lost_leaves_its_commands_in_doubt_and_does_not_come_back_as_itself() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    let (id, route) = (link.id, link.welcome.route);
    assert!((1..4096).contains(&route));
    let sent = redeemed(&node, &mut link, "DELETE FROM carts", "").await;
    drop(link);
    eventually("what nobody can vouch for is in doubt", async || state(&node, &sent).await == "in_doubt")
        .await;
    assert!(node.node(id).is_none());
    let (frames, status) = member.open(&node, id).await.unwrap().end().await;
    assert!(frames.into_iter().find_map(leave).is_some_and(|leave| leave.lost), "{status:?}");
    // Its next start is welcome, and knows best what became of it.
    let mut next = member.link(&node).await;
    assert_eq!(next.approval(report(&sent, completed())).await.state.as_str(), "done");
}

#[tokio::test]
async fn a_redeem_in_flight_when_its_start_is_lost_is_disowned_by_the_next_one() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    let (sent, unheard) = (AttemptId::generate(), AttemptId::generate());
    let session = node.scratch.session(&agent()).await;
    let approval = approved(&node, &mut link, &session, "DELETE FROM carts").await;
    let redeemed = link.approval(redeem(&approval, sent, "")).await;
    drop(link);
    eventually("in doubt", async || state(&node, &redeemed).await == "in_doubt").await;
    let mut next = member.link(&node).await;
    // INVARIANT: I1. Another attempt of the lost start, whose connection lost the race, has nothing to disown.
    let answer = next.call(redeem(&approval, unheard, "")).await;
    assert!(matches!(answer, Answer::NotTaken(_)), "{answer:?}");
    // Nor has another gateway, did it know the attempt.
    let mut stranger = Member::join(&node, "gateway-2").await.link(&node).await;
    let answer = stranger.call(redeem(&approval, sent, "")).await;
    assert!(matches!(answer, Answer::NotTaken(_)), "{answer:?}");
    let in_doubt = next.approval(redeem(&approval, sent, "")).await;
    assert_eq!(in_doubt.state.as_str(), "in_doubt");
    let not_sent = Testimony::NotSent(v1::NotSent {});
    assert_eq!(next.approval(report(&redeemed, not_sent)).await.state.as_str(), "not_run");
}

#[tokio::test]
async fn i1_once_a_start_that_lives_is_not_spoken_for_by_another_one_of_the_same_gateway() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut owner = member.link(&node).await;
    let redeemed = redeemed(&node, &mut owner, "DELETE FROM carts", "").await;
    // A copy of its certificate, say.
    let mut twin = member.link(&node).await;
    let answer = twin.call(report(&redeemed, Testimony::NotSent(v1::NotSent {}))).await;
    assert!(matches!(answer, Answer::NotTaken(_)), "{answer:?}");
    assert_eq!(owner.approval(report(&redeemed, completed())).await.state.as_str(), "done");
}

#[tokio::test]
async fn a_gateway_that_says_goodbye_is_gone_at_once() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let link = Member::join(&node, "gateway-1").await.link(&node).await;
    eventually("it is shown", async || node.node(link.id).is_some()).await;
    link.send(FromGateway::Goodbye(v1::Goodbye {})).await;
    let id = link.id;
    let (_, status) = link.end().await;
    assert!(status.is_none(), "{status:?}");
    eventually("it is gone", async || node.node(id).is_none()).await;
}

#[tokio::test]
async fn another_node_goes_on_with_the_gateways_of_one_that_died() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let member = Member::join(&first, "gateway-1").await;
    let mut link = member.link(&first).await;
    let (id, route) = (link.id, link.welcome.route);
    let redeemed = redeemed(&first, &mut link, "DELETE FROM carts", "xid:749").await;
    first.kill();
    drop(link);
    let mut link = member.link_as(&second, id).await;
    assert_eq!(link.welcome.route, route, "its clients' keys stay good");
    // Longer than a node that nobody hears of lives: the second one keeps it alive.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(link.approval(report(&redeemed, completed())).await.state.as_str(), "done");
    assert!(
        second
            .node(id)
            .is_some_and(|node| node.gateway().unwrap().linked_to == second.scratch.control.node())
    );
}

#[tokio::test]
async fn a_newer_link_of_a_gateway_takes_the_place_of_its_older_one_here_and_elsewhere() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let member = Member::join(&first, "gateway-1").await;
    let older = member.link(&first).await;
    let newer = member.link_as(&first, older.id).await;
    assert!(older.end().await.1.is_none());
    let newest = member.link_as(&second, newer.id).await;
    assert!(newer.end().await.1.is_none());
    assert!(second.node(newest.id).is_some());
}

#[tokio::test]
async fn a_node_that_ends_asks_its_gateways_to_go_elsewhere() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let member = Member::join(&first, "gateway-1").await;
    let mut link = member.link(&first).await;
    let ending = tokio::spawn(first.stop());
    let told = link.wait_for(leave).await;
    assert!(!told.drain && !told.lost);
    let _next = member.link_as(&second, link.id).await;
    drop(link);
    ending.await.unwrap();
    eventually("the node that ended is gone", async || second.fleet.list().len() == 2).await;
    second.stop().await;
}

#[tokio::test]
async fn a_gateway_is_asked_to_drain_wherever_its_link_is() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let mut link = Member::join(&first, "gateway-1").await.link(&first).await;
    eventually("both know it", async || second.node(link.id).is_some()).await;
    assert!(second.fleet.drain("gateway-9").await.unwrap().is_none());
    assert!(second.fleet.drain("gateway-1").await.unwrap().is_some());
    assert!(link.wait_for(leave).await.drain);
}

#[tokio::test]
async fn a_cancel_request_finds_the_gateway_it_is_meant_for_on_either_node() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let mut meant = Member::join(&first, "gateway-1").await.link(&first).await;
    let mut near = Member::join(&first, "gateway-2").await.link(&first).await;
    let mut far = Member::join(&second, "gateway-3").await.link(&second).await;
    eventually("both know it", async || second.node(meant.id).is_some()).await;
    for (from, begin) in [(&mut near, b"near"), (&mut far, b"far!")] {
        let key = given_out(&meant, begin);
        let route = meant.welcome.route;
        // Answered when the gateway has carried it out, and not before.
        let (done, pushed) = {
            let mut asking = std::pin::pin!(from.call(cancel(route, &key)));
            let pushed = tokio::select! {
                _ = &mut asking => panic!("it was answered before it was carried out"),
                pushed = pushed(&mut meant) => pushed,
            };
            meant.send(FromGateway::CancelCarried(v1::CancelCarried { id: pushed.id })).await;
            (asking.await, pushed)
        };
        assert!(matches!(done, Answer::Done(_)), "{done:?}");
        assert_eq!(pushed.key, key);
    }
    // Nobody has this route; nobody is told.
    let nobody =
        (1..4096).find(|route| ![&meant, &near, &far].iter().any(|link| link.welcome.route == *route));
    near.call(cancel(nobody.unwrap(), b"lost")).await;
}

#[tokio::test]
async fn a_cancel_request_whose_key_nobody_gave_out_goes_nowhere_and_costs_the_store_nothing() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let mut meant = Member::join(&first, "gateway-1").await.link(&first).await;
    let mut near = Member::join(&first, "gateway-2").await.link(&first).await;
    let mut far = Member::join(&second, "gateway-3").await.link(&second).await;
    eventually("both know it", async || second.node(meant.id).is_some()).await;
    let route = meant.welcome.route;
    // One of another start is made up, too; and so is a good one with another number.
    let made_up = [b"made up!".to_vec(), given_out(&near, b"near"), b"\0\0".to_vec(), Vec::new()];
    for key in &made_up {
        near.call(cancel(route, key)).await;
    }
    let good = given_out(&meant, b"good");
    bed.store.silent.store(true, Ordering::SeqCst);
    for key in &made_up {
        assert!(matches!(far.call(cancel(route, key)).await, Answer::Done(_)));
    }
    // A good one needs the store: the gateway's link is at the other node.
    assert!(matches!(far.call(cancel(route, &good)).await, Answer::Unavailable(_)));
    bed.store.silent.store(false, Ordering::SeqCst);
    // A gateway that does not answer keeps its sender waiting for a few seconds only.
    near.call(cancel(route, &good)).await;
    assert_eq!(pushed(&mut meant).await.key, good, "nothing else came before");
}

fn cancel(route: u32, key: &[u8]) -> Call {
    Call::Cancel(v1::RouteCancel { route, protocol: "postgres".into(), key: key.to_vec(), tag_bytes: 2 })
}

/// A key that this start has given out.
fn given_out(link: &Linked, begin: &[u8]) -> Vec<u8> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &link.welcome.cancel_secret);
    [begin, &hmac::sign(&secret, begin).as_ref()[..2]].concat()
}

async fn pushed(link: &mut Linked) -> v1::CancelPush {
    link.wait_for(|frame| match frame {
        Frame::Cancel(cancel) => Some(cancel),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn what_is_in_doubt_is_asked_of_the_target_through_a_gateway() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    let redeemed = redeemed(&node, &mut link, "DELETE FROM carts", "xid:749").await;
    let in_doubt = link.approval(report(&redeemed, Testimony::Unknown(v1::Unknown {}))).await;
    assert_eq!(in_doubt.state.as_str(), "in_doubt");
    let asked = link
        .wait_for(|frame| match frame {
            Frame::Testify(testify) => Some(testify),
            _ => None,
        })
        .await;
    assert_eq!(
        (asked.evidence.as_str(), asked.approval_id.as_str()),
        ("xid:749", in_doubt.id.to_string().as_str())
    );
    assert_eq!(asked.context.unwrap().target, "shop");
    let mut said = v1::Testified {
        approval_id: asked.approval_id,
        fence: asked.fence + 1,
        ran: Some(v1::CommandRan::Yes.into()),
        reason: "committed".into(),
    };
    // About another fence: not what was asked.
    link.send(FromGateway::Testified(said.clone())).await;
    let mut stranger = Member::join(&node, "gateway-2").await.link(&node).await;
    said.fence = asked.fence;
    stranger.send(FromGateway::Testified(said.clone())).await;
    // After an answer, what was sent before it has been read.
    stranger.call(cancel(1, b"")).await;
    assert_eq!(state(&node, &in_doubt).await, "in_doubt");
    link.send(FromGateway::Testified(said)).await;
    link.standing(&in_doubt, "done").await;
}

#[tokio::test]
async fn i8_closed_a_node_that_does_not_reach_its_store_lets_its_gateways_go_and_takes_nobody_in() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    bed.store.silent.store(true, Ordering::SeqCst);
    let told = link.wait_for(leave).await;
    assert!(!told.drain && !told.lost);
    let refused = member.open(&node, NodeId::generate()).await.err().unwrap();
    assert_eq!(refused.code(), Code::Unavailable);
    bed.store.silent.store(false, Ordering::SeqCst);
    eventually("it takes gateways in again", async || member.open(&node, NodeId::generate()).await.is_ok())
        .await;
}

#[tokio::test]
async fn i8_closed_a_node_that_does_not_follow_its_store_vouches_for_nothing_and_lets_its_gateways_go() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    link.send(FromGateway::Listening(v1::Listening { number: 1 })).await;
    link.wait_for(|frame| matches!(frame, Frame::Alive(_)).then_some(())).await;
    bed.store.blind.store(true, Ordering::SeqCst);
    // What breaks the watch: a change.
    node.scratch.control.store().transact(Transaction::new().put("/cs/x", "")).await.unwrap();
    eventually("it does not follow", async || !node.scratch.control.follows_the_store()).await;
    link.send(FromGateway::Listening(v1::Listening { number: 2 })).await;
    let (frames, _) = link.end().await;
    assert!(!frames.iter().any(|frame| matches!(frame, Frame::Alive(_))), "{frames:?}");
    assert!(frames.iter().any(|frame| matches!(frame, Frame::Leave(leave) if !leave.lost)), "{frames:?}");
    assert!(member.open(&node, NodeId::generate()).await.is_err());
}

#[tokio::test]
async fn a_gateway_that_comes_with_much_to_look_up_is_answered_all_the_same() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let token = node.scratch.token(&agent()).await;
    node.scratch.control.sessions().open_session(&token, &target("shop")).await.unwrap();
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    bed.store.silent.store(true, Ordering::SeqCst);
    for _ in 0..5000 {
        let approval_id = ApprovalId::generate().to_string();
        link.send(FromGateway::Follow(v1::FollowApproval { approval_id, seen_revision: 0 })).await;
    }
    let open = v1::OpenSession { token: token.expose().clone(), target: "shop".into() };
    let opened = link.call(Call::OpenSession(open)).await;
    assert!(matches!(opened, Answer::SessionOpened(_)), "{opened:?}");
}
