//! Measures the cost of a decision. These tests check nothing and print numbers: `cargo test --release -p
//! countersign-policy -- --ignored --nocapture`.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_common::Facts;
use countersign_common::facts::{Action, Operation};
use countersign_common::id::RoleName;

use super::{NOW, agent, bundle_with_masking, example_bundle, target};
use crate::{Bundle, SharedQuestion};

/// Returns the average time of `judge_shared` over all these facts in `rounds` rounds, in nanoseconds.
fn nanos(bundle: &Bundle, facts: &[Arc<Facts>], rounds: u32) -> u128 {
    let (principal, target) = (Arc::new(agent()), target(bundle, "shop"));
    let role = RoleName::new("app").unwrap();
    let begun = Instant::now();
    for _ in 0..rounds {
        for facts in facts {
            let question = SharedQuestion {
                principal: &principal,
                target: &target,
                role: &role,
                database: "shop",
                facts,
                in_transaction: false,
                now: NOW,
            };
            black_box(bundle.judge_shared(black_box(&question)));
        }
    }
    begun.elapsed().as_nanos() / (u128::from(rounds) * facts.len() as u128)
}

fn facts(action: Action, n: usize) -> Arc<Facts> {
    let names = |kind: &str| (0..3).map(|i| format!("public.{kind}_{n}_{i}")).collect();
    let operation = Operation { reads: names("read"), writes: names("write"), ..Operation::new(action) };
    Arc::new(Facts { operations: vec![operation], ..Facts::nothing() })
}

/// Creates a bundle with this many policies, spread over the classes; a tenth of them reads names of relations.
fn many(count: usize) -> Bundle {
    let classes = ["read", "write", "schema", "admin", "unknown"];
    let mut text = String::from(r#"@id("all") permit (principal, action, resource);"#);
    for n in 0..count {
        let class = classes[n % classes.len()];
        let condition = if n % 10 < 5 && n % 50 < 5 {
            format!("when {{ context.writes.contains(\"public.t{n}\") }}")
        } else {
            String::new()
        };
        writeln!(text, r#"@id("p{n}") forbid (principal in Group::"g{n}", action in Action::"{class}", resource) {condition};"#).unwrap();
    }
    let masking = "
rules:
  - { target: shop, relation: public.c, column: email, class: email, action: hash }
  - { target: shop, relation: public.c, column: phone, class: phone, action: hash }
";
    bundle_with_masking(&text, masking)
}

#[test]
#[ignore = "a measurement"]
fn what_a_decision_costs() {
    for (name, bundle) in [
        ("allow-all", example_bundle("allow-all")),
        ("example", example_bundle("bundle")),
        ("50 policies", many(50)),
        ("500 policies", many(500)),
    ] {
        let distinct: Vec<_> = (0..2000).map(|n| facts(Action::Update, n)).collect();
        let first = nanos(&bundle, &distinct, 1);
        let one = [facts(Action::Update, 0)];
        let _ = nanos(&bundle, &one, 1000);
        let hit = nanos(&bundle, &one, 1_000_000);
        let target = target(&bundle, "shop");
        let (agent, role, facts) = (agent(), RoleName::new("app").unwrap(), facts(Action::Update, 0));
        let question = crate::Question {
            principal: &agent,
            target: &target,
            role: &role,
            database: "shop",
            facts: &facts,
            in_transaction: false,
            now: NOW,
        };
        let begun = Instant::now();
        for _ in 0..2000 {
            black_box(bundle.explain(black_box(&question)));
        }
        let miss: Duration = begun.elapsed() / 2000;
        println!(
            "{name}: hit {hit} ns; 2,000 different facts, first time {first} ns each; evaluation without cache {miss:?}"
        );
    }
}
