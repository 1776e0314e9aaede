//! Evaluates the rules and caches the verdicts. Pure except for its caches.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, EntityUid, Schema};
use countersign_common::approval::Chain;
use countersign_common::facts::{Action, Operation};
use countersign_common::id::{ChainName, TargetName};
use countersign_common::verdict::{DataClass, Duties};
use countersign_common::{Facts, Principal, Target, Verdict};

use crate::cache::{Cache, Key, Recent, View, same};
use crate::combine;
use crate::context;
#[cfg(test)]
use crate::context::Attributes;
use crate::error::Fault;
use crate::evaluate::{Asked, Outcome, evaluate};
use crate::index::{Candidates, Index};
use crate::masked_uses;
use crate::names::Names;
use crate::question::Question;
use crate::rules::Rules;

/// Maximum number of principals with cached entities.
const PRINCIPALS_MAX: u64 = 1024;

/// Operation that is judged for a command without operations: every principal who may begin a transaction may send
/// it.
static NOTHING: Operation = Operation::new(Action::Transaction);

/// The rules of a bundle, indexed, with caches.
#[derive(Debug)]
pub(crate) struct Engine {
    names: Names,
    authorizer: Authorizer,
    rules: Rules,
    index: Index,
    chains: BTreeMap<ChainName, Chain>,
    /// Targets of the bundle, in the order of their names; the number of a target is its index here.
    targets: Vec<Arc<Target>>,
    classes: Classes,
    /// Actions and targets; the principal is added for each question.
    entities: Entities,
    with_principal: moka::sync::Cache<Arc<Principal>, Arc<Entities>>,
    verdicts: Cache<Verdict>,
    recent: Recent<Verdict>,
    duties: Cache<Duties>,
}

/// The classes of data that masking rules name.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// Classes of each target, by the number of the target.
    pub(crate) of_targets: Vec<Vec<DataClass>>,
    /// Maximum number of lookups by equality that one session may make with masked values.
    pub(crate) lookups_max: Arc<BTreeMap<DataClass, u64>>,
}

/// Provides the parts of a key as shared values.
pub(crate) trait Owned {
    fn principal(&self) -> Arc<Principal>;
    fn facts(&self) -> Arc<Facts>;
    /// Returns `true` if the caller shares the parts: it then asks again with the same parts in memory.
    fn is_shared(&self) -> bool;
}

impl Owned for Question<'_> {
    fn principal(&self) -> Arc<Principal> {
        Arc::new(self.principal.clone())
    }

    fn facts(&self) -> Arc<Facts> {
        Arc::new(self.facts.clone())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// Parts of a question that are already shared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) principal: &'a Arc<Principal>,
    pub(crate) facts: &'a Arc<Facts>,
}

