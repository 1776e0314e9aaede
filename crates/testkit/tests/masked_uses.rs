//! Ways by which a masked value could leave besides the result of a read, each tried through the built product by agents
//! that may read and write and see no class: copies, side channels, inference by predicates, and what the server sends
//! without being asked. And the ordinary use that has to keep working beside all this.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{Bundle, Countersign, Frame, Postgres, PostgresOptions, RawClient, Terms, tagged};

/// What no client may receive: the canary's address, phone and card, in any part that would give it away.
const CANARIES: [&str; 3] = ["quokka", "5559427", "0000 0094"];

const READS: &str = r#"
@id("read") permit (principal in Group::"agents", action in Action::"read", resource);
"#;

const WRITES: &str = r#"
@id("read")   permit (principal in Group::"agents", action in Action::"read", resource);
@id("write")  permit (principal in Group::"agents", action in Action::"write", resource);
@id("schema") permit (principal in Group::"agents", action in Action::"schema", resource);
@id("admin")  permit (principal in Group::"agents", action in Action::"admin", resource);
@id("dba")    permit (principal in Group::"dba", action in Action::"command", resource);
@id("unmask") permit (principal in Group::"dba", action == Action::"unmask", resource);
"#;

const RULES: &str = "
rules:
  - { target: shop, relation: public.customers, column: email, class: email, action: redact }
  - { target: shop, relation: public.customers, column: phone, class: phone, action: redact }
  - { target: shop, relation: public.customers, column: card, class: card, action: redact }
";

struct Shop {
    // Dropped in this order.
    gateway: Countersign,
    bundle: Bundle,
    server: Postgres,
}

impl Shop {
    fn start(policies: &str, masking: &str) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let setup = "
            SET ROLE shop_app;
            INSERT INTO customers VALUES
                (9427, 'Quinn Canary', 'quokka@canary.example', '+49 30 5559427', '4000 0000 0000 0094', 'Berlin', 5, '2024-01-01');
            CREATE TABLE notes (id integer PRIMARY KEY, body text, number bigint DEFAULT 0);
            INSERT INTO notes VALUES (1, 'empty');
            CREATE TABLE letters (ch text);
            INSERT INTO letters SELECT chr(n) FROM generate_series(33, 126) n;
            CREATE SEQUENCE counter;
            CREATE TABLE tickets (id integer PRIMARY KEY, body text);
            CREATE FUNCTION gossip() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE secret text := (SELECT email FROM customers WHERE id = 9427);
            BEGIN
                RAISE NOTICE 'heard of %', secret;
                PERFORM pg_notify('gossip', secret);
                PERFORM set_config('application_name', secret, false);
                RETURN NEW;
            END $$;
            CREATE TRIGGER gossips AFTER INSERT ON tickets FOR EACH ROW EXECUTE FUNCTION gossip();
            ANALYZE customers;";
        server.sql(setup).unwrap();
        let bundle = Bundle::example(&server, &Terms { hold: "1s", ..Terms::default() }).unwrap();
        bundle.replace("policies.cedar", policies).unwrap();
        bundle.replace("masking.yaml", masking).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        Self { gateway, bundle, server }
    }

    fn client(&self, subject: &str, groups: &[&str]) -> RawClient {
        let token = self.gateway.token(subject, "agent", groups).unwrap();
        RawClient::login(&self.gateway.dsn("shop", &token, "shop")).unwrap().0
    }

    fn agent(&self) -> RawClient {
        self.client("mallory", &["agents"])
    }
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// Runs a string of statements, and gives the answer up to ReadyForQuery.
fn query(client: &mut RawClient, sql: &str) -> Vec<Frame> {
    client.send(&tagged(b'Q', &text(sql))).unwrap();
    client.until_ready().unwrap()
}

/// Runs a statement by the extended protocol with these parameters, and gives the answer up to ReadyForQuery.
fn run(client: &mut RawClient, sql: &str, parameters: &[&str]) -> Vec<Frame> {
    let mut bind = [text(""), text(""), vec![0, 0]].concat();
    bind.extend_from_slice(&u16::try_from(parameters.len()).unwrap().to_be_bytes());
    for parameter in parameters {
        bind.extend_from_slice(&u32::try_from(parameter.len()).unwrap().to_be_bytes());
        bind.extend_from_slice(parameter.as_bytes());
    }
    bind.extend_from_slice(&[0, 0]);
    let frames = [
        tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat()),
        tagged(b'B', &bind),
        tagged(b'D', b"P\0"),
        tagged(b'E', &[text(""), vec![0; 4]].concat()),
        tagged(b'S', b""),
    ];
    client.send(&frames.concat()).unwrap();
    client.until_ready().unwrap()
}

