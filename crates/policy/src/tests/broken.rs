//! Tests the messages about bundles that do not validate. The texts are for people: review them as such.

use insta::assert_snapshot;

use super::{CHAINS, TARGETS};
use crate::{Bundle, Files};

fn refused<const N: usize>(files: [(&str, &str); N]) -> String {
    Bundle::compile(&Files::from_iter(files), Vec::new()).unwrap_err().to_string()
}

fn policies(text: &str) -> String {
    refused([("p.cedar", text), ("targets.yaml", TARGETS), ("chains.yaml", CHAINS)])
}

#[test]
fn bad_cedar_syntax_is_refused_with_its_place() {
    assert_snapshot!(policies("@id(\"a\")\npermit (principal, action resource);"));
}

#[test]
fn what_the_schema_does_not_know_is_refused_with_its_place() {
    assert_snapshot!(policies(
        r#"
@id("a") permit (principal, action in Action::"read", resource) when { context.flag == "x" };
@id("b") permit (principal in Grup::"agents", action in Action::"read", resource);
@id("c") permit (principal, action == Action::"sql:updatee", resource);
@id("d") forbid (principal, action in Action::"read", resource) when { context.flags.contains(7) };
@id("e") forbid (principal, action in Action::"read", resource) when { resource.getTag("team") == "x" };
@id("f") forbid (principal is Human in Group::"a", action in Action::"read", resource is DataClass);
"#
    ));
}

#[test]
fn annotations_that_do_not_fit_are_refused_all_together() {
    assert_snapshot!(policies(
        r#"
permit (principal, action == Action::"sql:show", resource);
@id("a") permit (principal, action == Action::"sql:show", resource);
@id("a") permit (principal, action == Action::"sql:show", resource);
@id("b") @approval("prod-dba") permit (principal, action == Action::"sql:show", resource);
@id("c") @approval("prod-dbx") forbid (principal, action == Action::"sql:show", resource);
@id("d") @aproval("prod-dba") forbid (principal, action == Action::"sql:show", resource);
@id("e f") permit (principal, action == Action::"sql:show", resource);
@id("g") permit (principal == ?principal, action == Action::"sql:show", resource);
"#
    ));
}

#[test]
fn a_policy_id_is_used_once_over_all_files() {
    let policy = r#"@id("a") permit (principal, action, resource);"#;
    assert_snapshot!(refused([("a.cedar", policy), ("b.cedar", policy)]), @r"
    the bundle does not validate:
      b.cedar:1:1: policy `a` is there already, at a.cedar:1; an @id is used once
    ");
}

#[test]
fn a_chain_that_nobody_can_end_is_refused() {
    assert_snapshot!(refused([(
        "chains.yaml",
        "
chains:
  none:
    timeout: 1h
    stages: []
  zero:
    timeout: 1h
    stages:
      - groups: [dba]
        quorum: 0
      - groups: []
"
    )]));
}

#[test]
fn yaml_that_does_not_fit_is_refused_with_its_place() {
    let chains = |text: &str| refused([("chains.yaml", text)]);
    let texts = [
        chains("chains:\n  a:\n    timeout: 1h\n    quorom: 1\n    stages: []\n"),
        chains("chains:\n  a: { timeout: 15, stages: [{ groups: [dba] }] }\n"),
        chains("chains:\n  a: { timeout: 0s, stages: [{ groups: [dba] }] }\n"),
        chains(
            "chains:\n  a: { timeout: 1h, stages: [{ groups: [dba] }] }\n  a: { timeout: 1h, stages: [{ groups: [dba] }] }\n",
        ),
        chains("chains: [\n"),
        chains("chains:\n  'a b': { timeout: 1h, stages: [{ groups: [dba] }] }\n"),
    ];
    assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_policy_that_can_never_apply_is_refused() {
    assert_snapshot!(policies(
        r#"@id("f") forbid (principal, action in Action::"read", resource is DataClass);"#
    ));
}

#[test]
fn yaml_files_with_nothing_in_them_are_no_fault() {
    for text in ["", "# to come\n", "chains:\n", "chains: {}\n"] {
        let bundle = Bundle::compile(&Files::from_iter([("chains.yaml", text)]), Vec::new());
        assert_eq!(bundle.map(|b| b.chains().len()).map_err(|e| e.to_string()), Ok(0), "{text:?}");
    }
}

#[test]
fn masking_rules_that_do_not_fit_are_refused_all_together() {
    let masking = "
rules:
  - { target: shpo, relation: public.customers, column: email, class: email, action: hash }
  - { target: shop, relation: customers, column: email, class: email, action: hash }
  - { target: shop, relation: public.customers, column: phone, class: phone, action: partial }
  - { target: shop, relation: public.customers, column: phone, class: phone, action: hash, keep: 4 }
  - { target: shop, relation: public.customers, column: card, class: 'a b', action: redact }
";
    assert_snapshot!(refused([("masking.yaml", masking), ("targets.yaml", TARGETS)]));
}

#[test]
fn targets_that_do_not_fit_are_refused_all_together() {
    assert_snapshot!(refused([(
        "targets.yaml",
        "
targets:
  secret: { environment: e, url: 'postgres://app:hunter2@db/shop' }
  nothing: { environment: e }
  both: { environment: e, url: 'postgres://app@db/shop', host: db }
  norole: { environment: e, host: db }
  many: { environment: e, host: db, roles: { a: { user: a }, b: { user: b } } }
  other: { environment: e, host: db, roles: { a: { user: a } }, default_role: b }
  mysql: { environment: e, host: db, protocol: mysql, roles: { a: { user: a } } }
  tls: { environment: e, url: 'postgres://app@db/x?sslmode=prefer' }
  zero: { environment: e, url: 'postgres://app@db/x', judged_bytes_max: 0 }
  any: { environment: e, url: 'postgres://app@db/x', databases: [shop, '*', ''] }
"
    )]));
}

#[test]
fn i11_no_credentials_a_password_in_a_bundle_is_refused_and_not_repeated() {
    let text = refused([(
        "targets.yaml",
        "targets: { a: { environment: e, url: 'postgres://app:hunter2@db/shop' } }",
    )]);
    assert!(text.contains("credential:") && !text.contains("hunter2"), "{text}");
}

#[test]
fn two_files_for_the_same_thing_and_foreign_files_are_refused() {
    assert_snapshot!(refused([("chains.yaml", CHAINS), ("chains.yml", CHAINS), ("notes.txt", ""), ("../a.cedar", "")]), @r"
    the bundle does not validate:
      ../a.cedar: not a file of a bundle; expected `*.cedar`, `targets.yaml`, `chains.yaml`, `masking.yaml` or `limits.yaml`
      chains.yml: `chains.yaml` is there too; keep one of them
      notes.txt: not a file of a bundle; expected `*.cedar`, `targets.yaml`, `chains.yaml`, `masking.yaml` or `limits.yaml`
    ");
}
