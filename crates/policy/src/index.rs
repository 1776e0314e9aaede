//! Index of the rules by action: it lists for each action only the rules with a matching scope, so that a decision
//! evaluates few rules. A rule that is left out could not have matched, so the result is the same as with all rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, EntityUid, PolicySet};
use countersign_common::facts::Action;

use crate::context::Attributes;
use crate::error::Fault;
use crate::names::Names;
use crate::rules::{Rule, Rules};
use crate::schema::{UNMASK, action_and_groups};

/// The rules that can match one action.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// All of them; they decide if a command runs without approval.
    pub(crate) all: PolicySet,
    /// All but the liftable forbids; they decide if a command can run at all.
    pub(crate) unlifted: PolicySet,
    /// Attributes of the context that they read.
    pub(crate) reads: Attributes,
}

#[derive(Debug)]
pub(crate) struct Index {
    actions: Vec<Arc<Candidates>>,
    pub(crate) unmask: Arc<Candidates>,
    /// All rules, for an action that is not in the index.
    every: Arc<Candidates>,
}

impl Index {
    pub(crate) fn new(rules: &Rules, names: &Names) -> Result<Self, Fault> {
        let mut shared = BTreeMap::new();
        let mut select = |groups: &[EntityUid]| -> Result<Arc<Candidates>, Fault> {
            let met: Vec<usize> =
                rules.iter().enumerate().filter(|(_, rule)| may_meet(rule, groups)).map(|(i, _)| i).collect();
            if let Some(candidates) = shared.get(&met) {
                return Ok(Arc::clone(candidates));
            }
            let candidates = Arc::new(candidates(met.iter().filter_map(|i| rules.get(*i)))?);
            shared.insert(met, Arc::clone(&candidates));
            Ok(candidates)
        };
        let actions = Action::ALL.iter().map(|action| {
            let groups: Vec<_> =
                action_and_groups(*action).into_iter().map(|name| names.action_uid(name)).collect();
            select(&groups)
        });
        Ok(Self {
            actions: actions.collect::<Result<_, _>>()?,
            unmask: select(&[names.action_uid(UNMASK)])?,
            every: Arc::new(candidates(rules.iter())?),
        })
    }

    /// Returns the rules that can match this action.
    pub(crate) fn of(&self, action: Action) -> &Candidates {
        self.actions.get(action as usize).unwrap_or(&self.every)
    }

    /// All rules; the results with the index must be the same.
    #[cfg(test)]
    pub(crate) fn every(&self) -> &Candidates {
        &self.every
    }
}

fn candidates<'a>(rules: impl Iterator<Item = &'a Rule> + Clone) -> Result<Candidates, Fault> {
    let set = |rules: &mut dyn Iterator<Item = &'a Rule>| {
        PolicySet::from_policies(rules.map(|rule| rule.policy.clone()))
            .map_err(|error| Fault::of_file("", error.to_string()))
    };
    Ok(Candidates {
        all: set(&mut rules.clone())?,
        unlifted: set(&mut rules.clone().filter(|rule| !rule.is_liftable()))?,
        reads: rules.fold(Attributes::default(), |all, rule| all.and(rule.reads)),
    })
}

/// Returns `true` if the scope of a rule can match an action in these groups (the first is the action itself).
fn may_meet(rule: &Rule, groups: &[EntityUid]) -> bool {
    match rule.policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(action) => groups.first() == Some(&action),
        ActionConstraint::In(any_of) => any_of.iter().any(|group| groups.contains(group)),
    }
}
