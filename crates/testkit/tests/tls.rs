//! Clients that come over TLS: a real psql that verifies the gateway's certificate.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Command, Output};

use countersign_testkit::{Bundle, Certificates, Countersign, Postgres, PostgresOptions, Terms};

fn psql(gateway: &Countersign, token: &str, tls: &str) -> Output {
    let (host, port) = gateway.postgres().rsplit_once(':').unwrap();
    let connection = format!("host={host} port={port} user=shop dbname=shop {tls}");
    Command::new("psql").args([&connection, "-XAtc", "SELECT 42"]).env("PGPASSWORD", token).output().unwrap()
}

#[test]
fn psql_connects_over_tls_and_verifies_the_gateway() {
    let certificates = Certificates::make("shop_app").unwrap();
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    let mut options = bundle.dev();
    options.tls = Some((certificates.server(), certificates.server_key()));
    let gateway = Countersign::start(options).unwrap();
    let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
    let ca = certificates.ca();

    let verified = psql(&gateway, &token, &format!("sslmode=verify-full sslrootcert={}", ca.display()));
    assert_eq!(
        String::from_utf8_lossy(&verified.stdout),
        "42\n",
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );

    let other = Certificates::make("shop_app").unwrap();
    let refused =
        psql(&gateway, &token, &format!("sslmode=verify-full sslrootcert={}", other.ca().display()));
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SSL error"));
}