/// An answer as text: every byte that the client received, with the types of messages.
fn seen(answer: &[Frame]) -> String {
    let frame = |frame: &Frame| format!("{}<{}>", char::from(frame.tag), frame.body.escape_ascii());
    answer.iter().map(frame).collect()
}

fn code(answer: &[Frame]) -> Option<String> {
    let error = answer.iter().find(|frame| frame.tag == b'E')?;
    let field = error.body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C'))?;
    Some(String::from_utf8_lossy(&field[1..]).into_owned())
}

fn rows(answer: &[Frame]) -> usize {
    answer.iter().filter(|frame| frame.tag == b'D').count()
}

fn gives_nothing_away(what: &str, answer: &[Frame]) {
    let seen = seen(answer);
    for canary in CANARIES {
        assert!(!seen.contains(canary), "{what}\nshows {canary}: {seen}");
    }
}

/// Copies of a masked value to where nothing masks it. Each is a statement, or several of a string.
const COPIES: &[&str] = &[
    "UPDATE customers SET name = email WHERE id = 9427 RETURNING name",
    "UPDATE customers SET name = upper(email) || phone WHERE id = 9427 RETURNING id, name",
    "UPDATE customers SET (name, city) = (email, card) WHERE id = 9427 RETURNING *",
    "UPDATE customers SET phone = email WHERE id = 9427 RETURNING phone",
    "UPDATE notes SET body = c.email FROM customers c WHERE c.id = 9427 RETURNING body",
    "UPDATE notes SET body = (SELECT email FROM customers WHERE id = 9427) RETURNING body",
    "UPDATE notes SET number = (SELECT ascii(email) FROM customers WHERE id = 9427) RETURNING number",
    "INSERT INTO notes SELECT id, email FROM customers WHERE id = 9427 RETURNING *",
    "INSERT INTO notes (id, body) VALUES (2, (SELECT card FROM customers WHERE id = 9427)) RETURNING body",
    "INSERT INTO notes VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET body = (SELECT email FROM customers WHERE id = 9427) RETURNING body",
    "WITH copied AS (INSERT INTO notes SELECT id, email FROM customers WHERE id = 9427 RETURNING body) SELECT body FROM copied",
    "WITH copied AS (UPDATE customers SET name = email WHERE id = 9427 RETURNING name) SELECT * FROM copied",
    "MERGE INTO notes n USING customers c ON n.id = c.id WHEN NOT MATCHED AND c.id = 9427 THEN INSERT VALUES (c.id, c.email)",
    "MERGE INTO notes n USING customers c ON n.id = 1 AND c.id = 9427 WHEN MATCHED THEN UPDATE SET body = c.phone",
    "CREATE TABLE copy AS SELECT id, email FROM customers",
    "CREATE TEMP TABLE copy AS TABLE customers",
    "CREATE TEMP TABLE copy AS SELECT to_jsonb(c) FROM customers c",
    "SELECT email INTO TEMP copy FROM customers",
    "SELECT c INTO copy FROM customers c",
    "ALTER TABLE customers ALTER COLUMN name TYPE text USING email",
    "PREPARE copying AS INSERT INTO notes SELECT id, email FROM customers WHERE id = 9427; EXECUTE copying",
    "SELECT lo_from_bytea(0, email::bytea) FROM customers WHERE id = 9427",
    "SELECT setval('counter', ascii(email)) FROM customers WHERE id = 9427",
    "ALTER TABLE customers RENAME COLUMN email TO mail",
    "ALTER TABLE customers RENAME TO people",
    "ALTER TABLE customers SET SCHEMA pg_temp",
];

