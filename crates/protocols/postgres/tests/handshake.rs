//! Every way in, as bytes: what a client sends, what it hears, and what is known of it then.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use countersign_common::error::Report;
use countersign_common::id::TargetName;
use countersign_common::target::TlsMode;
use countersign_postgres::codec::build;
use countersign_postgres::codec::startup::Protocol;
use countersign_postgres::handshake::{
    self, Arrival, HandshakeError, Login, LoginRefused, Plain, Terms, Transport,
};
use countersign_postgres::{ALPN, CancelKey, ServerParameters};
use rustls::pki_types::ServerName;
use support::{Authority, spoken, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn plain_terms() -> Terms {
    Terms::new(LOOPBACK, None)
}

fn tls_terms() -> Terms {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("gateway.test");
    let certificate = countersign_runtime::tls::ListenerCertificate::read(&certificate, &key).unwrap();
    let config = std::sync::Arc::new(certificate).config(&[ALPN]).unwrap();
    Terms::new("192.0.2.1".parse().unwrap(), Some(config))
}

fn packet(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut out = BytesMut::new();
    build::startup(&mut out, Protocol::V3_0, parameters.iter().copied()).unwrap();
    out[4..8].copy_from_slice(&version.to_be_bytes());
    out.to_vec()
}

fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    packet(3 << 16, parameters)
}

fn password(text: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    build::password(&mut out, text.as_bytes()).unwrap();
    out.to_vec()
}

fn request(code: u32) -> Vec<u8> {
    [8u32.to_be_bytes(), code.to_be_bytes()].concat()
}

fn ssl() -> Vec<u8> {
    request(80_877_103)
}

fn gssenc() -> Vec<u8> {
    request(80_877_104)
}

/// What came of a script.
enum Outcome {
    Login(Login),
    Cancel(CancelKey),
    Failed(HandshakeError),
}

impl Outcome {
    fn login(self) -> Login {
        match self {
            Self::Login(login) => login,
            Self::Cancel(_) => panic!("a cancel request"),
            Self::Failed(error) => panic!("{error:?}"),
        }
    }

    fn error(self) -> HandshakeError {
        match self {
            Self::Failed(error) => error,
            Self::Login(_) | Self::Cancel(_) => panic!("no error"),
        }
    }
}

