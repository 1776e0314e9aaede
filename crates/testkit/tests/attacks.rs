//! Roads around the gateway that were found by attacking it with bare frames, each as it was walked. What has to
//! stay shut: a command that may not run, a value that may not be seen. And sequences that PostgreSQL
//! answers, which the gateway has to answer too.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Bundle, Countersign, Frame, Postgres, PostgresOptions, RawClient, Terms, eventually, tagged,
};

const READ_ONLY: &str = r#"
@id("agents-read")
permit (principal in Group::"agents", action in Action::"read", resource);
@id("agents-session")
permit (principal in Group::"agents", action in Action::"session", resource);
"#;

/// What must not run.
const FORBIDDEN: &str = "DELETE FROM payments";

/// A shop behind the gateway, and an agent that is connected to it.
struct Shop {
    agent: RawClient,
    // Dropped in this order.
    gateway: Countersign,
    bundle: Bundle,
    server: Postgres,
    payments: String,
}

impl Shop {
    /// The agent may read what is not masked, and nothing else.
    fn read_only() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        bundle.replace("policies.cedar", READ_ONLY).unwrap();
        Self::behind(server, bundle)
    }

    /// Everything is allowed.
    fn open() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::allow_all(&server).unwrap();
        Self::behind(server, bundle)
    }

    /// Everything is allowed, nothing is unmasked.
    fn open_masked() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        let writes = "@id(\"agents-write\") permit (principal in Group::\"agents\", action in Action::\"write\", resource);";
        bundle.replace("policies.cedar", &format!("{READ_ONLY}{writes}\n")).unwrap();
        Self::behind(server, bundle)
    }

    /// The agent may read, and copy into tables.
    fn copying() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        let copies = "@id(\"agents-copy\") permit (principal in Group::\"agents\", action == Action::\"sql:copy_in\", resource);";
        let tables = "@id(\"agents-create\") permit (principal in Group::\"agents\", action in Action::\"schema\", resource);";
        bundle.replace("policies.cedar", &format!("{READ_ONLY}{copies}\n{tables}\n")).unwrap();
        Self::behind(server, bundle)
    }

    /// Writes wait for a dba.
    fn holding() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        Self::behind(server, bundle)
    }

    fn behind(server: Postgres, bundle: Bundle) -> Self {
        server.sql("CREATE FUNCTION unlisted() RETURNS integer LANGUAGE sql AS 'SELECT 1'").unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
        let (agent, _) = RawClient::login(&gateway.dsn("shop", &token, "shop")).unwrap();
        let payments = server.sql("SELECT count(*) FROM payments").unwrap();
        Self { agent, gateway, bundle, server, payments }
    }

    fn send(&mut self, frames: &[Vec<u8>]) {
        self.agent.send(&frames.concat()).unwrap();
    }

    /// Sends, and gives the answer up to ReadyForQuery.
    fn ask(&mut self, frames: &[Vec<u8>]) -> Vec<Frame> {
        self.send(frames);
        self.agent.until_ready().unwrap()
    }

    fn tags(&mut self, frames: &[Vec<u8>]) -> String {
        self.ask(frames).iter().map(|frame| char::from(frame.tag)).collect()
    }

    /// Reads until the server has nothing more to say, however the connection fares.
    fn read_all(&mut self) -> Vec<u8> {
        let mut seen = Vec::new();
        while let Ok(frame) = self.agent.frame_within(Duration::from_millis(800)) {
            seen.push(frame.tag);
            seen.extend_from_slice(&frame.body);
        }
        seen
    }

    fn nothing_ran(&mut self) {
        let answer = self.read_all();
        let left = self.server.sql("SELECT count(*) FROM payments").unwrap();
        let log = self.gateway.log();
        assert_eq!(left, self.payments, "{}\n{log}", answer.escape_ascii());
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

fn execute(portal: &str, rows: u32) -> Vec<u8> {
    tagged(b'E', &[text(portal), rows.to_be_bytes().to_vec()].concat())
}

fn describe_portal(name: &str) -> Vec<u8> {
    tagged(b'D', &[b"P".to_vec(), text(name)].concat())
}

fn close_statement(name: &str) -> Vec<u8> {
    tagged(b'C', &[b"S".to_vec(), text(name)].concat())
}

fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("", 0)].concat()
}

fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}

fn flush() -> Vec<u8> {
    tagged(b'H', b"")
}

fn data(data: &str) -> Vec<u8> {
    tagged(b'd', data.as_bytes())
}

fn done() -> Vec<u8> {
    tagged(b'c', b"")
}

#[test]
fn i2_same_the_frame_that_fails_a_refused_batch_runs_nothing_of_the_client() {
    // The gateway executed a portal of a fixed name to make the server fail; a client could make that portal.
    let mut shop = Shop::read_only();
    for portal in ["refused by countersign", "countersign"] {
        shop.send(&[parse(portal, FORBIDDEN), bind(portal, portal), flush(), query(FORBIDDEN)]);
        shop.nothing_ran();
    }
    shop.send(&[sync()]);
    shop.nothing_ran();
}

#[test]
fn i2_same_a_name_that_sql_redefines_in_the_same_batch_is_judged_anew() {
    // Only strings told the table of names what they prepare, not statements of the extended protocol.
    let mut shop = Shop::read_only();
    assert_eq!(shop.tags(&[parse("s", "SELECT 1"), sync()]), "1Z");
    shop.send(&[
        run("DEALLOCATE s"),
        run(&format!("PREPARE s AS {FORBIDDEN}")),
        bind("", "s"),
        execute("", 0),
        sync(),
    ]);
    shop.nothing_ran();
}

#[test]
fn i2_same_a_name_redefined_in_a_pipeline_is_judged_anew() {
    let mut shop = Shop::read_only();
    assert_eq!(shop.tags(&[parse("s", "SELECT 1"), sync()]), "1Z");
    shop.send(&[
        run("DEALLOCATE s"),
        run(&format!("PREPARE s AS {FORBIDDEN}")),
        sync(),
        bind("", "s"),
        execute("", 0),
        sync(),
        query("EXECUTE s"),
    ]);
    shop.nothing_ran();
}

#[test]
fn i2_same_a_parse_that_never_went_up_does_not_stand_for_its_name() {
    // A string too large to judge dropped the frames that waited, and left their names in the table.
    let mut shop = Shop::read_only();
    let large = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(shop.tags(&[parse("s", FORBIDDEN), sync()]), "1Z");
    shop.send(&[
        close_statement("s"),
        parse("s", "SELECT 1"),
        query(&large),
        bind("", "s"),
        execute("", 0),
        sync(),
    ]);
    shop.nothing_ran();
}

#[test]
fn i2_same_what_waited_beside_a_refused_bind_does_not_stand_for_its_name() {
    let mut shop = Shop::read_only();
    assert_eq!(shop.tags(&[parse("s", FORBIDDEN), sync()]), "1Z");
    let refused = [parse("r", "SELECT unlisted()"), bind("r", "r")].concat();
    shop.send(&[
        close_statement("s"),
        parse("s", "SELECT 1"),
        refused,
        sync(),
        bind("", "s"),
        execute("", 0),
        sync(),
    ]);
    shop.nothing_ran();
}

#[test]
fn i2_same_a_name_is_unsettled_until_the_batch_that_changed_it_is_answered() {
    // The Sync after a refusal forgot names that were on their way.
    let mut shop = Shop::read_only();
    assert_eq!(shop.tags(&[parse("s", "SELECT 1"), sync()]), "1Z");
    shop.send(&[
        close_statement("s"),
        parse("s", FORBIDDEN),
        flush(),
        run(FORBIDDEN),
        sync(),
        bind("", "s"),
        execute("", 0),
        sync(),
    ]);
    shop.nothing_ran();
}

/// What SQL calls by a name that the protocol gave.
const CALL: &str = "EXECUTE s";