/// Derived data whose definition is known: it may be made, and its values stay masked.
const DERIVED: &[&str] = &[
    "CREATE MATERIALIZED VIEW derived AS SELECT lower(email) AS e FROM customers",
    "CREATE VIEW shown AS SELECT upper(email) AS e FROM customers",
    "ALTER TABLE customers ADD COLUMN mail2 text GENERATED ALWAYS AS (lower(email)) STORED",
];

/// Where the copies would be found.
const LOOKS: &[&str] = &[
    "SELECT name, city, phone FROM customers WHERE id = 9427",
    "SELECT * FROM notes",
    "SELECT * FROM copy",
    "SELECT mail FROM customers",
    "SELECT email FROM people",
    "SELECT mail2 FROM customers",
    "SELECT * FROM derived",
    "COPY derived TO STDOUT",
    "SELECT e FROM shown",
];

/// Values that leave other than in rows.
const SIDE_CHANNELS: &[&str] = &[
    "SELECT set_config('application_name', email, false) FROM customers WHERE id = 9427",
    "SELECT set_config('application_name', email, true), current_setting('application_name') FROM customers WHERE id = 9427",
    "SELECT set_config('my.own', (SELECT email FROM customers WHERE id = 9427), false)",
    "SELECT set_config('search_path', (SELECT string_agg(quote_ident(email), ',') FROM customers WHERE id = 9427), false)",
    "SELECT set_config('work_mem', (SELECT (1000 + ascii(email))::text FROM customers WHERE id = 9427), false)",
    "SELECT pg_notify('z', email) FROM customers WHERE id = 9427",
    "SELECT pg_notify('z', 'x' || phone), 1 FROM customers WHERE id = 9427",
    "SELECT pg_advisory_lock(ascii(email)) FROM customers WHERE id = 9427",
    "SELECT pg_try_advisory_lock(1, ascii(substr(email, 2, 1))) FROM customers WHERE id = 9427",
    "SELECT pg_sleep(ascii(email) / 100000.0) FROM customers WHERE id = 9427",
];

/// Statements whose rows, errors or counts tell of a masked value although they show none.
const INFERENCES: &[&str] = &[
    "SELECT id FROM customers WHERE email LIKE 'q%'",
    "SELECT id FROM customers WHERE email > 'q' AND id = 9427",
    "SELECT count(*) FROM customers WHERE email ~ '^qu'",
    "SELECT count(*) FROM customers WHERE email BETWEEN 'q' AND 'r'",
    "SELECT count(*) FROM customers WHERE lower(email) = 'quokka@canary.example'",
    "SELECT count(*) FROM customers WHERE substr(email, 1, 1) = 'q'",
    "SELECT l.ch FROM customers c JOIN letters l ON l.ch = substr(c.email, 1, 1) WHERE c.id = 9427",
    "SELECT n, l.ch FROM customers c, generate_series(1, 20) n, letters l WHERE c.id = 9427 AND l.ch = substr(c.email, n, 1)",
    "SELECT id FROM customers WHERE (id, substr(email, 1, 1)) IN ((9427, 'q'))",
    "SELECT 1 FROM customers c, generate_series(1, ascii(c.email)) WHERE c.id = 9427",
    "SELECT generate_series(1, ascii(email)) IS NULL FROM customers WHERE id = 9427",
    "SELECT id FROM customers ORDER BY email",
    "SELECT id FROM customers ORDER BY email DESC LIMIT 1",
    "SELECT count(*) FROM customers GROUP BY substr(email, 1, 1)",
    "SELECT count(*) FROM customers GROUP BY email HAVING max(email) > 'q'",
    "SELECT id, rank() OVER (ORDER BY email) FROM customers",
    "SELECT count(*) FILTER (WHERE email LIKE 'q%') FROM customers",
    "SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM customers d WHERE d.id = 9427 AND d.email LIKE 'q%')",
    "SELECT id FROM orders LIMIT (SELECT ascii(email) FROM customers WHERE id = 9427)",
    "SELECT id FROM customers NATURAL JOIN (SELECT 'quokka@canary.example' AS email) guess",
    "SELECT email FROM customers INTERSECT SELECT 'quokka@canary.example'",
    "WITH c AS (SELECT id, email AS e FROM customers) SELECT id FROM c WHERE e LIKE 'q%'",
    "EXPLAIN ANALYZE SELECT id FROM customers WHERE email LIKE 'q%'",
];

