//! Combines the outcomes of a command's operations into one verdict: the strictest outcome decides, and a held
//! command gets the terms of every chain that was named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_common::Verdict;
use countersign_common::approval::{Chain, Terms};
use countersign_common::facts::Action;
use countersign_common::id::{ChainName, TargetName};
use countersign_common::verdict::{Duties, Reason};

use crate::evaluate::Outcome;
use crate::rules::{Rule, Rules};

/// Combines all outcomes into a verdict. The first blocked operation gives the reason.
pub(crate) fn verdict(
    outcomes: &[(Action, Outcome)],
    target: &TargetName,
    rules: &Rules,
    chains: &BTreeMap<ChainName, Chain>,
    duties: impl FnOnce() -> Duties,
) -> Verdict {
    let mut asking = BTreeSet::new();
    for (action, outcome) in outcomes {
        match outcome {
            Outcome::Allow { .. } => {}
            Outcome::Hold { liftable, .. } => asking.extend(liftable.iter().copied()),
            Outcome::Forbidden { forbids, .. } => {
                return Verdict::Block(forbidden(*action, target, rules, forbids));
            }
            Outcome::NotPermitted => return Verdict::Block(not_permitted(*action, target)),
            Outcome::Broken { rules: broken, .. } => return Verdict::Block(unevaluated(rules, broken)),
        }
    }
    if asking.is_empty() {
        return Verdict::Allow(duties());
    }
    let asking: Vec<_> = asking.iter().filter_map(|number| rules.get(*number)).collect();
    match terms(&asking, chains) {
        Some(terms) => Verdict::Hold(Arc::new(terms), duties()),
        // Not reachable: a bundle compiles only if every chain exists. Without the chain nobody could approve (I7).
        None => {
            Verdict::Block(Reason { policies: Vec::new(), text: "its chain of approval is missing".into() })
        }
    }
}

fn forbidden(action: Action, target: &TargetName, rules: &Rules, forbids: &[usize]) -> Reason {
    let text = |rule: &Rule| {
        rule.reason
            .clone()
            .unwrap_or_else(|| format!("policy `{}` forbids {action} on target `{target}`", rule.id))
    };
    let texts: Vec<_> = unique(rules.of(forbids).map(text));
    let text = if texts.is_empty() {
        format!("{action} is forbidden on target `{target}`")
    } else {
        texts.join("; ")
    };
    Reason { policies: rules.of(forbids).map(|rule| rule.id.clone()).collect(), text }
}

fn not_permitted(action: Action, target: &TargetName) -> Reason {
    Reason { policies: Vec::new(), text: format!("no policy permits {action} on target `{target}`") }
}

fn unevaluated(rules: &Rules, broken: &[usize]) -> Reason {
    let policies: Vec<_> = rules.of(broken).map(|rule| rule.id.clone()).collect();
    let text = if policies.is_empty() {
        "the policies could not be asked".into()
    } else {
        let names: Vec<_> = policies.iter().map(|id| format!("`{id}`")).collect();
        format!("policy {} could not be evaluated", names.join(", "))
    };
    Reason { policies, text }
}

/// Returns the terms that these rules ask for: chains in the order of their names without duplicates, policies in the
/// order of the rules. Returns `None` if a chain is missing or none is named.
fn terms(asking: &[&Rule], chains: &BTreeMap<ChainName, Chain>) -> Option<Terms> {
    let names: BTreeSet<_> = asking.iter().filter_map(|rule| rule.approval.as_ref()).collect();
    let chains: Vec<_> = names.iter().map(|name| chains.get(*name)).collect::<Option<_>>()?;
    let why = |rule: &&Rule| {
        let chain = rule.approval.as_ref().map_or("", ChainName::as_str);
        rule.reason.clone().unwrap_or_else(|| format!("policy `{}` asks for `{chain}`", rule.id))
    };
    Some(Terms {
        chains: chains.iter().map(|chain| chain.name.clone()).collect(),
        stages: chains.iter().flat_map(|chain| chain.stages.iter().cloned()).collect(),
        timeout: chains.iter().map(|chain| chain.timeout).min()?,
        policies: asking.iter().map(|rule| rule.id.clone()).collect(),
        reason: unique(asking.iter().map(why)).join("; "),
    })
}

/// Removes duplicate texts and keeps the order of the first ones.
fn unique(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}
