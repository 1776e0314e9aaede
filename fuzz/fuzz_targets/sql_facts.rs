//! Any bytes make a reading and facts; nothing crashes, and the caches answer as a reader without any would.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use countersign_sql::{Catalogue, Lexing, Reader, Session};

static READER: LazyLock<Reader> = LazyLock::new(Reader::new);
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::empty);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = [String::from("pg_catalog"), String::from("public")];
    let session = Session {
        catalogue: &CATALOGUE,
        schemas: Some(&path),
        safe_functions: &BTreeSet::new(),
        prepared: &|_| None,
    };
    // Texts that differ in their literals alone share a reading, found without a scan from the third on.
    let twin: Vec<u8> = data.iter().map(|byte| if byte.is_ascii_digit() { b'7' } else { *byte }).collect();
    for _ in 0..2 {
        let _ = READER.read(&twin, Lexing::STANDARD);
    }
    let reading = READER.read(data, Lexing::STANDARD);
    assert_eq!(reading.facts(&session), Reader::new().read(data, Lexing::STANDARD).facts(&session));
    let watched = [("public.customers", "email")].into_iter().collect();
    let _ = reading.flows(&session, &watched);
});
