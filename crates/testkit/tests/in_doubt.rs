//! A countersigned command runs in a transaction of the gateway's own, so that the target can testify later. The
//! client must not notice, and what is said when a connection breaks must be true.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod tap;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Fleet, Frame, Postgres, PostgresOptions, RawClient, Terms, eventually,
    tagged,
};
use serde_json::Value;

use crate::tap::{Cut, Tap};

/// Everything may run, and everything but reading waits for a dba.
const ALL_WAITS: &str = r#"
@id("all") permit (principal, action, resource);
@id("ask") @approval("prod-dba") @reason("a dba has to agree")
forbid (principal, action, resource)
unless { action in Action::"read" || action in Action::"session" };
"#;

/// Reads may run, and nothing else.
const NOTHING_BUT_READS: &str = r#"
@id("reads") permit (principal, action, resource) when { action in Action::"read" || action in Action::"session" };
"#;

const SCHEMA: &str = "
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE loud (id integer PRIMARY KEY);
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'loud %', TG_NAME; RETURN NULL; END $$;
CREATE TRIGGER at_once AFTER INSERT ON loud FOR EACH ROW EXECUTE FUNCTION say();
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON loud DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION say();
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO parent VALUES (50); COMMIT; INSERT INTO parent VALUES (51); END $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_app;
GRANT ALL ON SCHEMA public TO shop_app;
";

const RESET: &str = "TRUNCATE parent, child, loud; INSERT INTO parent SELECT generate_series(1, 5);
    DROP TABLE IF EXISTS made; DROP INDEX IF EXISTS parent_made";

/// A server, a tap before it, and a bundle that leads through it.
fn before() -> (Postgres, Tap, Bundle) {
    let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    server.sql(SCHEMA).unwrap();
    let tap = Tap::before(server.dsn().port);
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    bundle.replace("policies.cedar", ALL_WAITS).unwrap();
    bundle.replace("masking.yaml", "").unwrap();
    let targets = std::fs::read_to_string(bundle.path().join("targets.yaml")).unwrap();
    let (at, tapped) = (format!(":{}/", server.dsn().port), format!(":{}/", tap.port));
    assert!(targets.contains(&at), "{targets}");
    bundle.replace("targets.yaml", &targets.replace(&at, &tapped)).unwrap();
    (server, tap, bundle)
}

struct World {
    server: Postgres,
    tap: Tap,
    gateway: Countersign,
    bundle: Bundle,
    token: String,
}

impl World {
    fn new() -> Self {
        let (server, tap, bundle) = before();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("ann", "agent", &["agents"]).unwrap();
        server.sql(RESET).unwrap();
        Self { server, tap, gateway, bundle, token }
    }

    fn through(&self) -> Dsn {
        self.gateway.dsn("shop", &self.token, "shop")
    }

    fn agent(&self) -> RawClient {
        RawClient::login(&self.through()).unwrap().0
    }

    /// Runs `work` while everything that waits is approved.
    fn approving<T>(&self, work: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for id in self.gateway.pending().unwrap() {
                        // It may have been withdrawn meanwhile.
                        let _ = self.gateway.approve(&id);
                    }
                }
            });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            over.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn rows(&self, table: &str) -> String {
        self.server.sql(&format!("SELECT count(*) FROM {table}")).unwrap()
    }

    fn state(&self, id: &str, state: &str) -> Value {
        eventually(&format!("{id} to be {state}"), Duration::from_secs(10), || {
            let request = self.gateway.request(id)?;
            Ok((request["state"] == state).then_some(request))
        })
        .unwrap()
    }
}

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
    tagged(b'B', &[text(portal), text(statement), vec![0; 6]].concat())
}

fn describe(portal: &str) -> Vec<u8> {
    tagged(b'D', &[b"P".to_vec(), text(portal)].concat())
}

fn execute(rows: u32) -> Vec<u8> {
    tagged(b'E', &[text(""), rows.to_be_bytes().to_vec()].concat())
}

fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), describe(""), execute(0)].concat()
}

fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}

fn flush() -> Vec<u8> {
    tagged(b'H', b"")
}

/// What a client sends at once, up to how many ReadyForQuery it reads.
type Sends = Vec<(Vec<u8>, usize)>;

fn once(frames: &[Vec<u8>]) -> Sends {
    vec![(frames.concat(), 1)]
}

/// What is answered, without what only the gateway says while it asks people.
fn play(dsn: &Dsn, sends: &Sends) -> Vec<Frame> {
    let (mut client, _) = RawClient::login(dsn).unwrap();
    let mut answer = Vec::new();
    for (bytes, readies) in sends {
        client.send(bytes).unwrap();
        let mut readies = *readies;
        while readies > 0 {
            let frame = client.frame().unwrap();
            readies -= usize::from(frame.tag == b'Z' || frame.tag == b'G');
            let waiting = frame.tag == b'N' && frame.body.windows(6).any(|part| part == b"01G01\0");
            let ticket = frame.tag == b'S' && frame.body.starts_with(b"countersign.ticket");
            // Its process id is the server's own.
            let frame =
                if frame.tag == b'A' { Frame { body: frame.body[4..].to_vec(), ..frame } } else { frame };
            if !waiting && !ticket {
                answer.push(frame);
            }
        }
    }
    answer
}

/// Each with whether a transaction of our own is put around it.
fn cases() -> Vec<(bool, Sends)> {
    [simple(), extended(), prepared(), not_ours()].concat()
}

/// The simple protocol.
fn simple() -> Vec<(bool, Sends)> {
    let copy = |data: &str| {
        vec![(query("COPY child FROM STDIN"), 1), (tagged(b'd', data.as_bytes()), 0), (tagged(b'c', b""), 1)]
    };
    let orphan = "INSERT INTO child VALUES (1, 99) RETURNING id";
    vec![
        (true, once(&[query("UPDATE parent SET id = id + 10 WHERE id < 3 RETURNING id")])),
        (true, once(&[query("UPDATE parent SET id = id WHERE false")])),
        (true, once(&[query(orphan)])),
        (true, once(&[query("INSERT INTO parent VALUES (1)")])),
        (
            true,
            once(&[query(
                "INSERT INTO parent VALUES (7); SELECT count(*) FROM parent; INSERT INTO parent VALUES (8)",
            )]),
        ),
        (true, once(&[query("INSERT INTO parent VALUES (7); SELECT 1/0; INSERT INTO parent VALUES (8)")])),
        (true, once(&[query(&format!("SELECT 1; {orphan}; SELECT 2"))])),
        (true, once(&[query("INSERT INTO loud VALUES (1), (2)")])),
        (true, once(&[query("INSERT INTO loud VALUES (1); INSERT INTO loud VALUES (2)")])),
        (true, once(&[query("INSERT INTO nowhere VALUES (1)")])),
        (
            true,
            once(&[query(
                "INSERT INTO parent SELECT generate_series(100, 20000) RETURNING id, repeat('x', 30)",
            )]),
        ),
        (true, once(&[query("CREATE TABLE made (id integer); INSERT INTO made VALUES (1)")])),
        (
            true,
            once(&[query(
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO parent VALUES (9)",
            )]),
        ),
        (true, vec![(query("LISTEN here"), 1), (query("NOTIFY here, 'me'"), 1)]),
        (true, copy("1\t1\n2\t2\n")),
        (true, copy("1\t1\nnone\t2\n")),
        (true, copy("1\t99\n")),
    ]
}

