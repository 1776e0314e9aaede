//! With everything allowed the gateway answers what PostgreSQL answers, byte for byte, whatever a client sends:
//! random sequences of messages, mostly legal, cut into random pieces, to both.
//!
//! A failing run prints its seed; `COUNTERSIGN_SEED` plays that one alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::{Duration, Instant};

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Frame, Postgres, PostgresOptions, RawClient, tagged,
};

/// How long new seeds are tried.
const TIME: Duration = Duration::from_secs(20);
/// Seeds that are played every time, before new ones.
const KEPT_SEEDS: u64 = 40;
/// Stretches of messages of one connection; each ends with an answer that both are compared up to.
const ROUNDS: usize = 12;

/// SplitMix64: a seed gives the same messages everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const NAMES: [&str; 4] = ["", "", "a", "b"];
const TEXTS: [&str; 30] = [
    "SELECT 1",
    "SELECT 1",
    "SELECT n, 'row ' || n FROM generate_series(1, 4) AS n",
    "SELECT * FROM t ORDER BY id",
    "INSERT INTO t SELECT coalesce(max(id), 0) + 1, 'new' FROM t RETURNING id",
    "INSERT INTO t VALUES (1, 'again')",
    "UPDATE t SET name = name || '!' WHERE id < 3",
    "DELETE FROM t WHERE id > 5",
    "SELECT 1/0",
    "SELEC",
    "SELECT * FROM nowhere",
    "",
    "-- nothing",
    "BEGIN",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "SET search_path = pg_catalog, public",
    "SET LOCAL standard_conforming_strings = off",
    "RESET ALL",
    "PREPARE a AS SELECT 'prepared by SQL'",
    "EXECUTE a",
    "DEALLOCATE a",
    "DEALLOCATE ALL",
    "DECLARE a CURSOR FOR SELECT n FROM generate_series(1, 5) AS n",
    "FETCH 2 FROM a",
    "CLOSE a",
    "NOTIFY nobody, 'hears'",
];
const STRINGS: [&str; 8] = [
    "SELECT 1; SELECT 2",
    "SELECT 1; SELECT 1/0; SELECT 2",
    "BEGIN; SELECT 1",
    "INSERT INTO t VALUES (77, 'x'); SELECT 1/0",
    "COMMIT; BEGIN",
    "DO $$ BEGIN RAISE NOTICE 'hello'; END $$",
    "COPY t TO STDOUT",
    "DEALLOCATE ALL; PREPARE a AS SELECT 'again'; EXECUTE a",
];
const COPIES: [&str; 2] = ["COPY t FROM STDIN", "COPY t (id) FROM STDIN (FORMAT csv)"];
const LINES: [&str; 5] = ["901\tone\n", "902\n", "no number\n", "903\ttwo\n90", "4\tthree\n"];

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    tagged(b'P', &[text(name), text(sql), vec![0, 0]].concat())
}

fn bind(portal: &str, statement: &str, result_format: u8) -> Vec<u8> {
    tagged(b'B', &[text(portal), text(statement), vec![0, 0, 0, 0, 0, 1, 0, result_format]].concat())
}

fn execute(portal: &str, rows: u8) -> Vec<u8> {
    tagged(b'E', &[text(portal), vec![0, 0, 0, rows]].concat())
}

fn subject(tag: u8, kind: u8, name: &str) -> Vec<u8> {
    tagged(tag, &[vec![kind], text(name)].concat())
}

fn bare(tag: u8) -> Vec<u8> {
    tagged(tag, b"")
}

/// The data of a COPY from its begin to its end; a Sync stands before the data only, where libpq puts it.
fn copy(dice: &mut Dice, frames: &mut Vec<Vec<u8>>) {
    let sql = dice.pick(&COPIES);
    if dice.below(2) == 0 {
        frames.push(query(sql));
    } else {
        frames.extend([parse("", sql), bind("", "", 0), execute("", 0)]);
        if dice.below(2) == 0 {
            frames.push(bare(b'S'));
        }
    }
    for _ in 0..dice.below(4) {
        frames.push(tagged(b'd', dice.pick(&LINES).as_bytes()));
    }
    frames.push(if dice.below(4) == 0 { tagged(b'f', b"enough\0") } else { bare(b'c') });
    if dice.below(4) > 0 {
        frames.push(bare(b'S'));
    }
}

/// Three of it end a stretch: answered in whichever state a transaction is.
const END: &str = "-- the end";

/// What `pg_catalog.abs(integer)` is called by, with a good and a bad argument.
fn function_call(dice: &mut Dice) -> Vec<u8> {
    let argument = dice.pick(&["-7", "x"]);
    let mut body = 1397_u32.to_be_bytes().to_vec();
    body.extend([0, 0, 0, 1]);
    body.extend(u32::try_from(argument.len()).unwrap().to_be_bytes());
    body.extend(argument.as_bytes());
    body.extend([0, 0]);
    tagged(b'F', &body)
}

