//! The cache and the index never change a verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::Principal;
use countersign_common::facts::{Action, Facts, Flag, Granularity, MaskedUses, Operation};
use countersign_common::id::{GroupName, RoleName};
use countersign_common::principal::Kind;
use countersign_common::verdict::DataClass;
use countersign_common::{Target, Timestamp};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{NOW, agent, ask_about, bundle, bundle_with_masking, facts, principal, target};
use crate::{Bundle, Question, SharedQuestion};

#[test]
fn what_no_policy_reads_makes_no_second_entry() {
    let bundle = bundle(r#"@id("all") permit (principal, action, resource);"#);
    for (n, table) in ["a", "b", "c"].into_iter().enumerate() {
        let read = Operation { reads: [table.to_owned()].into(), ..Operation::new(Action::Select) };
        let facts = Facts { operations: vec![read], fingerprint: Some(table.into()), ..Facts::nothing() };
        ask_about(&bundle, &agent(), &facts, |question| {
            question.in_transaction = n % 2 == 0;
            question.now = Timestamp::from_micros(n as u64 * 1_000_000_000_000);
        });
    }
    assert_eq!(bundle.engine().cached(), 1);
}

#[test]
fn a_verdict_that_depends_on_the_exact_time_is_not_kept() {
    let policies = r#"
        @id("all") permit (principal, action, resource);
        @id("late") forbid (principal, action in Action::"write", resource) when { context.time > datetime("2030-01-01") };"#;
    let bundle = bundle(policies);
    ask_about(&bundle, &agent(), &facts(&[Action::Update]), |_| {});
    assert_eq!(bundle.engine().cached(), 0);
    ask_about(&bundle, &agent(), &facts(&[Action::Select]), |_| {});
    assert_eq!(bundle.engine().cached(), 1);
}

#[test]
fn a_verdict_by_the_hour_is_found_anew_in_the_next_hour() {
    let bundle = bundle(
        r#"@id("all") permit (principal, action, resource) when { context has hour && context.hour == 15 };"#,
    );
    let at = |now| ask_about(&bundle, &agent(), &facts(&[Action::Select]), |q| q.now = now).as_str();
    assert_eq!(at(NOW), "allow");
    assert_eq!(at(NOW.after(std::time::Duration::from_secs(3600))), "block");
    assert_eq!(at(NOW), "allow");
}

#[test]
fn principals_of_one_name_with_other_groups_are_not_taken_for_each_other() {
    let bundle = bundle(r#"@id("a") permit (principal is Agent in Group::"agents", action, resource);"#);
    let select = facts(&[Action::Select]);
    let verdict = |one: &Principal| ask_about(&bundle, one, &select, |_| {}).as_str();
    assert_eq!(verdict(&agent()), "allow");
    assert_eq!(verdict(&principal(Kind::Agent, "agent-7", &[])), "block");
    assert_eq!(verdict(&principal(Kind::Human, "agent-7", &["agents"])), "block");
}

/// Policies that together read every attribute; each bundle of the property test takes some of them.
const POLICIES: [&str; 16] = [
    r#"@id("p0") permit (principal in Group::"a", action in Action::"read", resource);"#,
    r#"@id("p1") permit (principal is Agent, action in Action::"write", resource in Environment::"production");"#,
    r#"@id("p2") permit (principal, action == Action::"sql:drop", resource) when { context.role == "r1" };"#,
    r#"@id("p3") permit (principal == Human::"u1", action, resource);"#,
    r#"@id("p4") permit (principal, action in [Action::"schema", Action::"session"], resource) when { context.database == "d1" };"#,
    r#"@id("p5") permit (principal, action in Action::"command", resource) when { !context.in_transaction };"#,
    r#"@id("f0") forbid (principal in Group::"b", action in Action::"write", resource) when { context.flags.contains("missing_where") };"#,
    r#"@id("f1") @approval("prod-dba") forbid (principal, action in Action::"write", resource in Environment::"production");"#,
    r#"@id("f2") @approval("security") forbid (principal, action in Action::"command", resource) when { context.reads.contains("t1") };"#,
    r#"@id("f3") forbid (principal, action, resource) when { context has stream && context.stream };"#,
    r#"@id("f4") forbid (principal, action in Action::"unknown", resource) unless { context.functions.contains("t1") };"#,
    r#"@id("f5") forbid (principal, action in Action::"schema", resource) when { context.hour * 4611686018427387904 > 0 };"#,
    r#"@id("f6") @approval("security") forbid (principal, action, resource) when { context.weekday == "sunday" && context has writes && context.writes.contains("t1") };"#,
    r#"@id("f7") forbid (principal, action in Action::"command", resource) when { context.copied_classes.contains("email") };"#,
    r#"@id("f8") @approval("prod-dba") forbid (principal, action in Action::"read", resource) when { context.flags.contains("masked_predicate") };"#,
    r#"@id("u0") permit (principal in Group::"a", action == Action::"unmask", resource == DataClass::"email") when { context.role == "r1" || context.on_behalf_of.contains("u1") };"#,
];

const MASKING: &str = "
chain: security
classes: { phone: { predicates: allow, equality: hold } }
rules:
  - { target: shop, relation: public.t, column: email, class: email, action: hash }
  - { target: shop, relation: public.t, column: phone, class: phone, action: hash }
  - { target: lab, relation: public.t, column: email, class: email, action: hash }
";

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(vec!["t1".to_owned(), "t2".to_owned()], 0..=2).prop_map(|names| names.into_iter().collect())
}

fn operations() -> impl Strategy<Value = Operation> {
    let flags = subsequence(vec![Flag::MissingWhere, Flag::Locking, Flag::CopiesMasked], 0..=3);
    (select(Action::ALL), names(), names(), names(), flags, masked_uses()).prop_map(
        |(action, reads, writes, functions, flags, masked)| Operation {
            action,
            reads,
            writes,
            functions,
            flags: flags.into_iter().collect(),
            masked,
        },
    )
}

fn masked_uses() -> impl Strategy<Value = MaskedUses> {
    let classes = || {
        let classes = ["email", "phone"].map(|class| DataClass(class.into())).to_vec();
        subsequence(classes, 0..=2).prop_map(|classes| classes.into_iter().collect::<BTreeSet<_>>())
    };
    (classes(), classes(), classes()).prop_map(|(copies, predicates, equalities)| MaskedUses {
        copies,
        predicates,
        equalities,
    })
}

prop_compose! {
    fn principals()(
        subject in select(vec!["u1", "u2"]),
        kind in select(vec![Kind::Human, Kind::Agent, Kind::Service]),
        groups in subsequence(vec!["a", "b"], 0..=2),
        behalf in subsequence(vec!["u1", "u2"], 0..=2),
    ) -> Principal {
        let mut one = principal(kind, subject, &[]);
        one.groups = groups.into_iter().map(|group| GroupName::new(group).unwrap()).collect();
        one.on_behalf_of = behalf.into_iter().map(|subject| subject.parse().unwrap()).collect();
        one
    }
}

#[derive(Debug, Clone)]
struct Asked {
    principal: Principal,
    facts: Facts,
    target: &'static str,
    role: &'static str,
    database: &'static str,
    in_transaction: bool,
    hour: u64,
}

prop_compose! {
    fn questions()(
        principal in principals(),
        operations in prop::collection::vec(operations(), 0..3),
        stream: bool,
        target in select(vec!["shop", "lab"]),
        role in select(vec!["r1", "r2"]),
        database in select(vec!["d1", "d2"]),
        in_transaction: bool,
        hour in 0..30_u64,
    ) -> Asked {
        let granularity = if stream { Granularity::Stream } else { Granularity::Command };
        let facts = Facts { operations, granularity, fingerprint: None };
        Asked { principal, facts, target, role, database, in_transaction, hour }
    }
}

fn check(bundle: &Bundle, asked: &Asked) {
    let role = RoleName::new(asked.role).unwrap();
    let target: Arc<Target> = target(bundle, asked.target);
    let question = Question {
        principal: &asked.principal,
        target: &target,
        role: &role,
        database: asked.database,
        facts: &asked.facts,
        in_transaction: asked.in_transaction,
        now: Timestamp::from_micros(NOW.as_micros() + asked.hour * 3_600_000_000),
    };
    let plainly = bundle.engine().judge_plainly(&question);
    assert_eq!(bundle.judge(&question), plainly);
    let (principal, facts) = (Arc::new(asked.principal.clone()), Arc::new(asked.facts.clone()));
    let shared = SharedQuestion {
        principal: &principal,
        target: &target,
        role: &role,
        database: asked.database,
        facts: &facts,
        in_transaction: asked.in_transaction,
        now: question.now,
    };
    assert_eq!(bundle.judge_shared(&shared), plainly);
    assert_eq!(bundle.explain(&question).verdict, plainly);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_verdict_from_cache_and_index_is_the_one_that_all_policies_give(
        policies in subsequence(POLICIES.to_vec(), 0..=POLICIES.len()),
        asked in prop::collection::vec(questions(), 1..60),
    ) {
        let bundle = bundle_with_masking(&policies.join("\n"), MASKING);
        for one in &asked {
            check(&bundle, one);
        }
    }
}