#[test]
fn i2_same_what_execute_runs_is_judged_anew_when_a_batch_was_given_up() {
    // Facts were kept although the name in them had gone back to its older text.
    let mut shop = Shop::read_only();
    assert_eq!(shop.tags(&[parse("s", FORBIDDEN), sync()]), "1Z");
    let call = [parse("", CALL), bind("", "")].concat();
    let refused = run("DROP TABLE payments");
    let given_up = [close_statement("s"), parse("s", "SELECT 1"), call, refused, sync()];
    assert_eq!(shop.tags(&given_up), "EZ");
    shop.send(&[query(CALL)]);
    shop.nothing_ran();
}

#[test]
fn i2_same_what_execute_runs_is_judged_anew_when_a_parse_has_failed() {
    for pipelined in [false, true] {
        let mut shop = Shop::read_only();
        assert_eq!(shop.tags(&[parse("s", FORBIDDEN), sync()]), "1Z");
        let in_vain = [parse("s", "SELECT 1"), parse("", CALL), bind("", ""), sync()];
        if pipelined {
            shop.send(&[in_vain.concat(), query(CALL)]);
        } else {
            assert_eq!(shop.tags(&in_vain), "EZ");
            shop.send(&[query(CALL)]);
        }
        shop.nothing_ran();
    }
}

/// Executes a name, and then gives it to something harmless, all in one string.
const CALL_AND_HIDE: &str = "EXECUTE s; DEALLOCATE s; PREPARE s AS SELECT 'x'::text";

#[test]
fn i2_same_what_a_string_prepares_behind_an_execute_is_not_what_that_runs() {
    for settled in [false, true] {
        let mut shop = Shop::read_only();
        let made = [parse("s", FORBIDDEN), sync()].concat();
        if settled {
            shop.ask(&[made]);
            shop.send(&[query(CALL_AND_HIDE)]);
        } else {
            shop.send(&[made, query(CALL_AND_HIDE)]);
        }
        shop.nothing_ran();
    }
}

/// Columns that come from customers, one of them masked, and the same number of harmless ones.
const SECRETS: &str = "SELECT email || '' FROM customers";
const HARMLESS: [&str; 2] = ["SELECT id || '' FROM payments", "SELECT name FROM products"];

impl Shop {
    /// Sends, and looks whether an address comes.
    fn shows_no_address(&mut self, frames: &[Vec<u8>]) {
        self.send(frames);
        let answer = self.read_all();
        assert!(!answer.windows(8).any(|seen| seen == b"@example"), "{}", answer.escape_ascii());
    }
}

#[test]
fn i6_masked_what_execute_shows_is_masked_by_what_its_name_stood_for_when_it_ran() {
    let mut shop = Shop::read_only();
    assert_eq!(shop.tags(&[parse("s", SECRETS), sync()]), "1Z");
    shop.shows_no_address(&[query(CALL_AND_HIDE)]);
}

#[test]
fn i6_masked_a_portal_of_execute_is_not_masked_as_what_it_was_described_as_before() {
    for harmless in HARMLESS {
        let mut shop = Shop::read_only();
        shop.ask(&[query("BEGIN")]);
        shop.ask(&[parse("s", harmless), parse("", CALL), bind("p", ""), describe_portal("p"), sync()]);
        shop.ask(&[close_statement("s"), parse("s", SECRETS), sync()]);
        shop.shows_no_address(&[execute("p", 0), sync()]);
    }
}

#[test]
fn i6_masked_a_portal_of_execute_is_not_masked_as_what_it_is_described_as_later() {
    for harmless in HARMLESS {
        let mut shop = Shop::read_only();
        shop.ask(&[query("BEGIN")]);
        shop.ask(&[parse("s", SECRETS), parse("", CALL), bind("p", ""), execute("p", 1), sync()]);
        shop.ask(&[close_statement("s"), parse("s", harmless), describe_portal("p"), sync()]);
        shop.shows_no_address(&[execute("p", 0), sync()]);
    }
}

