//! What is too deep, too long or oddly lexed is unknown, and nothing crashes.

mod support;

use countersign_common::facts::{Action, Flag};
use countersign_sql::{Lexing, Reader};
use support::{Shop, read};

/// Every way to nest that we could think of, `depth` times.
fn nested(depth: usize) -> Vec<String> {
    let around = |open: &str, inner: &str, close: &str| {
        format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    vec![
        around("(", "1", ")"),
        around("CASE WHEN true THEN ", "1", " END"),
        around("CASE WHEN true THEN 1 ELSE ", "1", " END"),
        around("(SELECT ", "1", ")"),
        around("EXISTS (SELECT ", "1", ")"),
        around("ARRAY[", "1", "]"),
        around("NOT ", "true", ""),
        around("- ", "1", ""),
        around("lower(", "'a'", ")"),
        around("", "a", ".b"),
        around("", "(a)", ".b"),
        around("", "a", "[1]"),
        around("", "1", " UNION SELECT 1"),
        around("", "1", " + 1"),
        around("", "'a'", " || 'b'"),
        around("", "a", " AND b OR c"),
        around("", "1", "::int"),
        around("", "a", " COLLATE c"),
        around("", "a", " IS NULL"),
        around("", "a", " AT TIME ZONE b"),
        format!("SELECT 1::numeric{}1{}", "(".repeat(depth), ")".repeat(depth)),
        format!("{}SELECT 1{}", "WITH a AS (".repeat(depth), ") SELECT 1".repeat(depth)),
        format!("SELECT 1 FROM a {}", "JOIN b ON true ".repeat(depth)),
        format!("SELECT 1 FROM {} a {}", "a JOIN ".repeat(depth), "ON true ".repeat(depth)),
        format!("{}SELECT 1{}", "(".repeat(depth), " UNION SELECT 2)".repeat(depth)),
    ]
}

#[test]
fn no_nesting_brings_down_a_thread_with_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let run = || {
        for depth in [10, 40, 60, 150, 1_000, 20_000] {
            for text in nested(depth) {
                let shop = Shop::new();
                let facts = shop.facts(&text);
                let watched = [("public.customers", "email")].into_iter().collect();
                std::hint::black_box(read(&text).flows(&shop.session(), &watched));
                assert!(depth < 1_000 || !facts.is_plain_read() || facts.operations.len() == 1);
            }
        }
    };
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn brackets_beyond_the_limit_are_too_large() {
    let text = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    let facts = Shop::new().facts(&text);
    assert_eq!(facts.operations[0].action, Action::Unknown);
    assert!(facts.operations[0].flags.contains(&Flag::TooLarge));
}

#[test]
fn expressions_beyond_the_decoder_are_too_large() {
    let facts = Shop::new().facts(&format!("SELECT 'a'{}", " || 'b'".repeat(100)));
    assert!(facts.operations[0].flags.contains(&Flag::TooLarge));
}

#[test]
fn long_and_flat_statements_are_read() {
    let shop = Shop::new();
    let rows = format!("INSERT INTO log VALUES {}('x')", "('x'),".repeat(10_000));
    assert_eq!(shop.facts(&rows).operations[0].action, Action::Insert);
    let list = format!("SELECT * FROM orders WHERE id IN ({}1)", "1,".repeat(50_000));
    assert_eq!(shop.facts(&list).operations[0].action, Action::Select);
    let long = format!("SELECT '{}'", "x".repeat(1 << 20));
    assert_eq!(shop.facts(&long).operations[0].action, Action::Select);
}

#[test]
fn a_text_beyond_the_limit_is_not_parsed() {
    let text = format!("SELECT '{}'", "x".repeat(5 << 20));
    assert_eq!(read(&text).failure(), Some(Flag::TooLarge));
}

#[test]
fn i7_odd_lexing_bad_encoding_and_nul_are_unknown() {
    let reader = Reader::new();
    let failure = |text: &[u8], lexing| reader.read(text, lexing).failure();
    let odd = [
        Lexing { standard_conforming_strings: false, ..Lexing::STANDARD },
        Lexing { safe_encoding: false, ..Lexing::STANDARD },
    ];
    assert_eq!(failure(b"SELECT 1", Lexing::STANDARD), None);
    for lexing in odd {
        assert_eq!(failure(b"SELECT 1", lexing), Some(Flag::OddLexing));
    }
    let foreign = Lexing { utf8_names: false, ..Lexing::STANDARD };
    let read = ["SELECT 'É' /* é */ -- é", "SELECT \"a\", U&'\\00e9'", "INSERT INTO t VALUES ('Ü')"];
    for text in read {
        assert_eq!(failure(text.as_bytes(), foreign), None, "{text}");
    }
    let names = ["SELECT * FROM É", "SELECT \"é\"", "SELECT U&\"\\00e9\"", "SELECT u&\"a\"", "SELECT 1 AS é"];
    for text in names {
        assert_eq!(failure(text.as_bytes(), foreign), Some(Flag::OddLexing), "{text}");
        assert_eq!(failure(text.as_bytes(), Lexing::STANDARD), None, "{text}");
    }
    assert_eq!(failure(b"SELECT '\xbf\\'", Lexing::STANDARD), Some(Flag::Unparsed));
    assert_eq!(failure(b"SELECT 1\0; DROP TABLE log", Lexing::STANDARD), Some(Flag::Unparsed));
    for blank in [&b""[..], b" \t\r\n\x0b\x0c", b";", b"--", b"/**/"] {
        assert_eq!(failure(blank, Lexing::STANDARD), None, "{blank:?}");
    }
}
