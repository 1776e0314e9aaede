//! Who gets into the fleet, and who does not.

use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_common::id::NodeId;
use countersign_common::time::{Clock as _, ManualClock, SystemClock};
use countersign_common::{Digest, Secret, Timestamp};
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use tonic::Code;

use super::bed::{Bed, Running, eventually};
use super::gateway::{Member, anonymous, client, request, token};
use crate::fleet::Uses;
use crate::fleet::authority::{Authority, AuthorityError, AuthorityFiles, CONTROL_NAME, CertificateRequest};
use crate::store::{Store as _, Transaction};
use crate::testing::subject;

#[tokio::test]
async fn a_join_token_works_once_and_names_the_authority() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let token = token(&node).await;
    let (_, digest) = token.expose().split_once('.').unwrap();
    assert_eq!(digest, Digest::of(node.fleet.options.authority.certificate()).to_string());
    let key = KeyPair::generate().unwrap();
    Member::join_with(&node, "gateway-1", &token, &key).await.unwrap();
    // An answer that was lost is asked for again; nobody else can use the token.
    Member::join_with(&node, "gateway-1", &token, &key).await.unwrap();
    let other = KeyPair::generate().unwrap();
    let refused = Member::join_with(&node, "gateway-1", &token, &other).await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let unknown = Secret::new("csj_00.00".to_owned());
    let refused = Member::join_with(&node, "gateway-2", &unknown, &other).await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_reusable_token_lets_gateways_in_until_its_time_is_over() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let by = subject("operator");
    let issue = |seconds, uses| node.fleet.issue_join_token(Duration::from_secs(seconds), uses, &by);
    let token = issue(60, Uses::Many).await.unwrap().secret;
    for name in ["gateway-1", "gateway-2", "gateway-2"] {
        let key = KeyPair::generate().unwrap();
        Member::join_with(&node, name, &token, &key).await.unwrap();
    }
    assert!(issue(30 * 86_400, Uses::Many).await.is_ok());
    assert!(issue(30 * 86_400, Uses::Once).await.is_err(), "one that works once lives a week at most");
    assert!(issue(91 * 86_400, Uses::Many).await.is_err());
}

