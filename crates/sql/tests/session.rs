//! What a session makes of names, and what a text leaves behind in it.

mod support;

use std::collections::BTreeSet;

use countersign_common::facts::{Action, Class, Flag, Granularity};
use countersign_sql::{Catalogue, CopySide, Name, Session, Transaction};
use support::{Shop, read, rows};

#[test]
fn a_name_means_the_first_relation_on_the_path() {
    let mut shop = Shop::new();
    shop.path = vec!["pg_catalog".into(), "crm".into(), "public".into()];
    let facts = shop.facts("SELECT * FROM customers, orders");
    assert_eq!(facts.operations[0].reads, BTreeSet::from(["crm.customers".into(), "public.orders".into()]));
}

#[test]
fn under_an_unknown_path_a_name_means_all_that_have_it() {
    let shop = Shop::new();
    let session = Session { schemas: None, ..shop.session() };
    let facts = read("SELECT * FROM customers").facts(&session);
    assert_eq!(
        facts.operations[0].reads,
        BTreeSet::from(["crm.customers".into(), "public.customers".into()])
    );
    assert!(facts.operations[0].flags.contains(&Flag::Unresolved));
}

#[test]
fn a_function_outside_the_path_captures_nothing() {
    let mut shop = Shop::new();
    shop.path = vec!["pg_catalog".into(), "crm".into()];
    assert!(shop.facts("SELECT lower('A')").is_plain_read());
    assert!(shop.facts("SELECT 7 % '5'").is_plain_read());
    assert!(!shop.facts("SELECT public.lower(1)").is_plain_read());
}

#[test]
fn i7_without_a_catalogue_nothing_that_names_something_is_a_plain_read() {
    let shop = Shop::new();
    let empty = Catalogue::empty();
    let session = Session { catalogue: &empty, ..shop.session() };
    assert!(read("SELECT 1").facts(&session).is_plain_read());
    for text in ["SELECT * FROM orders", "SELECT now()", "SELECT 1 + 1", "SELECT 'a'::regclass"] {
        assert!(!read(text).facts(&session).is_plain_read(), "{text}");
    }
}

#[test]
fn a_function_that_the_target_vouches_for_makes_no_read_a_write() {
    let mut shop = Shop::new();
    assert!(!shop.facts("SELECT evil('x')").is_plain_read());
    shop.safe.insert("public.evil".into());
    assert!(shop.facts("SELECT evil('x')").is_plain_read());
    assert!(shop.facts("SELECT * FROM sneaky_view").is_plain_read());
}

#[test]
fn a_catalogue_of_other_rows_is_refused() {
    assert!(Catalogue::from_rows(&[]).is_err());
    let mut broken = rows();
    broken[1][0].pop();
    assert!(Catalogue::from_rows(&broken).is_err());
}

#[test]
fn a_column_is_found_by_the_oid_and_number_that_rowdescription_gives() {
    let shop = Shop::new();
    let oid = shop.oid("public.customers");
    assert_eq!(shop.catalogue.column(oid, 3), Some(("public.customers", "email")));
    assert_eq!(shop.catalogue.column(oid, 30), None);
    assert_eq!(shop.catalogue.columns("public.Odd.Name"), ["semi;colon", "quote\"d"]);
}

#[test]
fn settings_that_may_have_changed_are_told() {
    for text in [
        "SET search_path = x",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config('a', 'b', false)",
        "DO ''",
        "CALL f()",
        "EXECUTE p",
        "SELECT nonsense",
        "SELEC",
    ] {
        let changes = read(text).effects().changes_settings;
        assert_eq!(changes, text != "SELECT nonsense", "{text}");
    }
}

#[test]
fn settings_by_which_nothing_is_read_are_told_apart() {
    for text in [
        "SET statement_timeout = 5",
        "SET LOCAL timezone = 'UTC'",
        "RESET work_mem",
        "SET default_transaction_read_only = on",
    ] {
        let reading = read(text);
        assert!(!reading.effects().changes_settings, "{text}");
        assert!(reading.effects().changes_values, "{text}");
    }
    for text in
        ["SET standard_conforming_strings = off", "SET NAMES 'latin1'", "SET ROLE x", "SET app.tenant = 7"]
    {
        assert!(read(text).effects().changes_settings, "{text}");
    }
}