#[test]
fn i6_masked_a_cursor_in_the_place_of_a_portal_is_not_read_as_that_portal() {
    let mut shop = Shop::read_only();
    for rows in [0, 1] {
        shop.ask(&[query("BEGIN")]);
        shop.ask(&[parse("", "SELECT generate_series(1, 5)"), bind("p", ""), execute("p", rows), sync()]);
        shop.ask(&[query("CLOSE p")]);
        shop.ask(&[query("DECLARE p CURSOR FOR SELECT email, card FROM customers")]);
        shop.send(&[execute("p", 3), sync()]);
        let answer = shop.read_all();
        assert!(!answer.windows(8).any(|seen| seen == b"@example"), "{}", answer.escape_ascii());
        shop.send(&[query("ROLLBACK")]);
        shop.read_all();
    }
}

#[test]
fn i6_masked_a_cursor_declared_in_the_same_batch_is_not_read_as_a_portal_of_its_name() {
    let mut shop = Shop::read_only();
    shop.ask(&[query("BEGIN")]);
    shop.ask(&[parse("", "SELECT 1"), bind("p", ""), sync()]);
    let declare = "DECLARE p CURSOR FOR SELECT email, card FROM customers";
    shop.send(&[run("CLOSE p"), run(declare), execute("p", 3), sync()]);
    let answer = shop.read_all();
    assert!(!answer.windows(8).any(|seen| seen == b"@example"), "{}", answer.escape_ascii());
}

#[test]
fn i6_masked_a_deferred_constraint_that_fails_at_sync_does_not_quote_masked_values() {
    let mut shop = Shop::open_masked();
    shop.server
        .sql("ALTER TABLE customers ADD CONSTRAINT one_card UNIQUE (card) DEFERRABLE INITIALLY DEFERRED")
        .unwrap();
    // From a masked column into the same: no copy that the masking terms object to.
    let twice = "UPDATE customers SET card = (SELECT c.card FROM customers c WHERE c.id = 1) WHERE id = 2";
    let answer = shop.ask(&[run(twice), sync()]);
    let seen = format!("{answer:?}");
    assert!(seen.contains("23505") && !seen.contains("4000"), "{seen}");
}

#[test]
fn named_statements_work_after_a_copy_whose_sync_came_early() {
    // libpq sends Sync right behind Execute; the server ignores it once COPY has begun.
    let mut shop = Shop::open();
    let copy = "COPY payments FROM STDIN";
    shop.send(&[parse("", copy), bind("", ""), describe_portal(""), execute("", 0), sync()]);
    shop.agent.until(b'G').unwrap();
    assert_eq!(shop.tags(&[done(), sync()]), "CZ");
    assert_eq!(shop.tags(&[parse("s", "SELECT 2"), sync()]), "1Z");
    assert_eq!(shop.tags(&[bind("", "s"), execute("", 0), sync()]), "2DCZ");
}

#[test]
fn a_sync_behind_a_copy_of_the_simple_protocol_is_ignored_as_the_server_does() {
    let mut shop = Shop::open();
    shop.send(&[query("COPY payments FROM STDIN"), sync()]);
    shop.agent.until(b'G').unwrap();
    assert_eq!(shop.tags(&[done()]), "CZ");
    assert_eq!(shop.tags(&[query("SELECT 2")]), "TDCZ");
    assert_eq!(shop.tags(&[parse("s", "SELECT 2"), sync()]), "1Z");
    assert_eq!(shop.tags(&[bind("", "s"), execute("", 0), sync()]), "2DCZ");
}

#[test]
fn a_string_behind_a_failed_parse_is_skipped_and_leaves_nothing_behind() {
    let mut shop = Shop::open();
    assert_eq!(shop.tags(&[parse("a", "SELEC"), query("SELECT 1"), sync()]), "EZ");
    assert_eq!(shop.tags(&[parse("s", "SELECT 2"), sync()]), "1Z");
    assert_eq!(shop.tags(&[bind("", "s"), execute("", 0), sync()]), "2DCZ");
}

