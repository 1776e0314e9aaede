//! The same bytes to the server and through the gateway: the frames that come back are the same.

use countersign_testkit::{Auth, Dsn, Frame, Postgres, PostgresOptions, RawClient, Terms, tagged, untagged};

use crate::stage::Stage;

/// What is sent at once, and up to which frame the answer is read.
struct Exchange {
    name: &'static str,
    bytes: Vec<u8>,
    /// How many times the server gets ready.
    ready: usize,
}

fn query(name: &'static str, sql: &str) -> Exchange {
    Exchange { name, bytes: tagged(b'Q', &[sql.as_bytes(), b"\0"].concat()), ready: 1 }
}

fn exchange(name: &'static str, messages: &[Vec<u8>]) -> Exchange {
    let ready = messages.iter().filter(|message| message.first() == Some(&b'S')).count();
    Exchange { name, bytes: messages.concat(), ready }
}

fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = [name.as_bytes(), b"\0", sql.as_bytes(), b"\0"].concat();
    body.extend(u16::try_from(types.len()).unwrap().to_be_bytes());
    body.extend(types.iter().flat_map(|oid| oid.to_be_bytes()));
    tagged(b'P', &body)
}

fn bind(portal: &str, statement: &str, values: &[Option<&[u8]>], binary_results: bool) -> Vec<u8> {
    let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0"].concat();
    body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(bytes) => {
                body.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
                body.extend_from_slice(bytes);
            }
        }
    }
    body.extend([0, 1, 0, u8::from(binary_results)]);
    tagged(b'B', &body)
}

fn describe(what: u8, name: &str) -> Vec<u8> {
    tagged(b'D', &[&[what], name.as_bytes(), b"\0"].concat())
}

fn close(what: u8, name: &str) -> Vec<u8> {
    tagged(b'C', &[&[what], name.as_bytes(), b"\0"].concat())
}

fn execute(portal: &str, rows: u32) -> Vec<u8> {
    tagged(b'E', &[portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat())
}

fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}

fn flush() -> Vec<u8> {
    tagged(b'H', b"")
}

/// Everything that the protocol can say outside COPY and FunctionCall, and those after it.
fn script() -> Vec<Exchange> {
    let mut script = simple();
    script.extend(extended());
    script.extend(copies());
    script
}

fn simple() -> Vec<Exchange> {
    vec![
        query("a query", "SELECT id, name FROM customers ORDER BY id LIMIT 3"),
        query("an empty query", ""),
        query("several statements", "SELECT 1; SELECT 2 WHERE false; SELECT 3"),
        query("an error in the middle", "SELECT 1; SELECT 1/0; SELECT 3"),
        query("a syntax error", "SELEC 1"),
        query("a notice", "DO $$ BEGIN RAISE WARNING 'careful'; END $$"),
        query("a parameter status", "SET application_name = 'raw'"),
        query("a transaction", "BEGIN; SELECT 1"),
        query("a failed transaction", "SELECT nonsense"),
        query("in a failed transaction", "SELECT 1"),
        query("its end", "ROLLBACK"),
        query("a notification to oneself", "LISTEN raw"),
        query("many rows", "SELECT i, repeat('x', i % 300) FROM generate_series(1, 3000) AS i"),
        query("a wide value", "SELECT repeat('0123456789', 300000)"),
    ]
}

fn extended() -> Vec<Exchange> {
    vec![
        exchange(
            "an unnamed statement",
            &[
                parse("", "SELECT $1::int4 + 1, $2::text", &[23, 25]),
                describe(b'S', ""),
                bind("", "", &[Some(b"41"), None], false),
                describe(b'P', ""),
                execute("", 0),
                sync(),
            ],
        ),
        exchange(
            "a named statement",
            &[parse("s", "SELECT id FROM orders WHERE id < $1 ORDER BY id", &[]), sync()],
        ),
        exchange(
            "row limits",
            &[
                bind("p", "s", &[Some(b"12")], false),
                execute("p", 5),
                execute("p", 5),
                execute("p", 5),
                execute("p", 5),
                sync(),
            ],
        ),
        exchange(
            "binary results, twice in a pipeline",
            &[
                bind("", "s", &[Some(b"3")], true),
                execute("", 0),
                sync(),
                bind("", "s", &[Some(b"4")], true),
                execute("", 0),
                sync(),
            ],
        ),
        exchange(
            "everything after an error until Sync is skipped",
            &[
                parse("", "SELECT 1/$1::int4", &[]),
                bind("", "", &[Some(b"0")], false),
                execute("", 0),
                bind("", "", &[Some(b"1")], false),
                execute("", 0),
                sync(),
                bind("", "s", &[Some(b"2")], false),
                execute("", 0),
                sync(),
            ],
        ),
        exchange("an unknown statement", &[bind("", "nobody", &[], false), execute("", 0), sync()]),
        exchange("a name taken twice", &[parse("s", "SELECT 1", &[]), sync()]),
        exchange("a statement closed", &[close(b'S', "s"), describe(b'S', "s"), sync()]),
        exchange("nothing but Sync", &[flush(), sync(), sync()]),
        exchange(
            "an empty statement",
            &[parse("", "", &[]), bind("", "", &[], false), execute("", 0), sync()],
        ),
        exchange(
            "a simple query drops the unnamed statement",
            &[
                parse("", "SELECT 5", &[]),
                sync(),
                tagged(b'Q', b"SELECT 6\0"),
                bind("", "", &[], false),
                sync(),
            ],
        ),
    ]
}