#[test]
fn the_end_of_a_transaction_changes_no_definitions_by_itself() {
    for text in ["COMMIT", "ROLLBACK", "ROLLBACK TO a"] {
        let reading = read(text);
        let effects = reading.effects();
        assert!(effects.ends_settings && !effects.changes_settings && !effects.changes_definitions, "{text}");
    }
}

#[test]
fn an_unlisted_function_may_have_changed_settings() {
    assert!(read("SELECT evil('x')").effects().changes_settings);
    assert!(!read("SELECT upper('x')").effects().changes_settings);
}

#[test]
fn prepared_statements_are_remembered_with_what_they_do() {
    let shop = Shop::new();
    let reading =
        read("PREPARE a AS SELECT 1; PREPARE b AS DELETE FROM orders; DEALLOCATE a; DEALLOCATE ALL");
    let effects = reading.effects();
    let names: Vec<&str> = effects.prepares.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(effects.prepares[1].1.facts(&shop.session()).operations[0].action, Action::Delete);
    assert_eq!(effects.deallocates, [Some("a".into()), None]);
}

#[test]
fn transactions_and_subscriptions_are_told_in_order() {
    let reading = read("BEGIN; SAVEPOINT a; ROLLBACK TO a; LISTEN x; COMMIT");
    use Transaction::{Begin, Commit, RollbackTo, Savepoint};
    assert_eq!(reading.effects().transactions, [Begin, Savepoint, RollbackTo, Commit]);
    assert!(reading.effects().listens);
}

#[test]
fn a_copy_says_what_it_copies() {
    let reading = read("COPY crm.customers (id, email) TO STDOUT WITH (FORMAT csv, HEADER)");
    let copy = reading.copy().unwrap();
    assert_eq!(copy.side, CopySide::Out);
    assert_eq!(copy.relation, Some(Name::qualified("crm", "customers")));
    assert_eq!(copy.columns, ["id".into(), "email".into()]);
    assert_eq!(copy.options.get("format").map(AsRef::as_ref), Some("csv"));
    assert_eq!(copy.options.get("header").map(AsRef::as_ref), Some(""));
    let shop = Shop::new();
    assert_eq!(shop.facts("COPY log FROM STDIN").granularity, Granularity::Stream);
    assert_eq!(shop.facts("COPY log TO STDOUT").granularity, Granularity::Command);
    assert!(read("COPY log TO '/tmp/x'").copy().is_none());
}

#[test]
fn prepared_by_sql_counts_as_what_it_is() {
    let shop = Shop::new();
    let class = |text| shop.facts(text).operations[0].action.class();
    assert_eq!(class("EXECUTE look"), Class::Read);
    assert_eq!(class("EXECUTE wipe"), Class::Write);
    assert_eq!(class("EXECUTE other"), Class::Unknown);
}

#[test]
fn i7_a_parameter_of_a_type_with_code_of_its_own_runs_that_code() {
    let shop = Shop::new();
    let types = support::rows().swap_remove(4);
    let oid = |name: &str| -> u32 {
        let row = types.iter().find(|row| row[2].as_deref() == Some(name)).unwrap();
        row[0].as_deref().unwrap().parse().unwrap()
    };
    let plain = |types: &[u32]| read("SELECT $1").facts_with(&shop.session(), types).is_plain_read();
    assert!(plain(&[23, 0]));
    assert!(plain(&[oid("order_status")]));
    assert!(plain(&[oid("quantity")]));
    assert!(!plain(&[oid("sly")]));
    assert!(!plain(&[oid("pair")]));
    assert!(!plain(&[99_999]));
}

#[test]
fn a_fetch_says_which_cursor_it_runs() {
    let reading = read("FETCH ALL FROM c; MOVE d; CLOSE e");
    assert_eq!(reading.effects().fetches, ["c".into(), "d".into()]);
}
