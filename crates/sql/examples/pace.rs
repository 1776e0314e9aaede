//! How long reading takes: `cargo run --release -p countersign-sql --example pace`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use countersign_sql::{Catalogue, Lexing, Reader, Session};

fn main() {
    let reader = Reader::new();
    let point = "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;";
    time("the same text", 1_000_000, |_| {
        black_box(reader.read(point.as_bytes(), Lexing::STANDARD));
    });
    let texts: Vec<String> =
        (0..200_000).map(|id| format!("SELECT abalance FROM pgbench_accounts WHERE aid = {id};")).collect();
    time("the same shape", 200_000, |turn| {
        if let Some(text) = texts.get(turn) {
            black_box(reader.read(text.as_bytes(), Lexing::STANDARD));
        }
    });
    let shapes: Vec<String> = (0..20_000).map(|id| format!("SELECT a{id} FROM t WHERE aid = 1")).collect();
    time("anew", 20_000, |turn| {
        if let Some(text) = shapes.get(turn) {
            black_box(reader.read(text.as_bytes(), Lexing::STANDARD));
        }
    });
    let catalogue = Catalogue::empty();
    let path = [String::from("pg_catalog"), String::from("public")];
    let session = Session {
        catalogue: &catalogue,
        schemas: Some(&path),
        safe_functions: &BTreeSet::new(),
        prepared: &|_| None,
    };
    let reading = reader.read(point.as_bytes(), Lexing::STANDARD);
    time("facts", 200_000, |_| {
        black_box(reading.facts(&session));
    });
}

fn time(what: &str, turns: usize, mut run: impl FnMut(usize)) {
    let start = Instant::now();
    for turn in 0..turns {
        run(turn);
    }
    let each = start.elapsed().as_nanos() / turns.max(1) as u128;
    println!("{what}: {each} ns");
}
