//! The bundle in force, behind the ports of the pipeline: verdicts, targets and masking rules.

use std::sync::Arc;

use countersign_common::id::{BundleVersion, PolicyId, TargetName};
use countersign_common::time::Clock;
use countersign_common::verdict::ColumnRule;
use countersign_common::{Target, Verdict};
use countersign_lifecycle::ports::{Directory, Judge, Question, Ruling, Unavailable};
use countersign_policy::{CurrentBundle, SharedQuestion};

/// Judges with the bundle in force.
#[derive(Debug, Clone)]
pub struct BundleJudge {
    current: Arc<CurrentBundle>,
    clock: Arc<dyn Clock>,
}

impl BundleJudge {
    /// Creates a judge that uses the bundle that `current` holds at the time of each verdict.
    #[must_use]
    pub fn new(current: Arc<CurrentBundle>, clock: Arc<dyn Clock>) -> Self {
        Self { current, clock }
    }
}

impl Judge for BundleJudge {
    fn judge(&self, question: &Question<'_>) -> Result<Ruling, Unavailable> {
        let bundle = self.current.load();
        let Some(target) = bundle.target(&question.target.name) else {
            return Err(Unavailable(format!("target `{}` is no longer in the bundle", question.target.name)));
        };
        if target.generation != question.target.generation {
            return Err(Unavailable(format!(
                "target `{}` was changed in the bundle; connect again",
                target.name
            )));
        }
        let verdict = bundle.judge_shared(&SharedQuestion {
            principal: question.principal,
            target,
            role: question.role,
            database: question.database,
            facts: question.facts,
            in_transaction: question.in_transaction,
            now: self.clock.now(),
        });
        let policies = policies(&verdict);
        Ok(Ruling { verdict, policies, bundle: bundle.version().clone() })
    }

    fn may_release(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

impl Directory for BundleJudge {
    fn target(&self, name: &TargetName) -> Option<Arc<Target>> {
        self.current.load().target(name).cloned()
    }

    fn rules(&self, name: &TargetName) -> Vec<ColumnRule> {
        self.current.load().column_rules(name).to_vec()
    }

    fn bundle(&self) -> BundleVersion {
        self.current.load().version().clone()
    }
}

/// Policies that a verdict names. An allowed command names none, because any of many may have allowed it.
fn policies(verdict: &Verdict) -> Vec<PolicyId> {
    match verdict {
        Verdict::Allow(_) => Vec::new(),
        Verdict::Block(reason) => reason.policies.clone(),
        Verdict::Hold(terms, _) => terms.policies.clone(),
    }
}
