//! Clients that leave right behind what they sent, as the first on their connection: it is executed as a direct
//! connection would, and answered where the client still reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Frame, Postgres, PostgresOptions, RawClient, Terms, eventually, tagged,
};

const SOON: Duration = Duration::from_secs(30);

/// Each shape is sent so often: what is dropped for a race is not dropped each time.
const ROUNDS: usize = 3;

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

fn parse(sql: &str) -> Vec<u8> {
    tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat())
}

/// Parse, Bind, Describe and Execute, without an end.
fn extended(sql: &str) -> Vec<u8> {
    let bind = tagged(b'B', &[text(""), text(""), vec![0; 6]].concat());
    let describe = tagged(b'D', b"P\0");
    let execute = tagged(b'E', &[text(""), vec![0; 4]].concat());
    [parse(sql), bind, describe, execute].concat()
}

fn bare(tag: u8) -> Vec<u8> {
    tagged(tag, b"")
}

fn insert(what: &str) -> String {
    format!("INSERT INTO kept VALUES ('{what}')")
}

/// Everything that clients send before they leave, with a name.
fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let copy = query("COPY kept FROM STDIN");
    let rows = [tagged(b'd', b"one\ntw"), tagged(b'd', b"o\n")].concat();
    vec![
        ("nothing", Vec::new()),
        ("a read", query("SELECT 42")),
        ("a write", query(&insert("write"))),
        ("a write that takes a while", query("INSERT INTO kept SELECT 'slow' FROM pg_sleep(0.3)")),
        ("a string of statements", query(&format!("{}; SELECT 1; {}", insert("a"), insert("b")))),
        ("a string that fails at its end", query(&format!("{}; SELECT 1/0", insert("undone")))),
        ("an empty string", query("")),
        ("three writes", [query(&insert("1")), query(&insert("2")), query(&insert("3"))].concat()),
        ("a block", [query("BEGIN"), query(&insert("block")), query("COMMIT")].concat()),
        ("a block without an end", [query("BEGIN"), query(&insert("undone"))].concat()),
        ("a setting before a write", [query("SET search_path = public"), query(&insert("set"))].concat()),
        ("a schema before a write", [query("CREATE TEMP TABLE t (i int)"), query(&insert("ddl"))].concat()),
        ("a batch", [extended(&insert("batch")), bare(b'S')].concat()),
        ("a batch that reads", [extended("SELECT id FROM customers ORDER BY id"), bare(b'S')].concat()),
        ("a batch without an end", extended(&insert("undone"))),
        ("a batch with a Flush", [extended(&insert("undone")), bare(b'H')].concat()),
        ("a Parse with a Flush", [parse("SELECT 1"), tagged(b'D', b"S\0"), bare(b'H')].concat()),
        (
            "two batches and a query",
            [extended(&insert("x")), bare(b'S'), extended("SELECT 1"), bare(b'S'), query(&insert("y"))]
                .concat(),
        ),
        (
            "a batch that fails before one that does not",
            [
                extended("SELECT 1/0"),
                extended(&insert("undone")),
                bare(b'S'),
                extended(&insert("x")),
                bare(b'S'),
            ]
            .concat(),
        ),
        ("COPY with its data", [copy.clone(), rows.clone(), bare(b'c')].concat()),
        ("COPY that is given up", [copy.clone(), rows.clone(), tagged(b'f', b"enough\0")].concat()),
        (
            "COPY of a batch",
            [extended("COPY kept FROM STDIN"), rows.clone(), bare(b'c'), bare(b'S'), query("SELECT 1")]
                .concat(),
        ),
        ("COPY out", query("COPY (SELECT id FROM customers ORDER BY id) TO STDOUT")),
        (
            "a call of a function",
            tagged(b'F', &[&1397_u32.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 2], b"-7", &[0, 0]].concat()),
        ),
        ("a long answer", query("SELECT i, repeat('x', 300) FROM generate_series(1, 3000) AS i")),
        ("an error", query("SELECT nonsense")),
        (
            "a message that breaks off",
            [query(&insert("whole")), query(&insert("part"))[..9].to_vec()].concat(),
        ),
    ]
}

/// The ways in which a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It closes its sending side and reads on.
    HalfClosed,
    /// It says Terminate and reads on.
    Terminated,
    /// It says Terminate, closes its sending side and reads on.
    Both,
}

/// Sends a shape and leaves; the answers up to the end of the connection.
fn leave(dsn: &Dsn, bytes: &[u8], leaves: Leaves) -> Vec<Frame> {
    let (mut client, _) = RawClient::login(dsn).unwrap();
    let terminate = if leaves == Leaves::HalfClosed { Vec::new() } else { bare(b'X') };
    client.send(&[bytes, &terminate].concat()).unwrap();
    if leaves != Leaves::Terminated {
        client.half_close().unwrap();
    }
    client.until_closed().unwrap()
}