#[test]
fn a_large_message_behind_a_failed_parse_is_skipped_like_any_other() {
    let mut shop = Shop::open();
    let large = parse("b", &format!("SELECT '{}'", "x".repeat(2 << 20)));
    shop.send(&[parse("a", "SELEC"), flush()]);
    shop.agent.until(b'E').unwrap();
    assert_eq!(shop.tags(&[large, sync()]), "Z");
    assert_eq!(shop.tags(&[query("SELECT 1")]), "TDCZ");
    assert_eq!(shop.tags(&[query("SELEC")]), "EZ");
}

#[test]
fn copy_data_without_a_copy_is_ignored_in_the_middle_of_a_batch() {
    let mut shop = Shop::open();
    assert_eq!(shop.tags(&[run("SELECT 1"), data("stray"), sync()]), "12DCZ");
    assert_eq!(shop.tags(&[run("SELECT 1"), done(), run("SELECT 2"), sync()]), "12DC12DCZ");
}

#[test]
fn a_string_after_a_copy_that_failed_early_is_answered() {
    let mut shop = Shop::open();
    shop.send(&[run("COPY payments FROM STDIN"), flush()]);
    shop.agent.until(b'G').unwrap();
    // The Sync may reach the gateway before the server's error does.
    let rows = data("not a number\n").repeat(20_000);
    shop.send(&[rows, sync()]);
    shop.agent.until(b'Z').unwrap();
    assert_eq!(shop.tags(&[query("SELECT 1")]), "TDCZ");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_copy_leaves_no_locks_behind() {
    let mut shop = Shop::open();
    shop.send(&[query("COPY payments FROM STDIN")]);
    shop.agent.until(b'G').unwrap();
    drop(std::mem::replace(
        &mut shop.agent,
        RawClient::connect("127.0.0.1", shop.server.dsn().port).unwrap(),
    ));
    let locks =
        "SELECT count(*) FROM pg_locks WHERE relation = 'payments'::regclass AND mode = 'RowExclusiveLock'";
    countersign_testkit::eventually("the locks to go", Duration::from_secs(5), || {
        Ok((shop.server.sql(locks)?.trim() == "0").then_some(()))
    })
    .unwrap();
}

#[test]
fn i3_no_means_no_a_hold_behind_a_command_that_fails_is_withdrawn() {
    // The server skips what stands behind an error; the hold went on, was approved, and broke the connection.
    let mut shop = Shop::holding();
    let batch = [run("SELECT 1/0"), run("UPDATE payments SET amount_cents = 1 WHERE id = 1"), sync()];
    let answer = shop.ask(&batch);
    let seen = format!("{answer:?}");
    assert!(seen.contains("22012"), "{seen}");
    assert!(shop.gateway.pending().unwrap().is_empty());
    assert_eq!(shop.tags(&[query("SELECT 1")]), "TDCZ");
}

#[test]
fn i2_same_a_sync_in_a_copy_that_fails_settles_no_name_too_early() {
    // The gateway took the answer to a Sync in COPY data for the answer to a later one.
    let mut shop = Shop::copying();
    shop.ask(&[query("CREATE TEMP TABLE mine (id integer)")]);
    assert_eq!(shop.tags(&[parse("s", "SELECT 1"), sync()]), "1Z");
    shop.send(&[run("COPY mine FROM STDIN"), flush()]);
    shop.agent.until(b'G').unwrap();
    shop.send(&[
        data("no number\n"),
        sync(),
        done(),
        close_statement("s"),
        parse("s", FORBIDDEN),
        sync(),
        bind("", "s"),
        execute("", 0),
        sync(),
    ]);
    shop.nothing_ran();
}

#[test]
fn an_unnamed_statement_outlives_what_the_gateway_asks_after_a_write() {
    // The gateway asked for the settings with a string, which costs the client its unnamed statement.
    let mut shop = Shop::open();
    let write = "UPDATE payments SET amount_cents = amount_cents WHERE id = 1";
    assert_eq!(shop.tags(&[parse("", write), sync()]), "1Z");
    for _ in 0..3 {
        assert_eq!(shop.tags(&[bind("", ""), execute("", 0), sync()]), "2CZ");
    }
}

#[test]
fn a_write_that_its_batch_undoes_is_not_recorded_as_done() {
    let mut shop = Shop::open();
    shop.ask(&[run(FORBIDDEN), run("SELECT 1 / 0"), sync()]);
    shop.nothing_ran();
    shop.ask(&[run("UPDATE payments SET id = id"), sync()]);
    shop.gateway.stop().unwrap();
    let recordings = std::fs::read_dir(shop.gateway.data().join("recordings")).unwrap();
    let segments = recordings
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("segment-"));
    let records: String = segments.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(!records.contains("\"completed\":\"DELETE"), "{records}");
    // The division fails when it is planned, at Bind: its own command never ran.
    assert_eq!(records.matches("\"outcome\":{\"failed\":\"22012\"}").count(), 1, "{records}");
    assert!(records.contains("\"completed\":\"UPDATE"), "{records}");
}