/// The extended protocol, up to its Sync, and pipelines.
fn extended() -> Vec<(bool, Sends)> {
    let orphan = "INSERT INTO child VALUES (1, 99) RETURNING id";
    vec![
        (true, once(&[run("UPDATE parent SET id = id + 10 WHERE id < 3 RETURNING id"), sync()])),
        (true, once(&[run(orphan), sync()])),
        (true, once(&[run("INSERT INTO parent VALUES (1)"), run("SELECT 1"), sync()])),
        (true, once(&[run("INSERT INTO parent VALUES (7)"), run("SELECT count(*) FROM parent"), sync()])),
        (true, once(&[run("INSERT INTO parent VALUES (7)"), run("INSERT INTO parent VALUES (8)"), sync()])),
        (true, once(&[run("INSERT INTO parent VALUES (7)"), run("INSERT INTO parent VALUES (7)"), sync()])),
        (true, once(&[run(orphan), flush(), run("SELECT 1"), sync()])),
        (true, once(&[run("INSERT INTO parent VALUES (7)"), query("SELECT count(*) FROM parent")])),
        (
            true,
            once(&[
                parse("", "INSERT INTO parent VALUES (60), (61), (62) RETURNING id"),
                bind("", ""),
                execute(2),
                sync(),
            ]),
        ),
        // Pipelines: what stands behind is answered after it.
        (
            true,
            vec![(
                [
                    query("INSERT INTO parent VALUES (7)"),
                    query("SELECT count(*) FROM parent"),
                    query("SELECT 2"),
                ]
                .concat(),
                3,
            )],
        ),
        (
            true,
            vec![(
                [
                    run("INSERT INTO parent VALUES (7)"),
                    sync(),
                    run("INSERT INTO parent VALUES (7)"),
                    sync(),
                    run("SELECT 1"),
                    sync(),
                ]
                .concat(),
                3,
            )],
        ),
    ]
}

/// Prepared before: the transaction of our own does not cost the client its unnamed statement.
fn prepared() -> Vec<(bool, Sends)> {
    vec![
        (
            true,
            vec![
                ([parse("", "INSERT INTO parent VALUES (7)"), sync()].concat(), 1),
                ([bind("", ""), execute(0), sync(), bind("", ""), execute(0), sync()].concat(), 2),
            ],
        ),
        (
            true,
            vec![
                ([parse("mine", "INSERT INTO parent VALUES (7) RETURNING id"), sync()].concat(), 1),
                ([bind("", "mine"), describe(""), execute(0), sync()].concat(), 1),
            ],
        ),
    ]
}

/// What cannot run in a transaction block, or ends it by itself, or is the client's own.
fn not_ours() -> Vec<(bool, Sends)> {
    vec![
        (false, once(&[query("VACUUM parent")])),
        (false, once(&[query("CREATE INDEX CONCURRENTLY parent_made ON parent (id)")])),
        (false, once(&[query("CALL commits()")])),
        (false, once(&[query("DO $$ BEGIN INSERT INTO parent VALUES (70); COMMIT; END $$")])),
        (false, once(&[query("BEGIN; INSERT INTO parent VALUES (7); COMMIT")])),
        (false, once(&[query("LOCK TABLE parent")])),
        (false, vec![(query("BEGIN"), 1), (query("INSERT INTO parent VALUES (7)"), 1), (query("COMMIT"), 1)]),
        (false, once(&[run("BEGIN"), run("INSERT INTO parent VALUES (7)"), run("COMMIT"), sync()])),
        (false, once(&[query("SET work_mem = '5MB'; INSERT INTO parent VALUES (7)")])),
        (false, once(&[query("SELECT 1")])),
    ]
}

#[test]
fn a_countersigned_command_is_answered_as_the_server_answers_it() {
    let world = World::new();
    world.approving(|| {
        for (index, (own, sends)) in cases().into_iter().enumerate() {
            let shown = sends.iter().map(|(bytes, _)| bytes.escape_ascii().to_string()).collect::<Vec<_>>();
            world.server.sql(RESET).unwrap();
            let direct = play(&world.server.dsn(), &sends);
            let left = [world.rows("parent"), world.rows("child")];
            world.server.sql(RESET).unwrap();
            world.tap.forget();
            let through = play(&world.through(), &sends);
            assert_eq!(direct, through, "case {index}: {shown:#?}");
            assert_eq!(left, [world.rows("parent"), world.rows("child")], "case {index}: {shown:#?}");
            assert_eq!(world.tap.saw(b"pg_current_xact_id"), own, "case {index}: {shown:#?}");
        }
    });
}