/// A stretch of messages, without what ends it.
fn stretch(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for _ in 0..1 + dice.below(10) {
        let (name, portal) = (dice.pick(&NAMES), dice.pick(&NAMES));
        let rows = [0, 0, 1, 2][dice.below(4)];
        match dice.below(20) {
            0..=3 => frames.push(parse(name, dice.pick(&TEXTS))),
            4..=6 => frames.push(bind(portal, name, u8::from(dice.below(4) == 0))),
            7..=9 => frames.push(execute(portal, rows)),
            10 => frames.extend([parse("", dice.pick(&TEXTS)), bind("", "", 0), execute("", rows)]),
            11 => frames.push(subject(b'D', b'S', name)),
            12 => frames.push(subject(b'D', b'P', portal)),
            13 => frames.push(subject(b'C', if dice.below(2) == 0 { b'S' } else { b'P' }, name)),
            14 => frames.push(bare(b'S')),
            15 => frames.push(bare(b'H')),
            16 => frames.push(query(dice.pick(&TEXTS))),
            17 => frames.push(query(dice.pick(&STRINGS))),
            18 => match dice.below(3) {
                0 => frames.push(function_call(dice)),
                1 => frames.push(tagged(b'd', b"stray")),
                _ => frames.push(bare(b'c')),
            },
            _ => copy(dice, &mut frames),
        }
    }
    frames
}

/// What a connection was answered, and how it ended when it did not last.
struct Played {
    answers: Vec<Vec<Frame>>,
    ended: Option<String>,
}

impl Played {
    /// Plays all stretches of a seed, up to the end of the connection.
    fn all(dsn: &Dsn, script: &Script) -> Self {
        let (mut client, _) = RawClient::login(dsn).unwrap();
        let mut played = Self { answers: Vec::new(), ended: None };
        for (bytes, seed) in &script.bytes {
            if let Err(error) = played.play(&mut client, bytes, &mut Dice(*seed)) {
                played.ended = Some(format!("{error:#}"));
                break;
            }
        }
        played
    }

    fn up_to_a_violation(mut self) -> Self {
        if self.ended.is_some() {
            let violation =
                |frame: &Frame| frame.tag == b'E' && frame.body.windows(7).any(|part| part == b"C08P01\0");
            let last = self.answers.last_mut().unwrap();
            last.truncate(last.iter().position(violation).unwrap_or(last.len()));
        }
        self
    }

    /// Sends a stretch in pieces of random size and reads up to the answers to [`END`].
    fn play(&mut self, client: &mut RawClient, stretch: &[u8], pieces: &mut Dice) -> anyhow::Result<()> {
        self.answers.push(Vec::new());
        let mut rest = stretch;
        while !rest.is_empty() {
            let largest = [3, 40, 4000][pieces.below(3)];
            let (piece, later) = rest.split_at((1 + pieces.below(largest)).min(rest.len()));
            client.send(piece)?;
            rest = later;
        }
        loop {
            let frame = client.frame_within(Duration::from_secs(10))?;
            let answers = self.answers.last_mut().unwrap();
            answers.push(frame);
            let last = answers.iter().rev().map(|frame| frame.tag);
            if last.take(6).eq(*b"ZIZIZI") {
                return Ok(());
            }
        }
    }
}

/// What a seed sends: as people read it, and as bytes with the seed of its pieces.
#[derive(Default)]
struct Script {
    text: Vec<Vec<String>>,
    bytes: Vec<(Vec<u8>, u64)>,
}

impl Script {
    fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut script = Self::default();
        for _ in 0..ROUNDS {
            let mut frames = stretch(&mut dice);
            if dice.below(3) == 0 {
                frames.push(query("ROLLBACK"));
            }
            // Ends a COPY that still waits, and a batch that still is skipped.
            frames.extend([tagged(b'f', b"over\0"), bare(b'S'), query(END), query(END), query(END)]);
            script.text.push(frames.iter().map(|frame| frame.escape_ascii().to_string()).collect());
            script.bytes.push((frames.concat(), dice.roll()));
        }
        script
    }
}

/// Empties the table, once the server is there.
fn empty(server: &Postgres) {
    let there = || Ok(server.sql("TRUNCATE t").ok());
    countersign_testkit::eventually("the server", Duration::from_secs(20), there).unwrap();
}

/// Whether the server lost a process by its own fault: PostgreSQL 15 reads memory that is not its own after some
/// sequences of messages. One that somebody killed (signal 9) or told to quit ends the test.
fn crashed_by_itself(log: &str) -> bool {
    let faults = ["signal 11", "signal 6", "signal 7"].map(|signal| format!("was terminated by {signal}"));
    faults.iter().any(|fault| log.contains(fault)) && !log.contains("was terminated by signal 9")
}