#[test]
fn i6_masked_a_function_that_is_run_when_it_is_planned_does_not_quote_masked_values() {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let bundle = Bundle::example(&server, &Terms::default()).unwrap();
    bundle
        .replace(
            "policies.cedar",
            "@id(\"all\") permit (principal, action in Action::\"command\", resource);",
        )
        .unwrap();
    let leak = "CREATE FUNCTION leak() RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
                RAISE EXCEPTION 'card %', (SELECT card FROM customers ORDER BY id LIMIT 1); END $$";
    server.sql(leak).unwrap();
    let card = server.sql("SELECT card FROM customers ORDER BY id LIMIT 1").unwrap();
    let mut shop = Shop::behind(server, bundle);
    shop.send(&[run("SELECT leak()"), sync()]);
    // A function that nobody has read may copy masked values, so people are asked first.
    let held = shop.gateway.pending_one().unwrap();
    shop.gateway.approve(&held).unwrap();
    let answer = shop.read_all();
    assert!(answer.windows(5).any(|five| five == b"P0001"), "{}", answer.escape_ascii());
    assert!(!answer.windows(card.trim().len()).any(|part| part == card.trim().as_bytes()));
}

/// A connection outlives bundles: what it is shown follows the one in force, whatever was prepared and described before.
#[test]
fn i6_masked_an_open_connection_is_masked_by_the_rules_that_came_into_force_since() {
    let mut shop = Shop::open_masked();
    let name = "SELECT name FROM customers WHERE id = 1";
    let clear = shop.server.sql(name).unwrap();
    let shows = |answer: &[Frame]| answer.iter().any(|frame| frame.body.ends_with(clear.as_bytes()));
    assert!(shows(&shop.ask(&[query(name)])), "no rule hides it yet");
    assert!(shows(&shop.ask(&[
        parse("s", name),
        bind("", "s"),
        describe_portal(""),
        execute("", 0),
        sync()
    ])));
    shop.ask(&[query("BEGIN")]);
    shop.ask(&[bind("p", "s"), describe_portal("p"), sync()]);

    let rule = "rules:\n  - { target: shop, relation: public.customers, column: name, class: name, action: redact }\n";
    shop.bundle.replace("masking.yaml", rule).unwrap();
    eventually("the rule to be in force", Duration::from_secs(20), || {
        Ok((!shows(&shop.ask(&[query(name)]))).then_some(()))
    })
    .unwrap();
    let portal = shop.ask(&[execute("p", 0), sync()]);
    assert!(!shows(&portal), "described under the old rules: {portal:?}");
    assert!(portal.iter().any(|frame| frame.body.ends_with(b"[redacted]")), "{portal:?}");
    let prepared = shop.ask(&[bind("", "s"), execute("", 0), sync()]);
    assert!(
        !shows(&prepared) && prepared.iter().any(|frame| frame.body.ends_with(b"[redacted]")),
        "{prepared:?}"
    );
}
