//! Logging in to real PostgreSQL servers, in every way that they ask for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_common::error::Report;
use countersign_common::id::{EnvironmentName, RoleName, TargetName};
use countersign_common::target::{
    JUDGED_BYTES_MAX_DEFAULT, RecordingTerms, Role, SecretRef, Tls, TlsMode, Waiting,
};
use countersign_common::{Digest, Target};
use countersign_postgres::StartupParameters;
use countersign_postgres::codec::startup::Protocol;
use countersign_postgres::upstream::{Connector, Limits, Opening, Upstream, UpstreamError};
use support::postgres::{PASSWORD, Postgres};
use support::{Authority, tls, tls_by};

const HOST: &str = "127.0.0.1";

fn target(host: &str, port: u16, tls: Tls) -> Target {
    let role = RoleName::new("app").unwrap();
    Target {
        name: TargetName::new("shop").unwrap(),
        protocol: "postgres".into(),
        host: host.into(),
        port,
        environment: EnvironmentName::new("test").unwrap(),
        labels: BTreeMap::new(),
        tls,
        roles: BTreeMap::from([(role.clone(), Role { user: "app".into(), credential: None })]),
        default_role: role,
        default_database: None,
        databases: std::collections::BTreeSet::new(),
        waiting: Waiting::default(),
        recording: RecordingTerms::default(),
        safe_functions: BTreeSet::new(),
        judged_bytes_max: JUDGED_BYTES_MAX_DEFAULT,
        reads_when_isolated: None,
        unmatched_rules: Default::default(),
        notifications: countersign_common::target::Notifications::default(),
        generation: Digest::of(b"1"),
    }
}

fn secret(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    file
}

fn role(user: &str, credential: Option<&Path>) -> Role {
    Role { user: user.into(), credential: credential.map(|path| SecretRef::File(path.to_owned())) }
}

async fn open(connector: &Connector, role: &Role) -> Result<Upstream, UpstreamError> {
    open_with(connector, role, "postgres", &[]).await
}

async fn open_with(
    connector: &Connector,
    role: &Role,
    database: &str,
    settings: &[(&str, &str)],
) -> Result<Upstream, UpstreamError> {
    let mut parameters = StartupParameters::default();
    settings.iter().for_each(|(name, value)| parameters.push(*name, *value));
    let opening = Opening { role, database, parameters: &parameters, protocol: Protocol::V3_2 };
    connector.connect(&opening).await
}

async fn one(upstream: &mut Upstream, sql: &str) -> String {
    let rows = upstream.simple_query(sql).await.unwrap();
    rows[0][0].clone().unwrap()
}

/// A server that asks each user for something else.
fn server() -> Postgres {
    let hba = "local all postgres trust
               host all trusted 127.0.0.1/32 trust
               host all md5er 127.0.0.1/32 md5
               host all clear 127.0.0.1/32 password
               host all app 127.0.0.1/32 scram-sha-256";
    let server = Postgres::start(hba, None);
    server.sql("CREATE USER trusted; SET password_encryption = 'md5'");
    server.sql(&format!("SET password_encryption='md5'; CREATE USER md5er PASSWORD '{PASSWORD}'"));
    server.sql(&format!("CREATE USER app PASSWORD '{PASSWORD}'; CREATE USER clear PASSWORD '{PASSWORD}'"));
    server
}

#[tokio::test]
async fn a_target_without_tls_is_logged_in_to_by_trust_md5_and_scram() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let secret = secret(PASSWORD);
    for (user, credential) in
        [("trusted", None), ("md5er", Some(secret.path())), ("app", Some(secret.path()))]
    {
        let mut upstream = open(&connector, &role(user, credential)).await.unwrap();
        assert_eq!(one(&mut upstream, "SELECT current_user").await, user);
        assert_eq!(upstream.protocol, Protocol::V3_0, "PostgreSQL 15 steps down from 3.2");
        assert!(upstream.parameters.get("server_version").unwrap().starts_with("15."));
        assert!(upstream.cancel.is_some());
        assert!(!upstream.stream.is_tls());
    }
    // The password in clear is not sent unprotected, whoever asks.
    let error = open(&connector, &role("clear", Some(secret.path()))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::AuthenticationUnsupported { .. }), "{error:?}");
    let error = open(&connector, &role("app", None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::CredentialMissing));
}