fn play(server: &Postgres, direct: &Dsn, through: &Dsn, seed: u64) {
    let script = Script::of(seed);
    empty(server);
    let direct = Played::all(direct, &script);
    // Some sequences are too much for the server itself: there is nothing to compare with then.
    if server.sql("SELECT 1").is_err() {
        empty(server);
        let log = server.log();
        assert!(crashed_by_itself(&log), "COUNTERSIGN_SEED={seed}: the server did not answer\n{log}");
        println!("COUNTERSIGN_SEED={seed} brings the server itself down");
        return;
    }
    empty(server);
    let through = Played::all(through, &script);
    // What a client may not send during COPY ends the connection here and there, each in its own words.
    let [direct, through] = [direct, through].map(Played::up_to_a_violation);
    for round in 0..direct.answers.len().max(through.answers.len()) {
        let (one, other) = (direct.answers.get(round), through.answers.get(round));
        let (one, other) =
            (one.map(Vec::as_slice).unwrap_or_default(), other.map(Vec::as_slice).unwrap_or_default());
        let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
        assert!(
            one == other,
            "COUNTERSIGN_SEED={seed}, round {round}, after {same} same answers\n{:#?}\n directly {:?} {:?}\n through  {:?} {:?}",
            &script.text[..=round],
            &one[same..],
            direct.ended,
            &other[same..],
            through.ended
        );
    }
    assert_eq!(direct.ended.is_some(), through.ended.is_some(), "COUNTERSIGN_SEED={seed}");
}

/// Waits until the server serves no client any more: what one has left behind is then done, or undone.
fn deserted(server: &Postgres) {
    let clients = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app' \
                   AND application_name NOT LIKE 'countersign%'";
    let gone = || Ok((server.sql(clients).ok().as_deref() == Some("0")).then_some(()));
    countersign_testkit::eventually("the end of all sessions", Duration::from_secs(30), gone).unwrap();
}

/// A stretch as the first and last of a connection, whose client then leaves: what it is answered up to the end, and
/// what there is in the table.
fn leave(server: &Postgres, dsn: &Dsn, stretch: &[u8], terminates: bool) -> (Vec<Frame>, String) {
    empty(server);
    let (mut client, _) = RawClient::login(dsn).unwrap();
    client.send(stretch).unwrap();
    // A Bind of what nobody has seen is judged when it is executed, or asked for.
    client.send(&bare(b'H')).unwrap();
    if terminates {
        client.send(&bare(b'X')).unwrap();
    }
    client.half_close().unwrap();
    let answers = client.until_closed().unwrap();
    deserted(server);
    let violation =
        |frame: &Frame| frame.tag == b'E' && frame.body.windows(7).any(|part| part == b"C08P01\0");
    let end = answers.iter().position(violation).unwrap_or(answers.len());
    let left = server.sql("SELECT coalesce(string_agg(t::text, ' ' ORDER BY id), '') FROM t").unwrap();
    (answers.into_iter().take(end).collect(), left)
}

fn leave_both(server: &Postgres, direct: &Dsn, through: &Dsn, seed: u64) {
    let mut dice = Dice(seed);
    let frames = stretch(&mut dice);
    let (bytes, terminates) = (frames.concat(), dice.below(2) == 0);
    let expected = leave(server, direct, &bytes, terminates);
    if crashed_by_itself(&server.log()) {
        println!("COUNTERSIGN_SEED={seed}: the server itself has come down once");
        return;
    }
    let got = leave(server, through, &bytes, terminates);
    let text: Vec<_> = frames.iter().map(|frame| frame.escape_ascii().to_string()).collect();
    assert_eq!(got, expected, "COUNTERSIGN_SEED={seed}, Terminate: {terminates}\n{text:#?}");
}

#[test]
fn random_sequences_whose_client_leaves_are_executed_and_answered_as_by_the_server() {
    let (server, _bundle, gateway) = stage();
    let token = gateway.token("random", "agent", &["agents"]).unwrap();
    let (direct, through) = (server.dsn(), gateway.dsn("shop", &token, "shop"));
    if let Some(seed) = std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return leave_both(&server, &direct, &through, seed);
    }
    for seed in 1..=3 * KEPT_SEEDS {
        leave_both(&server, &direct, &through, seed);
    }
}

fn stage() -> (Postgres, Bundle, Countersign) {
    let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    server.sql("CREATE TABLE t (id integer PRIMARY KEY, name text); GRANT ALL ON t TO shop_app").unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let gateway = Countersign::start(bundle.dev()).unwrap();
    (server, bundle, gateway)
}

#[test]
fn random_sequences_are_answered_as_the_server_answers_them() {
    let (server, _bundle, gateway) = stage();
    let token = gateway.token("random", "agent", &["agents"]).unwrap();
    let (direct, through) = (server.dsn(), gateway.dsn("shop", &token, "shop"));
    if let Some(seed) = std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return play(&server, &direct, &through, seed);
    }
    let started = Instant::now();
    // The same for everybody: a red run is the change's fault. Another number plays others.
    let first = std::env::var("COUNTERSIGN_FIRST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = (1..=KEPT_SEEDS).chain(first.unwrap_or(1 << 40)..).take_while(|_| started.elapsed() < TIME);
    let mut played = 0;
    for seed in seeds {
        play(&server, &direct, &through, seed);
        played += 1;
    }
    println!("{played} seeds");
    assert!(played > 10, "{played} seeds in {TIME:?}");
}