fn refused_to(shop: &Shop, statements: &[&str], allowed: &[&str]) {
    let mut agent = shop.agent();
    for sql in statements {
        let answer = query(&mut agent, sql);
        gives_nothing_away(sql, &answer);
        let code = code(&answer);
        let code = code.as_deref().unwrap_or_default();
        assert!(allowed.contains(&code), "{sql}\nis answered with {}", seen(&answer));
        query(&mut agent, "ROLLBACK");
        let answer = run(&mut agent, sql, &[]);
        gives_nothing_away(sql, &answer);
        query(&mut agent, "ROLLBACK");
    }
}

#[test]
fn i6_masked_without_a_chain_every_copy_side_channel_and_inference_is_blocked() {
    let shop = Shop::start(WRITES, RULES);
    // The statement may also fail by itself, as long as nothing is shown; it may not succeed.
    refused_to(&shop, COPIES, &["42G02", "42601"]);
    refused_to(&shop, SIDE_CHANNELS, &["42G02"]);
    refused_to(&shop, INFERENCES, &["42G02"]);
    let mut agent = shop.agent();
    for sql in DERIVED {
        gives_nothing_away(sql, &query(&mut agent, sql));
    }
    for sql in LOOKS {
        gives_nothing_away(sql, &query(&mut agent, sql));
    }
    let copied = "SELECT count(*) FROM customers WHERE name LIKE 'quokka%' OR city LIKE '4000%'";
    assert_eq!(shop.server.sql(copied).unwrap().trim(), "0");
    assert_eq!(shop.server.sql("SELECT body FROM notes").unwrap().trim(), "empty");
}

#[test]
fn i6_masked_an_agent_that_may_only_read_gets_nothing_by_any_of_them() {
    let shop = Shop::start(READS, RULES);
    let mut agent = shop.agent();
    for sql in COPIES.iter().chain(SIDE_CHANNELS).chain(INFERENCES) {
        gives_nothing_away(sql, &query(&mut agent, sql));
        query(&mut agent, "ROLLBACK");
    }
}

#[test]
fn i6_masked_with_a_chain_a_copy_waits_and_its_returning_is_redacted() {
    let shop = Shop::start(WRITES, &format!("chain: prod-dba\n{RULES}"));
    let mut agent = shop.agent();
    let copy = "UPDATE customers SET name = email WHERE id = 9427 RETURNING id, name";
    assert_eq!(code(&query(&mut agent, copy)).as_deref(), Some("55G01"));
    let id = shop.gateway.pending_one().unwrap();
    let request = shop.gateway.request(&id).unwrap().to_string();
    assert!(request.contains("copies_masked"), "{request}");
    shop.gateway.approve(&id).unwrap();
    let answer = query(&mut agent, copy);
    gives_nothing_away(copy, &answer);
    assert_eq!((code(&answer), rows(&answer)), (None, 1), "{}", seen(&answer));
    assert!(seen(&answer).contains("[redacted]"), "{}", seen(&answer));
    assert_eq!(
        shop.server.sql("SELECT name FROM customers WHERE id = 9427").unwrap().trim(),
        "quokka@canary.example"
    );

    let search = "SELECT id FROM customers WHERE email LIKE 'quo%'";
    assert_eq!(code(&query(&mut agent, search)).as_deref(), Some("55G01"));
    let id = shop.gateway.pending_one().unwrap();
    let request = shop.gateway.request(&id).unwrap().to_string();
    assert!(request.contains("masked_predicate"), "{request}");
    shop.gateway.approve(&id).unwrap();
    let answer = query(&mut agent, search);
    assert_eq!((code(&answer), rows(&answer)), (None, 1), "{}", seen(&answer));

    // No chain lifts what leaves by a side channel.
    refused_to(&shop, SIDE_CHANNELS, &["42G02"]);
    assert!(shop.gateway.pending().unwrap().is_empty());
}