fn copies() -> Vec<Exchange> {
    let copied = |end: Vec<u8>| {
        let start = tagged(b'Q', b"COPY scratch FROM STDIN\0");
        let rows = [tagged(b'd', b"1\tone\n2\t"), tagged(b'd', b"two\n")].concat();
        [start, rows, end].concat()
    };
    let one = |name, bytes| Exchange { name, bytes, ready: 1 };
    vec![
        query("COPY out", "COPY (SELECT id, name FROM customers ORDER BY id LIMIT 20) TO STDOUT"),
        query(
            "COPY out, CSV",
            "COPY (SELECT id, name FROM customers ORDER BY id LIMIT 20) TO STDOUT (FORMAT csv, HEADER)",
        ),
        query(
            "COPY out, binary",
            "COPY (SELECT id, name FROM customers ORDER BY id LIMIT 20) TO STDOUT (FORMAT binary)",
        ),
        query("a table", "CREATE TEMP TABLE scratch (id int, note text)"),
        one("COPY in", copied(tagged(b'c', b""))),
        one("COPY in given up", copied(tagged(b'f', b"changed my mind\0"))),
        query("what COPY brought", "SELECT * FROM scratch ORDER BY id"),
        one("a function call", {
            // lower(text), oid 870, by the fast path.
            let mut body = 870_u32.to_be_bytes().to_vec();
            body.extend([0, 0, 0, 1, 0, 0, 0, 3]);
            body.extend_from_slice(b"ABC\0\0");
            tagged(b'F', &body)
        }),
    ]
}