/// Sends all of `script` at once over a plain connection, then no more; what came of it, and all that
/// was heard.
async fn play(terms: &Terms, script: &[Vec<u8>]) -> (Outcome, Vec<u8>) {
    let (mut client, server) = duplex(1 << 16);
    let hear = async {
        client.write_all(&script.concat()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let arrive = async {
        match handshake::receive(server, terms).await {
            Ok(Arrival::Login(login, _door)) => Outcome::Login(login),
            Ok(Arrival::Cancel(key, connection)) => {
                connection.close().await;
                Outcome::Cancel(key)
            }
            Err(error) => Outcome::Failed(error),
        }
    };
    tokio::join!(arrive, hear)
}

#[tokio::test]
async fn a_client_on_a_loopback_listener_is_asked_for_its_token() {
    let parameters = [
        ("user", "app@shop"),
        ("database", "orders"),
        ("options", "-c a=b\\ c"),
        ("application_name", "psql"),
    ];
    let (outcome, heard) = play(&plain_terms(), &[startup(&parameters), password("tok_1")]).await;
    insta::assert_snapshot!(spoken(&heard), @"authentication CleartextPassword");
    let login = outcome.login();
    assert_eq!(login.target.as_str(), "shop");
    assert_eq!(login.role.unwrap().as_str(), "app");
    assert_eq!(login.database.as_deref(), Some("orders"));
    assert_eq!(login.token.expose(), "tok_1");
    assert_eq!(login.transport, Transport::Plain);
    assert_eq!(login.protocol, Protocol::V3_0);
    let forwarded: Vec<_> = login.parameters.iter().collect();
    assert_eq!(forwarded, [("options", "-c a=b\\ c"), ("application_name", "psql")]);
}

#[tokio::test]
async fn a_user_name_is_a_target_or_a_role_at_a_target() {
    for (user, target, role) in [
        ("shop", "shop", None),
        ("app@shop", "shop", Some("app")),
        ("bob@corp.example@shop", "shop", Some("bob@corp.example")),
    ] {
        let script = [startup(&[("user", user)]), password("t")];
        let login = play(&plain_terms(), &script).await.0.login();
        assert_eq!(login.target.as_str(), target);
        assert_eq!(login.role.as_ref().map(|role| role.as_str()), role);
    }
    for user in ["", "@shop", "app@", "a b"] {
        let (outcome, heard) = play(&plain_terms(), &[startup(&[("user", user)])]).await;
        assert!(matches!(outcome.error(), HandshakeError::UserName), "{user}");
        assert!(spoken(&heard).starts_with("FATAL 28000: the user name must be"), "{user}");
    }
}

#[tokio::test]
async fn on_a_listener_bound_to_a_target_the_user_is_the_role() {
    let terms = Terms { target: Some(TargetName::new("shop").unwrap()), ..plain_terms() };
    let login = play(&terms, &[startup(&[("user", "app@corp")]), password("t")]).await.0.login();
    assert_eq!((login.target.as_str(), login.role.unwrap().as_str()), ("shop", "app@corp"));
}

#[tokio::test]
async fn a_database_that_libpq_made_of_the_user_name_counts_as_none() {
    for (parameters, database) in [
        (&[("user", "shop"), ("database", "shop")][..], None),
        (&[("user", "shop"), ("database", "")], None),
        (&[("user", "shop")], None),
        (&[("user", "app@shop"), ("database", "shop")], Some("shop")),
    ] {
        let login = play(&plain_terms(), &[startup(parameters), password("t")]).await.0.login();
        assert_eq!(login.database.as_deref(), database);
    }
}

#[tokio::test]
async fn without_tls_a_listener_that_is_not_on_loopback_never_asks_for_the_token() {
    let (outcome, heard) = play(&tls_terms(), &[startup(&[("user", "shop")]), password("t")]).await;
    assert!(matches!(outcome.error(), HandshakeError::TlsRequired));
    insta::assert_snapshot!(spoken(&heard), @"FATAL 28000: this listener wants TLS; connect with sslmode=require; nothing was run");
}

#[test]
fn only_loopback_addresses_take_tokens_without_tls() {
    for (address, plain) in [
        ("127.0.0.1", Plain::Loopback),
        ("127.9.9.9", Plain::Loopback),
        ("::1", Plain::Loopback),
        ("::ffff:127.0.0.1", Plain::Loopback),
        ("0.0.0.0", Plain::Refused),
        ("::", Plain::Refused),
        ("10.0.0.1", Plain::Refused),
        ("::ffff:10.0.0.1", Plain::Refused),
    ] {
        assert_eq!(Plain::for_listener(address.parse().unwrap()), plain, "{address}");
    }
}

#[tokio::test]
async fn encryption_that_is_not_offered_is_declined_and_the_client_goes_on() {
    let (mut client, server) = duplex(1 << 16);
    let talk = async {
        for packet in [gssenc(), ssl()] {
            client.write_all(&packet).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'N');
        }
        client.write_all(&startup(&[("user", "shop")])).await.unwrap();
        client.write_all(&password("t")).await.unwrap();
    };
    let terms = plain_terms();
    let (arrival, ()) = tokio::join!(handshake::receive(server, &terms), talk);
    assert!(matches!(arrival, Ok(Arrival::Login(..))));
}

#[tokio::test]
async fn bytes_that_come_in_clear_after_a_request_for_encryption_are_refused() {
    for terms in [plain_terms(), tls_terms()] {
        for first in [ssl(), gssenc()] {
            let script = [first, startup(&[("user", "shop")]), password("t")];
            let (outcome, heard) = play(&terms, &script).await;
            assert!(matches!(outcome.error(), HandshakeError::Stuffed));
            assert_eq!(
                spoken(&heard),
                "FATAL 08P01: unencrypted bytes came after the request for encryption; nothing was run"
            );
        }
    }
}

#[tokio::test]
async fn encryption_is_asked_for_once() {
    let (mut client, server) = duplex(1 << 16);
    let talk = async {
        client.write_all(&ssl()).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'N');
        client.write_all(&ssl()).await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap_or_default();
        client.shutdown().await.unwrap();
    };
    let terms = plain_terms();
    let hear = async { tokio::time::timeout(Duration::from_secs(5), talk).await };
    let (arrival, _) = tokio::join!(handshake::receive(server, &terms), hear);
    assert!(matches!(arrival, Err(HandshakeError::AskedTwice)));
}

#[tokio::test]
async fn a_cancel_request_is_handed_over_and_answered_by_nothing() {
    let key = CancelKey::new(42, vec![7; 32]);
    let mut out = BytesMut::new();
    build::cancel_request(&mut out, &key);
    // Also where TLS is wanted: libpq before 17 cancels in clear.
    for terms in [plain_terms(), tls_terms()] {
        let (outcome, heard) = play(&terms, &[out.to_vec()]).await;
        assert!(heard.is_empty());
        assert!(matches!(outcome, Outcome::Cancel(got) if got.same_as(&key)));
    }
}

