//! Commands that are held in the middle of batches, as drivers and pipelines send them: each gets its answer when people
//! have said yes or no, when nobody says anything in time, and when its approval is voided. With a yes the client gets,
//! frame by frame, what the server gives it directly; so nothing of what the gateway asks the server for itself reaches it.
//!
//! A failing run prints its seed; `COUNTERSIGN_SEED` plays that one alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use countersign_testkit::{
    Auth, Bundle, Countersign, Dice, Dsn, Frame, Postgres, PostgresOptions, RawClient, Terms, tagged,
};

/// Batches that are played for each way in which a held command can end.
const SEEDS: u64 = 40;
/// How long a request stays open where nobody decides.
const SHORT: &str = "1s";

/// Writes wait for a dba; everything else runs.
const POLICIES: &str = r#"
@id("all")
permit (principal, action, resource);
@id("writes-need-dba")
@approval("prod-dba")
@reason("writes need a dba")
forbid (principal, action in Action::"write", resource);
"#;

/// What stands before the batch, each answered before the batch is sent.
const BEFORE: &[&[&str]] = &[
    &[],
    &[],
    &["SET TimeZone = 'Asia/Tokyo'"],
    &["BEGIN"],
    &["BEGIN", "SET LOCAL TimeZone = 'Asia/Tokyo'"],
    &["BEGIN", "SELECT 1/0"],
    &["BEGIN", "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO s"],
];

/// What nobody is asked for.
const HARMLESS: [&str; 10] = [
    "BEGIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "SAVEPOINT s",
    "RELEASE s",
    "SET TimeZone = 'Europe/Vienna'",
    "SET LOCAL search_path = public, pg_catalog",
    "SELECT id, n FROM t ORDER BY id",
    "SELECT current_setting('TimeZone')",
    "SELECT 1/0",
    "COMMIT",
];

/// The last query: answered whatever went before, and in a failed transaction.
const END: &str = "-- the end";

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    tagged(b'P', &[text(name), text(sql), vec![0, 0]].concat())
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    tagged(b'B', &[text(portal), text(statement), vec![0, 0, 0, 0, 0, 0]].concat())
}

fn execute(portal: &str) -> Vec<u8> {
    tagged(b'E', &[text(portal), vec![0, 0, 0, 0]].concat())
}

fn subject(tag: u8, kind: u8, name: &str) -> Vec<u8> {
    tagged(tag, &[vec![kind], text(name)].concat())
}

/// What a client sends: what stands before, and the batch with a simple query behind it that ends what is open.
struct Script {
    before: &'static [&'static str],
    frames: Vec<Vec<u8>>,
    texts: Vec<String>,
    /// Where the batch is cut into packets.
    cuts: Dice,
}

impl Script {
    fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut script = Self {
            before: *dice.pick::<&[&str]>(BEFORE),
            frames: Vec::new(),
            texts: Vec::new(),
            cuts: Dice::new(seed),
        };
        if dice.chance(40) {
            // As drivers do it: the transaction begins with its first statement.
            script.statement(&mut dice, 0, "BEGIN");
        }
        let held = 1 + dice.below(2);
        for number in 1..=held {
            for _ in 0..dice.below(3) {
                let harmless = *dice.pick(&HARMLESS);
                script.statement(&mut dice, number, harmless);
            }
            let returning = if dice.chance(50) { " RETURNING id" } else { "" };
            script.statement(
                &mut dice,
                number,
                &format!("UPDATE t SET n = n + {seed} WHERE id = {number}{returning}"),
            );
            if dice.chance(30) {
                script.frames.push(tagged(b'S', b""));
            }
        }
        if dice.chance(30) {
            script.statement(&mut dice, 9, "SELECT count(*) FROM t");
        }
        script.frames.extend([tagged(b'S', b""), query(END)]);
        script
    }

    /// A statement in one of the shapes in which drivers send it.
    fn statement(&mut self, dice: &mut Dice, number: u64, sql: &str) {
        self.texts.push(sql.to_owned());
        if dice.chance(10) {
            // A simple query in the middle of a batch, which ends it.
            return self.frames.push(query(sql));
        }
        let own = format!("s{number}_{}", self.frames.len());
        let name = if dice.chance(50) { "" } else { &own };
        let portal = if dice.chance(70) { "" } else { &own };
        self.frames.push(parse(name, sql));
        if dice.chance(30) {
            self.frames.push(subject(b'D', b'S', name));
        }
        self.flush(dice, 10);
        self.frames.push(bind(portal, name));
        if dice.chance(60) {
            self.frames.push(subject(b'D', b'P', portal));
        }
        self.flush(dice, 10);
        self.frames.push(execute(portal));
        if dice.chance(15) {
            self.frames.push(subject(b'C', b'P', portal));
        }
        self.flush(dice, 20);
    }

    fn flush(&mut self, dice: &mut Dice, percent: u64) {
        if dice.chance(percent) {
            self.frames.push(tagged(b'H', b""));
        }
    }

    fn play(&mut self, dsn: &Dsn, decide: &mut dyn FnMut(&str)) -> Result<Vec<Frame>> {
        let (mut client, _) = RawClient::login(dsn)?;
        for sql in self.before {
            client.send(&query(sql))?;
            client.until_ready()?;
        }
        let bytes = self.frames.concat();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let most = usize::try_from(*self.cuts.pick(&[3_u64, 60, 4000])).unwrap().min(rest.len());
            let (packet, later) = rest.split_at(most);
            client.send(packet)?;
            rest = later;
        }
        let frames = answers(&mut client, decide)?;
        // Whatever came of it, the connection goes on.
        client.send(&query("COMMIT"))?;
        client.until_ready()?;
        client.send(&query("SELECT 'goes on'"))?;
        let after = client.until_ready()?;
        ensure!(tags(&after) == "TDCZ" && after.last().unwrap().body == b"I", "afterwards: {after:?}");
        Ok(frames)
    }
}

