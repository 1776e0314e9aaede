//! `masking.yaml`: which columns hold which class of data, and what becomes of their values.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::id::TargetName;
use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Document;
use super::targets::Listed;
use crate::error::Fault;
use crate::files::Files;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Masking {
    rules: Option<Vec<Spanned<Entry>>>,
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

/// Reads the masking rules, by target, in the order of the file.
pub(crate) fn read(
    files: &Files,
    targets: &BTreeMap<TargetName, Listed>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<TargetName, Vec<ColumnRule>> {
    let mut columns: BTreeMap<TargetName, Vec<ColumnRule>> = BTreeMap::new();
    let Some(document) = super::read::<Masking>(files, "masking", faults) else { return columns };
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
        if let Some(rule) = column_rule(&document, entry, faults) {
            columns.entry(entry.value.target.clone()).or_default().push(rule);
        }
    }
    columns
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
    if rule.class.is_empty() || rule.class.chars().any(|c| c.is_control() || c.is_whitespace()) {
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