impl Owned for Shared<'_> {
    fn principal(&self) -> Arc<Principal> {
        Arc::clone(self.principal)
    }

    fn facts(&self) -> Arc<Facts> {
        Arc::clone(self.facts)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl Engine {
    pub(crate) fn new(
        schema: &Schema,
        rules: Rules,
        chains: BTreeMap<ChainName, Chain>,
        targets: Vec<Arc<Target>>,
        classes: Classes,
    ) -> Result<Self, Fault> {
        let names = Names::new()?;
        let index = Index::new(&rules, &names)?;
        let refused = |error: &dyn std::fmt::Display| Fault::of_file("", error.to_string());
        let actions = schema.action_entities().map_err(|error| refused(&error))?;
        let known = targets.iter().map(|target| names.target_entity(target));
        let known = known.collect::<Result<Vec<_>, _>>().map_err(|error| refused(&error))?;
        let entities = actions.add_entities(known, None).map_err(|error| refused(&error))?;
        Ok(Self {
            names,
            authorizer: Authorizer::new(),
            rules,
            index,
            chains,
            targets,
            classes,
            entities,
            with_principal: moka::sync::Cache::new(PRINCIPALS_MAX),
            verdicts: Cache::new(),
            recent: Recent::new(),
            duties: Cache::new(),
        })
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn chains(&self) -> &BTreeMap<ChainName, Chain> {
        &self.chains
    }

    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    pub(crate) fn number_of(&self, name: &TargetName) -> Option<usize> {
        self.targets.binary_search_by(|target| target.name.cmp(name)).ok()
    }

    /// Returns the verdict, from the cache if possible.
    pub(crate) fn judge(&self, question: &Question<'_>, owned: &impl Owned) -> Verdict {
        let operations = question.facts.operations.as_slice();
        let asked = if operations.is_empty() { std::slice::from_ref(&NOTHING) } else { operations };
        let reads = asked.iter().fold(self.index.unmask.reads, |reads, operation| {
            reads.and(self.index.of(operation.action).reads)
        });
        let view = self.number(question.target).and_then(|n| View::new(question, n, operations, reads));
        let Some(view) = view else {
            return self.decide(question, owned);
        };
        if let Some(verdict) = self.recent.get(&view) {
            return verdict;
        }
        let verdict = self.verdicts.get(&view).unwrap_or_else(|| {
            let verdict = self.decide(question, owned);
            self.verdicts.insert(view.to_key(owned.principal(), Some(owned.facts())), verdict.clone());
            verdict
        });
        if owned.is_shared() {
            self.recent.put(view.to_key(owned.principal(), Some(owned.facts())), verdict.clone());
        }
        verdict
    }

    /// Returns the number of a target if it is the bundle's own; a target of another bundle may have the same name.
    fn number(&self, target: &Target) -> Option<usize> {
        let number = self.number_of(&target.name)?;
        let ours = self.targets.get(number)?;
        (ours.generation == target.generation).then_some(number)
    }

    fn decide(&self, question: &Question<'_>, owned: &impl Owned) -> Verdict {
        let entities = match self.entities_for(question, owned) {
            Ok(entities) => entities,
            Err(why) => {
                return self.combine(question, &[(Action::Unknown, Outcome::unbuilt(why))], Duties::default);
            }
        };
        if !masked_uses::any(question.facts) {
            let outcomes = self.outcomes(question, &entities, |action| self.index.of(action));
            return self.combine(question, &outcomes, || self.duties(question, &entities, owned));
        }
        let duties = self.duties(question, &entities, owned);
        let facts = self.judged_facts(question, &duties);
        let question = &Question { facts: &facts, ..*question };
        let outcomes = self.outcomes(question, &entities, |action| self.index.of(action));
        self.combine(question, &outcomes, || duties)
    }

    /// Returns the facts of a question as judged for a principal with these duties.
    pub(crate) fn judged_facts<'f>(&self, question: &Question<'f>, duties: &Duties) -> Cow<'f, Facts> {
        let classes = self.classes_of(question.target);
        let hidden = classes.iter().filter(|class| duties.hides(class)).cloned().collect();
        masked_uses::judged(question.facts, &hidden)
    }

    /// The classes that the masking rules of a target name.
    fn classes_of(&self, target: &Target) -> &[DataClass] {
        let number = self.number_of(&target.name);
        number.and_then(|n| self.classes.of_targets.get(n)).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn combine(
        &self,
        question: &Question<'_>,
        outcomes: &[(Action, Outcome)],
        duties: impl FnOnce() -> Duties,
    ) -> Verdict {
        combine::verdict(outcomes, &question.target.name, &self.rules, &self.chains, duties)
    }

    /// Evaluates the rules for each operation; operations that are equal for the rules are evaluated once.
    pub(crate) fn outcomes<'c>(
        &self,
        question: &Question<'_>,
        entities: &Entities,
        candidates: impl Fn(Action) -> &'c Candidates,
    ) -> Vec<(Action, Outcome)> {
        let mut asked: Vec<&Operation> = Vec::new();
        let operations = question.facts.operations.as_slice();
        let operations = if operations.is_empty() { std::slice::from_ref(&NOTHING) } else { operations };
        let mut outcomes = Vec::new();
        for operation in operations {
            let candidates = candidates(operation.action);
            if asked.iter().any(|other| same(other, operation, candidates.reads)) {
                continue;
            }
            asked.push(operation);
            let context = context::build(question, Some(operation), candidates.reads);
            let action = self.names.action(operation.action);
            let resource = self.names.target(question.target);
            let outcome = self.ask(question, (action, resource), context, candidates, entities);
            // No outcome is stricter than a block, so the other operations need no evaluation.
            let blocks = !matches!(outcome, Outcome::Allow { .. } | Outcome::Hold { .. });
            outcomes.push((operation.action, outcome));
            if blocks {
                break;
            }
        }
        outcomes
    }

    /// Returns the duties, from the cache if possible.
    fn duties(&self, question: &Question<'_>, entities: &Entities, owned: &impl Owned) -> Duties {
        let reads = self.index.unmask.reads;
        let Some(view) = self.number(question.target).and_then(|n| View::new(question, n, &[], reads)) else {
            return self.find_duties(question, entities, &self.index.unmask);
        };
        if let Some(duties) = self.duties.get(&view) {
            return duties;
        }
        let duties = self.find_duties(question, entities, &self.index.unmask);
        let key: Key = view.to_key(owned.principal(), None);
        self.duties.insert(key, duties.clone());
        duties
    }

    // INVARIANT: I6. A class is seen only if the rules allow it outright. A forbid that a chain could lift, or an
    // error, leaves it masked.
    pub(crate) fn find_duties(
        &self,
        question: &Question<'_>,
        entities: &Entities,
        candidates: &Candidates,
    ) -> Duties {
        let seen = self.unmask_outcomes(question, entities, candidates).into_iter();
        let seen =
            seen.filter(|(_, outcome)| matches!(outcome, Outcome::Allow { .. })).map(|(class, _)| class);
        self.duties_of_seen(question.target, seen.collect())
    }

    /// Returns the duties for a principal who may see these classes.
    pub(crate) fn duties_of_seen(&self, target: &Target, seen: BTreeSet<DataClass>) -> Duties {
        let masks = !self.classes_of(target).is_empty();
        let lookups_max = if masks { Arc::clone(&self.classes.lookups_max) } else { Arc::default() };
        Duties { unmask: Arc::new(seen), lookups_max }
    }

    /// Evaluates the rules about seeing each class that the target's masking rules name.
    pub(crate) fn unmask_outcomes(
        &self,
        question: &Question<'_>,
        entities: &Entities,
        candidates: &Candidates,
    ) -> Vec<(DataClass, Outcome)> {
        let ask = |class: &DataClass| {
            let context = context::build(question, None, candidates.reads);
            let uids = (self.names.unmask.clone(), self.names.data_class(class));
            (class.clone(), self.ask(question, uids, context, candidates, entities))
        };
        self.classes_of(question.target).iter().map(ask).collect()
    }

    fn ask(
        &self,
        question: &Question<'_>,
        (action, resource): (EntityUid, EntityUid),
        context: Result<cedar_policy::Context, String>,
        candidates: &Candidates,
        entities: &Entities,
    ) -> Outcome {
        let context = match context {
            Ok(context) => context,
            Err(error) => return Outcome::unbuilt(error),
        };
        let principal = self.names.principal(question.principal);
        let asked = Asked { principal, action, resource, context, entities };
        evaluate(&self.authorizer, asked, candidates, &self.rules)
    }

    /// Returns the entities of a question: those of the bundle, the principal, and the target if it is not the
    /// bundle's own.
    pub(crate) fn entities_for(
        &self,
        question: &Question<'_>,
        owned: &impl Owned,
    ) -> Result<Arc<Entities>, String> {
        if self.number(question.target).is_none() {
            return self.entities_with_foreign_target(question).map(Arc::new);
        }
        if let Some(entities) = self.with_principal.get(question.principal) {
            return Ok(entities);
        }
        let principal = self.names.principal_entity(question.principal);
        let entities =
            self.entities.clone().add_entities([principal], None).map_err(|error| error.to_string())?;
        let entities = Arc::new(entities);
        self.with_principal.insert(owned.principal(), Arc::clone(&entities));
        Ok(entities)
    }

    fn entities_with_foreign_target(&self, question: &Question<'_>) -> Result<Entities, String> {
        let target = self.names.target_entity(question.target)?;
        let principal = self.names.principal_entity(question.principal);
        let uid = target.uid();
        let others = self.entities.iter().filter(|entity| entity.uid() != uid).cloned();
        Entities::from_entities(others.chain([target, principal]), None).map_err(|error| error.to_string())
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Number of verdicts in the cache.
    #[cfg(test)]
    pub(crate) fn cached(&self) -> u64 {
        self.verdicts.len()
    }
}

/// Judges without index and cache: every question is evaluated by all rules.
#[cfg(test)]
impl Engine {
    pub(crate) fn judge_plainly(&self, question: &Question<'_>) -> Verdict {
        let entities = self.entities_with_foreign_target(question).unwrap();
        let every = Candidates {
            all: self.index.every().all.clone(),
            unlifted: self.index.every().unlifted.clone(),
            reads: Attributes::EVERY,
        };
        let duties = self.find_duties(question, &entities, &every);
        let facts = self.judged_facts(question, &duties);
        let question = &Question { facts: &facts, ..*question };
        let outcomes = self.outcomes(question, &entities, |_| &every);
        self.combine(question, &outcomes, || duties)
    }
}
