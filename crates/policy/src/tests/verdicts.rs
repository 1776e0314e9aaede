//! Tests the verdicts of bundles.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::digest::Digest;
use countersign_common::facts::{Action, Flag, Operation};
use countersign_common::id::EnvironmentName;
use countersign_common::principal::Kind;
use countersign_common::{Facts, Principal, Target, Timestamp, Verdict};
use insta::assert_snapshot;

use super::{
    agent, ask, ask_about, bundle, bundle_with_masking, example_bundle, facts, flagged, line, principal,
    target,
};

/// Copied verbatim from design §9.
const DESIGN: &str = r#"
@id("agents-read")      permit (principal in Group::"agents", action in Action::"read",  resource in Environment::"production");
@id("agents-write")     permit (principal in Group::"agents", action in Action::"write", resource in Environment::"production");
@id("writes-need-dba")  @approval("prod-dba")
                        forbid (principal, action in Action::"write", resource in Environment::"production");
@id("never-drop")       @reason("drop is done by migration only")
                        forbid (principal in Group::"agents", action == Action::"sql:drop", resource);
"#;

fn decided(policies: &str, facts: &Facts) -> String {
    line(&ask(&bundle(policies), &agent(), facts))
}

#[test]
fn the_example_of_the_design_decides_as_it_says() {
    let decided = |action| decided(DESIGN, &facts(&[action]));
    assert_snapshot!(decided(Action::Select), @"allow");
    assert_snapshot!(decided(Action::Update), @r#"hold: ["prod-dba"] within 3600s, policy `writes-need-dba` asks for `prod-dba` ["writes-need-dba"]"#);
    assert_snapshot!(decided(Action::Drop), @r#"block: drop is done by migration only ["never-drop"]"#);
    assert_snapshot!(decided(Action::Alter), @"block: no policy permits sql:alter on target `shop` []");
    assert_snapshot!(decided(Action::Unknown), @"block: no policy permits unknown on target `shop` []");
}

#[test]
fn who_is_in_no_group_may_do_nothing_and_a_chain_does_not_change_that() {
    let nobody = principal(Kind::Agent, "stranger", &[]);
    let update = line(&ask(&bundle(DESIGN), &nobody, &facts(&[Action::Update])));
    assert_snapshot!(update, @"block: no policy permits sql:update on target `shop` []");
}

#[test]
fn a_plain_forbid_beside_a_liftable_one_blocks() {
    let policies = r#"
        @id("all") permit (principal, action, resource);
        @id("ask") @approval("prod-dba") forbid (principal, action, resource);
        @id("no")  forbid (principal, action in Action::"write", resource);"#;
    assert_snapshot!(decided(policies, &facts(&[Action::Select])), @r#"hold: ["prod-dba"] within 3600s, policy `ask` asks for `prod-dba` ["ask"]"#);
    assert_snapshot!(decided(policies, &facts(&[Action::Insert])), @r#"block: policy `no` forbids sql:insert on target `shop` ["no"]"#);
}

#[test]
fn two_liftable_forbids_ask_both_chains_within_the_shorter_time() {
    let policies = r#"
        @id("all")  permit (principal, action, resource);
        @id("sec")  @approval("security") @reason("no where") forbid (principal, action, resource)
                    when { context has flags && context.flags.contains("missing_where") };
        @id("dba")  @approval("prod-dba") @reason("a write") forbid (principal, action in Action::"write", resource);
        @id("dba2") @approval("prod-dba") @reason("a write") forbid (principal, action == Action::"sql:delete", resource);"#;
    let verdict = ask(&bundle(policies), &agent(), &flagged(Action::Delete, Flag::MissingWhere));
    assert_snapshot!(line(&verdict), @r#"hold: ["prod-dba", "security"] within 1800s, no where; a write ["sec", "dba", "dba2"]"#);
    let Verdict::Hold(terms, _) = verdict else { panic!("not held") };
    let stages: Vec<_> =
        terms.stages.iter().map(|s| (s.groups.first().unwrap().as_str(), s.quorum)).collect();
    assert_eq!(stages, [("dba", 1), ("security", 2)]);
}

#[test]
fn the_strictest_operation_decides_whatever_the_order() {
    let policies = r#"
        @id("all") permit (principal, action in Action::"command", resource);
        @id("dba") @approval("prod-dba") forbid (principal, action in Action::"write", resource);
        @id("sec") @approval("security") forbid (principal, action in Action::"schema", resource);
        @id("no")  forbid (principal, action in Action::"admin", resource);"#;
    let decided = |actions: &[Action]| decided(policies, &facts(actions));
    assert_eq!(decided(&[Action::Select, Action::Show]), "allow");
    assert!(decided(&[Action::Select, Action::Update, Action::Select]).starts_with(r#"hold: ["prod-dba"]"#));
    let both = decided(&[Action::Update, Action::Create]);
    assert!(both.starts_with(r#"hold: ["prod-dba", "security"]"#));
    assert_eq!(both, decided(&[Action::Create, Action::Update]));
    for mixed in [[Action::Access, Action::Update], [Action::Update, Action::Access]] {
        assert!(decided(&mixed).starts_with("block"));
    }
}

#[test]
fn a_command_that_runs_nothing_is_for_whoever_may_begin_a_transaction() {
    assert_eq!(decided(DESIGN, &Facts::nothing()), "allow");
    let nobody = principal(Kind::Human, "stranger", &[]);
    let verdict = line(&ask(&bundle(DESIGN), &nobody, &Facts::nothing()));
    assert_snapshot!(verdict, @"block: no policy permits sql:transaction on target `shop` []");
}

#[test]
fn i7_unknown_is_not_safe_a_policy_that_fails_to_evaluate_blocks() {
    // The forbid overflows for every hour above 1. Cedar skips it then, which would permit the command.
    let policies = r#"
        @id("all") permit (principal, action, resource);
        @id("sum") forbid (principal, action in Action::"read", resource)
                   when { context.hour * 9223372036854775807 < 0 };"#;
    assert_snapshot!(decided(policies, &facts(&[Action::Select])), @r#"block: policy `sum` could not be evaluated ["sum"]"#);
    assert_eq!(decided(policies, &facts(&[Action::Update])), "allow");
}

#[test]
fn i7_unknown_is_not_safe_a_time_that_cedar_cannot_hold_blocks() {
    let policies = r#"
        @id("all") permit (principal, action, resource);
        @id("old") forbid (principal, action in Action::"read", resource) when { context.time < datetime("2000-01-01") };"#;
    let bundle = bundle(policies);
    let at = |now| line(&ask_about(&bundle, &agent(), &facts(&[Action::Select]), |q| q.now = now));
    assert_eq!(at(super::NOW), "allow");
    assert_snapshot!(at(Timestamp::from_micros(0)), @r#"block: policy `old` forbids sql:select on target `shop` ["old"]"#);
    assert_snapshot!(at(Timestamp::from_micros(u64::MAX)), @"block: the policies could not be asked []");
}

#[test]
fn policies_read_the_context_and_the_labels() {
    let policies = r#"
        @id("work")  permit (principal is Human, action in Action::"command", resource)
                     when { context.hour >= 9 && context.hour < 17 && context.weekday != "sunday" };
        @id("team")  permit (principal, action == Action::"sql:show", resource)
                     when { resource.hasTag("team") && resource.getTag("team") == "payments" };
        @id("chain") permit (principal is Agent, action in Action::"write", resource)
                     when { context.on_behalf_of.contains("alice") && context.role == "app" && context.database == "shop"
                            && !context.in_transaction && !context.stream && context.writes == ["public.orders"] };"#;
    let bundle = bundle(policies);
    let human = principal(Kind::Human, "bob", &[]);
    let select = facts(&[Action::Select]);
    assert!(line(&ask(&bundle, &human, &select)).starts_with("block"));
    let monday = super::NOW.after(Duration::from_secs(24 * 3600));
    assert_eq!(line(&ask_about(&bundle, &human, &select, |q| q.now = monday)), "allow");
    assert_eq!(line(&ask(&bundle, &agent(), &facts(&[Action::Show]))), "allow");

    let for_alice = Principal { on_behalf_of: vec!["alice".parse().unwrap()], ..agent() };
    let update = Operation { writes: ["public.orders".into()].into(), ..Operation::new(Action::Update) };
    let update = Facts { operations: vec![update], ..Facts::nothing() };
    assert_eq!(line(&ask(&bundle, &for_alice, &update)), "allow");
    assert!(line(&ask(&bundle, &agent(), &update)).starts_with("block"));
    assert!(line(&ask_about(&bundle, &for_alice, &update, |q| q.in_transaction = true)).starts_with("block"));
    assert!(line(&ask_about(&bundle, &for_alice, &update, |q| q.database = "other")).starts_with("block"));
}

#[test]
fn a_target_that_is_not_the_bundles_own_is_judged_as_it_is() {
    let bundle = bundle(DESIGN);
    let ours = target(&bundle, "shop");
    let moved = Target {
        environment: EnvironmentName::new("test").unwrap(),
        generation: Digest::of(b"another"),
        ..Target::clone(&ours)
    };
    let select = facts(&[Action::Select]);
    assert_eq!(line(&ask(&bundle, &agent(), &select)), "allow");
    let verdict = ask_about(&bundle, &agent(), &select, |q| q.target = &*Box::leak(Box::new(moved)));
    assert!(line(&verdict).starts_with("block"));
}

#[test]
fn i6_masked_a_class_is_seen_only_by_whom_a_policy_lets_see_it() {
    let masking = "
rules:
  - { target: shop, relation: public.customers, column: email, class: email, action: hash }
  - { target: shop, relation: public.customers, column: mail2, class: email, action: 'null' }
  - { target: shop, relation: public.customers, column: phone, class: phone, action: partial, keep: 4 }
";
    let policies = r#"
        @id("run")   permit (principal, action in Action::"command", resource);
        @id("email") permit (principal in Group::"dba", action == Action::"unmask", resource == DataClass::"email");
        @id("phone") permit (principal in Group::"dba", action == Action::"unmask", resource == DataClass::"phone")
                     when { context.role == "owner" && context.target == "shop" && context.environment == "production" };
        @id("ask")   @approval("prod-dba") forbid (principal in Group::"night", action == Action::"unmask", resource);"#;
    let bundle = bundle_with_masking(policies, masking);
    let select = facts(&[Action::Select]);
    let seen = |groups: &[&str]| line(&ask(&bundle, &principal(Kind::Human, "alice", groups), &select));
    assert_eq!(seen(&[]), "allow");
    assert_eq!(seen(&["dba"]), r#"allow, seeing ["email"]"#);
    assert_eq!(seen(&["dba", "night"]), "allow");
    let dba = principal(Kind::Human, "alice", &["dba"]);
    let owner = "owner".parse().unwrap();
    let as_owner = ask_about(&bundle, &dba, &select, |q| q.role = &*Box::leak(Box::new(owner)));
    assert_eq!(line(&as_owner), r#"allow, seeing ["email", "phone"]"#);
    let lab = Box::leak(Box::new(Target::clone(&target(&bundle, "lab"))));
    assert_eq!(line(&ask_about(&bundle, &dba, &select, |q| q.target = lab)), "allow");
}

#[test]
fn a_held_command_has_duties_too() {
    let dba = principal(Kind::Human, "dana", &["dba", "agents"]);
    let verdict = ask(&example_bundle("bundle"), &dba, &facts(&[Action::Update]));
    let Verdict::Hold(_, duties) = verdict else { panic!("not held") };
    assert_eq!(duties.unmask.iter().map(|class| &*class.0).collect::<Vec<_>>(), ["email"]);
}

#[test]
fn the_example_bundle_decides_as_its_comments_say() {
    let bundle = example_bundle("bundle");
    let people = [
        ("agent", agent()),
        ("developer", principal(Kind::Human, "dev", &["developers"])),
        ("dba", principal(Kind::Human, "dana", &["dba"])),
        ("stranger", principal(Kind::Human, "x", &[])),
    ];
    let actions = [
        Action::Select,
        Action::Update,
        Action::Create,
        Action::Drop,
        Action::Access,
        Action::Call,
        Action::Unknown,
    ];
    let table: Vec<_> = people
        .iter()
        .flat_map(|(who, one)| {
            actions.map(|action| {
                format!("{who:9} {:14} {}", action.as_str(), line(&ask(&bundle, one, &facts(&[action]))))
            })
        })
        .collect();
    assert_snapshot!(table.join("\n"));
    let rules = bundle.column_rules(&"shop".parse().unwrap());
    assert_eq!(rules.iter().map(|rule| rule.column.as_str()).collect::<Vec<_>>(), ["email", "phone", "card"]);
}

#[test]
fn the_allow_all_bundle_allows_everything() {
    let bundle = example_bundle("allow-all");
    for action in Action::ALL {
        assert_eq!(line(&ask(&bundle, &principal(Kind::Service, "s", &[]), &facts(&[*action]))), "allow");
    }
    assert!(Arc::ptr_eq(bundle.targets().next().unwrap(), bundle.target(&"shop".parse().unwrap()).unwrap()));
}