/// Has one command approved, and gives back its request and all that the client reads up to the end.
fn broken(world: &World, cut: Cut, sql: &str) -> (String, Vec<Frame>) {
    let mut agent = world.agent();
    agent.send(&query(sql)).unwrap();
    let id = world.gateway.pending_one().unwrap();
    world.tap.cut(cut);
    world.gateway.approve(&id).unwrap();
    let mut read = Vec::new();
    while let Ok(frame) = agent.frame() {
        read.push(frame);
    }
    (id, read)
}

#[test]
fn a_connection_that_breaks_while_it_commits_leaves_its_command_in_doubt_with_evidence() {
    let world = World::new();
    let (id, read) = broken(&world, Cut::After(b"COMMIT\0"), "INSERT INTO parent VALUES (7)");
    let last = format!("{:?}", read.last().unwrap());
    assert!(last.contains("C55G04") && last.contains(r#"\"executed\":null"#), "{last}");
    assert!(!read.iter().any(|frame| frame.tag == b'C'), "told as done: {read:?}");
    world.state(&id, "in_doubt");
    eventually("the row", Duration::from_secs(10), || Ok((world.rows("parent") == "6").then_some(())))
        .unwrap();
}

#[test]
fn a_connection_that_breaks_before_the_commit_has_changed_nothing_and_says_so() {
    let world = World::new();
    for pattern in [b"INSERT INTO parent".as_slice(), b"COMMIT\0"] {
        let (id, read) = broken(&world, Cut::Before(pattern), "INSERT INTO parent VALUES (7)");
        assert!(!read.iter().any(|frame| frame.tag == b'C'), "told as done: {read:?}");
        // A COMMIT may have gone out when it broke: only the target can tell.
        world.state(&id, if pattern == b"COMMIT\0" { "in_doubt" } else { "done" });
        assert_eq!(world.rows("parent"), "5");
    }
}

#[test]
fn a_target_that_opens_no_transaction_costs_nobody_their_approval() {
    let world = World::new();
    let mut agent = world.agent();
    agent.send(&query("INSERT INTO parent VALUES (7)")).unwrap();
    let id = world.gateway.pending_one().unwrap();
    world.tap.cut(Cut::Before(b"pg_current_xact_id"));
    world.gateway.approve(&id).unwrap();
    let answer = format!("{:?}", agent.until_ready().unwrap());
    assert!(answer.contains("C55G05") && answer.contains(&id), "{answer}");
    assert_eq!(world.gateway.request(&id).unwrap()["state"], "approved");
    assert_eq!(world.rows("parent"), "5");
    // It is still there, and the connection too: the same again runs.
    agent.send(&query("INSERT INTO parent VALUES (7)")).unwrap();
    let answer = format!("{:?}", agent.until_ready().unwrap());
    assert!(answer.contains("INSERT 0 1"), "{answer}");
    world.state(&id, "done");
    assert_eq!(world.rows("parent"), "6");
}

#[test]
fn a_yes_that_is_refused_when_it_is_used_leaves_no_transaction_open() {
    let world = World::new();
    let mut agent = world.agent();
    agent.send(&query("INSERT INTO parent VALUES (7)")).unwrap();
    let id = world.gateway.pending_one().unwrap();
    // Everything is ready to go, and then it may not.
    world.tap.cut(Cut::Frozen(b"pg_current_xact_id"));
    world.gateway.approve(&id).unwrap();
    world.tap.frozen();
    world.bundle.replace("policies.cedar", NOTHING_BUT_READS).unwrap();
    let bundle = world.bundle.path().to_string_lossy().into_owned();
    world.gateway.cli_as_operator(&["apply", "-f", &bundle]).unwrap();
    world.tap.thaw(true);
    let answer = format!("{:?}", agent.until_ready().unwrap());
    assert!(answer.contains("C42G02"), "{answer}");
    world.state(&id, "voided");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    assert_eq!(world.server.sql(open).unwrap(), "0");
    agent.send(&query("SELECT count(*) FROM parent")).unwrap();
    assert!(format!("{:?}", agent.until_ready().unwrap()).contains('5'));
}

/// A step on the way from a yes to the end at which a gateway is killed: what it was about to send, and whether that
/// arrives all the same; and what is known in the end.
const STEPS: [(&[u8], bool, &str, &str); 6] = [
    // Not redeemed yet: the yes is there for the next.
    (b"pg_current_xact_id", false, "approved", "5"),
    (b"pg_current_xact_id", true, "approved", "5"),
    (b"INSERT INTO parent", false, "not_run", "5"),
    (b"INSERT INTO parent", true, "not_run", "5"),
    (b"COMMIT\0", false, "not_run", "5"),
    (b"COMMIT\0", true, "done", "6"),
];

#[test]
fn i1_a_gateway_that_is_killed_at_any_step_leaves_a_yes_that_can_be_used_or_a_truth_that_is_found_out() {
    let (server, tap, bundle) = before();
    let mut fleet = Fleet::start(bundle.dev(), STEPS.len() + 1).unwrap();
    let token = fleet.control().token("ann", "agent", &["agents"]).unwrap();
    for (gateway, (pattern, arrives, state, rows)) in STEPS.into_iter().enumerate() {
        let step = format!("{} {arrives}", pattern.escape_ascii());
        server.sql(RESET).unwrap();
        let sql = query(&format!("INSERT INTO parent VALUES (7) /* {gateway} */"));
        let at = |gateway| RawClient::login(&fleet.dsn(gateway, "shop", &token, "shop").unwrap()).unwrap().0;
        let mut agent = at(gateway);
        agent.send(&sql).unwrap();
        let id = fleet.control().pending_one().unwrap();
        tap.cut(Cut::Frozen(pattern));
        fleet.control().approve(&id).unwrap();
        tap.frozen();
        let mut elsewhere = at(STEPS.len());
        fleet.kill_gateway(gateway).unwrap();
        tap.thaw(arrives);
        let gone = format!("gateway-{gateway}");
        fleet.control().cli_as_operator(&["fleet", "revoke", &gone, "--reason", "killed"]).unwrap();
        let stands = || Ok((fleet.control().request(&id)?["state"] == state).then_some(()));
        eventually(&format!("{step}: {state}"), Duration::from_secs(60), stands).unwrap();
        assert_eq!(server.sql("SELECT count(*) FROM parent").unwrap(), rows, "{step}");
        if state == "approved" {
            elsewhere.send(&sql).unwrap();
            let answer = format!("{:?}", elsewhere.until_ready().unwrap());
            assert!(answer.contains("INSERT 0 1"), "{step}: {answer}");
            assert_eq!(server.sql("SELECT count(*) FROM parent").unwrap(), "6", "{step}");
        }
    }
}

#[test]
fn what_cannot_run_in_one_transaction_behind_a_countersigned_command_is_refused_with_it() {
    let world = World::new();
    let mut agent = world.agent();
    world.approving(|| {
        agent.send(&[run("INSERT INTO parent VALUES (7)"), run("BEGIN"), sync()].concat()).unwrap();
        let answer = format!("{:?}", agent.until_ready().unwrap());
        assert!(answer.contains("C42G02") && answer.contains("put a Sync"), "{answer}");
        assert_eq!(world.rows("parent"), "5");
        agent.send(&query("SELECT 1")).unwrap();
        agent.until_ready().unwrap();
    });
}
