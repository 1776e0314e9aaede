//! Every statement of `statements.txt` with its facts, as a reviewed golden.

mod support;

use std::fmt::Write as _;

use countersign_sql::{Lexing, Reader};
use support::{Shop, render};

#[test]
fn each_statement_has_the_facts_that_were_reviewed() {
    let shop = Shop::new();
    let reader = Reader::new();
    let mut golden = String::new();
    for line in include_str!("statements.txt").lines() {
        if line.starts_with('#') {
            writeln!(golden, "\n{line}").unwrap();
            continue;
        }
        let text = line.replace("\\n", "\n");
        let facts = reader.read(text.as_bytes(), Lexing::STANDARD).facts(&shop.session());
        writeln!(golden, "{line}\n{}", render(&facts)).unwrap();
    }
    insta::assert_snapshot!(golden);
}