#[tokio::test]
async fn settings_of_the_client_reach_the_target_word_for_word() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let settings =
        [("options", "-c search_path=a,\\ b -c statement_timeout=12345"), ("application_name", "psql")];
    let mut upstream = open_with(&connector, &role("trusted", None), "postgres", &settings).await.unwrap();
    assert_eq!(one(&mut upstream, "SHOW search_path").await, "a, b");
    assert_eq!(one(&mut upstream, "SHOW statement_timeout").await, "12345ms");
    assert_eq!(upstream.parameters.get("application_name"), Some("psql"));
    one(&mut upstream, "SET TimeZone = 'Asia/Tokyo'; SHOW TimeZone").await;
    assert_eq!(upstream.parameters.get("TimeZone"), Some("Asia/Tokyo"));
}

#[tokio::test]
async fn a_query_gives_text_rows_and_an_error_leaves_the_connection_usable() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let mut upstream = open(&connector, &role("trusted", None)).await.unwrap();
    let rows = upstream.simple_query("SELECT 1, NULL; SELECT 'ü' || repeat('x', 100000)").await.unwrap();
    assert_eq!(rows[0], [Some("1".to_owned()), None]);
    assert_eq!(rows[1][0].as_ref().map(String::len), Some(100_002));
    let error = upstream.simple_query("SELECT 1/0").await.unwrap_err();
    assert_eq!(error.sqlstate().as_str(), "22012");
    assert_eq!(one(&mut upstream, "SELECT 2").await, "2");
    assert!(upstream.simple_query("SELECT 1; \0 DROP TABLE t").await.is_err());
}

#[tokio::test]
async fn i11_a_wrong_credential_is_refused_and_never_shown() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let wrong = secret("hunter2-is-wrong");
    for user in ["app", "md5er"] {
        let error = open(&connector, &role(user, Some(wrong.path()))).await.unwrap_err();
        assert!(matches!(error, UpstreamError::CredentialRefused { .. }), "{error:?}");
        assert_eq!(error.sqlstate().as_str(), "58000", "28P01 would look like the client's own token");
        for text in [
            error.to_string(),
            format!("{error:?}"),
            error.client_text().into_owned(),
            format!("{connector:?}"),
        ] {
            assert!(!text.contains("hunter2") && !text.contains(user), "{text}");
        }
    }
    let error = open(&connector, &role("app", Some(Path::new("/nowhere/secret")))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::CredentialUnreadable { .. }));
    assert!(!error.client_text().contains("nowhere"));
}

#[tokio::test]
async fn a_credential_that_changed_is_read_anew() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let secret = secret(PASSWORD);
    let role = role("app", Some(secret.path()));
    open(&connector, &role).await.unwrap();
    server.sql("ALTER USER app PASSWORD 'the next one'");
    assert!(matches!(open(&connector, &role).await, Err(UpstreamError::CredentialRefused { .. })));
    std::fs::write(secret.path(), "the next one\n").unwrap();
    open(&connector, &role).await.unwrap();
}

#[tokio::test]
async fn a_second_login_stretches_no_password() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let secret = secret(PASSWORD);
    let role = role("app", Some(secret.path()));
    open(&connector, &role).await.unwrap();
    // With the credential gone, only kept keys can log in.
    std::fs::remove_file(secret.path()).unwrap();
    open(&connector, &role).await.unwrap();
    // Keys that the server no longer takes are dropped, and the credential is asked for again.
    server.sql("ALTER USER app PASSWORD 'the next one'");
    assert!(matches!(open(&connector, &role).await, Err(UpstreamError::CredentialUnreadable { .. })));
}

#[tokio::test]
async fn what_the_target_refuses_keeps_its_sqlstate_but_not_its_words() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Disable))).unwrap();
    let role = role("trusted", None);
    let error = open_with(&connector, &role, "nowhere", &[]).await.unwrap_err();
    assert_eq!(error.sqlstate().as_str(), "3D000");
    assert_eq!(error.client_text(), "the target refused: it has no such database; nothing was run");
    let error = open_with(&connector, &role, "postgres", &[("no_such", "1")]).await.unwrap_err();
    assert_eq!(error.sqlstate().as_str(), "42704");
}

#[tokio::test]
async fn a_running_statement_is_cancelled_by_its_token() {
    let authority = Authority::new();
    let server = tls_server(&authority);
    let connectors = [tls(TlsMode::Disable), tls_by(TlsMode::VerifyFull, &authority.file())]
        .map(|tls| Connector::new(&target("localhost", server.port, tls)).unwrap());
    for connector in &connectors {
        let mut upstream = open(connector, &role("trusted", None)).await.unwrap();
        let token = upstream.cancel.clone().unwrap();
        assert!(!format!("{token:?}").contains("secret: ["));
        let started = Instant::now();
        let cancel = async {
            // The request may come before the statement does, and is then for nothing.
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                connector.cancel(&token).await.unwrap();
            }
        };
        let error = tokio::select! {
            outcome = upstream.simple_query("SELECT pg_sleep(8)") => outcome.unwrap_err(),
            () = cancel => panic!("not cancelled"),
        };
        assert_eq!(error.sqlstate().as_str(), "57014");
        assert!(started.elapsed() < Duration::from_secs(6));
    }
}

