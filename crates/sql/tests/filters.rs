//! `missing_where` and `weak_where` of whole statements, and against a server that evaluates generated conditions.

mod support;

use std::collections::BTreeSet;

use countersign_common::facts::Flag;
use countersign_testkit::{Postgres, PostgresOptions};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use support::Shop;

fn flags(text: &str) -> BTreeSet<Flag> {
    let facts = Shop::new().facts(text);
    let flags = facts.operations.iter().flat_map(|operation| operation.flags.iter().copied());
    flags.filter(|flag| matches!(flag, Flag::MissingWhere | Flag::WeakWhere)).collect()
}

#[test]
fn every_statement_that_changes_all_rows_says_so() {
    for text in [
        "DELETE FROM orders",
        "DELETE FROM orders WHERE orders.id = id",
        "DELETE FROM orders o WHERE o.id = id",
        "UPDATE orders SET amount = 1 WHERE 1 = 1",
        "UPDATE orders SET amount = 1 FROM customers WHERE true",
        "UPDATE orders o SET amount = 1 FROM orders p WHERE o.id = p.id",
        "UPDATE orders o SET amount = 1 FROM (SELECT id FROM orders) p WHERE o.id = p.id",
        "DELETE FROM orders USING customers WHERE 'a' = 'a'",
        "DELETE FROM orders o USING orders p WHERE o.id = p.id",
        "MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN DELETE",
        "MERGE INTO orders o USING customers c ON 1 = 1 WHEN MATCHED AND true THEN UPDATE SET amount = 1",
        "MERGE INTO orders o USING orders p ON o.id = p.id WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM orders WHERE id = id RETURNING id) SELECT * FROM gone",
        "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET amount = 1 WHERE true",
        "INSERT INTO orders SELECT * FROM orders ON CONFLICT (id) DO UPDATE SET amount = 1",
        "DELETE FROM orders WHERE id IS NOT DISTINCT FROM id; SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM orders WHERE 1 = 1",
    ] {
        assert_eq!(flags(text), BTreeSet::from([Flag::MissingWhere]), "{text}");
    }
}

#[test]
fn what_is_decided_outside_the_relation_is_weak() {
    for text in [
        "DELETE FROM orders WHERE $1",
        "UPDATE orders SET amount = 1 FROM customers c WHERE c.name = 'x'",
        // `name` is a column of `customers` only.
        "UPDATE orders SET amount = 1 FROM customers WHERE name = 'x'",
        "DELETE FROM orders USING customers WHERE email IS NULL",
        "MERGE INTO orders o USING customers c ON c.id = 5 WHEN MATCHED THEN DELETE",
        "DELETE FROM orders WHERE EXISTS (SELECT 1 FROM customers WHERE customers.id > 3)",
        "DELETE FROM nowhere WHERE id IS NOT NULL",
    ] {
        assert_eq!(flags(text), BTreeSet::from([Flag::WeakWhere]), "{text}");
    }
}

#[test]
fn ordinary_statements_have_no_flag() {
    for text in [
        "DELETE FROM orders WHERE id = 5",
        "UPDATE orders SET amount = 1 FROM customers c WHERE orders.customer_id = c.id",
        "UPDATE orders SET amount = 1 FROM customers WHERE customer_id = customers.id",
        "UPDATE orders SET amount = 1 FROM customers WHERE customer_id = 3",
        "UPDATE orders o SET amount = 1 FROM orders p WHERE o.id = p.id AND p.status = 'new'",
        "DELETE FROM orders a USING orders b WHERE a.id < b.id AND a.note = b.note",
        "MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN DELETE",
        "MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
        "MERGE INTO orders o USING customers c ON true WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
        "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET amount = 1",
        "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET amount = 1 WHERE orders.amount < 5",
        "INSERT INTO orders SELECT * FROM orders WHERE id = 3 ON CONFLICT (id) DO UPDATE SET amount = 1",
        "DELETE FROM orders WHERE CURRENT OF c",
        "EXPLAIN DELETE FROM orders WHERE 1 = 1",
        "SELECT * FROM orders WHERE 1 = 1",
    ] {
        assert_eq!(flags(text), BTreeSet::new(), "{text}");
    }
}

#[test]
fn i7_texts_that_differ_in_their_literals_only_are_told_apart() {
    let reader = countersign_sql::Reader::new();
    let shop = Shop::new();
    let flags = |text: &str| {
        let reading = reader.read(text.as_bytes(), countersign_sql::Lexing::STANDARD);
        reading.facts(&shop.session()).operations[0].flags.contains(&Flag::MissingWhere)
    };
    for (narrow, all) in [
        ("DELETE FROM orders WHERE 1 = 2", "DELETE FROM orders WHERE 1 = 1"),
        ("DELETE FROM orders WHERE id > 9 OR id < 5", "DELETE FROM orders WHERE id > 5 OR id < 9"),
        ("DELETE FROM orders WHERE payments LIKE 'x'", "DELETE FROM orders WHERE payments LIKE '%'"),
        ("DELETE FROM orders WHERE id <> 1 OR id = 2", "DELETE FROM orders WHERE id <> 1 OR id = 1"),
        (
            "DELETE FROM orders WHERE CASE WHEN id = 1 THEN 'f' ELSE 'f' END",
            "DELETE FROM orders WHERE CASE WHEN id = 1 THEN 't' ELSE 't' END",
        ),
    ] {
        for _ in 0..3 {
            assert!(!flags(narrow), "{narrow}");
            assert!(flags(all), "{all}");
        }
    }
}

