//! Tests the guide for authors of bundles: its examples compile.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_common::facts::{Action, Class, Flag};

use crate::{Bundle, Files};

fn guide() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md")).unwrap()
}

/// Returns the fenced blocks of a language.
fn blocks<'a>(guide: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    guide.split(opening.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_block_of_the_guide_compiles_in_one_bundle() {
    let guide = guide();
    let mut files = BTreeMap::new();
    for (n, block) in blocks(&guide, "cedar").into_iter().enumerate() {
        files.insert(format!("block{n}.cedar"), block.to_owned());
    }
    for block in blocks(&guide, "yaml") {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap();
        files.insert(name.to_owned(), block.to_owned());
    }
    assert!(files.len() > 5);
    let bundle = Bundle::compile(&Files::from_iter(files), Vec::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(bundle.policy_count() > 5);
}

#[test]
fn the_guide_lists_every_action_class_flag_and_attribute() {
    let guide = guide();
    let names = Action::ALL.iter().map(|a| a.as_str()).chain(Class::ALL.iter().map(|c| c.as_str()));
    let names = names.chain(Flag::ALL.iter().map(|f| f.as_str()));
    let names = names.chain(crate::context::Attribute::ALL.iter().map(|a| a.name()));
    let missing: Vec<_> = names.filter(|name| !guide.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/policy.md: {missing:?}");
}
