//! Tests the content of explanations.

use countersign_common::facts::Action;
use countersign_common::id::RoleName;

use super::{NOW, agent, example_bundle, facts, target};
use crate::Question;

#[test]
fn an_explanation_names_the_policies_with_their_place() {
    let bundle = example_bundle("bundle");
    let (agent, facts) =
        (agent(), facts(&[Action::Select, Action::Update, Action::Select, Action::Drop, Action::Show]));
    let (target, role) = (target(&bundle, "shop"), RoleName::new("app").unwrap());
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
    let line = |matched: &crate::Matched| format!("{}:{} {}", matched.file, matched.line, matched.id);
    let operations: Vec<_> = explanation
        .operations
        .iter()
        .map(|o| {
            format!("{} {:?} {:?}", o.action, o.decision, o.matched.iter().map(line).collect::<Vec<_>>())
        })
        .collect();
    insta::assert_snapshot!(operations.join("\n"), @r#"
    sql:select Allow ["policies.cedar:6 agents-read"]
    sql:update Hold ["policies.cedar:9 agents-write", "policies.cedar:12 writes-need-dba"]
    sql:drop Forbidden ["policies.cedar:17 never-drop", "policies.cedar:29 schema-needs-dba"]
    "#);
    let seen: Vec<_> = explanation.classes.iter().map(|c| (&*c.class.0, c.seen)).collect();
    assert_eq!(seen, [("card", false), ("email", false), ("phone", false)]);
}
