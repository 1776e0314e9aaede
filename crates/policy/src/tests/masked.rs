//! Tests the verdicts on commands that copy masked values, or select rows by them.

use std::collections::BTreeSet;

use countersign_common::facts::{Action, Flag, MaskedUses, Operation};
use countersign_common::principal::Kind;
use countersign_common::verdict::DataClass;
use countersign_common::{Facts, Verdict};
use insta::assert_snapshot;

use super::{CHAINS, NOW, TARGETS, agent, ask, bundle_with_masking, line, principal, target};
use crate::{Bundle, Decision, Files, Question, Use};

const RULES: &str = "
rules:
  - { target: shop, relation: public.customers, column: email, class: email, action: hash }
  - { target: shop, relation: public.customers, column: phone, class: phone, action: redact }
";

const POLICIES: &str = r#"
@id("run")   permit (principal, action in Action::"command", resource);
@id("email") permit (principal in Group::"support", action == Action::"unmask", resource == DataClass::"email");
@id("all")   permit (principal in Group::"dba", action == Action::"unmask", resource);"#;

#[derive(Clone, Copy)]
enum Used {
    Copied,
    Compared,
    Equated,
}

/// Returns the facts of a command that uses these classes in this way.
fn uses(action: Action, used: Used, classes: &[&str]) -> Facts {
    let classes: BTreeSet<_> = classes.iter().map(|class| DataClass((*class).into())).collect();
    let mut masked = MaskedUses::default();
    *match used {
        Used::Copied => &mut masked.copies,
        Used::Compared => &mut masked.predicates,
        Used::Equated => &mut masked.equalities,
    } = classes;
    Facts { operations: vec![Operation { masked, ..Operation::new(action) }], ..Facts::nothing() }
}

/// Returns the kind of the verdict, with the chain that must approve or the policy that blocks.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(_) => "allow".into(),
        Verdict::Hold(terms, _) => format!("hold {}", terms.chains[0]),
        Verdict::Block(reason) => format!("block {}", reason.policies[0]),
    }
}

fn decided(bundle: &Bundle, groups: &[&str], facts: &Facts) -> String {
    word(&ask(bundle, &principal(Kind::Agent, "agent-7", groups), facts))
}

