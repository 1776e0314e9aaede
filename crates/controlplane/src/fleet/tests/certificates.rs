//! A connection lasts as long as the certificate that it was opened by, and those who have none are few.

use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use rcgen::KeyPair;
use tokio::net::TcpStream;
use tonic::Code;

use super::bed::{Bed, Running};
use super::gateway::{Member, anonymous, client, request};
use crate::fleet::places::STRANGERS_MAX;

fn renewal() -> v1::RenewCertificateRequest {
    v1::RenewCertificateRequest { certificate_request: request(&KeyPair::generate().unwrap()) }
}

#[tokio::test]
async fn a_link_and_its_connection_end_with_the_certificate_they_were_opened_by() {
    let mut bed = Bed::new().await;
    bed.certificate_ttl = Duration::from_secs(3);
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut connected = client(&node, member.tls()).await.unwrap();
    connected.renew_certificate(renewal()).await.unwrap();
    let mut link = member.link(&node).await;
    let told = link
        .wait_for(|frame| match frame {
            Frame::Leave(leave) => Some(leave),
            _ => None,
        })
        .await;
    assert!(!told.lost && !told.drain && told.reason.contains("certificate"), "{}", told.reason);
    let (_, ended) = link.end().await;
    assert!(ended.is_some(), "it was not let go in good order: it had stayed for too long");
    // Not even on a connection that stood: it would be good for ever.
    assert!(connected.renew_certificate(renewal()).await.is_err());
    assert!(client(&node, member.tls()).await.unwrap().renew_certificate(renewal()).await.is_err());
}

/// Whether somebody without a certificate is heard.
async fn is_heard(
    node: &Running,
) -> Option<v1::fleet_service_client::FleetServiceClient<tonic::transport::Channel>> {
    let mut stranger = client(node, anonymous(node)).await.ok()?;
    let nobody = v1::JoinFleetRequest {
        token: "csj_00.00".into(),
        name: "nobody".into(),
        certificate_request: request(&KeyPair::generate().unwrap()),
    };
    let refused = stranger.join_fleet(nobody).await.unwrap_err();
    (refused.code() == Code::Unauthenticated).then_some(stranger)
}

#[tokio::test]
async fn strangers_take_their_own_places_only() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut strangers = Vec::new();
    while let Some(stranger) = is_heard(&node).await {
        strangers.push(stranger);
        assert!(strangers.len() <= STRANGERS_MAX, "nothing keeps them out");
    }
    member.link(&node).await;
    drop(strangers);
    super::bed::eventually("there is room again", async || is_heard(&node).await.is_some()).await;
}

#[tokio::test]
async fn handshakes_that_are_never_ended_keep_nobody_out() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(node.address).await.unwrap());
    }
    // Within less than what one of them may take.
    let joined = tokio::time::timeout(Duration::from_secs(9), Member::join(&node, "gateway-1"));
    assert!(joined.await.is_ok());
}
