//! A start that cannot work says why.

use countersign_common::error::{Report as _, Retry, code};
use countersign_testkit::{Certificates, Etcd, EtcdOptions, free_port};

use super::super::{EtcdConfig, EtcdStore, EtcdTls, EtcdUser, has_known_faults, oldest_instead_of};
use crate::store::{Outcome, Store as _, StoreError, Transaction};

async fn refused(config: EtcdConfig) -> StoreError {
    let error = EtcdStore::open(config).await.map(drop).unwrap_err();
    assert_eq!(error.code(), code::STORE_FAILED);
    error
}

fn quick(config: EtcdConfig) -> EtcdConfig {
    EtcdConfig { call_seconds: 2, ..config }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cluster_is_named_with_its_members() {
    let endpoint = format!("http://127.0.0.1:{}", free_port().unwrap());
    let error = refused(quick(EtcdConfig::new([&endpoint]))).await;
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Safe);
    let text = error.to_string();
    assert!(text.contains(&endpoint) && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_configuration_that_does_not_hold_together_is_refused_before_anything_is_tried() {
    let tls = EtcdTls { ca: "ca.pem".into(), certificate: None, key: None, server_name: None };
    let half = EtcdTls { certificate: Some("client.pem".into()), ..tls.clone() };
    let with = |endpoint: &str, tls: Option<EtcdTls>| EtcdConfig { tls, ..EtcdConfig::new([endpoint]) };
    for (config, said) in [
        (EtcdConfig::new(Vec::<String>::new()), "no `endpoints`"),
        (with("http://root:staple@127.0.0.1:2379", None), "belongs into `user`"),
        (with("127.0.0.1:2379", None), "neither"),
        (with("http://127.0.0.1:2379", Some(tls.clone())), "need each other"),
        (with("https://127.0.0.1:2379", None), "need each other"),
        (with("https://127.0.0.1:2379", Some(half)), "`certificate` and `key`"),
        (with("https://127.0.0.1:2379", Some(tls)), "`ca.pem` cannot be read"),
    ] {
        let error = refused(config).await;
        assert!(matches!(error, StoreError::Misconfigured { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!error.to_string().contains("staple"));
    }
}

#[test]
fn a_version_before_3_4_or_with_data_that_differs_is_refused() {
    for (version, oldest) in [
        ("3.3.27", Some("3.4")),
        ("2.3.8", Some("3.4")),
        ("3.4.0", None),
        ("3.4.23", None),
        ("3.5.0", Some("3.5.3")),
        ("3.5.2", Some("3.5.3")),
        ("3.5.3-rc.1", None),
        ("3.5.28", None),
        ("3.6.0", None),
        ("3.10", None),
        ("4.0.0", None),
        ("", None),
        ("latest", None),
    ] {
        assert_eq!(oldest_instead_of(version), oldest, "{version}");
    }
    for (version, faulty) in [
        ("3.4.23", true),
        ("3.4.42", false),
        ("3.5.27", true),
        ("3.5.28", false),
        ("3.6.8", true),
        ("3.7.0", false),
    ] {
        assert_eq!(has_known_faults(version), faulty, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_user_gets_in_and_no_password_is_told() {
    let password = "correct horse";
    let options = EtcdOptions { root_password: Some(password.into()), ..EtcdOptions::default() };
    let mut etcd = Etcd::start_with(options).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, password: &str| {
        let password_file = dir.path().join(name);
        std::fs::write(&password_file, format!("{password}\n")).unwrap();
        let user = Some(EtcdUser { name: name.into(), password_file });
        EtcdConfig { user, ..EtcdConfig::new([etcd.endpoint()]) }
    };
    let (root, wrong, reader) =
        (with("root", password), with("root2", "battery staple"), with("reader", "staple"));
    let nobody = EtcdConfig::new([etcd.endpoint()]);
    for words in [
        ["user", "add", "reader:staple", "--interactive=false"].as_slice(),
        &["role", "add", "reading"],
        &["role", "grant-permission", "reading", "read", "/cs/", "--prefix=true"],
        &["user", "grant-role", "reader", "reading"],
    ] {
        etcd.cluster().control(0, words).unwrap();
    }
    for config in [nobody, wrong, reader] {
        let error = refused(quick(config)).await;
        assert!(matches!(error, StoreError::Unauthorised { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Never);
        assert!(!format!("{error} {error:?}").contains("staple"), "{error:?}");
    }
    let store = EtcdStore::open(root).await.unwrap();
    let put = Transaction::new().put("/cs/x", "1");
    assert!(matches!(store.transact(put).await, Ok(Outcome::Committed(_))));
    // A restarted member has forgotten who was logged in.
    etcd.cluster().restart(0).unwrap();
    let mut changes = store.watch("/cs/", crate::store::Revision(1)).await.unwrap();
    assert!(futures::StreamExt::next(&mut changes).await.unwrap().is_ok());
    assert!(store.get("/cs/x").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_wants_the_right_authority_and_a_certificate_of_ours() {
    let (made, other) = (Certificates::make("countersign").unwrap(), Certificates::make("x").unwrap());
    let options = EtcdOptions { tls: Some((&made).into()), ..EtcdOptions::default() };
    let etcd = Etcd::start_with(options).unwrap();
    let tls = EtcdTls {
        ca: made.ca(),
        certificate: Some(made.client()),
        key: Some(made.client_key()),
        server_name: None,
    };
    let with = |tls: EtcdTls| quick(EtcdConfig { tls: Some(tls), ..EtcdConfig::new([etcd.endpoint()]) });
    let stranger = refused(with(EtcdTls { ca: other.ca(), ..tls.clone() })).await;
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
    let unnamed = refused(with(EtcdTls { certificate: None, key: None, ..tls.clone() })).await;
    assert!(matches!(unnamed, StoreError::Unreachable { .. }), "{unnamed:?}");
    let store = EtcdStore::open(with(tls)).await.unwrap();
    assert!(matches!(store.transact(Transaction::new().put("/cs/x", "1")).await, Ok(Outcome::Committed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_etcd_says_so_and_nothing_was_written() {
    let more = vec!["--quota-backend-bytes=1000000".into()];
    let etcd = Etcd::start_with(EtcdOptions { more, ..EtcdOptions::default() }).unwrap();
    let store = EtcdStore::open(EtcdConfig::new([etcd.endpoint()])).await.unwrap();
    let mut written = 0;
    let error = loop {
        match store.transact(Transaction::new().put(format!("/cs/{written:04}"), vec![0; 60_000])).await {
            Ok(Outcome::Committed(_)) => written += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(written < 1000, "the quota is not kept");
    };
    assert!(matches!(&error, StoreError::Refused { detail } if detail.contains("space")), "{error:?}");
    assert_eq!(store.range("/cs/", None, 2000).await.unwrap().entries.len(), written);
}
