//! The gateway takes the search path apart by itself, free of effects. It has to come to what the server's own
//! `current_schemas(true)` says, which is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::id::{EnvironmentName, RoleName, TargetName};
use countersign_common::target::{JUDGED_BYTES_MAX_DEFAULT, RecordingTerms, Role, Tls, TlsMode, Waiting};
use countersign_common::{Digest, Target};
use countersign_postgres::codec::startup::Protocol;
use countersign_postgres::upstream::{Connector, Opening, Upstream};
use countersign_postgres::{SETTINGS_QUERY, StartupParameters};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use support::postgres::Postgres;

/// What a search path is put together from.
const ELEMENTS: [&str; 24] = [
    "public",
    "\"$user\"",
    "$user",
    "pg_temp",
    "\"pg_temp\"",
    "PG_TEMP",
    "pg_catalog",
    "\"PG_CATALOG\"",
    "PUBLIC",
    "\"PUBLIC\"",
    "\"we,ird\"",
    "\"qu\"\"ote\"",
    "nosuch",
    "forbidden",
    "Foo",
    "\"Foo\"",
    "\"with space\"",
    "\u{c9}cole",
    "\"\u{e9}cole\"",
    "information_schema",
    "\"\"",
    "pg_temp_3",
    "a_name_that_is_longer_than_the_sixty_three_bytes_that_a_name_may_have",
    "fo\"o",
];

const SCHEMAS: &str = "CREATE ROLE reader LOGIN; CREATE SCHEMA reader; CREATE SCHEMA \"we,ird\"; \
    CREATE SCHEMA \"qu\"\"ote\"; CREATE SCHEMA forbidden; CREATE SCHEMA foo; CREATE SCHEMA \"Foo\"; \
    CREATE SCHEMA \"with space\"; CREATE SCHEMA \"\u{e9}cole\"; CREATE SCHEMA \"\u{c9}cole\"; CREATE SCHEMA \"$user\"; \
    CREATE SCHEMA \"fo\"\"o\"; \
    CREATE SCHEMA a_name_that_is_longer_than_the_sixty_three_bytes_that_a_name_may_have; \
    DO $$ DECLARE s text; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> \
    'forbidden' LOOP EXECUTE format('GRANT USAGE ON SCHEMA %I TO reader', s); END LOOP; END $$";

async fn open(port: u16, user: &str) -> Upstream {
    let role = RoleName::new("app").unwrap();
    let target = Target {
        name: TargetName::new("shop").unwrap(),
        protocol: "postgres".into(),
        host: "127.0.0.1".into(),
        port,
        environment: EnvironmentName::new("test").unwrap(),
        labels: BTreeMap::new(),
        tls: Tls { mode: TlsMode::Disable, ca_file: None, certificate_file: None, key_file: None },
        roles: BTreeMap::from([(role.clone(), Role { user: user.into(), credential: None })]),
        default_role: role.clone(),
        default_database: None,
        databases: std::collections::BTreeSet::new(),
        waiting: Waiting::default(),
        recording: RecordingTerms::default(),
        safe_functions: BTreeSet::new(),
        judged_bytes_max: JUDGED_BYTES_MAX_DEFAULT,
        reads_when_isolated: None,
        unmatched_rules: Default::default(),
        notifications: Default::default(),
        generation: Digest::of(b"1"),
    };
    let parameters = StartupParameters::default();
    let opening = Opening {
        role: &target.roles[&role],
        database: "postgres",
        parameters: &parameters,
        protocol: Protocol::V3_0,
    };
    Connector::new(&target).unwrap().connect(&opening).await.unwrap()
}

async fn first(upstream: &mut Upstream, sql: &str) -> String {
    upstream.simple_query(sql).await.unwrap()[0][0].clone().unwrap_or_default()
}

#[tokio::test]
async fn i2_same_a_search_path_is_taken_apart_as_the_server_does_it() {
    let server = Postgres::start("local all all trust\nhost all all 127.0.0.1/32 trust\n", None);
    server.sql(SCHEMAS);
    let mut runner = TestRunner::deterministic();
    let elements = proptest::collection::vec(proptest::sample::select(ELEMENTS.to_vec()), 0..6);
    let separator = proptest::sample::select(vec![",", ", ", " ,\t", ",\n", ",\r\u{c}"]);
    for user in ["reader", "postgres"] {
        let mut upstream = open(server.port, user).await;
        for round in 0..400 {
            if round == 200 {
                upstream.simple_query("CREATE TEMP TABLE t ()").await.unwrap();
            }
            let (elements, separator) =
                (elements.new_tree(&mut runner).unwrap().current(), separator.new_tree(&mut runner).unwrap());
            let path = elements.join(separator.current());
            let set = format!("SELECT pg_catalog.set_config('search_path', $x${path}$x$, false)");
            upstream.simple_query(&set).await.unwrap();
            let before = first(&mut upstream, "SELECT pg_catalog.pg_my_temp_schema()").await;
            let ours = first(&mut upstream, SETTINGS_QUERY).await;
            let after = first(&mut upstream, "SELECT pg_catalog.pg_my_temp_schema()").await;
            assert_eq!(before, after, "the question made a schema: {path}");
            let leads_to_a_new_schema = before == "0" && path.to_ascii_lowercase().contains("pg_temp");
            if leads_to_a_new_schema {
                continue;
            }
            let theirs =
                "SELECT pg_catalog.array_to_string(pg_catalog.current_schemas(true), pg_catalog.chr(1))";
            assert_eq!(ours, first(&mut upstream, theirs).await, "{path}");
        }
    }
}
