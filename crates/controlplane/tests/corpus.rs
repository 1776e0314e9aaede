//! An honest gateway raises no alarm: for every statement of the corpus of `countersign-sql`, what the gateway finds and
//! what the control plane derives from the command, its context and the uploaded catalogue are the same.

#![allow(clippy::unwrap_used, reason = "a broken fixture is to stop the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_common::command::{Command, Context, NamedText};
use countersign_common::facts::{Flag, Operation};
use countersign_common::id::{RoleName, TargetName};
use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};
use countersign_common::{Digest, Facts};
use countersign_lifecycle::ports::HeldCatalogue as _;
use countersign_masking::Rules;
use countersign_postgres::facts::{Basis, CatalogueCopy, derive};
use countersign_sql::catalogue::Rows;
use countersign_sql::{Catalogue, Lexing, Reader, Reading, Session};

const STATEMENTS: &str = include_str!("../../sql/tests/statements.txt");

/// Prepared in the session, as the corpus has it.
const PREPARED: [(&str, &str); 2] =
    [("look", "SELECT * FROM orders WHERE id = $1"), ("wipe", "DELETE FROM orders")];

fn rows() -> Vec<Rows> {
    let mut results: Vec<Rows> = Vec::new();
    for line in include_str!("../../sql/tests/fixture/catalogue.tsv").lines() {
        let cell = |text: &str| (text != "\\N").then(|| text.replace("\\n", "\n").replace("\\\\", "\\"));
        if line.starts_with("# ") {
            results.push(Vec::new());
        } else {
            results.last_mut().unwrap().push(line.split('\t').map(cell).collect());
        }
    }
    results
}

fn context() -> Context {
    let settings: [(&str, &str); 5] = [
        ("schemas", "pg_catalog,public"),
        ("search_path", "public"),
        ("standard_conforming_strings", "on"),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
    ];
    Context {
        target: TargetName::new("shop").unwrap(),
        generation: Digest::of(b"1"),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        settings: settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        transaction: None,
        texts: PREPARED
            .iter()
            .map(|(name, text)| NamedText {
                name: format!("prepared statement {name} (parameter types as written)"),
                text: text.as_bytes().to_vec(),
                parameters: Vec::new(),
            })
            .collect(),
    }
}

#[test]
fn for_every_statement_of_the_corpus_the_control_plane_finds_what_the_gateway_finds() {
    let reader = Reader::new();
    let here = Arc::new(Catalogue::from_rows(&rows()).unwrap());
    let target = TargetName::new("shop").unwrap();
    let copy = CatalogueCopy::of(&target, "shop", Arc::clone(&here));
    let (there, _) = CatalogueCopy::read(&target, "shop", &copy.digest(), &copy.compressed()).unwrap();
    let safe = BTreeSet::from(["public.vat".to_owned()]);
    let rule = |column: &str| ColumnRule {
        relation: "public.customers".into(),
        column: column.into(),
        class: DataClass(column.into()),
        action: MaskAction::Redact,
    };
    let mut count = 0;
    for rules in [Rules::default(), Rules::new([rule("email"), rule("name")])] {
        for line in STATEMENTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let text = line.replace("\\n", "\n");
            let command = Command { form: "query".into(), text: text.clone().into(), parameters: Vec::new() };
            let own = Basis { catalogue: &here, safe_functions: &safe, rules: &rules };
            let theirs = Basis { catalogue: &there, ..own };
            let stated = derive(&reader, &command, &context(), &own).facts;
            let found = derive(&Reader::new(), &command, &context(), &theirs).facts;
            assert_eq!(stated, found, "{line}");
            assert_eq!(unmasked(&found), by_session(&reader, &here, &safe, &text), "{line}");
            count += 1;
        }
    }
    assert!(count > 500, "{count} statements");
}

/// As a session of the gateway finds them, which has its own statements at hand.
fn by_session(reader: &Reader, catalogue: &Catalogue, safe: &BTreeSet<String>, text: &str) -> Facts {
    let known: BTreeMap<&str, Arc<Reading>> =
        PREPARED.iter().map(|(name, text)| (*name, reader.read(text.as_bytes(), Lexing::STANDARD))).collect();
    let path = ["pg_catalog".to_owned(), "public".to_owned()];
    let session = Session {
        catalogue,
        schemas: Some(&path),
        safe_functions: safe,
        prepared: &|name| known.get(name).cloned(),
    };
    reader.read(text.as_bytes(), Lexing::STANDARD).facts(&session)
}

fn unmasked(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    for operation in &mut facts.operations {
        operation.masked = Operation::new(operation.action).masked;
        operation.flags.retain(|flag| !matches!(flag, Flag::CopiesMasked | Flag::MaskedPredicate));
    }
    facts
}