#[tokio::test]
async fn the_connection_of_a_cancel_request_stays_open_until_it_is_closed_by_name() {
    let (mut client, server) = duplex(1 << 16);
    let mut out = BytesMut::new();
    build::cancel_request(&mut out, &CancelKey::new(42, vec![7; 4]));
    client.write_all(&out).await.unwrap();
    let Ok(Arrival::Cancel(_, connection)) = handshake::receive(server, &plain_terms()).await else {
        panic!("no cancel request")
    };
    // It would be over if the connection were closed.
    let mut end = Box::pin(client.read_u8());
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(end.as_mut().poll(cx).is_pending())).await);
    let (ended, ()) = tokio::join!(end, connection.close());
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn over_tls_the_connection_of_a_cancel_request_ends_with_a_close_notify() {
    let terms = tls_terms();
    let (client, server) = duplex(1 << 16);
    let talk = async {
        let mut client = connector(&[ALPN]).connect(gateway_name(), client).await.unwrap();
        let mut out = BytesMut::new();
        build::cancel_request(&mut out, &CancelKey::new(42, vec![7; 4]));
        client.write_all(&out).await.unwrap();
        client.flush().await.unwrap();
        // Without it this is an error: the end of a connection that anybody may have cut.
        client.read_to_end(&mut Vec::new()).await.unwrap()
    };
    let close = async {
        let Ok(Arrival::Cancel(_, connection)) = handshake::receive(server, &terms).await else {
            panic!("no cancel request")
        };
        connection.close().await;
    };
    assert_eq!(tokio::join!(talk, close).0, 0);
}

#[tokio::test]
async fn versions_are_negotiated_as_the_server_does() {
    const USER: (&str, &str) = ("user", "shop");
    let mut told = Vec::new();
    for (version, parameters) in [
        (3 << 16, &[USER][..]),
        ((3 << 16) | 1, &[USER]),
        ((3 << 16) | 2, &[USER]),
        ((3 << 16) | 9999, &[USER]),
        (3 << 16, &[USER, ("_pq_.first", "1"), ("_pq_.second", "")]),
        (2 << 16, &[USER]),
        ((4 << 16) | 1, &[USER]),
        (80_877_105, &[]),
    ] {
        let (outcome, heard) = play(&plain_terms(), &[packet(version, parameters), password("t")]).await;
        let spoken_then = match outcome {
            Outcome::Login(login) => login.protocol.to_string(),
            Outcome::Failed(error) => error.to_string(),
            Outcome::Cancel(_) => panic!("a cancel request"),
        };
        told.push(format!("{}.{} → {spoken_then}\n{}", version >> 16, version & 0xffff, spoken(&heard)));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn replication_is_refused() {
    const NOT_OFFERED: &str = "FATAL 0A000: replication is not offered here; nothing was run";
    for value in ["true", "t", "yes", "on", "1", "database"] {
        let script = [startup(&[("user", "shop"), ("replication", value)]), password("t")];
        let (outcome, heard) = play(&plain_terms(), &script).await;
        assert!(matches!(outcome, Outcome::Failed(HandshakeError::Replication)), "{value}");
        assert_eq!(spoken(&heard), NOT_OFFERED, "{value}");
    }
    for value in ["false", "off", "n", "no", "0", "of", "FALSE"] {
        let script = [startup(&[("user", "shop"), ("replication", value)]), password("t")];
        let (outcome, _) = play(&plain_terms(), &script).await;
        assert!(matches!(outcome, Outcome::Login(_)), "{value}");
    }
    for value in ["maybe", "o", "", "2"] {
        let script = [startup(&[("user", "shop"), ("replication", value)]), password("t")];
        let (outcome, heard) = play(&plain_terms(), &script).await;
        assert!(matches!(outcome, Outcome::Failed(HandshakeError::ReplicationValue)), "{value}");
        assert!(spoken(&heard).starts_with("FATAL 22023"), "{value}");
    }
}

#[tokio::test]
async fn what_is_no_start_up_packet_at_all_is_closed_without_an_answer() {
    let cancel = |body: &[u8]| {
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), body].concat()
    };
    for (name, bytes) in [
        ("a Terminate", b"X\0\0\0\x04".to_vec()),
        ("a query", b"Q\0\0\0\x0dSELECT 1\0".to_vec()),
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a packet that is too long", 10_001u32.to_be_bytes().to_vec()),
        ("a packet that is too short", 7u32.to_be_bytes().to_vec()),
        ("zeros", vec![0; 64]),
        ("less than a length", b"X\0\0".to_vec()),
        ("a cancel request without a key", cancel(b"")),
        ("a cancel request without a secret", cancel(&[0, 0, 0, 7])),
    ] {
        let (outcome, heard) = play(&plain_terms(), &[bytes]).await;
        assert_eq!(spoken(&heard), "", "{name}");
        assert!(matches!(outcome.error(), HandshakeError::NotStartup | HandshakeError::Gone), "{name}");
    }
}