/// Plays the script; the frames that answer each part.
fn play(dsn: &Dsn) -> (Vec<Frame>, Vec<(&'static str, Vec<Frame>)>) {
    let (mut client, greeting) = RawClient::login(dsn).unwrap();
    let mut answers = Vec::new();
    for part in script() {
        client.send(&part.bytes).unwrap();
        let mut frames = Vec::new();
        let mut ready = 0;
        // A simple query inside a pipeline gets ready once more.
        let expected = part.ready + usize::from(part.name.starts_with("a simple query drops"));
        while ready < expected {
            let frame =
                client.frame().unwrap_or_else(|error| panic!("{}: {error:#}; so far {frames:?}", part.name));
            ready += usize::from(frame.tag == b'Z');
            frames.push(frame);
        }
        answers.push((part.name, frames));
    }
    (greeting, answers)
}

/// The parameters that the server reports at login.
fn parameters(greeting: &[Frame]) -> Vec<&Frame> {
    greeting.iter().filter(|frame| frame.tag == b'S').collect()
}

fn server() -> Postgres {
    Postgres::start(PostgresOptions { auth: Auth::Password, ..Default::default() }).unwrap()
}

/// Plays the script on both and compares frame by frame.
fn compare(expected: &Dsn, got: &Dsn) {
    let (direct_greeting, direct) = play(expected);
    let (greeting, through) = play(got);
    assert_eq!(parameters(&greeting), parameters(&direct_greeting));
    assert!(parameters(&greeting).len() > 10);
    for ((name, expected), (_, got)) in direct.iter().zip(&through) {
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn the_script_is_answered_whole_and_alike_by_two_servers() {
    compare(&server().dsn(), &server().dsn());
}

#[test]
fn the_same_bytes_get_the_same_frames_through_an_allowing_gateway() {
    compare(&server().dsn(), &Stage::allow_all().agent);
}

const ADD: &str = "UPDATE customers SET credit_cents = credit_cents + 100 WHERE id = 1";

/// The frames of an answer by their tags, without the notices that come while it waits.
fn tags(frames: &[Frame]) -> String {
    frames.iter().map(|frame| char::from(frame.tag)).filter(|tag| !"NS".contains(*tag)).collect()
}

#[test]
fn a_held_query_names_its_ticket_and_who_decides_before_it_is_refused() {
    let stage = Stage::example(&Terms { hold: "2500ms", notice_every: "1s", ..Terms::default() });
    let (mut client, _) = RawClient::login(&stage.agent).unwrap();
    client.send(&tagged(b'Q', format!("{ADD}\0").as_bytes())).unwrap();
    let frames = client.until_ready().unwrap();
    assert_eq!(tags(&frames), "EZ", "{frames:?}");
    let all =
        |tag| frames.iter().filter(move |frame| frame.tag == tag).map(|f| f.body.escape_ascii().to_string());
    let ticket = all(b'S').find_map(|body| Some(body.strip_prefix("countersign.ticket\\x00")?.to_owned()));
    let ticket = ticket.expect("no ticket").replace("\\x00", "");
    // One at once, then one a second.
    let notices: Vec<String> = all(b'N').collect();
    assert!(notices.len() >= 3, "{notices:?}");
    assert!(notices.iter().all(|notice| notice.contains("dba")), "{notices:?}");
    let refusal = all(b'E').next().unwrap();
    assert!(refusal.contains("C55G01") && refusal.contains(&ticket), "{refusal}");
    assert_eq!(stage.gateway.pending().unwrap(), [ticket]);
}

#[test]
fn a_hold_inside_a_pipeline_keeps_the_order_of_answers() {
    let stage = Stage::example(&Terms::default());
    let (mut client, _) = RawClient::login(&stage.agent).unwrap();
    let run = |sql: &str| [parse("", sql, &[]), bind("", "", &[], false), execute("", 0)].concat();
    let pipeline = [run("SELECT 'before'"), run(ADD), sync(), run("SELECT 'after'"), sync()].concat();
    client.send(&pipeline).unwrap();
    let id = stage.gateway.pending_one().unwrap();
    let before = stage.credit();
    stage.gateway.approve(&id).unwrap();
    let mut frames = client.until_ready().unwrap();
    frames.extend(client.until_ready().unwrap());
    assert_eq!(tags(&frames), "12DC12CZ12DCZ", "{frames:?}");
    let rows: Vec<_> = frames.iter().filter(|frame| frame.tag == b'D').map(|f| f.body.clone()).collect();
    assert!(rows[0].ends_with(b"before") && rows[1].ends_with(b"after"));
    assert_eq!(stage.credit(), before + 100);
}

#[test]
fn a_refused_command_in_a_pipeline_skips_to_sync_like_any_error() {
    let stage = Stage::example(&Terms::default());
    let (mut client, _) = RawClient::login(&stage.agent).unwrap();
    let run = |sql: &str| [parse("", sql, &[]), bind("", "", &[], false), execute("", 0)].concat();
    client.send(&[run("SELECT 1"), run("DROP TABLE payments"), run("SELECT 2"), sync()].concat()).unwrap();
    let frames = client.until_ready().unwrap();
    let answered = tags(&frames);
    assert!(answered.starts_with("12DC") && answered.ends_with("EZ"), "{frames:?}");
    assert_eq!(answered.matches('D').count(), 1, "{frames:?}");
    client.send(&[run("SELECT 3"), sync()].concat()).unwrap();
    assert_eq!(tags(&client.until_ready().unwrap()), "12DCZ");
}

#[test]
fn what_no_client_may_ask_for_is_refused_at_the_door() {
    let stage = Stage::example(&Terms::default());
    let port = stage.agent.port;
    // Replication would carry rows past every mask.
    let mut client = RawClient::connect("127.0.0.1", port).unwrap();
    let startup = b"\0\x03\0\0user\0shop\0database\0shop\0replication\0database\0\0";
    client.send(&untagged(startup)).unwrap();
    let frame = client.frame().unwrap();
    assert_eq!(frame.tag, b'E', "{frame:?}");
    assert!(frame.body.windows(6).any(|window| window == b"C0A000"), "{frame:?}");
    // A length that no startup packet has.
    let mut client = RawClient::connect("127.0.0.1", port).unwrap();
    client.send(&[0x7f, 0xff, 0xff, 0xff]).unwrap();
    assert!(client.frame().map_or(true, |frame| frame.tag == b'E'));
}
