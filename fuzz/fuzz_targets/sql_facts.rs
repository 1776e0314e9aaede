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
    let reading = READER.read(data, Lexing::STANDARD);
    let facts = reading.facts(&session);
    assert_eq!(
        facts.is_plain_read(),
        Reader::new().read(data, Lexing::STANDARD).facts(&session).is_plain_read()
    );
    let _ = reading.may_carry(&session, Some(0), "public.customers", "email");
});
