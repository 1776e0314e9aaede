//! The rules by action: for each action only those whose scope can meet it, so that a decision touches
//! few. A rule that is left out could not have matched, so the result is the same as with all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, EntityUid, PolicySet};
use countersign_common::facts::Action;

use crate::context::Attributes;
use crate::error::Fault;
use crate::names::Names;
use crate::rules::{Rule, Rules};
use crate::schema::{UNMASK, action_and_groups};

/// The rules that can meet one action.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// All of them: what runs by itself.
    pub(crate) all: PolicySet,
    /// Without the liftable forbids: what can run at all.
    pub(crate) unlifted: PolicySet,
    /// What they read of the context.
    pub(crate) reads: Attributes,
}

/// The rules by action.
#[derive(Debug)]
pub(crate) struct Index {
    actions: Vec<Arc<Candidates>>,
    pub(crate) unmask: Arc<Candidates>,
    /// Every rule; for an action that the index does not know.
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

    /// The rules that can meet this action.
    pub(crate) fn of(&self, action: Action) -> &Candidates {
        self.actions.get(action as usize).unwrap_or(&self.every)
    }

    /// All rules, whatever the action: what the index must agree with.
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

/// Whether a rule's scope can meet an action that stands in these groups (itself among them).
fn may_meet(rule: &Rule, groups: &[EntityUid]) -> bool {
    match rule.policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(action) => groups.first() == Some(&action),
        ActionConstraint::In(any_of) => any_of.iter().any(|group| groups.contains(group)),
    }
}
