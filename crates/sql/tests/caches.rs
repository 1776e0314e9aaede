//! The caches answer as a reader without any would.

mod support;

use std::sync::Arc;

use countersign_sql::{Lexing, Reader};
use proptest::prelude::*;
use support::{Shop, read, render};

fn lexed(reader: &Reader, text: &str) -> Arc<countersign_sql::Reading> {
    reader.read(text.as_bytes(), Lexing::STANDARD)
}

#[test]
fn the_same_text_and_the_same_shape_share_a_reading() {
    let reader = Reader::new();
    let first = lexed(&reader, "SELECT * FROM orders WHERE id = 1 AND note = 'a'");
    assert!(Arc::ptr_eq(&first, &lexed(&reader, "SELECT * FROM orders WHERE id = 1 AND note = 'a'")));
    assert!(Arc::ptr_eq(
        &first,
        &lexed(&reader, "SELECT * /* x */ FROM orders\nWHERE id = 22 AND note = 'b''c'")
    ));
    assert_eq!(first.fingerprint(), Some("select * from orders where id = ? and note = ?"));
}

#[test]
fn texts_that_differ_in_more_than_inert_literals_do_not_share_a_reading() {
    let reader = Reader::new();
    for (one, other) in [
        ("SELECT * FROM orders", "SELECT * FROM log"),
        ("SELECT * FROM orders", "SELECT * FROM \"orders\""),
        ("SELECT * FROM orders", "SELECT * FROM \"Orders\""),
        ("SELECT 1", "SELECT 1.5"),
        ("SELECT '1'", "SELECT 1"),
        ("SELECT 'a'", "SELECT b'1'"),
        ("SELECT a.b", "SELECT a b"),
        ("SELECT $1", "SELECT $2"),
        ("SELECT nextval('a')", "SELECT nextval('b')"),
        ("SELECT set_config('application_name', 'x', true)", "SELECT set_config('role', 'x', true)"),
        ("SET statement_timeout = 1", "SET statement_timeout = 2"),
        ("SET standard_conforming_strings = 'on'", "SET standard_conforming_strings = 'off'"),
        ("COPY log TO '/a'", "COPY log TO '/b'"),
        ("DO 'a'", "DO 'b'"),
        ("SELECT * FROM U&\"d!0061ta\" UESCAPE '!'", "SELECT * FROM U&\"d!0061ta\" UESCAPE '#'"),
        ("EXPLAIN (ANALYZE 0) DELETE FROM log", "EXPLAIN (ANALYZE 1) DELETE FROM log"),
        ("PREPARE p AS SELECT 1", "PREPARE p AS SELECT 2"),
        ("NOTIFY a, 'x'", "NOTIFY a, 'y'"),
    ] {
        assert!(!Arc::ptr_eq(&lexed(&reader, one), &lexed(&reader, other)), "{one} | {other}");
    }
}

/// Pieces out of which texts are put together that often share a shape.
fn text() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(vec![
        "1",
        "22",
        "1.5",
        "'a'",
        "'it''s'",
        "$$x$$",
        "E'\\n'",
        "b'1'",
        "x'1F'",
        "U&'\\0041'",
        "'role'",
        "'search_path'",
        "'on'",
        "'off'",
        "NULL",
        "$1",
        "0",
        "'log'",
    ]);
    let frame = prop::sample::select(vec![
        "SELECT * FROM orders WHERE id = {}",
        "SELECT {}, {}",
        "SELECT set_config({}, {}, true)",
        "SELECT nextval({}), {}",
        "SELECT lower({}) FROM customers LIMIT {}",
        "DELETE FROM orders WHERE note = {}",
        "INSERT INTO log VALUES ({}), ({})",
        "SET application_name = {}",
        "SET standard_conforming_strings = {}",
        "EXPLAIN (ANALYZE {}) DELETE FROM log",
        "COPY log TO {}",
        "DO {}",
        "SELECT * FROM U&\"!006cog\" UESCAPE {}",
        "SELECT {} /* c */ -- d\n, {}",
        "SELECT {}::regclass; DELETE FROM log WHERE line = {}",
        "EXECUTE look({})",
    ]);
    (frame, literal.clone(), literal)
        .prop_map(|(frame, one, other)| frame.replacen("{}", one, 1).replacen("{}", other, 1))
}

proptest! {
    #[test]
    fn a_reader_with_full_caches_reads_as_a_fresh_one(texts in prop::collection::vec(text(), 1..40)) {
        let shop = Shop::new();
        let reader = Reader::new();
        for text in &texts {
            let (cached, fresh) = (lexed(&reader, text), read(text));
            prop_assert_eq!(cached.facts(&shop.session()), fresh.facts(&shop.session()), "{}", text);
            prop_assert_eq!(format!("{:?}", cached.effects()), format!("{:?}", fresh.effects()), "{}", text);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>) {
        let reader = Reader::new();
        let _ = reader.read(&bytes, Lexing::STANDARD).facts(&Shop::new().session());
    }

    #[test]
    fn i7_a_statement_with_a_write_spliced_in_is_never_a_plain_read(
        before in prop::sample::select(vec![
            "", "SELECT 1; ", "WITH x AS (", "BEGIN; ", "EXPLAIN ANALYZE ", "COPY (", "/* c */", "--\n", "-- c\r",
            "SELECT 'a''b'; ", "SELECT E'\\''; ", "SELECT $a$ ' $a$; ", "SELECT \"a\"\"b\"; ", "SELECT /* /* */ */ 1; ",
            "SELECT U&'\\0027'; ", "PREPARE q AS SELECT 1; ", "; ;", "EXPLAIN (ANALYZE TRUE) ", "CREATE TEMP TABLE t AS ",
        ]),
        write in prop::sample::select(vec![
            "DELETE FROM orders", "delete/**/from orders", "UPDATE orders SET amount = 1", "INSERT INTO log VALUES ('x')",
            "TRUNCATE orders", "DROP TABLE orders", "SELECT evil('x')", "SELECT nextval('numbers')", "CALL settle(1)",
            "MERGE INTO orders USING log ON true WHEN MATCHED THEN DELETE", "SELECT * FROM sneaky_view",
        ]),
        after in prop::sample::select(vec![
            "", ";", "; SELECT 1", " RETURNING *", ") SELECT * FROM x", ") SELECT 1", ") TO STDOUT", "; COMMIT", " -- c",
            " RETURNING *) SELECT * FROM x", "\0", " /* open",
        ]),
    ) {
        let facts = Shop::new().facts(&format!("{before}{write}{after}"));
        prop_assert!(!facts.is_plain_read(), "{}", render(&facts));
    }
}