// ---------------------------------------------------------------------------------------------- against a server

/// Values beyond all that generated numbers come to, in every combination. Rows with NULL are left out: a condition that
/// spares only those still changes all others.
const TABLE: &str = "
CREATE TABLE t AS
WITH numbers AS (SELECT generate_series(-17, 17) AS i UNION ALL VALUES (-1000), (1000))
SELECT a.i AS id, b.i AS n, name, active
FROM numbers a, numbers b, (VALUES (''), ('a'), ('b'), ('ab'), ('B'), ('abc'), ('abcd'), ('abcde'), ('xyzuv')) names (name), (VALUES (true), (false)) actives (active)";

fn constant() -> impl Strategy<Value = String> {
    (0..5_i32).prop_map(|number| number.to_string())
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => Just("id".to_owned()),
        2 => Just("t.n".to_owned()),
        2 => constant(),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} - {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            inner.clone().prop_map(|a| format!("({a} * 0)")),
            inner.clone().prop_map(|a| format!("abs({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("greatest({a}, {b})")),
            inner.prop_map(|a| format!("(-{a})")),
        ]
    })
}

fn words() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => Just("name".to_owned()),
        2 => prop::sample::select(vec!["''", "'a'", "'b'"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(1, 3, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("lower({a})")),
            inner.clone().prop_map(|a| format!("({a} || '')")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            inner.prop_map(|a| format!("{a}::text")),
        ]
    })
}

fn condition() -> BoxedStrategy<String> {
    let compare = prop::sample::select(vec![
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "IS DISTINCT FROM",
        "IS NOT DISTINCT FROM",
    ]);
    let leaf = prop_oneof![
        6 => (number(), compare, number()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        2 => (words(), prop::sample::select(vec!["=", "<>"]), words()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        1 => (words(), prop::sample::select(vec!["%", "a%", "_%", "%%", "a"]))
            .prop_map(|(a, p)| format!("{a} LIKE '{p}'")),
        1 => (words(), prop::sample::select(vec!["=", "<>", "<", ">="]), constant())
            .prop_map(|(a, o, b)| format!("length({a}) {o} {b}")),
        1 => number().prop_map(|a| format!("{a} IS NULL")),
        1 => words().prop_map(|a| format!("{a} IS NOT NULL")),
        1 => (number(), number(), number()).prop_map(|(a, b, c)| format!("{a} IN ({b}, {c})")),
        1 => (number(), number(), number()).prop_map(|(a, b, c)| format!("{a} BETWEEN {b} AND {c}")),
        1 => (number(), number(), number()).prop_map(|(a, b, c)| format!("{a} <> ANY (ARRAY[{b}, {c}])")),
        1 => (number(), number()).prop_map(|(a, b)| format!("({a}, name) = ({b}, name)")),
        1 => prop::sample::select(vec!["active", "true", "false", "active = false"]).prop_map(str::to_owned),
        1 => (number(), number()).prop_map(|(a, b)| format!("EXISTS (SELECT 1 WHERE {a} = {b})")),
        1 => Just("id IN (SELECT id FROM t)".to_owned()),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            2 => inner.clone().prop_map(|a| format!("NOT ({a})")),
            1 => inner.clone().prop_map(|a| format!("({a}) IS NOT FALSE")),
            1 => inner.clone().prop_map(|a| format!("({a}) IS TRUE")),
            // The same once more, negated: what hides a tautology.
            2 => inner.clone().prop_map(|a| format!("({a} OR NOT ({a}))")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("CASE WHEN {a} THEN {b} ELSE {c} END")),
        ]
    })
    .boxed()
}

/// INVARIANT: I7. What a server was seen to change altogether is never taken for a part.
#[test]
fn a_condition_that_hits_every_row_on_a_server_has_a_flag() {
    const CONDITIONS: usize = 1500;
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    server.sql(TABLE).unwrap();
    let mut runner = TestRunner::deterministic();
    let strategy = condition();
    let conditions: Vec<String> =
        (0..CONDITIONS).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let (mut hit_all, mut silent) = (0, 0);
    for batch in conditions.chunks(50) {
        let columns: Vec<String> =
            batch.iter().map(|condition| format!("bool_and(({condition}) IS TRUE)")).collect();
        let answer = server.sql(&format!("SELECT {} FROM t", columns.join(", "))).unwrap();
        for (condition, all) in batch.iter().zip(answer.split('|')) {
            let flags = flags(&format!("DELETE FROM t WHERE {condition}"));
            if all == "t" {
                hit_all += 1;
                assert!(!flags.is_empty(), "hits every row: {condition}");
            } else {
                assert!(!flags.contains(&Flag::MissingWhere), "does not hit every row: {condition}");
                silent += usize::from(flags.is_empty());
            }
        }
    }
    // Enough of both kinds were generated. Many that hit some rows are in doubt: what is generated is far from ordinary.
    assert!(hit_all > 100, "{hit_all}");
    assert!(silent * 10 > (CONDITIONS - hit_all) * 3, "{silent} of {}", CONDITIONS - hit_all);
}