#[test]
fn i6_masked_copies_and_predicates_are_held_by_the_chain_that_masking_names() {
    let bundle = bundle_with_masking(POLICIES, &format!("chain: prod-dba\n{RULES}"));
    let table = [
        (Used::Copied, &["email"][..], "hold prod-dba", "allow", "allow"),
        (Used::Copied, &["email", "phone"], "hold prod-dba", "hold prod-dba", "allow"),
        (Used::Compared, &["email"], "hold prod-dba", "allow", "allow"),
        (Used::Compared, &["phone"], "hold prod-dba", "hold prod-dba", "allow"),
        (Used::Equated, &["email", "phone"], "allow", "allow", "allow"),
    ];
    for (used, classes, agents, support, dba) in table {
        let facts = uses(Action::Update, used, classes);
        assert_eq!(decided(&bundle, &["agents"], &facts), agents, "{classes:?}");
        assert_eq!(decided(&bundle, &["support"], &facts), support, "{classes:?}");
        assert_eq!(decided(&bundle, &["dba"], &facts), dba, "{classes:?}");
    }
    let held = ask(&bundle, &agent(), &uses(Action::Select, Used::Compared, &["email"]));
    assert_snapshot!(line(&held), @r#"hold: ["prod-dba"] within 3600s, it selects, joins, orders or groups rows by values of class `email`, which are masked ["masking:predicates:email"]"#);
}

#[test]
fn i6_masked_copies_and_predicates_are_blocked_where_no_chain_is_named() {
    let bundle = bundle_with_masking(POLICIES, RULES);
    for kind in [Kind::Human, Kind::Agent, Kind::Service] {
        let one = principal(kind, "somebody", &[]);
        let decided = |used| word(&ask(&bundle, &one, &uses(Action::Insert, used, &["email"])));
        assert_eq!(decided(Used::Copied), "block masking:copies:email");
        assert_eq!(decided(Used::Compared), "block masking:predicates:email");
        assert_eq!(decided(Used::Equated), "allow");
    }
    let blocked = ask(&bundle, &agent(), &uses(Action::Insert, Used::Copied, &["email"]));
    assert_snapshot!(line(&blocked), @r#"block: it may copy values of class `email` to a place where they are not masked ["masking:copies:email"]"#);
}

#[test]
fn each_class_has_terms_of_its_own() {
    let classes = "
classes:
  email: { predicates: allow, equality: block }
  phone: { predicates: block, equality: hold }
";
    let bundle = bundle_with_masking(POLICIES, &format!("chain: security\n{RULES}{classes}"));
    let decided = |used, class: &str| decided(&bundle, &["agents"], &uses(Action::Select, used, &[class]));
    assert_eq!(decided(Used::Compared, "email"), "allow");
    assert_eq!(decided(Used::Equated, "email"), "block masking:equality:email");
    assert_eq!(decided(Used::Compared, "phone"), "block masking:predicates:phone");
    assert_eq!(decided(Used::Equated, "phone"), "hold security");
    assert_eq!(decided(Used::Copied, "phone"), "hold security");
    let terms: Vec<_> =
        bundle.class_terms().iter().map(|t| (&*t.class.0, t.copies, t.predicates, t.equality)).collect();
    assert_eq!(
        terms,
        [("email", Use::Hold, Use::Allow, Use::Block), ("phone", Use::Hold, Use::Block, Use::Hold)]
    );
}

#[test]
fn lookups_by_equality_have_a_limit_for_each_class_that_is_allowed() {
    let limits = |masking: &str| {
        let bundle = bundle_with_masking(POLICIES, masking);
        let Verdict::Allow(duties) = ask(&bundle, &agent(), &uses(Action::Select, Used::Equated, &["email"]))
        else {
            panic!("not allowed")
        };
        duties.lookups_max.iter().map(|(class, max)| format!("{}:{max}", class.0)).collect::<Vec<_>>()
    };
    assert_eq!(limits(RULES), ["email:1000", "phone:1000"]);
    let classes = "classes: { email: { equality_limit: 7 }, phone: { predicates: allow } }";
    assert_eq!(limits(&format!("{RULES}{classes}")), ["email:7"]);
    let classes = "classes: { phone: { equality: block } }";
    assert_eq!(limits(&format!("{RULES}{classes}")), ["email:1000"]);
}

#[test]
fn policies_judge_the_flags_and_the_classes_themselves() {
    let policies = r#"
        @id("run") permit (principal, action in Action::"command", resource);
        @id("all") permit (principal in Group::"dba", action == Action::"unmask", resource);
        @id("no-copies") forbid (principal is Agent, action, resource)
                         when { context has flags && context.flags.contains("copies_masked") };
        @id("no-phone")  forbid (principal, action in Action::"command", resource)
                         when { context.flags.contains("masked_predicate") && context.predicate_classes.contains("phone") };
        @id("no-lookup") forbid (principal, action in Action::"command", resource)
                         when { context.equality_classes.contains("phone") };"#;
    let bundle = bundle_with_masking(policies, &format!("chain: prod-dba\n{RULES}"));
    let decided =
        |groups: &[&str], used, class| decided(&bundle, groups, &uses(Action::Update, used, &[class]));
    assert_eq!(decided(&[], Used::Copied, "email"), "block no-copies");
    assert_eq!(decided(&[], Used::Compared, "phone"), "block no-phone");
    assert_eq!(decided(&[], Used::Compared, "email"), "hold prod-dba");
    assert_eq!(decided(&[], Used::Equated, "phone"), "block no-lookup");
    // The flag is set only for principals who may not see the class.
    for used in [Used::Copied, Used::Compared, Used::Equated] {
        assert_eq!(decided(&["dba"], used, "phone"), "allow");
    }
}

#[test]
fn what_is_not_permitted_stays_so_and_a_write_that_waits_anyway_asks_both_chains() {
    let policies = r#"
        @id("read")  permit (principal, action in Action::"read", resource);
        @id("write") permit (principal, action == Action::"sql:update", resource);
        @id("ask")   @approval("security") forbid (principal, action in Action::"write", resource);"#;
    let bundle = bundle_with_masking(policies, &format!("chain: prod-dba\n{RULES}"));
    let copy = |action| ask(&bundle, &agent(), &uses(action, Used::Copied, &["email"]));
    let Verdict::Hold(terms, _) = copy(Action::Update) else { panic!("not held") };
    assert_eq!(terms.chains.iter().map(|chain| chain.as_str()).collect::<Vec<_>>(), ["prod-dba", "security"]);
    assert!(matches!(copy(Action::Insert), Verdict::Block(_)));
}

#[test]
fn an_explanation_shows_the_place_in_masking_yaml() {
    let bundle = bundle_with_masking(POLICIES, &format!("chain: prod-dba\n{RULES}"));
    let (agent, facts) = (agent(), uses(Action::Update, Used::Copied, &["email"]));
    let (target, role) = (target(&bundle, "shop"), "app".parse().unwrap());
    let question = Question {
        principal: &agent,
        target: &target,
        role: &role,
        database: "shop",
        facts: &facts,
        in_transaction: false,
        now: NOW,
    };
    let explanation = bundle.explain(&question);
    assert_eq!(explanation.verdict, bundle.judge(&question));
    assert_eq!(explanation.operations[0].decision, Decision::Hold);
    let matched: Vec<_> =
        explanation.operations[0].matched.iter().map(|m| format!("{}:{} {}", m.file, m.line, m.id)).collect();
    assert_eq!(matched, ["p.cedar:2 run", "masking.yaml:4 masking:copies:email"]);
}

#[test]
fn a_flag_that_a_gateway_sent_without_classes_is_judged_like_all_of_them() {
    let bundle = bundle_with_masking(POLICIES, RULES);
    let operation =
        Operation { flags: BTreeSet::from([Flag::CopiesMasked]), ..Operation::new(Action::Update) };
    let facts = Facts { operations: vec![operation], ..Facts::nothing() };
    assert!(decided(&bundle, &["agents"], &facts).starts_with("block masking:copies:"));
    assert_eq!(decided(&bundle, &["dba"], &facts), "allow");
}

fn refused(masking: &str) -> String {
    let files = [("targets.yaml", TARGETS), ("chains.yaml", CHAINS), ("masking.yaml", masking)];
    Bundle::compile(&Files::from_iter(files), Vec::new()).unwrap_err().to_string()
}

#[test]
fn terms_that_do_not_fit_are_refused_with_their_place() {
    let classes = "
classes:
  email: { predicates: hold, equality: hold, equality_limit: 3 }
  phone: { equality_limit: 0 }
  card: { predicates: allow }
";
    assert_snapshot!(refused(&format!("{RULES}{classes}")), @r"
    the bundle does not validate:
      masking.yaml:7:24: class `email`: `predicates: hold` needs a chain that decides; name it with `chain:` at the top of the file
      masking.yaml:7:40: class `email`: `equality: hold` needs a chain that decides; name it with `chain:` at the top of the file
      masking.yaml:7:62: class `email`: `equality_limit` goes with `equality: allow` only
      masking.yaml:8:28: class `phone`: equality_limit 0 allows no lookup; write `equality: block`
      masking.yaml:9:9: no rule names class `card`
    ");
    assert_snapshot!(refused(&format!("chain: nobody\n{RULES}")), @r"
    the bundle does not validate:
      masking.yaml:1:8: chain `nobody` is not in chains.yaml
    ");
    let unknown = refused(&format!("{RULES}classes: {{ email: {{ predicates: maybe }} }}"));
    assert!(unknown.contains("masking.yaml:5:") && unknown.contains("maybe"), "{unknown}");
}

#[test]
fn the_id_of_a_built_in_policy_is_its_own() {
    let policy = r#"@id("masking:copies:email") permit (principal, action, resource);"#;
    let files =
        [("p.cedar", policy), ("targets.yaml", TARGETS), ("chains.yaml", CHAINS), ("masking.yaml", RULES)];
    let refused = Bundle::compile(&Files::from_iter(files), Vec::new()).unwrap_err().to_string();
    assert_snapshot!(refused, @r"
    the bundle does not validate:
      p.cedar:1:1: policy id `masking:copies:email` belongs to a built-in policy of masking.yaml; choose another
    ");
}

#[test]
fn a_class_may_have_any_name_that_yaml_can_write() {
    let masking = r#"
rules:
  - { target: shop, relation: public.customers, column: email, class: 'e"\mail', action: redact }
"#;
    let bundle = bundle_with_masking(POLICIES, masking);
    let facts = uses(Action::Update, Used::Copied, &[r#"e"\mail"#]);
    assert_eq!(decided(&bundle, &["agents"], &facts), r#"block masking:copies:e"\mail"#);
}
