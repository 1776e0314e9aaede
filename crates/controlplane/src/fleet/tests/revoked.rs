//! Who is shut out stays out: at every node, at once, and after a restart.

use std::time::Duration;

use countersign_api::v1::control_frame::Frame;
use countersign_api::{LINK_SPEAKS, v1};
use countersign_common::id::NodeId;
use rcgen::KeyPair;
use tokio_stream::StreamExt as _;
use tonic::Code;

use super::bed::{Bed, Running, eventually};
use super::commands::{completed, redeemed, report};
use super::gateway::{Client, Member, client, request, token};
use crate::audit::Looked;
use crate::fleet::{RevokeError, Uses};
use crate::store::{Store as _, Transaction};
use crate::testing::subject;

async fn revoke(node: &Running, wanted: &str) -> Result<crate::fleet::RevokedGateway, RevokeError> {
    node.fleet.revoke(wanted, &subject("operator"), "stolen").await
}

fn renewal() -> v1::RenewCertificateRequest {
    v1::RenewCertificateRequest { certificate_request: request(&KeyPair::generate().unwrap()) }
}

/// Whether a node refuses its certificate in the handshake: not even what needs none is answered.
async fn is_out(member: &Member, node: &Running) -> bool {
    let nobody = v1::JoinFleetRequest {
        token: "csj_00.00".into(),
        name: "nobody".into(),
        certificate_request: request(&KeyPair::generate().unwrap()),
    };
    match client(node, member.tls()).await {
        Err(_) => true,
        // In TLS 1.3 the client learns it with its first call.
        Ok(mut client) => client.join_fleet(nobody).await.unwrap_err().code() != Code::Unauthenticated,
    }
}

/// A link on a connection that stands.
async fn link(client: &mut Client) -> Result<(), tonic::Status> {
    let hello =
        v1::Hello { node: NodeId::generate().to_string(), speaks: LINK_SPEAKS, ..v1::Hello::default() };
    let frame = Some(v1::gateway_frame::Frame::Hello(hello));
    let first = v1::LinkRequest { frames: vec![v1::GatewayFrame { frame }] };
    let stays = tokio_stream::iter([first]).chain(tokio_stream::pending());
    client.link(stays).await.map(drop)
}

#[tokio::test]
async fn a_revoked_gateway_is_out_everywhere_at_once_and_another_is_untouched() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    let (thief, honest) = (Member::join(&first, "gateway-1").await, Member::join(&first, "gateway-2").await);
    let (mut theirs, mut ours) = (thief.link(&second).await, honest.link(&second).await);
    let doubted = redeemed(&second, &mut theirs, "DELETE FROM carts", "").await;
    let sound = redeemed(&second, &mut ours, "DELETE FROM orders", "").await;
    let mut connected = client(&second, thief.tls()).await.unwrap();
    connected.renew_certificate(renewal()).await.unwrap();

    let revoked = revoke(&first, "gateway-1").await.unwrap();
    assert_eq!((revoked.member.name.to_string().as_str(), revoked.reason.as_str()), ("gateway-1", "stolen"));
    // The connection stands; what it is used for is refused.
    let refused = connected.renew_certificate(renewal()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let refused = link(&mut connected).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let (id, lost) = (theirs.id, theirs.wait_for(lost).await);
    assert!(lost.reason.contains("revoked") || lost.reason.contains("lost"), "{}", lost.reason);
    theirs.end().await;
    for node in [&first, &second] {
        eventually("it is refused in the handshake", async || is_out(&thief, node).await).await;
        eventually("its start is gone", async || node.node(id).is_none()).await;
    }
    eventually("what it had redeemed is in doubt", async || {
        let found = first.scratch.control.approvals().get(doubted.id).await.unwrap();
        found.approval.state.as_str() == "in_doubt"
    })
    .await;

    assert!(!is_out(&honest, &first).await);
    assert_eq!(ours.approval(report(&sound, completed())).await.state.as_str(), "done");
    assert!(second.node(ours.id).is_some());
    // A node that starts later knows it from its first connection on.
    let third = bed.node().await;
    assert!(is_out(&thief, &third).await && !is_out(&honest, &third).await);
    // Again: nothing is different, and it is noted once.
    assert_eq!(revoke(&third, &revoked.member.id).await.unwrap(), revoked);
    let events = third.scratch.control.audit().events(10).await.unwrap();
    let noted: Vec<_> = events.iter().filter(|event| event.action == Looked::RevokedGateway).collect();
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0].by, subject("operator"));
    assert_eq!(noted[0].reason.as_deref(), Some("stolen"));
    assert!(noted[0].about.as_ref().unwrap().contains(&revoked.member.id));
}

fn lost(frame: Frame) -> Option<v1::Leave> {
    match frame {
        Frame::Leave(leave) if leave.lost => Some(leave),
        _ => None,
    }
}

