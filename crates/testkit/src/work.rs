//! What an application does on an ordinary day, in the operations of the client programs: everything
//! that a driver may ask of PostgreSQL, harmless and bad statements alike. Played to the server and
//! through a gateway that allows everything, each driver must see the same.

use serde_json::{Value, json};

/// The operations, each with a name for the failure's message. They build on each other, on one
/// connection and in the shop.
#[must_use]
pub fn ordinary_work() -> Vec<(&'static str, Value)> {
    let mut work = reads();
    work.extend(writes());
    work.extend(failures());
    work.extend(flows());
    work
}

fn reads() -> Vec<(&'static str, Value)> {
    let types =
        "SELECT 1::int2, 2::int4, 3::int8, 1.5::float8, 12.34::numeric, true, 'ä€𝄞'::text, NULL::text,
                        date '2026-02-03', timestamptz '2026-02-03 04:05:06+00', interval '1 day 2 hours',
                        '{\"a\": [1, 2]}'::jsonb, ARRAY[1, NULL, 3], '\\xdeadbeef'::bytea, int4range(1, 5),
                        '7f000001-0000-4000-8000-000000000000'::uuid, inet '127.0.0.1/8', '' AS empty";
    let people = "SELECT id, name, city FROM customers WHERE city = $1 AND id < $2 ORDER BY id";
    vec![
        (
            "a plain query",
            json!({"op": "query", "sql": "SELECT id, name, credit_cents FROM customers ORDER BY id LIMIT 3"}),
        ),
        ("every type as text", json!({"op": "query", "sql": types})),
        ("every type in binary", json!({"op": "binary", "sql": types, "params": []})),
        ("an empty query", json!({"op": "query", "sql": ""})),
        ("only a comment", json!({"op": "query", "sql": "-- nothing"})),
        ("no rows", json!({"op": "query", "sql": "SELECT * FROM orders WHERE false"})),
        ("no columns", json!({"op": "query", "sql": "SELECT FROM orders LIMIT 2"})),
        ("parameters", json!({"op": "params", "sql": people, "params": ["Berlin", 40]})),
        ("NULL as a parameter", json!({"op": "params", "sql": "SELECT $1::text IS NULL", "params": [null]})),
        (
            "one prepared statement, many runs",
            json!({"op": "prepared", "sql": people, "runs": [["Berlin", 20], ["Hamburg", 20], ["nowhere", 20], ["Köln", 9],
                   ["Berlin", 9], ["Bremen", 50], ["Leipzig", 30]]}),
        ),
        (
            "a pipeline",
            json!({"op": "pipeline", "sql": "SELECT $1::int4 + 1", "runs": [[1], [2], [3], [4], [5], [6], [7], [8]]}),
        ),
        (
            "several statements in one text",
            json!({"op": "query", "sql": "SELECT 1 AS a; SELECT 2 AS b, 3 AS c; SELECT WHERE false"}),
        ),
        (
            "a cursor",
            json!({"op": "cursor", "sql": "SELECT id, email FROM customers ORDER BY id", "fetch": 70}),
        ),
        (
            "a cursor that ends on a border",
            json!({"op": "cursor", "sql": "SELECT id FROM customers ORDER BY id", "fetch": 100}),
        ),
        (
            "a large value up and down",
            json!({"op": "params", "sql": "SELECT $1::text || 'x'", "params": [{"repeat": "0123456789äöü", "times": 200_000}]}),
        ),
        (
            "many rows",
            json!({"op": "query", "sql": "SELECT count(*), md5(string_agg(t::text, '')) FROM (SELECT i, repeat('x', 50) FROM generate_series(1, 20000) AS i) AS t"}),
        ),
        (
            "many rows sent",
            json!({"op": "cursor", "sql": "SELECT i, repeat('x', 100) FROM generate_series(1, 20000) AS i", "fetch": 100_000}),
        ),
    ]
}