#[tokio::test]
async fn what_is_no_start_up_packet_is_refused_with_a_reason() {
    let mut told = Vec::new();
    for (name, bytes) in [
        ("a packet with an open string", [&[0, 0, 0, 12, 0, 3, 0, 0][..], b"user"].concat()),
        ("a packet that is not UTF-8", [&[0, 0, 0, 12, 0, 3, 0, 0][..], b"\xff\0\0\0"].concat()),
        ("a query instead of a password", [startup(&[("user", "shop")]), b"Q\0\0\0\x05\0".to_vec()].concat()),
        ("a password without end", [startup(&[("user", "shop")]), b"p\0\0\0\x05x".to_vec()].concat()),
        ("an empty password", [startup(&[("user", "shop")]), password("")].concat()),
        ("an endless password", [startup(&[("user", "shop")]), b"p\0\x01\0\0".to_vec()].concat()),
    ] {
        let (outcome, heard) = play(&plain_terms(), &[bytes]).await;
        let error = outcome.error();
        assert_eq!(error.origin().as_str(), "client");
        told.push(format!("{name}\n{}", spoken(&heard)));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_client_that_leaves_when_asked_for_a_password_is_no_fault() {
    for last in [Vec::new(), b"X\0\0\0\x04".to_vec()] {
        let (outcome, heard) = play(&plain_terms(), &[startup(&[("user", "shop")]), last]).await;
        assert!(matches!(outcome.error(), HandshakeError::Gone));
        assert_eq!(spoken(&heard), "authentication CleartextPassword");
    }
}

#[tokio::test]
async fn a_client_that_dawdles_is_sent_away() {
    let terms = Terms { login_time_max: Duration::from_millis(50), ..plain_terms() };
    for said in [startup(&[("user", "shop")])[..3].to_vec(), startup(&[("user", "shop")])] {
        let (mut client, server) = duplex(1 << 16);
        let hear = async {
            client.write_all(&said).await.unwrap();
            let mut heard = vec![0; 4096];
            let mut bytes = 0;
            while !heard[..bytes].ends_with(b"\0\0") {
                bytes += client.read(&mut heard[bytes..]).await.unwrap();
            }
            heard.truncate(bytes);
            drop(client);
            heard
        };
        let (arrival, heard) = tokio::join!(handshake::receive(server, &terms), hear);
        assert!(matches!(arrival, Err(HandshakeError::TimedOut { .. })));
        let told = "FATAL 57014: login not finished within 50ms; nothing was run";
        assert!(spoken(&heard).ends_with(told), "{}", spoken(&heard));
    }
}

#[tokio::test]
async fn a_client_that_is_let_in_learns_its_settings_and_a_key_of_ours() {
    let (mut client, server) = duplex(1 << 16);
    client.write_all(&packet((3 << 16) | 2, &[("user", "shop")])).await.unwrap();
    client.write_all(&password("t")).await.unwrap();
    client.write_all(b"Q\0\0\0\x05\0").await.unwrap();
    let Arrival::Login(login, door) = handshake::receive(server, &plain_terms()).await.unwrap() else {
        panic!("a cancel request");
    };
    let mut parameters = ServerParameters::default();
    parameters.set(b"server_version", b"15.14");
    parameters.set(b"TimeZone", b"UTC");
    let key = CancelKey::new(7, vec![1; 32]);
    assert_eq!(login.protocol, Protocol::V3_2);
    let let_in = door.open(&parameters, &key).await.unwrap();
    assert_eq!(&let_in.buffered[..], b"Q\0\0\0\x05\0", "what the client sent ahead is kept");
    drop(let_in);
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    insta::assert_snapshot!(spoken(&heard), @r"
    authentication CleartextPassword
    let in
    server_version = 15.14
    TimeZone = UTC
    key 7, 32 bytes
    ready Idle
    ");
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_so_in_the_drivers_terms() {
    let refusals = [
        LoginRefused::Token,
        LoginRefused::UnknownTarget,
        LoginRefused::UnknownRole,
        LoginRefused::Unavailable,
        LoginRefused::Upstream(countersign_postgres::upstream::UpstreamError::TlsRefused),
    ];
    let mut told = Vec::new();
    for refusal in &refusals {
        let (mut client, server) = duplex(1 << 16);
        client.write_all(&startup(&[("user", "shop")])).await.unwrap();
        client.write_all(&password("t")).await.unwrap();
        let Arrival::Login(_, door) = handshake::receive(server, &plain_terms()).await.unwrap() else {
            panic!("a cancel request");
        };
        client.shutdown().await.unwrap();
        door.shut(refusal).await;
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        told.push(format!("{} {}", spoken(&heard).lines().last().unwrap(), refusal.code()));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn i11_a_token_is_in_no_debug_text() {
    let (outcome, _) = play(&plain_terms(), &[startup(&[("user", "shop")]), password("hunter2")]).await;
    assert!(!format!("{:?}", outcome.login()).contains("hunter2"));
}

/// A TLS client; `alpn` empty: it asks for no protocol by name.
fn connector(alpn: &[&[u8]]) -> TlsConnector {
    let config = countersign_runtime::tls::client_config(&tls(TlsMode::Require), alpn).unwrap().unwrap();
    TlsConnector::from(config)
}

fn gateway_name() -> ServerName<'static> {
    ServerName::try_from("GateWay.test").unwrap()
}

#[tokio::test]
async fn tls_after_an_ssl_request_carries_the_login() {
    let terms = Terms {
        server_names: BTreeMap::from([("gateway.test".into(), TargetName::new("shop").unwrap())]),
        ..tls_terms()
    };
    // Drivers other than libpq ask for no protocol by name; that is fine after an SSLRequest.
    for alpn in [&[ALPN][..], &[]] {
        let (mut client, server) = duplex(1 << 16);
        let talk = async {
            client.write_all(&ssl()).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'S');
            let mut client = connector(alpn).connect(gateway_name(), client).await.unwrap();
            client.write_all(&startup(&[("user", "app")])).await.unwrap();
            client.write_all(&password("t")).await.unwrap();
            client.flush().await.unwrap();
            client
        };
        let (arrival, _client) = tokio::join!(handshake::receive(server, &terms), talk);
        let Ok(Arrival::Login(login, door)) = arrival else { panic!("no login") };
        assert!(door.stream().is_tls());
        assert_eq!((login.target.as_str(), login.role.unwrap().as_str()), ("shop", "app"));
        assert_eq!(login.transport, Transport::Tls { server_name: Some("gateway.test".into()) });
    }
}

async fn direct(terms: &Terms, alpn: &[&[u8]]) -> Result<Arrival<DuplexStream>, HandshakeError> {
    let (client, server) = duplex(1 << 16);
    let talk = async {
        let mut client = connector(alpn).connect(gateway_name(), client).await?;
        client.write_all(&startup(&[("user", "shop")])).await?;
        client.write_all(&password("t")).await?;
        client.flush().await?;
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await?;
        std::io::Result::Ok(())
    };
    let hear = async { tokio::time::timeout(Duration::from_secs(1), talk).await };
    tokio::join!(handshake::receive(server, terms), hear).0
}

#[tokio::test]
async fn tls_from_the_first_byte_needs_the_name_of_the_protocol() {
    let terms = tls_terms();
    assert!(matches!(direct(&terms, &[ALPN]).await, Ok(Arrival::Login(..))));
    assert!(matches!(direct(&terms, &[]).await, Err(HandshakeError::NoAlpn)));
    assert!(matches!(direct(&terms, &[b"h2"]).await, Err(HandshakeError::TlsFailed(_))));
    assert!(matches!(direct(&plain_terms(), &[ALPN]).await, Err(HandshakeError::NoTls)));
}

#[tokio::test]
async fn tls_is_not_begun_within_tls() {
    let terms = tls_terms();
    let (client, server) = duplex(1 << 16);
    let talk = async {
        let mut client = connector(&[ALPN]).connect(gateway_name(), client).await.unwrap();
        client.write_all(&ssl()).await.unwrap();
        client.flush().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let (arrival, heard) = tokio::join!(handshake::receive(server, &terms), talk);
    assert!(matches!(arrival, Err(HandshakeError::AskedTwice)));
    assert_eq!(spoken(&heard), "FATAL 08P01: encryption was asked for twice; nothing was run");
}

#[test]
fn terms_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Arc<Terms>>();
}