/// The frames up to the answer to [`END`], without notices and what is reported of settings. Each request is handed to `decide`
/// when the client hears of it.
fn answers(client: &mut RawClient, decide: &mut dyn FnMut(&str)) -> Result<Vec<Frame>> {
    let (mut frames, mut seen) = (Vec::new(), BTreeSet::new());
    while !tags(&frames).ends_with("IZ") {
        let frame = client.frame().with_context(|| format!("after {frames:?}"))?;
        if frame.tag == b'N'
            && let Some(id) = request_of(&frame)
            && seen.insert(id.clone())
        {
            decide(&id);
        }
        if !matches!(frame.tag, b'N' | b'S') {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// The request that a notice speaks of.
fn request_of(frame: &Frame) -> Option<String> {
    let text = String::from_utf8_lossy(&frame.body);
    let start = text.find("apr_")?;
    Some(text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
}

fn tags(frames: &[Frame]) -> String {
    frames.iter().map(|frame| char::from(frame.tag)).collect()
}

struct Stage {
    // Dropped in this order.
    gateway: Countersign,
    _bundle: Bundle,
    server: Postgres,
    through: Dsn,
}

impl Stage {
    fn new(terms: &Terms) -> Self {
        let options = PostgresOptions { auth: Auth::Trust, ..PostgresOptions::default() };
        let server = Postgres::start(options).unwrap();
        server
            .sql(
                "CREATE TABLE t (id int PRIMARY KEY, n bigint); ALTER TABLE t OWNER TO shop_app; \
                 INSERT INTO t SELECT i, 0 FROM generate_series(1, 5) i",
            )
            .unwrap();
        let bundle = Bundle::example(&server, terms).unwrap().without_limits().unwrap();
        bundle.replace("policies.cedar", POLICIES).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
        let through = gateway.dsn("shop", &token, "shop");
        Self { gateway, _bundle: bundle, server, through }
    }

    fn approve(&self, id: &str) {
        self.decided(id, self.gateway.approve(id));
    }

    fn deny(&self, id: &str) {
        self.decided(id, self.gateway.deny(id, "no"));
    }

    /// A request may be withdrawn before anybody decides: when what stands before it in its batch fails.
    fn decided(&self, id: &str, decided: Result<()>) {
        if let Err(error) = decided {
            assert_eq!(self.gateway.request(id).unwrap()["state"], "withdrawn", "{error:#}");
        }
    }

    fn reset(&self) {
        self.server.sql("UPDATE t SET n = 0").unwrap();
    }

    fn table(&self) -> String {
        self.server.sql("SELECT string_agg(t::text, ' ' ORDER BY id) FROM t").unwrap()
    }

    /// What the server itself answers, and what is in the table then.
    fn directly(&self, seed: u64) -> (Vec<Frame>, String) {
        self.reset();
        let answers = Script::of(seed).play(&self.server.dsn(), &mut |_| ()).unwrap();
        (answers, self.table())
    }

    fn through(&self, seed: u64, mut decide: impl FnMut(&str)) -> (Vec<Frame>, usize) {
        self.reset();
        let mut script = Script::of(seed);
        let mut requests = 0;
        let mut counting = |id: &str| {
            requests += 1;
            decide(id);
        };
        let answers = script.play(&self.through, &mut counting).unwrap_or_else(|error| {
            let (before, texts) = (script.before, &script.texts);
            panic!("COUNTERSIGN_SEED={seed} {before:?} {texts:#?}\n{error:#}\n{}", self.gateway.log())
        });
        (answers, requests)
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=SEEDS).collect(),
    }
}

#[test]
fn an_approved_command_in_a_batch_is_answered_as_by_the_server() {
    let stage = Stage::new(&Terms::default());
    let mut asked = 0;
    for seed in seeds() {
        let (expected, table) = stage.directly(seed);
        let (got, requests) = stage.through(seed, |id| stage.approve(id));
        let script = Script::of(seed);
        let (before, texts) = (script.before, &script.texts);
        assert_eq!(got, expected, "COUNTERSIGN_SEED={seed} {before:?} {texts:#?}");
        assert_eq!(stage.table(), table, "COUNTERSIGN_SEED={seed} {before:?} {texts:#?}");
        asked += requests;
    }
    assert!(asked >= seeds().len() / 2, "{asked} requests");
}

/// The answers are those of the server up to the command that was held, then one error, and nothing up to the end.
fn assert_refused(stage: &Stage, decide: impl Fn(&str), code: &str) {
    let mut refused = 0;
    for seed in seeds() {
        let (expected, _) = stage.directly(seed);
        let (got, _) = stage.through(seed, &decide);
        let script = Script::of(seed);
        let what = format!(
            "COUNTERSIGN_SEED={seed} {:?} {:#?}\n{got:?}\ndirectly {expected:?}",
            script.before, script.texts
        );
        let is_refusal = |frame: &Frame| {
            frame.tag == b'E' && String::from_utf8_lossy(&frame.body).contains(&format!("\0C{code}\0"))
        };
        let Some(at) = got.iter().position(is_refusal) else {
            // What stands before it has failed, or nothing was held.
            assert_eq!(got, expected, "{what}");
            continue;
        };
        assert!(expected.starts_with(&got[..at]), "{what}");
        assert_eq!(got[at + 1].tag, b'Z', "{what}");
        // Of what was refused nothing lasts; later batches of the same script are refused each by itself.
        assert_eq!(stage.table(), "(1,0) (2,0) (3,0) (4,0) (5,0)", "{what}");
        refused += 1;
    }
    assert!(refused >= seeds().len() / 2, "{refused} refused");
}

#[test]
fn i3_no_means_no_for_a_denied_command_in_a_batch_which_is_answered_at_once() {
    let stage = Stage::new(&Terms::default());
    assert_refused(&stage, |id| stage.deny(id), "42G01");
}

#[test]
fn a_command_in_a_batch_that_nobody_decides_on_is_answered_in_time() {
    let stage = Stage::new(&Terms { timeout: SHORT, ..Terms::default() });
    assert_refused(&stage, |_| (), "55G03");
}

#[test]
fn i2_same_a_command_in_a_batch_whose_table_was_redefined_meanwhile_is_refused() {
    let stage = Stage::new(&Terms::default());
    let count = std::cell::Cell::new(0);
    let redefine = |id: &str| {
        // Takes no lock that a statement which is parsed and not executed stands against.
        let percent = 10 + count.replace(count.get() + 1) % 90;
        stage.server.sql(&format!("ALTER TABLE t SET (fillfactor = {percent})")).unwrap();
        stage.approve(id);
    };
    assert_refused(&stage, redefine, "42G03");
}

/// One statement as drivers send it.
fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), subject(b'D', b'P', ""), execute("")].concat()
}

