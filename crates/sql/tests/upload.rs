//! Catalogues as bytes: what is read from them is what was written, and hostile ones end in an error.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a broken fixture is to stop the test, and a measurement is to be read"
)]

mod support;

use countersign_sql::catalogue::CatalogueError;
use countersign_sql::lineage::Watched;
use countersign_sql::{Catalogue, Lexing, Reader, Session};
use proptest::prelude::*;
use support::{Shop, rows};

fn shop_bytes() -> Vec<u8> {
    Catalogue::from_rows(&rows()).unwrap().to_bytes()
}

/// Facts and lineage of every statement of the corpus are the same by the catalogue as it was read and as it was passed on.
#[test]
fn every_statement_does_the_same_by_a_catalogue_that_was_passed_on() {
    let shop = Shop::new();
    let passed_on = Catalogue::from_bytes(&shop.catalogue.to_bytes()).unwrap();
    assert_eq!(passed_on.to_bytes(), shop.catalogue.to_bytes());
    let watched: Watched =
        [("public.customers", "email"), ("public.customers", "name")].into_iter().collect();
    let reader = Reader::new();
    for line in include_str!("statements.txt").lines().filter(|line| !line.starts_with('#')) {
        let text = line.replace("\\n", "\n");
        let reading = reader.read(text.as_bytes(), Lexing::STANDARD);
        let (one, two) = (shop.session(), Session { catalogue: &passed_on, ..shop.session() });
        assert_eq!(reading.facts(&one), reading.facts(&two), "{line}");
        assert_eq!(reading.flows(&one, &watched), reading.flows(&two, &watched), "{line}");
    }
}

/// One row of a relation `public.name` as a reader writes it.
fn relation(oid: u32, name: &str, kind: &str) -> Vec<Option<String>> {
    [&oid.to_string(), "public", name, kind, "1", "2200", "p", "f"]
        .map(|cell| Some(cell.to_owned()))
        .into_iter()
        .chain([None])
        .collect()
}

/// The SQL of a view is hostile by its number: each reads the next.
#[test]
fn a_chain_of_views_of_any_length_ends_as_unresolved() {
    let mut results = vec![Vec::new(); 15];
    let views = 20_000_u32;
    for number in 0..views {
        let oid = 20_000 + number;
        results[0].push(relation(oid, &format!("v{number}"), "v"));
        let cells = ["v".to_owned(), oid.to_string(), format!("SELECT * FROM public.v{}", number + 1)];
        results[14].push(cells.map(Some).to_vec());
    }
    let catalogue = Catalogue::from_rows(&results).unwrap();
    let catalogue = Catalogue::from_bytes(&catalogue.to_bytes()).unwrap();
    let shop = Shop::new();
    let session = Session { catalogue: &catalogue, ..shop.session() };
    let reading = support::read("SELECT * FROM v0");
    let facts = reading.facts(&session);
    assert!(
        facts.operations.iter().any(|one| one.action.class() == countersign_common::facts::Class::Unknown)
    );
    let watched: Watched = [("public.customers", "email")].into_iter().collect();
    assert!(reading.flows(&session, &watched).touched.unknown);
}

#[test]
fn rows_out_of_order_too_many_casts_and_too_many_parents_are_refused() {
    let refused =
        |results: &[countersign_sql::catalogue::Rows]| Catalogue::from_bytes(&bytes_of(results)).unwrap_err();
    let mut results = vec![Vec::new(); 15];
    results[0] = vec![relation(20_001, "a", "r"), relation(20_000, "b", "r")];
    assert!(matches!(refused(&results), CatalogueError::Bytes { .. }));
    results[0] = vec![relation(20_000, "a", "r"), relation(20_000, "b", "r")];
    assert!(matches!(refused(&results), CatalogueError::Bytes { .. }));
    results[0] = vec![relation(20_000, "a", "r")];
    results[8] = (1..=300_u32).map(|parent| vec![Some("20000".into()), Some(parent.to_string())]).collect();
    assert!(matches!(refused(&results), CatalogueError::Bytes { .. }));
    results[8].clear();
    results[0] = vec![relation(20_000, &"x.".repeat(10_000), "r")];
    assert!(matches!(refused(&results), CatalogueError::Bytes { .. }));
}

/// As the catalogue writes them, whatever is in them.
fn bytes_of(results: &[countersign_sql::catalogue::Rows]) -> Vec<u8> {
    let mut bytes = vec![1];
    let number = |bytes: &mut Vec<u8>, mut number: usize| {
        while number >= 0x80 {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
    };
    for rows in results {
        number(&mut bytes, rows.len());
        for cell in rows.iter().flatten() {
            match cell {
                None => number(&mut bytes, 0),
                Some(text) => {
                    number(&mut bytes, text.len() + 1);
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
    }
    bytes
}

#[test]
fn a_count_beyond_what_is_there_takes_no_memory() {
    for count in [[0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0x7f, 0x00]] {
        let bytes: Vec<u8> = [1].into_iter().chain(count).collect();
        assert!(matches!(Catalogue::from_bytes(&bytes), Err(CatalogueError::Bytes { .. })));
    }
}

proptest! {
    /// Whatever is changed in a catalogue, reading it ends in a catalogue or in an error, and so do facts by it.
    #[test]
    fn hostile_bytes_end_in_an_error_or_in_a_catalogue(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = shop_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(catalogue) = Catalogue::from_bytes(&bytes) {
            let shop = Shop::new();
            let session = Session { catalogue: &catalogue, ..shop.session() };
            let watched: Watched = [("public.customers", "email")].into_iter().collect();
            for text in ["SELECT * FROM customers", "DELETE FROM orders", "TRUNCATE customers CASCADE", "SELECT vat(1)"] {
                let reading = support::read(text);
                drop(reading.facts(&session));
                drop(reading.flows(&session, &watched));
            }
        }
    }

    #[test]
    fn any_bytes_end_in_an_error_or_in_a_catalogue(bytes: Vec<u8>) {
        drop(Catalogue::from_bytes(&bytes));
    }
}

/// Not asserted: how large a catalogue of 10,000 relations is, and how long it takes.
#[test]
#[ignore = "a measurement"]
fn a_large_catalogue_is_measured() {
    let mut results = vec![Vec::new(); 15];
    for number in 0..10_000_u32 {
        let oid = 20_000 + number;
        results[0].push(relation(oid, &format!("relation_{number}"), "r"));
        for column in 1..=10_u32 {
            let name = format!("column_{column}");
            let cells = [oid.to_string(), column.to_string(), name, "0".into(), "23".into()];
            results[1].push(cells.map(Some).to_vec());
        }
    }
    let catalogue = Catalogue::from_rows(&results).unwrap();
    let begun = std::time::Instant::now();
    let bytes = catalogue.to_bytes();
    let written = begun.elapsed();
    let begun = std::time::Instant::now();
    let read = Catalogue::from_bytes(&bytes).unwrap();
    println!("{} bytes, written in {written:?}, read in {:?}", bytes.len(), begun.elapsed());
    assert!(read.is_loaded());
}