fn writes() -> Vec<(&'static str, Value)> {
    vec![
        ("a table", json!({"op": "query", "sql": "CREATE TABLE scratch (id int PRIMARY KEY, note text)"})),
        (
            "an insert",
            json!({"op": "params", "sql": "INSERT INTO scratch VALUES ($1, $2)", "params": [1, "one"]}),
        ),
        (
            "RETURNING",
            json!({"op": "params", "sql": "INSERT INTO scratch VALUES ($1, $2) RETURNING id, upper(note)", "params": [2, "two"]}),
        ),
        ("an update", json!({"op": "query", "sql": "UPDATE scratch SET note = note || '!'"})),
        (
            "inserts in a pipeline",
            json!({"op": "pipeline", "sql": "INSERT INTO scratch VALUES ($1, $2)", "runs": [[10, "a"], [11, "b"], [12, null], [13, "d"]]}),
        ),
        (
            "a transaction",
            json!({"op": "transaction", "statements": ["INSERT INTO scratch VALUES (20, 'x')", "DELETE FROM scratch WHERE id = 20"]}),
        ),
        (
            "a transaction that fails",
            json!({"op": "transaction", "statements": ["INSERT INTO scratch VALUES (21, 'x')", "INSERT INTO scratch VALUES (21, 'y')"]}),
        ),
        (
            "what is left",
            json!({"op": "params", "sql": "SELECT id, note FROM scratch ORDER BY id", "params": []}),
        ),
    ]
}

fn failures() -> Vec<(&'static str, Value)> {
    vec![
        ("a syntax error", json!({"op": "query", "sql": "SELEC 1"})),
        (
            "an unknown table",
            json!({"op": "params", "sql": "SELECT * FROM nowhere WHERE id = $1", "params": [1]}),
        ),
        ("a bad cast", json!({"op": "query", "sql": "SELECT 'abc'::int"})),
        (
            "a division by zero in the middle",
            json!({"op": "query", "sql": "SELECT 10 / (3 - i) FROM generate_series(1, 5) AS i"}),
        ),
        ("an error between statements", json!({"op": "query", "sql": "SELECT 1; SELECT 1 / 0; SELECT 2"})),
        (
            "a pipeline that breaks",
            json!({"op": "pipeline", "sql": "SELECT 10 / $1::int4", "runs": [[1], [0], [2], [5]]}),
        ),
        ("a constraint", json!({"op": "query", "sql": "INSERT INTO scratch VALUES (1, 'again')"})),
        ("after all that", json!({"op": "params", "sql": "SELECT count(*) FROM scratch", "params": []})),
        ("a cancelled statement", json!({"op": "cancel", "sql": "SELECT pg_sleep(20)", "after_ms": 300})),
        ("after a cancel", json!({"op": "params", "sql": "SELECT 'still here'", "params": []})),
    ]
}

fn flows() -> Vec<(&'static str, Value)> {
    let lines: String = (100..400).map(|id| format!("{id}\tnote {id} with \\t and \\\\\n")).collect();
    vec![
        ("COPY out", json!({"op": "copy_out", "query": "SELECT * FROM customers ORDER BY id"})),
        ("COPY out of nothing", json!({"op": "copy_out", "query": "SELECT 1 WHERE false"})),
        ("COPY in", json!({"op": "copy_in", "table": "scratch", "data": lines})),
        (
            "what COPY brought",
            json!({"op": "params", "sql": "SELECT count(*), md5(string_agg(note, ',' ORDER BY id)) FROM scratch", "params": []}),
        ),
        (
            "COPY in that fails",
            json!({"op": "copy_in", "table": "scratch", "data": "500\tfine\nnot a number\tbad\n"}),
        ),
        ("COPY out that fails", json!({"op": "copy_out", "query": "SELECT 1 / 0"})),
        ("LISTEN", json!({"op": "listen", "channel": "bell"})),
        ("NOTIFY", json!({"op": "query", "sql": "NOTIFY bell, 'ding'"})),
        ("the notification", json!({"op": "notification"})),
        (
            "a notice",
            json!({"op": "query", "sql": "DO $$ BEGIN RAISE NOTICE 'hello %', 7 USING HINT = 'nothing to do'; END $$"}),
        ),
        ("a warning", json!({"op": "query", "sql": "ROLLBACK"})),
        ("a setting", json!({"op": "query", "sql": "SET application_name = 'ordinary'"})),
        (
            "the setting",
            json!({"op": "params", "sql": "SELECT current_setting('application_name'), current_user", "params": []}),
        ),
        ("a new connection", json!({"op": "reconnect"})),
        (
            "the setting is gone",
            json!({"op": "params", "sql": "SELECT current_setting('application_name') = 'ordinary'", "params": []}),
        ),
        ("tidied up", json!({"op": "query", "sql": "DROP TABLE scratch"})),
    ]
}
