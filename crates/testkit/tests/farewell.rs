//! What outlasts the time that a gateway has to end in: its clients are told so, and whether what they sent was run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::time::Duration;

use countersign_testkit::{
    Auth, Bundle, Fleet, Frame, Postgres, PostgresOptions, RawClient, eventually, tagged,
};

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

/// Parse, Bind and Execute, and a Flush instead of a Sync.
fn run_unsynced(sql: &str) -> Vec<u8> {
    let parse = tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat());
    let bind = tagged(b'B', &[text(""), text(""), vec![0; 6]].concat());
    let execute = tagged(b'E', &[text(""), vec![0; 4]].concat());
    [parse, bind, execute, tagged(b'H', b"")].concat()
}

/// The last word of a connection, and that nothing follows it.
fn farewell(client: &mut RawClient) -> String {
    let mut last = None;
    while let Ok(frame) = client.frame_within(Duration::from_secs(60)) {
        last = Some(frame);
    }
    let last: Frame = last.expect("the connection was closed without a word");
    assert_eq!(last.tag, b'E', "{last:?}");
    String::from_utf8_lossy(&last.body).into_owned()
}

#[test]
fn clients_whose_time_is_over_are_told_whether_what_they_sent_was_run() {
    let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let mut fleet = Fleet::start(bundle.dev(), 1).unwrap();
    let token = fleet.control().token("mallory", "agent", &["agents"]).unwrap();
    let dsn = fleet.dsn(0, "shop", &token, "shop").unwrap();
    let connect = || RawClient::login(&dsn).unwrap().0;
    server.sql("CREATE TABLE kept (what text); GRANT ALL ON kept TO shop_app").unwrap();
    let sleeps = |what: &str| format!("INSERT INTO kept SELECT '{what}' FROM pg_sleep(90)");

    let mut string = connect();
    string.send(&query(&sleeps("string"))).unwrap();
    let mut block = connect();
    block.send(&query("BEGIN")).unwrap();
    block.until_ready().unwrap();
    block.send(&query(&sleeps("block"))).unwrap();
    let mut commits = connect();
    commits.send(&query(&format!("BEGIN; {}; COMMIT", sleeps("commits")))).unwrap();
    let mut batch = connect();
    batch.send(&run_unsynced(&sleeps("batch"))).unwrap();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    eventually("all of them run", Duration::from_secs(30), || {
        Ok((server.sql(sleeping)? == "4").then_some(()))
    })
    .unwrap();

    fleet.stop_gateway(0).unwrap();
    for client in [&mut string, &mut commits] {
        let last = farewell(client);
        assert!(last.contains("C57P01") && last.contains("\"executed\":null"), "{last}");
    }
    for client in [&mut block, &mut batch] {
        let last = farewell(client);
        assert!(last.contains("C57P01") && last.contains("\"executed\":false"), "{last}");
    }
    // What was said not to last does not.
    server
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        .unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM kept WHERE what IN ('block', 'batch')").unwrap(), "0");
}
