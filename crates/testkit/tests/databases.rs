//! A target's databases are those that it lists: another one is refused at login as the server refuses one that is
//! missing, and masking rules hold in all that are listed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Postgres, PostgresOptions, RawClient, Terms, tagged,
};

struct Stage {
    gateway: Countersign,
    token: String,
    _bundle: Bundle,
    _server: Postgres,
}

impl Stage {
    /// A server with the databases `shop` and `other`, both with customers, and a gateway before it.
    fn new(databases: &[&str]) -> Self {
        let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
        server.sql("CREATE DATABASE other TEMPLATE shop").unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        bundle.offer(databases).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
        Self { gateway, token, _bundle: bundle, _server: server }
    }

    fn dsn(&self, database: &str) -> Dsn {
        self.gateway.dsn("shop", &self.token, database)
    }

    /// The e-mail address of customer 1, as the agent is shown it.
    fn email(&self, database: &str) -> String {
        let (mut client, _) = RawClient::login(&self.dsn(database)).unwrap();
        client.send(&tagged(b'Q', b"SELECT email FROM customers WHERE id = 1\0")).unwrap();
        let frames = client.until_ready().unwrap();
        let row = frames.iter().find(|frame| frame.tag == b'D');
        String::from_utf8_lossy(&row.unwrap_or_else(|| panic!("{frames:?}")).body).into_owned()
    }
}

#[test]
fn a_database_that_the_target_does_not_list_is_refused_like_a_missing_one() {
    let stage = Stage::new(&[]);
    let masked = stage.email("shop");
    assert!(!masked.contains('@') || masked.contains('*'), "{masked}");
    for database in ["other", "postgres", "template1", "nowhere", "SHOP"] {
        let refused = format!("{:#}", RawClient::login(&stage.dsn(database)).unwrap_err());
        assert!(refused.contains("C3D000"), "{database}: {refused}");
        assert!(refused.contains("databases") && refused.contains("`shop`"), "{database}: {refused}");
    }
    // What is said back does not carry more than it has to.
    let long = format!("\u{202e}{}", "x".repeat(200));
    let refused = format!("{:#}", RawClient::login(&stage.dsn(&long)).unwrap_err());
    assert!(refused.contains("C3D000") && !refused.contains(&"x".repeat(100)), "{refused}");
}

#[test]
fn the_rules_of_a_target_hold_in_every_database_that_it_lists() {
    let stage = Stage::new(&["other"]);
    assert_eq!(stage.email("other"), stage.email("shop"));
    let refused = format!("{:#}", RawClient::login(&stage.dsn("postgres")).unwrap_err());
    assert!(refused.contains("C3D000"), "{refused}");
}
