//! Masked values through generated statements: a real server holds canaries in masked columns, which a principal without
//! `unmask` asks for in thousands of ways, through the built product. No canary may appear in any byte of any answer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::{
    Bundle, Countersign, Dice, Frame, Postgres, PostgresOptions, RawClient, Terms, tagged,
};

const POLICIES: &str = r#"
@id("all") permit (principal in Group::"agents", action in Action::"command", resource);
"#;

/// Rules on a table with children, on one partition, on the parent of partitions; all predicates are allowed, so that
/// what is generated runs.
const RULES: &str = "
rules:
  - { target: shop, relation: public.customers, column: email, class: email, action: redact }
  - { target: shop, relation: public.people_1, column: email, class: email, action: redact }
  - { target: shop, relation: public.staff, column: email, class: email, action: hash }
  - { target: shop, relation: public.leads, column: email, class: email, action: redact }
classes:
  email: { predicates: allow, equality: allow }
";

/// Everything that holds the canaries, in a column `email` or one that is made of it.
const SETUP: &str = "
SET ROLE shop_app;
CREATE TABLE vips (level int) INHERITS (customers);
CREATE TABLE people (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE people_1 PARTITION OF people FOR VALUES FROM (0) TO (100);
CREATE TABLE staff (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE staff_1 PARTITION OF staff FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE staff_11 PARTITION OF staff_1 FOR VALUES FROM (0) TO (50);
CREATE TABLE leads (id int, email text,
    plain text GENERATED ALWAYS AS (lower(email)) STORED,
    size int GENERATED ALWAYS AS (length(email)) STORED);
INSERT INTO vips VALUES (1, 'v', 'Zebrafinch@Canary.example', 'p', 'c', 'x', 1, '2024-01-01', 1);
INSERT INTO people VALUES (1, 'Zebrafinch@Canary.example');
INSERT INTO staff VALUES (1, 'Zebrafinch@Canary.example');
INSERT INTO leads VALUES (1, 'Zebrafinch@Canary.example');
UPDATE customers SET email = 'Zebrafinch@Canary.example' WHERE id = (SELECT min(id) FROM ONLY customers);
CREATE VIEW v_customers AS SELECT id, email FROM customers;
CREATE VIEW v_mixed AS SELECT c.id, upper(c.email) AS email, p.email AS other FROM customers c CROSS JOIN people_1 p;
CREATE VIEW v_nested AS SELECT id, email || '' AS email FROM v_customers UNION ALL SELECT id, plain FROM leads;
CREATE MATERIALIZED VIEW m_customers AS SELECT id, email FROM customers;
CREATE VIEW v_stored AS SELECT id, email FROM m_customers;
CREATE FUNCTION mails() RETURNS TABLE (id int, email text) LANGUAGE sql STABLE AS 'SELECT id, email FROM customers';
CREATE FUNCTION all_mails() RETURNS SETOF people LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT * FROM people; END';
CREATE TABLE harmless (id int, email text);
INSERT INTO harmless VALUES (1, 'nobody');
CREATE TABLE notes (id int, body text);
CREATE RULE noted AS ON INSERT TO notes DO INSTEAD INSERT INTO harmless SELECT id, email FROM leads RETURNING id, email;
ANALYZE;";

/// Where the canaries are. Each has columns `id` and `email`.
const SOURCES: &[&str] = &[
    "customers",
    "ONLY customers",
    "vips",
    "people",
    "people_1",
    "staff",
    "staff_1",
    "staff_11",
    "leads",
    "v_customers",
    "v_mixed",
    "v_nested",
    "m_customers",
    "v_stored",
    "mails()",
    "all_mails()",
    "(SELECT id, plain AS email FROM leads)",
    "(SELECT id, email FROM people UNION SELECT id, email FROM harmless)",
    "(TABLE staff_11)",
    "(SELECT harmless.id, l.email FROM harmless LEFT JOIN leads l USING (id))",
    "(SELECT h.id, x.email FROM harmless h, LATERAL (SELECT p.email FROM people_1 p WHERE p.id = h.id) x)",
    "(VALUES (1, (SELECT min(email) FROM vips)))",
];

/// What is made of the column; `t` is the source.
const VALUES: &[&str] = &[
    "t.email",
    "email",
    "t.*",
    "t",
    "upper(t.email)",
    "substr(email, 1, 10)",
    "reverse(reverse(email))",
    "md5(t.email)",
    "encode(convert_to(t.email, 'utf8'), 'hex')",
    "encode(convert_to(t.email, 'utf8'), 'base64')",
    "t.email || ''",
    "coalesce(t.email, '')",
    "CASE WHEN t.email LIKE 'Z%' THEN t.email END",
    "ARRAY[t.email]",
    "ARRAY(SELECT t.email)",
    "(SELECT t.email)",
    "ROW(t.*)",
    "ROW(1, t.email)",
    "to_jsonb(t)",
    "t.to_jsonb",
    "t.row_to_json",
    "(t).email",
    "row_to_json(t)::text",
    "json_build_object('e', t.email)",
    "jsonb_each_text(to_jsonb(t))",
    "format('%s', t.email)",
    "string_to_array(t.email, '@')",
    "regexp_split_to_table(t.email, '@')",
    "unnest(ARRAY[t.email])",
    "first_value(t.email) OVER ()",
    "lag(t.email, 0) OVER (ORDER BY id)",
    "t.email::varchar::name",
    "t.email::int",
    "t.email::regclass",
    "('{' || quote_ident(t.email) || '}')::text[]",
    "greatest(t.email, '')",
    "XMLELEMENT(NAME e, t.email)",
    "CAST(t.email AS json)",
    "string_agg(t.email, ',') FILTER (WHERE true) OVER ()",
];

/// Statements around a value `V` of a source `S`.
const STATEMENTS: &[&str] = &[
    "SELECT V FROM S AS t",
    "SELECT id, V, 1 FROM S AS t",
    "SELECT x.* FROM (SELECT V FROM S AS t) x",
    "SELECT x FROM (SELECT V FROM S AS t) x",
    "WITH x AS (SELECT V FROM S AS t) TABLE x",
    "WITH x AS MATERIALIZED (SELECT V AS v FROM S AS t) SELECT v::text || '' FROM x",
    "WITH RECURSIVE x (n, v) AS (SELECT 1, '' UNION ALL SELECT n + 1, (SELECT max(V::text) FROM S AS t) FROM x WHERE n < 2) SELECT v FROM x",
    "SELECT (SELECT max(V::text) FROM S AS t)",
    "SELECT count(*), max(v::text) FROM (SELECT V AS v FROM S AS t) x",
    "SELECT array_agg(x) FROM (SELECT V AS v FROM S AS t) x",
    "SELECT 'none'::text UNION ALL SELECT (V)::text FROM S AS t",
    "SELECT h.email, x.v FROM harmless h JOIN (SELECT id, V AS v FROM S AS t) x USING (id)",
    "SELECT y FROM harmless h, LATERAL (SELECT V AS y FROM S AS t) z",
    "SELECT 1 FROM (SELECT V AS v FROM S AS t OFFSET 0) x WHERE v::text::int = 1",
    "SELECT 1 / (length((V)::text) - length((V)::text)) FROM S AS t",
    "COPY (SELECT V FROM S AS t) TO STDOUT",
    "COPY (SELECT id, V FROM S AS t) TO STDOUT (FORMAT csv, HEADER)",
    "EXPLAIN (VERBOSE, COSTS off) SELECT V FROM S AS t WHERE t.email > 'Z'",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT V FROM S AS t ORDER BY t.email",
    "PREPARE p AS SELECT V FROM S AS t; EXECUTE p; DEALLOCATE p",
    "BEGIN; DECLARE c CURSOR FOR SELECT V FROM S AS t; FETCH ALL FROM c; ROLLBACK",
    "INSERT INTO harmless SELECT 2, (V)::text FROM S AS t RETURNING email",
    "UPDATE harmless SET email = (SELECT max((V)::text) FROM S AS t) RETURNING email, harmless",
    "CREATE TEMP TABLE loot AS SELECT V AS v FROM S AS t; SELECT v FROM loot",
    "SELECT set_config('application_name', (V)::text, false) FROM S AS t",
    "SELECT pg_notify('x', (V)::text) FROM S AS t",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT V AS v FROM S AS t LOOP RAISE NOTICE '%', r.v; END LOOP; END $$",
];

/// Statements that stand for themselves.
const OTHERS: &[&str] = &[
    "COPY customers TO STDOUT",
    "COPY vips TO STDOUT",
    "COPY vips (email, id) TO STDOUT (FORMAT binary)",
    "COPY people_1 TO STDOUT",
    "COPY staff_11 (id, email) TO STDOUT (FORMAT csv)",
    "COPY leads TO STDOUT",
    "COPY (TABLE v_nested) TO STDOUT",
    "SELECT * FROM pg_stats WHERE attname = 'email'",
    "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats",
    "SELECT stavalues1::text FROM pg_statistic",
    "DELETE FROM leads RETURNING plain, leads",
    "UPDATE leads SET id = 1 RETURNING *",
    "INSERT INTO notes VALUES (1, 'x') RETURNING *",
    "UPDATE customers SET name = email RETURNING name",
    "INSERT INTO customers SELECT * FROM customers RETURNING *",
    "UPDATE customers SET name = NULL",
    "INSERT INTO customers (id, email) SELECT id, email FROM customers",
    "MERGE INTO harmless h USING leads l ON h.id = l.id WHEN MATCHED THEN UPDATE SET email = l.email",
    "ALTER TABLE leads RENAME COLUMN email TO mail; SELECT mail FROM leads",
    "ALTER TABLE leads ALTER plain DROP EXPRESSION; SELECT plain FROM leads",
    "ALTER TABLE staff DETACH PARTITION staff_1; SELECT email FROM staff_1",
    "CREATE VIEW again AS SELECT email AS other FROM staff_11; SELECT other FROM again",
    "SELECT query_to_xml('SELECT email FROM customers', true, true, '')",
    "SELECT table_to_xml('leads', true, true, '')",
    "SELECT lo_from_bytea(4711, convert_to(email, 'utf8')) FROM leads; SELECT lo_get(4711)",
    "SELECT email(l) FROM leads l",
    "SELECT plain(l), (l).plain, l.plain FROM leads l",
];

struct Shop {
    agent: RawClient,
    // Dropped in this order.
    gateway: Countersign,
    _bundle: Bundle,
    server: Postgres,
}

impl Shop {
    fn start() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        server.sql(SETUP).unwrap();
        let bundle = Bundle::example(&server, &Terms { hold: "1s", ..Terms::default() }).unwrap();
        bundle.replace("policies.cedar", POLICIES).unwrap();
        bundle.replace("masking.yaml", RULES).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let agent = Self::connect(&gateway);
        Self { agent, gateway, _bundle: bundle, server }
    }

    fn connect(gateway: &Countersign) -> RawClient {
        let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
        RawClient::login(&gateway.dsn("shop", &token, "shop")).unwrap().0
    }

    /// Runs a string of statements inside a transaction that is rolled back, or one statement by the extended protocol.
    fn run(&mut self, sql: &str, extended: bool) -> Vec<Frame> {
        let answer = if extended && !sql.contains(';') { self.extended(sql) } else { self.simple(sql) };
        if answer.last().is_some_and(|last| last.body.first() != Some(&b'I')) {
            self.simple("ROLLBACK");
        }
        answer
    }

    fn simple(&mut self, sql: &str) -> Vec<Frame> {
        self.send(&tagged(b'Q', &text(sql)))
    }

    fn extended(&mut self, sql: &str) -> Vec<Frame> {
        let frames = [
            tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat()),
            tagged(b'B', &[text(""), text(""), vec![0; 6]].concat()),
            tagged(b'E', &[text(""), vec![0; 4]].concat()),
            tagged(b'S', b""),
        ];
        self.send(&frames.concat())
    }

    fn send(&mut self, frames: &[u8]) -> Vec<Frame> {
        let sent = self.agent.send(frames);
        match sent.and_then(|()| self.agent.until_ready()) {
            Ok(answer) => answer,
            Err(_) => {
                // A COPY that cannot be masked ends its connection.
                self.agent = Self::connect(&self.gateway);
                Vec::new()
            }
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// The canary as it is, and as the generated statements change it.
fn canaries(server: &Postgres) -> Vec<String> {
    let forms = "SELECT concat_ws(' ', md5(e), md5(lower(e)), md5(upper(e)),
        left(encode(convert_to(e, 'utf8'), 'hex'), 20), left(encode(convert_to(lower(e), 'utf8'), 'hex'), 20),
        left(encode(convert_to(upper(e), 'utf8'), 'hex'), 20), left(encode(convert_to(e, 'utf8'), 'base64'), 16),
        left(encode(convert_to(lower(e), 'utf8'), 'base64'), 16), left(encode(convert_to(upper(e), 'utf8'), 'base64'), 16))
        FROM (SELECT 'Zebrafinch@Canary.example' AS e) x";
    let found = server.sql(forms).unwrap();
    let mut all: Vec<String> = found.split_whitespace().map(str::to_lowercase).collect();
    assert!(all.len() >= 9, "{found}");
    all.extend(["zebrafinc".to_owned(), "canary.ex".to_owned()]);
    all
}

fn gives_nothing_away(sql: &str, answer: &[Frame], canaries: &[String]) {
    let seen: String = answer
        .iter()
        .map(|frame| format!("{}<{}>", char::from(frame.tag), String::from_utf8_lossy(&frame.body)))
        .collect();
    let lower = seen.to_lowercase();
    for canary in canaries {
        assert!(!lower.contains(canary.as_str()), "{sql}\nshows {canary}: {seen}");
    }
}

fn has_rows(answer: &[Frame]) -> bool {
    answer.iter().any(|frame| matches!(frame.tag, b'D' | b'd'))
}

#[test]
fn i6_masked_no_generated_statement_shows_a_canary() {
    let mut shop = Shop::start();
    let canaries = canaries(&shop.server);
    let mut dice = Dice::new(20_261_201);
    let mut answered = 0;
    let mut statements: Vec<String> = OTHERS.iter().map(|one| (*one).to_owned()).collect();
    // Each source with the plainest statements, then a sample of everything.
    for source in SOURCES {
        for value in ["email", "upper(t.email)", "t", "t.*"] {
            statements.push(fill(STATEMENTS[0], value, source));
        }
    }
    for _ in 0..900 {
        let (statement, value, source): (&&str, &&str, &&str) =
            (dice.pick(STATEMENTS), dice.pick(VALUES), dice.pick(SOURCES));
        statements.push(fill(statement, value, source));
    }
    for sql in &statements {
        let answer = shop.run(sql, dice.chance(40));
        gives_nothing_away(sql, &answer, &canaries);
        answered += usize::from(has_rows(&answer));
    }
    assert!(answered > statements.len() / 4, "only {answered} of {} were answered", statements.len());
    // The condition was there: the server itself shows the canary for the same statement.
    assert!(shop.server.sql("SELECT email FROM staff_11").unwrap().contains("Zebrafinch"));
}

/// Puts a value and a source in their places. The words of the statements have no capital `V` or `S` of their own that
/// stands alone.
fn fill(statement: &str, value: &str, source: &str) -> String {
    let mut filled = String::new();
    let bytes: Vec<char> = statement.chars().collect();
    for (index, letter) in bytes.iter().enumerate() {
        let alone = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at)).is_none_or(|one| !one.is_alphanumeric() && *one != '_')
        };
        let stands_alone = alone(index.checked_sub(1)) && alone(Some(index + 1));
        match letter {
            'V' if stands_alone => filled.push_str(value),
            'S' if stands_alone => filled.push_str(source),
            other => filled.push(*other),
        }
    }
    filled
}