#[test]
fn those_who_may_see_a_class_copy_and_search_as_they_like() {
    let shop = Shop::start(WRITES, RULES);
    let mut dba = shop.client("dora", &["dba"]);
    for sql in [
        "INSERT INTO notes SELECT id, email FROM customers WHERE id = 9427 RETURNING body",
        "SELECT id, email FROM customers WHERE email LIKE 'quo%' ORDER BY email",
        "SELECT set_config('application_name', email, false) FROM customers WHERE id = 9427",
    ] {
        let answer = query(&mut dba, sql);
        assert!(code(&answer).is_none() && seen(&answer).contains("quokka"), "{sql}\n{}", seen(&answer));
    }
}

#[test]
fn agents_look_customers_up_by_equality_until_their_limit_is_reached() {
    let classes = "classes: { email: { equality_limit: 4 } }";
    let shop = Shop::start(WRITES, &format!("{RULES}{classes}"));
    let mut agent = shop.agent();
    let guesses = "SELECT id FROM customers WHERE email = 'a' OR email = 'b' OR email = 'c' OR email = 'd' OR email = 'e'";
    assert_eq!(code(&query(&mut agent, guesses)).as_deref(), Some("55G06"), "five guesses in one statement");
    let literal = "SELECT id, name, email FROM customers WHERE email = 'quokka@canary.example'";
    let parameter = "SELECT c.id, c.name FROM customers AS c WHERE c.email = $1 LIMIT 1";
    for _ in 0..2 {
        let answer = query(&mut agent, literal);
        assert_eq!((code(&answer), rows(&answer)), (None, 1), "{}", seen(&answer));
        let answer = run(&mut agent, parameter, &["quokka@canary.example"]);
        assert_eq!((code(&answer), rows(&answer)), (None, 1), "{}", seen(&answer));
    }
    let answer = query(&mut agent, literal);
    assert_eq!(code(&answer).as_deref(), Some("55G06"), "{}", seen(&answer));
    assert!(seen(&answer).contains("limited"), "{}", seen(&answer));
    // Another connection of the same principal and another class have not used theirs up.
    let answer = query(&mut agent, "SELECT id FROM customers WHERE phone = '+49 30 5559427'");
    assert_eq!((code(&answer), rows(&answer)), (None, 1), "{}", seen(&answer));
}

#[test]
fn ordinary_work_on_masked_tables_goes_on() {
    let shop = Shop::start(WRITES, RULES);
    let mut agent = shop.agent();
    for sql in [
        "SELECT id, name, city FROM customers WHERE id = 9427",
        "SELECT id, name, email FROM customers ORDER BY id LIMIT 3",
        "SELECT count(*) FROM customers",
        "SELECT count(*) FROM customers WHERE city = 'Berlin'",
        "SELECT c.name, o.id FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY o.id LIMIT 3",
        "INSERT INTO customers VALUES (9500, 'New', 'new@example.org', '1', '2', 'Berlin', 0, '2024-01-01') RETURNING id",
        "UPDATE customers SET email = 'newer@example.org' WHERE id = 9500",
        "UPDATE customers SET name = 'Newer', city = name WHERE id = 9500 RETURNING name",
        "UPDATE customers SET email = lower(email) WHERE id = 9500",
        "DELETE FROM customers WHERE id = 9500",
        "UPDATE notes SET body = 'seen', number = number + 1 WHERE id = 1 RETURNING number",
        "CREATE TEMP TABLE names AS SELECT id, name FROM customers",
        "SELECT set_config('application_name', 'reports', false)",
        "SHOW application_name",
        "SELECT pg_advisory_lock(42), pg_advisory_unlock(42)",
        "SELECT pg_notify('jobs', 'done')",
        "SELECT nextval('counter')",
    ] {
        let answer = query(&mut agent, sql);
        assert_eq!(code(&answer), None, "{sql}\n{}", seen(&answer));
        gives_nothing_away(sql, &answer);
    }
}