#[tokio::test]
async fn a_link_and_a_renewal_need_a_certificate_of_the_fleet() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let key = KeyPair::generate().unwrap();
    let renewal = || v1::RenewCertificateRequest { certificate_request: request(&key) };
    let mut stranger = client(&node, anonymous(&node)).await.unwrap();
    let refused = stranger.renew_certificate(renewal()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused = stranger.link(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    let member = Member::join(&node, "gateway-1").await;
    let mut known = client(&node, member.tls()).await.unwrap();
    let renewed = known.renew_certificate(renewal()).await.unwrap().into_inner();
    assert_eq!(renewed.certificates.len(), 1);
    let garbage = v1::RenewCertificateRequest { certificate_request: b"garbage".to_vec() };
    assert_eq!(known.renew_certificate(garbage).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_in_the_handshake() {
    let (mut bed, mut other) = (Bed::new().await, Bed::new().await);
    let (node, elsewhere) = (bed.node().await, other.node().await);
    let member = Member::join(&elsewhere, "gateway-1").await;
    // It trusts our authority, but shows what another one certified.
    let tls = member.tls().ca_certificate(tonic::transport::Certificate::from_pem(super::gateway::pem(
        "CERTIFICATE",
        node.fleet.options.authority.certificate(),
    )));
    match client(&node, tls).await {
        Err(_) => {}
        // In TLS 1.3 the client may learn it only with its first call.
        Ok(mut client) => assert!(client.link(tokio_stream::empty()).await.is_err()),
    }
}

#[tokio::test]
async fn a_start_of_one_gateway_cannot_be_taken_by_another() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let (one, two) = (Member::join(&node, "gateway-1").await, Member::join(&node, "gateway-2").await);
    let id = NodeId::generate();
    let _linked = one.link_as(&node, id).await;
    assert_eq!(two.open(&node, id).await.err().unwrap().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_gateway_cannot_take_the_id_of_a_control_plane_node_nor_hide_it() {
    let mut bed = Bed::new().await;
    let (node, other) = (bed.node().await, bed.node().await);
    let member = Member::join(&node, "liar").await;
    let [here, there] = [&node, &other].map(|one| one.scratch.control.node());
    let shows_both = |at: &Running| at.node(here).is_some() && at.node(there).is_some();
    eventually("both to be known", async || shows_both(&node) && shows_both(&other)).await;
    for at in [&node, &other] {
        for id in [here, there] {
            assert_eq!(member.open(at, id).await.err().unwrap().code(), Code::PermissionDenied);
        }
    }
    let control = |at: &Running, id| at.node(id).is_some_and(|found| found.gateway().is_none());
    assert!(control(&node, here) && control(&node, there) && control(&other, here) && control(&other, there));
    // An id stays a control plane's after its node has gone.
    other.stop().await;
    eventually("the other one to go", async || node.node(there).is_none()).await;
    assert_eq!(member.open(&node, there).await.err().unwrap().code(), Code::PermissionDenied);
    // Whoever writes such a record past all checks hides nobody either.
    let honest = member.link(&node).await;
    let key = format!("/cs/nodes/gateway/{}", honest.id);
    let entry = bed.store.get(&key).await.unwrap().unwrap();
    let forged = String::from_utf8(entry.value).unwrap().replace(&honest.id.to_string(), &here.to_string());
    bed.store
        .transact(Transaction::new().put(format!("/cs/nodes/gateway/{here}"), forged.clone()))
        .await
        .unwrap();
    bed.store.transact(Transaction::new().put(&key, forged)).await.unwrap();
    let forged = || node.fleet.list().iter().any(|one| one.id == here && one.gateway().is_some());
    eventually("the forged record to be heard of", async || forged()).await;
    assert!(node.fleet.list().iter().any(|one| one.id == here && one.gateway().is_none()));
    assert!(node.fleet.list().iter().any(|one| one.id == honest.id), "a record under its key names another");
}

#[test]
fn a_key_that_is_not_the_authoritys_is_refused_and_files_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    for dir in [&one, &two] {
        std::fs::create_dir(dir).unwrap();
        AuthorityFiles::in_directory(dir).create(&SystemClock).unwrap();
    }
    let (one, two) = (AuthorityFiles::in_directory(&one), AuthorityFiles::in_directory(&two));
    assert!(Authority::read(&one).is_ok());
    let mixed = AuthorityFiles { certificate: one.certificate.clone(), key: two.key };
    assert!(matches!(Authority::read(&mixed), Err(AuthorityError::Mismatch)));
    assert!(matches!(one.create(&SystemClock), Err(AuthorityError::Unwritable { .. })));
}

#[tokio::test]
async fn a_gateways_certificate_does_not_pass_for_a_control_plane() {
    let dir = tempfile::tempdir().unwrap();
    let authority = AuthorityFiles::in_directory(dir.path()).read_or_create(&SystemClock).unwrap();
    let now = SystemClock.now();
    let server = authority.server(&["10.0.0.1".into()], now).unwrap();
    let key = KeyPair::generate().unwrap();
    let member = crate::fleet::member::Member::new("gateway-1".parse().unwrap()).unwrap();
    let asked = CertificateRequest::read(&request(&key)).unwrap();
    let gateway = authority.gateway(&member, &asked, Duration::from_secs(3600), now).unwrap();
    assert_eq!(crate::fleet::member::Member::of(&gateway[0]), Some(member));

    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let provider = countersign_runtime::tls::provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let passes = |certificate: &CertificateDer<'_>, name: &str| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).is_ok()
    };
    assert!(passes(&server.chain[0], CONTROL_NAME));
    assert!(passes(&server.chain[0], "10.0.0.1"));
    assert!(!passes(&server.chain[0], "10.0.0.2"));
    for name in [CONTROL_NAME, "gateway-1"] {
        assert!(!passes(&gateway[0], name));
    }
}

/// Whoever renews when two thirds are over has the last third of what the certificate is good for.
#[tokio::test]
async fn a_certificate_begins_not_longer_ago_than_it_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let authority = AuthorityFiles::in_directory(dir.path()).read_or_create(&SystemClock).unwrap();
    let (now, key) = (SystemClock.now(), KeyPair::generate().unwrap());
    let member = crate::fleet::member::Member::new("gateway-1".parse().unwrap()).unwrap();
    let asked = CertificateRequest::read(&request(&key)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let provider = countersign_runtime::tls::provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    for (lasts, began) in [(90, 90), (86_400, 300)] {
        let chain = authority.gateway(&member, &asked, Duration::from_secs(lasts), now).unwrap();
        let good = |seconds: i64| {
            let at = i64::try_from(now.as_micros() / 1_000_000).unwrap() + seconds;
            let at = UnixTime::since_unix_epoch(Duration::from_secs(at.try_into().unwrap()));
            verifier.verify_client_cert(&chain[0], &[], at).is_ok()
        };
        let ends = i64::try_from(lasts).unwrap();
        let told = [good(-began - 2), good(-began + 2), good(ends - 2), good(ends + 2)];
        assert_eq!(told, [false, true, true, false], "one that lasts {lasts} s");
    }
}

/// The certificate that a node shows to whoever comes now.
async fn shown(node: &Running) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    roots.add(node.fleet.options.authority.certificate().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(countersign_runtime::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(CONTROL_NAME).unwrap();
    let tcp = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_node_renews_its_own_certificate_and_its_links_go_on() {
    const DAY: Duration = Duration::from_secs(86_400);
    let ago = SystemClock.now().as_micros() - u64::try_from((31 * DAY).as_micros()).unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(ago)));
    let mut bed = Bed::new().await;
    bed.clock = Arc::clone(&clock) as _;
    bed.certificate_ttl = 80 * DAY;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    let before = shown(&node).await;
    assert_eq!(shown(&node).await, before);
    clock.advance(31 * DAY);
    assert_ne!(shown(&node).await, before);
    // It was not dropped, and the next one finds its way.
    link.send(FromGateway::Listening(v1::Listening { number: 9 })).await;
    let alive = |frame| match frame {
        Frame::Alive(alive) => Some(alive.heard),
        _ => None,
    };
    assert_eq!(link.wait_for(alive).await, 9);
    member.link(&node).await;
}

#[tokio::test]
async fn one_gateway_cannot_take_the_places_of_all_others() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut links = Vec::new();
    let refused = loop {
        match member.open(&node, NodeId::generate()).await {
            Ok(link) => links.push(link),
            Err(refused) => break refused,
        }
        assert!(links.len() < 100, "no end of it");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    Member::join(&node, "gateway-2").await.link(&node).await;
}

#[tokio::test]
async fn a_stranger_who_says_much_is_not_listened_to() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let token = token(&node).await;
    let ask = async |bytes| {
        let certificate_request = vec![0; bytes];
        let name = "gateway-1".to_owned();
        let request = v1::JoinFleetRequest { token: token.expose().clone(), name, certificate_request };
        client(&node, anonymous(&node)).await.unwrap().join_fleet(request).await.unwrap_err()
    };
    // It is read, and is no request for a certificate.
    assert_eq!(ask(1000).await.code(), Code::InvalidArgument);
    assert_ne!(ask(1 << 20).await.code(), Code::InvalidArgument);
    // The token is as good as before.
    Member::join_with(&node, "gateway-1", &token, &KeyPair::generate().unwrap()).await.unwrap();
}
