//! Reading a target's definitions never costs a client its connection, never makes it wait for other people's locks, and
//! finds what others have changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Frame, Postgres, PostgresOptions, RawClient, Terms, eventually, shop,
    tagged,
};

const READS: &str = r#"
@id("agents-read")
permit (principal in Group::"agents", action in Action::"read", resource);
@id("agents-session")
permit (principal in Group::"agents", action in Action::"session", resource);
"#;

/// Longer than the gateway needs to find what others have changed.
const FOUND_WITHIN: Duration = Duration::from_secs(40);

struct Shop {
    gateway: Countersign,
    _bundle: Bundle,
    server: Postgres,
}

impl Shop {
    /// A server on which `prepare` was run, and a gateway with these policies before it; `None`: everything is allowed.
    fn new(prepare: &str, policies: Option<&str>) -> Self {
        let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
        server.sql(prepare).unwrap();
        let bundle = match policies {
            Some(policies) => {
                let bundle = Bundle::example(&server, &Terms::default()).unwrap();
                bundle.replace("policies.cedar", policies).unwrap();
                bundle.replace("masking.yaml", "").unwrap();
                bundle
            }
            None => Bundle::allow_all(&server).unwrap(),
        };
        let gateway = Countersign::start(bundle.dev()).unwrap();
        Self { gateway, _bundle: bundle, server }
    }

    fn dsn(&self) -> Dsn {
        let token = self.gateway.token("mallory", "agent", &["agents"]).unwrap();
        self.gateway.dsn("shop", &token, "shop")
    }
}

fn login(dsn: &Dsn) -> RawClient {
    RawClient::login(dsn).unwrap().0
}

fn query(client: &mut RawClient, sql: &str) -> Vec<Frame> {
    client.send(&tagged(b'Q', &[sql.as_bytes(), b"\0"].concat())).unwrap();
    client.until_ready().unwrap()
}

/// The SQLSTATE of the error among these frames.
fn sqlstate(frames: &[Frame]) -> Option<String> {
    let error = frames.iter().find(|frame| frame.tag == b'E')?;
    let field = error.body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C'))?;
    Some(String::from_utf8_lossy(&field[1..]).into_owned())
}

fn succeeds(client: &mut RawClient, sql: &str) {
    let frames = query(client, sql);
    assert_eq!(sqlstate(&frames), None, "{sql}: {frames:?}");
}

/// Something that another session has locked until this is dropped.
struct Locked {
    _session: RawClient,
}