#[test]
fn a_question_of_the_gateway_that_times_out_fails_the_batch_with_its_code_and_no_text_of_it() {
    let stage = Stage::new(&Terms::default());
    let superuser = Dsn { user: stage.server.sql("SELECT current_user").unwrap(), ..stage.server.dsn() };
    let (mut locker, _) = RawClient::login(&superuser).unwrap();
    let (mut client, _) = RawClient::login(&stage.through).unwrap();
    client.send(&query("SET statement_timeout = '700ms'")).unwrap();
    client.until_ready().unwrap();
    // Read for what the held command is bound to, and for nothing else in this batch.
    locker.send(&query("BEGIN; LOCK TABLE pg_catalog.pg_db_role_setting IN ACCESS EXCLUSIVE MODE")).unwrap();
    locker.until_ready().unwrap();
    let batch = [
        run("BEGIN"),
        run("SELECT count(*) FROM t"),
        run("UPDATE t SET n = 1"),
        tagged(b'S', b""),
        query(END),
    ];
    client.send(&batch.concat()).unwrap();
    let frames = answers(&mut client, &mut |_| ()).unwrap();
    assert_eq!(tags(&frames), "12nC12TDCEZIZ", "{frames:?}");
    let error = String::from_utf8_lossy(&frames[9].body).into_owned();
    assert!(error.contains("\0C57014\0") && error.contains("countersign"), "{error}");
    assert!(!error.contains("pg_"), "{error}");
    assert_eq!(frames[10].body, b"E");
    locker.send(&query("ROLLBACK")).unwrap();
    locker.until_ready().unwrap();
    client.send(&query("ROLLBACK")).unwrap();
    assert_eq!(tags(&client.until_ready().unwrap()), "CZ");
    client.send(&query("SELECT count(*) FROM t WHERE n = 0")).unwrap();
    let after = client.until_ready().unwrap();
    assert!(after.iter().any(|frame| frame.body.ends_with(b"5")), "{after:?}");
}