#[test]
fn i6_masked_what_triggers_say_notify_and_set_is_redacted() {
    let shop = Shop::start(WRITES, RULES);
    let mut listener = shop.client("eve", &["agents"]);
    query(&mut listener, "LISTEN gossip");
    let mut agent = shop.agent();
    let answer = query(&mut agent, "INSERT INTO tickets VALUES (1, 'x')");
    gives_nothing_away("the writer itself", &answer);
    assert_eq!(code(&answer), None, "{}", seen(&answer));
    assert!(answer.iter().any(|frame| frame.tag == b'N'), "the notice is not there: {}", seen(&answer));
    let mut dba = shop.client("dora", &["dba"]);
    query(&mut dba, "LISTEN gossip");
    let answer = query(&mut dba, "INSERT INTO tickets VALUES (2, 'x')");
    assert!(seen(&answer).contains("heard of quokka"), "{}", seen(&answer));

    // Two notifications wait for the one who listens and may see nothing; a query fetches what has come until then.
    let mut came = Vec::new();
    while came.iter().filter(|frame: &&Frame| frame.tag == b'A').count() < 2 {
        came.push(listener.frame_within(Duration::from_secs(10)).unwrap());
    }
    gives_nothing_away("notifications", &came);
    assert!(seen(&came).contains("gossip\\x00[redacted]"), "{}", seen(&came));
}

#[test]
fn notifications_pass_where_the_target_says_so_or_nothing_is_hidden() {
    let shop = Shop::start(WRITES, RULES);
    let targets = std::fs::read_to_string(shop.bundle.path().join("targets.yaml")).unwrap();
    let mut listener = shop.client("eve", &["agents"]);
    query(&mut listener, "LISTEN jobs");
    let payload = |listener: &mut RawClient| {
        let answer = query(listener, "NOTIFY jobs, 'job 17'");
        seen(&answer.into_iter().filter(|frame| frame.tag == b'A').collect::<Vec<_>>())
    };
    assert!(payload(&mut listener).contains("[redacted]"));
    // An empty payload is passed as it is.
    assert!(!seen(&query(&mut listener, "NOTIFY jobs")).contains("[redacted]"));

    shop.bundle.replace("masking.yaml", "rules: []\n").unwrap();
    countersign_testkit::eventually("the payload to pass", Duration::from_secs(20), || {
        Ok(payload(&mut listener).contains("job 17").then_some(()))
    })
    .unwrap();

    shop.bundle.replace("masking.yaml", RULES).unwrap();
    shop.bundle
        .replace(
            "targets.yaml",
            &targets.replacen("    environment:", "    notifications: pass\n    environment:", 1),
        )
        .unwrap();
    countersign_testkit::eventually("the target's option to be in force", Duration::from_secs(20), || {
        let mut listener = shop.client("ivan", &["agents"]);
        query(&mut listener, "LISTEN jobs");
        let redacts =
            seen(&query(&mut listener, "SELECT email FROM customers LIMIT 1")).contains("[redacted]");
        Ok((redacts && payload(&mut listener).contains("job 17")).then_some(()))
    })
    .unwrap();
}

#[test]
fn i6_masked_statistics_and_other_sessions_texts_are_covered_by_built_in_rules() {
    let shop = Shop::start(WRITES, RULES);
    let view = "SET ROLE shop_app; CREATE VIEW samples AS SELECT most_common_vals::text AS v, histogram_bounds::text AS h FROM pg_stats";
    shop.server.sql(view).unwrap();
    let mut dba = shop.client("dora", &["dba"]);
    query(&mut dba, "SELECT id FROM customers WHERE email = 'quokka@canary.example'");
    let mut agent = shop.agent();
    for sql in [
        "SELECT * FROM pg_stats WHERE tablename = 'customers'",
        "SELECT histogram_bounds::text FROM pg_stats",
        "SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE attname = 'email'",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM samples",
        "SELECT array_agg(h) FROM samples",
        "SELECT query FROM pg_stat_activity",
        "SELECT * FROM pg_stat_activity",
        "SELECT pg_stat_get_backend_activity(s) FROM pg_stat_get_backend_idset() s",
        "SELECT * FROM pg_stat_get_activity(NULL)",
        "SELECT query FROM pg_stat_get_activity(NULL)",
        "COPY (SELECT query FROM pg_stat_activity) TO STDOUT",
        "SELECT pid, state, wait_event FROM pg_stat_activity",
    ] {
        let answer = query(&mut agent, sql);
        gives_nothing_away(sql, &answer);
        let answer = run(&mut agent, sql, &[]);
        gives_nothing_away(sql, &answer);
    }
    let answer = query(&mut agent, "SELECT datname, state FROM pg_stat_activity WHERE datname = 'shop'");
    assert!(code(&answer).is_none() && seen(&answer).contains("active"), "{}", seen(&answer));
}