#[test]
fn what_is_not_masked_is_exact() {
    let mut shop = Shop::start();
    for (sql, expected) in [
        ("SELECT count(*) FROM (SELECT * FROM customers) c", true),
        ("SELECT ctid FROM customers", true),
        ("SELECT count(email) FROM customers", true),
        ("SELECT email IS NULL FROM customers", true),
        ("COPY (SELECT id, name FROM customers) TO STDOUT", true),
        ("EXPLAIN SELECT email FROM customers WHERE id = 1", true),
        ("SELECT id FROM v_customers WHERE id = 1", true),
    ] {
        for extended in [false, true] {
            let answer = shop.run(sql, extended);
            let shown = answer.iter().any(|frame| {
                matches!(frame.tag, b'D' | b'd')
                    && !frame.body.windows(3).any(|three| three == b"***")
                    && !frame.body.windows(5).any(|five| five.eq_ignore_ascii_case(b"redac"))
                    && !frame.body.ends_with(&[0xff; 4])
            });
            assert_eq!(shown, expected, "{sql}: {answer:?}");
        }
    }
    let answer = shop.run("SELECT 'x'::int FROM customers", false);
    let seen: String = answer.iter().map(|frame| String::from_utf8_lossy(&frame.body).into_owned()).collect();
    assert!(seen.contains("invalid input syntax for type integer: \"x\""), "{seen}");
    let answer = shop.run("SELECT email::int FROM customers", false);
    let seen: String = answer.iter().map(|frame| String::from_utf8_lossy(&frame.body).into_owned()).collect();
    assert!(seen.contains("22P02") && !seen.contains("invalid input syntax"), "{seen}");
}