fn kept(server: &Postgres) -> String {
    server.sql("SELECT coalesce(string_agg(what, ',' ORDER BY what), '') FROM kept").unwrap()
}

struct Stage {
    gateway: Countersign,
    server: Postgres,
    _bundle: Bundle,
    through: Dsn,
}

impl Stage {
    fn new(bundle: impl Fn(&Postgres) -> Bundle) -> Self {
        let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
        server.sql("CREATE TABLE kept (what text); GRANT ALL ON kept TO shop_app").unwrap();
        let bundle = bundle(&server);
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
        let through = gateway.dsn("shop", &token, "shop");
        Self { gateway, server, _bundle: bundle, through }
    }

    /// Waits until the server serves nobody any more who is not us.
    fn alone(&self) {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                      AND usename = 'shop_app' AND application_name NOT LIKE 'countersign%'";
        eventually("the end of all sessions", SOON, || Ok((self.server.sql(others)? == "0").then_some(())))
            .unwrap();
    }
}

#[test]
fn what_a_client_sent_before_it_left_is_executed_and_answered_as_by_the_server() {
    let stage = Stage::new(|server| Bundle::allow_all(server).unwrap());
    let play = |dsn: &Dsn, bytes: &[u8], leaves| {
        stage.server.sql("TRUNCATE kept").unwrap();
        let answers = leave(dsn, bytes, leaves);
        stage.alone();
        (answers, kept(&stage.server))
    };
    for (name, bytes) in shapes() {
        for leaves in [Leaves::HalfClosed, Leaves::Terminated, Leaves::Both] {
            if leaves != Leaves::HalfClosed && name == "a message that breaks off" {
                continue;
            }
            let direct = play(&stage.server.dsn(), &bytes, leaves);
            for _ in 0..ROUNDS {
                assert_eq!(play(&stage.through, &bytes, leaves), direct, "{name}, {leaves:?}");
            }
        }
    }
}

#[test]
fn what_a_client_sent_before_it_closed_its_connection_is_executed() {
    let stage = Stage::new(|server| Bundle::allow_all(server).unwrap());
    let lasting = [
        ("a write", query(&insert("x"))),
        ("a write that takes a while", query("INSERT INTO kept SELECT 'x' FROM pg_sleep(0.3)")),
        ("a batch", [extended(&insert("x")), bare(b'S')].concat()),
        ("a pipeline", [query("SELECT 1"), query("SET search_path = public"), query(&insert("x"))].concat()),
        ("COPY", [query("COPY kept FROM STDIN"), tagged(b'd', b"x\n"), bare(b'c')].concat()),
    ];
    for (name, bytes) in &lasting {
        for terminate in [Vec::new(), bare(b'X')] {
            for round in 0..10 {
                stage.server.sql("TRUNCATE kept").unwrap();
                let (mut client, _) = RawClient::login(&stage.through).unwrap();
                client.send(&[bytes.as_slice(), &terminate].concat()).unwrap();
                drop(client);
                let there = || Ok((kept(&stage.server) == "x").then_some(()));
                eventually(&format!("{name}, round {round}"), SOON, there).unwrap();
                stage.alone();
                assert_eq!(kept(&stage.server), "x", "{name}, round {round}");
            }
        }
    }
}

#[test]
fn a_held_command_of_a_client_that_left_behind_it_is_kept_or_withdrawn_and_never_run() {
    for (on_disconnect, state) in [("keep", "pending"), ("withdraw", "withdrawn")] {
        let terms = Terms { on_disconnect, ..Terms::default() };
        let stage = Stage::new(|server| Bundle::example(server, &terms).unwrap());
        for (round, leaves) in [Leaves::HalfClosed, Leaves::Terminated, Leaves::Both].into_iter().enumerate()
        {
            let name = format!("{leaves:?}");
            // What stands before it is answered.
            let bytes = [query("SELECT 'before'"), query(&insert(&name)), query("SELECT 'behind'")].concat();
            let answers = leave(&stage.through, &bytes, leaves);
            let rows: Vec<_> = answers.iter().filter(|frame| frame.tag == b'D').collect();
            assert_eq!(rows.len(), 1, "{answers:?}");
            assert!(rows.iter().all(|row| row.body.ends_with(b"before")), "{answers:?}");
            eventually(&format!("a request that is {state}"), SOON, || {
                let listed = stage.gateway.cli_as_operator(&["requests", "ls", "--state", state])?;
                let requests = listed["requests"].as_array().map_or(0, Vec::len);
                Ok((requests == round + 1).then_some(()))
            })
            .unwrap();
            assert_eq!(kept(&stage.server), "", "{name}");
        }
    }
}