/// A server with TLS; its certificate is for `localhost`.
fn tls_server(authority: &Authority) -> Postgres {
    let (certificate, key) = authority.issue("localhost");
    let hba = "local all postgres trust
               hostssl all certified 127.0.0.1/32 cert
               hostssl all clear 127.0.0.1/32 password
               hostssl all app 127.0.0.1/32 scram-sha-256
               host all trusted 127.0.0.1/32 trust";
    let server = Postgres::start(hba, Some((&certificate, &key, &authority.file())));
    server.sql(&format!(
        "CREATE USER trusted; CREATE USER certified;
         CREATE USER app PASSWORD '{PASSWORD}'; CREATE USER clear PASSWORD '{PASSWORD}';
         CREATE EXTENSION sslinfo"
    ));
    server
}

#[tokio::test]
async fn over_tls_the_login_is_bound_to_the_connection() {
    let authority = Authority::new();
    let server = tls_server(&authority);
    let secret = secret(PASSWORD);
    let verified = tls_by(TlsMode::VerifyFull, &authority.file());
    let connector = Connector::new(&target("localhost", server.port, verified.clone())).unwrap();
    for user in ["app", "clear", "trusted"] {
        let mut upstream = open(&connector, &role(user, Some(secret.path()))).await.unwrap();
        assert!(upstream.stream.is_tls());
        assert_eq!(one(&mut upstream, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await, "t");
    }

    let (certificate_file, key_file) = authority.issue("certified");
    let with_certificate =
        Tls { certificate_file: Some(certificate_file), key_file: Some(key_file), ..verified };
    let connector = Connector::new(&target("localhost", server.port, with_certificate)).unwrap();
    let mut upstream = open(&connector, &role("certified", None)).await.unwrap();
    assert_eq!(one(&mut upstream, "SELECT ssl_client_dn()").await, "/CN=certified");
}

#[tokio::test]
async fn a_certificate_is_checked_as_the_mode_demands() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = tls_server(&authority);
    let role = role("trusted", None);
    for (host, mode, known, fits) in [
        ("localhost", TlsMode::VerifyFull, &authority, true),
        ("127.0.0.1", TlsMode::VerifyFull, &authority, false),
        ("127.0.0.1", TlsMode::VerifyCa, &authority, true),
        ("localhost", TlsMode::VerifyFull, &other, false),
        ("localhost", TlsMode::VerifyCa, &other, false),
        ("127.0.0.1", TlsMode::Require, &other, true),
    ] {
        let connector = Connector::new(&target(host, server.port, tls_by(mode, &known.file()))).unwrap();
        let outcome = open(&connector, &role).await;
        assert_eq!(outcome.is_ok(), fits, "{host} {mode:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, UpstreamError::TlsFailed(_)), "{error:?}");
            assert_eq!(error.client_text(), "no secure connection to the target; nothing was run");
        }
    }
}

#[tokio::test]
async fn a_target_without_tls_is_not_talked_to_when_tls_is_demanded() {
    let server = server();
    let connector = Connector::new(&target(HOST, server.port, tls(TlsMode::Require))).unwrap();
    let error = open(&connector, &role("trusted", None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TlsRefused));
}

#[tokio::test]
async fn a_target_that_is_not_there_or_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind((HOST, 0)).await.unwrap();
    let silent = listener.local_addr().unwrap().port();
    let limit = Duration::from_millis(100);
    let limits = Limits { connect: limit, login: limit, query: limit };
    let plain = target(HOST, silent, tls(TlsMode::Disable));
    let connector = Connector::new(&plain).unwrap().with_limits(limits);
    let error = open(&connector, &role("app", None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TimedOut { what: "logging in", .. }), "{error:?}");
    let over_tls = target(HOST, silent, tls(TlsMode::Require));
    let error =
        open(&Connector::new(&over_tls).unwrap().with_limits(limits), &role("app", None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TimedOut { what: "connecting", .. }), "{error:?}");
    drop(listener);
    let error = open(&connector, &role("app", None)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.sqlstate().as_str(), "57P03");
}
