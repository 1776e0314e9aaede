//! Reads `masking.yaml`: the classes of data in columns, the masks for their values, and the other uses of values
//! that a principal may not see.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::approval::Chain;
use countersign_common::id::{ChainName, TargetName};
use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Document;
use super::targets::Listed;
use crate::class_terms::{ClassTerms, Use};
use crate::error::Fault;
use crate::files::Files;

/// Default for the maximum number of lookups by equality in one session with values of one class.
const LOOKUPS_MAX_DEFAULT: u64 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Masking {
    rules: Option<Vec<Spanned<Entry>>>,
    chain: Option<Spanned<ChainName>>,
    classes: Option<BTreeMap<String, Spanned<ClassEntry>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    target: TargetName,
    relation: String,
    column: String,
    class: String,
    action: Action,
    keep: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Redact,
    Partial,
    Null,
    Hash,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassEntry {
    predicates: Option<Spanned<Use>>,
    equality: Option<Spanned<Use>>,
    equality_limit: Option<Spanned<u64>>,
}

/// Content of `masking.yaml`.
#[derive(Debug, Default)]
pub(crate) struct MaskingFile {
    /// The masking rules, by target, in the order of the file.
    pub(crate) columns: BTreeMap<TargetName, Vec<ColumnRule>>,
    /// The terms of every class that a rule names, in the order of the classes.
    pub(crate) classes: Vec<ClassTerms>,
}

/// Reads the masking rules and the terms of their classes.
pub(crate) fn read(
    files: &Files,
    targets: &BTreeMap<TargetName, Listed>,
    chains: &BTreeMap<ChainName, Chain>,
    faults: &mut Vec<Fault>,
) -> MaskingFile {
    let Some(document) = super::read::<Masking>(files, "masking", faults) else {
        return MaskingFile::default();
    };
    let columns = columns(&document, targets, faults);
    let chain = chain(&document, chains, faults);
    let classes = classes(&document, chain.as_ref(), faults);
    MaskingFile { columns, classes }
}

fn columns(
    document: &Document<'_, Masking>,
    targets: &BTreeMap<TargetName, Listed>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<TargetName, Vec<ColumnRule>> {
    let mut columns: BTreeMap<TargetName, Vec<ColumnRule>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in document.content.rules.iter().flatten() {
        let rule = &entry.value;
        if !targets.contains_key(&rule.target) {
            faults.push(document.fault(entry, format!("target `{}` is not there", rule.target)));
        }
        if !seen.insert((&rule.target, &rule.relation, &rule.column)) {
            let column = format!("{}.{}", rule.relation, rule.column);
            faults.push(
                document.fault(
                    entry,
                    format!("column `{column}` of target `{}` has a rule already", rule.target),
                ),
            );
        }
        if let Some(rule) = column_rule(document, entry, faults) {
            columns.entry(entry.value.target.clone()).or_default().push(rule);
        }
    }
    columns
}

/// Returns the chain that decides about copies and predicates, even if it is not in chains.yaml.
fn chain(
    document: &Document<'_, Masking>,
    chains: &BTreeMap<ChainName, Chain>,
    faults: &mut Vec<Fault>,
) -> Option<ChainName> {
    let chain = document.content.chain.as_ref()?;
    if !chains.contains_key(&chain.value) {
        faults.push(document.fault(chain, format!("chain `{}` is not in chains.yaml", chain.value)));
    }
    Some(chain.value.clone())
}

/// Returns the terms of every class that a rule names: those of the file, with defaults for missing ones.
fn classes(
    document: &Document<'_, Masking>,
    chain: Option<&ChainName>,
    faults: &mut Vec<Fault>,
) -> Vec<ClassTerms> {
    // For explanations, the position of a class is the first rule that names it.
    let mut named: BTreeMap<&str, &Spanned<Entry>> = BTreeMap::new();
    // A name that is not a valid class is a fault of its rule.
    for entry in document.content.rules.iter().flatten().filter(|entry| is_class(&entry.value.class)) {
        named.entry(entry.value.class.as_str()).or_insert(entry);
    }
    let listed = document.content.classes.iter().flatten();
    for (class, entry) in listed.filter(|(class, _)| !named.contains_key(class.as_str())) {
        faults.push(document.fault(entry, format!("no rule names class `{class}`")));
    }
    let terms = |(class, first): (&&str, &&Spanned<Entry>)| {
        let entry = document.content.classes.as_ref().and_then(|classes| classes.get(*class));
        let file = document.file.to_owned();
        let at = document.position(*first);
        match entry {
            Some(entry) => {
                check_class(document, class, entry, chain, faults);
                let at = document.position(entry).or(at);
                ClassTerms { file, at, ..class_terms(class, chain, &entry.value) }
            }
            None => {
                let entry = ClassEntry { predicates: None, equality: None, equality_limit: None };
                ClassTerms { file, at, ..class_terms(class, chain, &entry) }
            }
        }
    };
    named.iter().map(terms).collect()
}

fn class_terms(class: &str, chain: Option<&ChainName>, entry: &ClassEntry) -> ClassTerms {
    let decided = |given: Option<&Spanned<Use>>, default: Use| given.map_or(default, |given| given.value);
    // INVARIANT: I6. Without a chain that could decide, the default is the stricter one.
    let asked = if chain.is_some() { Use::Hold } else { Use::Block };
    let predicates = decided(entry.predicates.as_ref(), asked);
    let equality = decided(entry.equality.as_ref(), Use::Allow);
    let limit = entry.equality_limit.as_ref().map(|limit| limit.value);
    // If all predicates are allowed, a default limit on the weakest kind would protect nothing, so there is none.
    let default = (predicates != Use::Allow).then_some(LOOKUPS_MAX_DEFAULT);
    ClassTerms {
        class: DataClass(class.into()),
        copies: asked,
        predicates,
        equality,
        lookups_max: limit.or(default).filter(|_| equality == Use::Allow),
        chain: chain.cloned(),
        file: String::new(),
        at: None,
    }
}

fn check_class(
    document: &Document<'_, Masking>,
    class: &str,
    entry: &Spanned<ClassEntry>,
    chain: Option<&ChainName>,
    faults: &mut Vec<Fault>,
) {
    let ClassEntry { predicates, equality, equality_limit } = &entry.value;
    for (name, given) in [("predicates", predicates), ("equality", equality)] {
        let Some(given) = given.as_ref().filter(|given| given.value == Use::Hold && chain.is_none()) else {
            continue;
        };
        let reason = format!(
            "class `{class}`: `{name}: hold` needs a chain that decides; name it with `chain:` at the top of the file"
        );
        faults.push(document.fault(given, reason));
    }
    let Some(limit) = equality_limit else { return };
    if limit.value == 0 {
        let reason = format!("class `{class}`: equality_limit 0 allows no lookup; write `equality: block`");
        faults.push(document.fault(limit, reason));
    }
    if equality.as_ref().is_some_and(|equality| equality.value != Use::Allow) {
        let reason = format!("class `{class}`: `equality_limit` goes with `equality: allow` only");
        faults.push(document.fault(limit, reason));
    }
}

fn is_class(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn column_rule(
    document: &Document<'_, Masking>,
    entry: &Spanned<Entry>,
    faults: &mut Vec<Fault>,
) -> Option<ColumnRule> {
    let rule = &entry.value;
    let before = faults.len();
    let mut fault = |reason: String| faults.push(document.fault(entry, reason));
    let qualified =
        rule.relation.split_once('.').is_some_and(|(schema, name)| !schema.is_empty() && !name.is_empty());
    if !qualified {
        fault(format!(
            "relation `{}` lacks its schema; write it like `public.{}`",
            rule.relation, rule.relation
        ));
    }
    if rule.column.is_empty() {
        fault("the column has no name".into());
    }
    if !is_class(&rule.class) {
        fault(format!("`{}` is not a class of data; write it like `email`", rule.class));
    }
    let action = match (rule.action, rule.keep) {
        (Action::Partial, Some(keep @ 1..)) => Some(MaskAction::Partial { keep }),
        (Action::Partial, _) => {
            fault(
                "action `partial` needs `keep`, the number of last characters that stay, at least 1".into(),
            );
            None
        }
        (_, Some(_)) => {
            fault("`keep` goes with action `partial` only".into());
            None
        }
        (Action::Redact, None) => Some(MaskAction::Redact),
        (Action::Null, None) => Some(MaskAction::Null),
        (Action::Hash, None) => Some(MaskAction::Hash),
    };
    let action = action.filter(|_| faults.len() == before)?;
    Some(ColumnRule {
        relation: rule.relation.clone(),
        column: rule.column.clone(),
        class: DataClass(rule.class.as_str().into()),
        action,
    })
}