impl Locked {
    fn new(server: &Postgres, table: &str) -> Self {
        let mut other = login(&server.dsn());
        succeeds(&mut other, &format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
        Self { _session: other }
    }
}

#[test]
fn a_table_that_is_locked_under_a_view_stops_no_client() {
    let shop = Shop::new(
        "CREATE VIEW over_orders AS SELECT id FROM orders; CREATE VIEW over_customers AS SELECT id FROM customers;
         GRANT SELECT ON over_orders, over_customers TO PUBLIC",
        Some(READS),
    );
    let locked = Locked::new(&shop.server, "orders");
    let dsn = shop.dsn();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let mut client = login(&dsn);
                for round in 0..20 {
                    succeeds(&mut client, "SELECT count(*) FROM over_customers");
                    // A name that nobody has makes the gateway look again.
                    let refused = sqlstate(&query(&mut client, &format!("SELECT * FROM nowhere_{round}")));
                    assert!(refused.is_some());
                }
            });
        }
    });
    let mut client = login(&dsn);
    let unread = sqlstate(&query(&mut client, "SELECT id FROM over_orders"));
    assert!(unread.is_some(), "a view whose definition is unknown was read");
    drop(locked);
    eventually("the view can be read", FOUND_WITHIN, || {
        Ok((sqlstate(&query(&mut client, "SELECT id FROM over_orders LIMIT 1")).is_none()).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_client_that_alters_a_table_under_a_view_is_never_in_a_deadlock_with_us() {
    let shop = Shop::new("SELECT 1", None);
    let dsn = shop.dsn();
    let mut client = login(&dsn);
    succeeds(&mut client, "CREATE TABLE base (id int); CREATE VIEW over_base AS SELECT id FROM base");
    std::thread::scope(|scope| {
        // Definitions change all the time, so that the gateway reads that view again and again.
        let other = scope.spawn(|| {
            let mut other = login(&dsn);
            for number in 0..30 {
                let function = format!("FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT {number}'");
                succeeds(&mut other, &format!("CREATE OR REPLACE {function}"));
                succeeds(&mut other, "COMMENT ON VIEW over_base IS 'x'");
                succeeds(&mut other, "DO $$ BEGIN PERFORM 1; END $$");
                succeeds(&mut other, "SELECT f()");
            }
        });
        for round in 0..20 {
            succeeds(&mut client, "BEGIN");
            succeeds(&mut client, &format!("ALTER TABLE base ADD COLUMN added_{round} int"));
            succeeds(&mut client, "SELECT count(*) FROM over_base");
            succeeds(&mut client, &format!("ALTER TABLE base DROP COLUMN added_{round}"));
            succeeds(&mut client, if round % 2 == 0 { "COMMIT" } else { "ROLLBACK" });
        }
        other.join().unwrap();
    });
    assert!(!shop.server.log().contains("deadlock"), "{}", shop.server.log());
}

#[test]
fn objects_that_vanish_while_they_are_read_end_no_session() {
    let shop = Shop::new("SELECT 1", Some(READS));
    let dsn = shop.dsn();
    std::thread::scope(|scope| {
        for number in 0..2 {
            let server = &shop.server;
            scope.spawn(move || {
                let mut other = login(&server.dsn());
                for _ in 0..1000 {
                    let view = format!("fleeting_{number}");
                    succeeds(&mut other, &format!("CREATE VIEW {view} AS SELECT id FROM orders"));
                    succeeds(&mut other, &format!("DROP VIEW {view}"));
                }
            });
        }
        let mut client = login(&dsn);
        for round in 0..40 {
            let _whatever =
                query(&mut client, &format!("SELECT * FROM fleeting_{}, nowhere_{round}", round % 2));
            succeeds(&mut client, "SELECT count(*) FROM orders");
        }
    });
}

#[test]
fn a_role_without_a_free_connection_keeps_its_sessions() {
    let shop = Shop::new(&format!("ALTER ROLE {} CONNECTION LIMIT 1", shop::ROLE), None);
    let mut client = login(&shop.dsn());
    for round in 0..5 {
        succeeds(&mut client, &format!("CREATE TABLE made_{round} (a int)"));
        succeeds(&mut client, &format!("SELECT * FROM made_{round}"));
    }
}

#[test]
fn what_others_redefine_is_found_in_bounded_time() {
    let shop = Shop::new(
        "CREATE FUNCTION code() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
         CREATE VIEW plain AS SELECT 1 AS x;
         GRANT SELECT ON plain TO PUBLIC",
        Some(READS),
    );
    let mut client = login(&shop.dsn());
    succeeds(&mut client, "SELECT x FROM plain");
    shop.server.sql("CREATE OR REPLACE VIEW plain AS SELECT code() AS x").unwrap();
    eventually("the new definition is judged", FOUND_WITHIN, || {
        Ok(sqlstate(&query(&mut client, "SELECT x FROM plain")).map(|_| ()))
    })
    .unwrap();
    // Under another name it is found at once: that name is not known.
    shop.server.sql("CREATE VIEW fresh AS SELECT 2 AS x; GRANT SELECT ON fresh TO PUBLIC").unwrap();
    succeeds(&mut client, "SELECT x FROM fresh");
}

#[test]
fn what_a_session_redefines_itself_is_judged_by_its_next_statement() {
    let shop = Shop::new(
        "CREATE FUNCTION code() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
        Some(
            r#"
@id("agents")
permit (principal in Group::"agents", action, resource);
@id("no-code")
forbid (principal, action == Action::"sql:call", resource);
"#,
        ),
    );
    let mut client = login(&shop.dsn());
    for _ in 0..10 {
        succeeds(&mut client, "CREATE OR REPLACE VIEW plain AS SELECT 1 AS x");
        succeeds(&mut client, "SELECT x FROM plain");
        succeeds(&mut client, "CREATE OR REPLACE VIEW mine AS SELECT x FROM plain");
        succeeds(&mut client, "SELECT x FROM mine");
        shop.server.sql("CREATE OR REPLACE VIEW plain AS SELECT code() AS x").unwrap();
        succeeds(&mut client, "ALTER VIEW plain SET (security_barrier = true)");
        let refused = sqlstate(&query(&mut client, "SELECT x FROM mine"));
        assert!(
            refused.is_some(),
            "a view over a view that was redefined was judged by its former definition"
        );
    }
}

#[test]
fn definitions_of_several_sessions_at_once_end_as_they_do_directly() {
    const LISTING: &str = "SELECT string_agg(table_name || '.' || column_name || ':' || data_type, ',' \
        ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_schema = 'public'";
    fn work(dsn: &Dsn) {
        std::thread::scope(|scope| {
            for worker in 0..4 {
                scope.spawn(move || {
                    let mut client = login(dsn);
                    for round in 0..10 {
                        let table = format!("w{worker}_{round}");
                        succeeds(&mut client, &format!("CREATE TABLE {table} (a serial, b text)"));
                        succeeds(&mut client, "BEGIN");
                        succeeds(&mut client, &format!("ALTER TABLE {table} ADD COLUMN c int DEFAULT 7"));
                        succeeds(&mut client, &format!("CREATE VIEW {table}_v AS SELECT a, c FROM {table}"));
                        succeeds(&mut client, "COMMIT");
                        succeeds(&mut client, &format!("INSERT INTO {table} (b) SELECT 'x' FROM {table}_v"));
                        succeeds(&mut client, &format!("ALTER TABLE {table} RENAME COLUMN b TO d"));
                    }
                });
            }
        });
    }
    let shop = Shop::new("SELECT 1", None);
    work(&shop.dsn());
    let direct = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    work(&direct.dsn());
    let through = shop.server.sql(LISTING).unwrap();
    assert!(through.contains("w3_9_v.c:integer"), "{through}");
    assert_eq!(through, direct.sql(LISTING).unwrap());
}