#[tokio::test]
async fn a_link_that_is_opened_while_its_gateway_is_revoked_does_not_stay() {
    let mut bed = Bed::new().await;
    let (first, second) = (bed.node().await, bed.node().await);
    for round in 0..20 {
        let member = Member::join(&first, &format!("gateway-{round}")).await;
        let start = member.link(&first).await.id;
        let name = format!("gateway-{round}");
        // A new start at the other node, and the stop, at the same time.
        let (_, revoked) = tokio::join!(member.open(&second, NodeId::generate()), revoke(&first, &name));
        let id = revoked.unwrap().member.id;
        eventually("nothing of it is left", async || {
            let of = |node: &crate::fleet::Node| node.gateway().is_some_and(|one| one.member.id == id);
            !first.fleet.list().iter().any(of) && !second.fleet.list().iter().any(of)
        })
        .await;
        assert!(first.node(start).is_none());
        eventually("it is out", async || is_out(&member, &second).await).await;
    }
}

#[tokio::test]
async fn a_gateway_is_named_by_what_is_known_of_it() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let (one, other) = (Member::join(&node, "twin").await, Member::join(&node, "twin").await);
    let (one, other) = (one.link(&node).await, other.link(&node).await);
    assert!(matches!(revoke(&node, "nobody").await, Err(RevokeError::Unknown(_))));
    let several = revoke(&node, "twin").await.unwrap_err();
    assert!(matches!(&several, RevokeError::Several { ids, .. } if ids.len() == 2), "{several}");
    revoke(&node, &one.id.to_string()).await.unwrap();
    eventually("the one is gone", async || node.node(one.id).is_none()).await;
    assert!(node.node(other.id).is_some());
    // One of which nobody has seen more than its id in a log.
    let unseen = "0123456789abcdef0123456789abcdef";
    assert_eq!(revoke(&node, unseen).await.unwrap().member.id, unseen);
}

#[tokio::test]
async fn a_gateway_that_was_revoked_does_not_join_again_with_what_it_joined_with() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let (token, key) = (token(&node).await, KeyPair::generate().unwrap());
    let member = Member::join_with(&node, "gateway-1", &token, &key).await.unwrap();
    member.link(&node).await;
    revoke(&node, "gateway-1").await.unwrap();
    let again = Member::join_with(&node, "gateway-1", &token, &key).await.err().unwrap();
    assert_eq!(again.code(), Code::PermissionDenied, "{again}");
}

#[tokio::test]
async fn a_join_token_is_listed_and_can_be_taken_back() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let by = subject("operator");
    let used = token(&node).await;
    Member::join_with(&node, "gateway-1", &used, &KeyPair::generate().unwrap()).await.unwrap();
    let many = node.fleet.issue_join_token(Duration::from_secs(600), Uses::Many, &by).await.unwrap().secret;
    let joined = Member::join_with(&node, "gateway-2", &many, &KeyPair::generate().unwrap()).await.unwrap();

    let listed = node.fleet.list_join_tokens().await.unwrap();
    let seen: Vec<_> = listed
        .iter()
        .map(|token| (token.uses, token.used_by.as_ref().map(|member| member.name.to_string())))
        .collect();
    assert_eq!(seen, [(Uses::Once, Some("gateway-1".into())), (Uses::Many, None)]);
    assert!(!format!("{listed:?}").contains(&many.expose()[4..20]), "the token is nowhere");

    for none in ["", "x", "0123456789abcdef"] {
        assert_eq!(node.fleet.revoke_join_token(none, &by, "").await.unwrap(), None, "{none:?}");
    }
    let id = &listed[1].id;
    assert_eq!(node.fleet.revoke_join_token(id, &by, "leaked").await.unwrap().as_ref(), Some(&listed[1]));
    let refused = Member::join_with(&node, "gateway-3", &many, &KeyPair::generate().unwrap()).await;
    assert_eq!(refused.err().unwrap().code(), Code::Unauthenticated);
    assert!(!is_out(&joined, &node).await, "who has joined stays");
    assert_eq!(node.fleet.list_join_tokens().await.unwrap().len(), 1);
    let events = node.scratch.control.audit().events(1).await.unwrap();
    assert_eq!((events[0].action, events[0].about.as_ref()), (Looked::RevokedJoinToken, Some(id)));
}

#[tokio::test]
async fn a_revocation_that_cannot_be_read_shuts_out_all_the_same_and_no_other() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let (thief, honest) = (Member::join(&node, "gateway-1").await, Member::join(&node, "gateway-2").await);
    let of = crate::fleet::member::Member::of(&thief.certificate.as_slice().into()).unwrap();
    let write = Transaction::new()
        .put(format!("/cs/revoked-gateways/{}", of.id), r#"{"later":true}"#)
        .put("/cs/revoked-gateways/!", "");
    bed.store.transact(write).await.unwrap();
    eventually("it is out", async || is_out(&thief, &node).await).await;
    assert!(!is_out(&honest, &node).await);
    let later = bed.node().await;
    assert!(is_out(&thief, &later).await && !is_out(&honest, &later).await);
    revoke(&later, "gateway-2").await.unwrap_err();
    honest.link(&later).await;
    revoke(&later, "gateway-2").await.unwrap();
    eventually("those that follow are heard of", async || is_out(&honest, &node).await).await;
}
