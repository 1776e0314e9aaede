//! Explains a verdict: lists for each operation the rules that matched, with their position in the bundle.

use cedar_policy::Entities;
use countersign_common::Verdict;
use countersign_common::facts::Action;
use countersign_common::id::{ChainName, PolicyId};
use countersign_common::verdict::{DataClass, Duties};
use serde::Serialize;

use crate::engine::Engine;
use crate::evaluate::Outcome;
use crate::question::Question;
use crate::rules::Rule;

/// Explanation of a verdict by the policies that matched.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The verdict, the same as from [`crate::Bundle::judge`].
    pub verdict: Verdict,
    /// The evaluated operations, in order. Operations that are equal to an earlier one for the policies, and
    /// operations after a blocked one, are left out.
    pub operations: Vec<OperationExplanation>,
    /// The classes of data that the target's masking rules name, and their visibility.
    pub classes: Vec<ClassExplanation>,
}

/// Result of the policies for one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationExplanation {
    /// Action of the operation, such as `sql:select`.
    pub action: Action,
    /// Decision about the operation.
    pub decision: Decision,
    /// The policies that decided. Permits without effect are left out.
    pub matched: Vec<Matched>,
    /// Error of the evaluation, for the author of the policies; never sent to a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Visibility of the values of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassExplanation {
    /// Class of data in the masking rules.
    pub class: DataClass,
    /// `true` if values are seen; otherwise they are masked.
    pub seen: bool,
    /// The policies that decided about the class.
    pub matched: Vec<Matched>,
}

/// Decision about one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is permitted, and no policy forbids it.
    Allow,
    /// It is permitted, and only forbids that a chain lifts match.
    Hold,
    /// A forbid that no chain lifts matches.
    Forbidden,
    /// No policy permits the operation.
    NotPermitted,
    /// A policy could not be evaluated.
    Error,
}

/// A policy that matched the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// Value of its `@id` annotation.
    pub id: PolicyId,
    /// File that contains the policy.
    pub file: String,
    /// Number of its first line.
    pub line: usize,
    /// `true` if it is a `forbid`.
    pub forbids: bool,
    /// The chain that lifts it.
    pub approval: Option<ChainName>,
    /// Value of its `@reason` annotation.
    pub reason: Option<String>,
    /// Value of its `@description` annotation.
    pub description: Option<String>,
}

impl Matched {
    fn new(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            file: rule.file.clone(),
            line: rule.at.line,
            forbids: rule.forbids(),
            approval: rule.approval.clone(),
            reason: rule.reason.clone(),
            description: rule.description.clone(),
        }
    }
}

impl Engine {
    /// Explains the verdict on a question.
    pub(crate) fn explain(&self, question: &Question<'_>) -> Explanation {
        match self.entities_for(question, question) {
            Ok(entities) => self.explain_with(question, &entities),
            Err(why) => {
                let outcomes = [(Action::Unknown, Outcome::unbuilt(why))];
                Explanation {
                    verdict: self.combine(question, &outcomes, Duties::default),
                    operations: outcomes
                        .iter()
                        .map(|(action, o)| self.explain_operation(*action, o))
                        .collect(),
                    classes: Vec::new(),
                }
            }
        }
    }

    fn explain_with(&self, question: &Question<'_>, entities: &Entities) -> Explanation {
        let classes = self.unmask_outcomes(question, entities, &self.index().unmask);
        let seen = classes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Allow { .. }));
        let seen = seen.map(|(class, _)| class.clone()).collect();
        let duties = self.duties_of_seen(question.target, seen);
        let facts = self.judged_facts(question, &duties);
        let question = &Question { facts: &facts, ..*question };
        let outcomes = self.outcomes(question, entities, |action| self.index().of(action));
        Explanation {
            verdict: self.combine(question, &outcomes, || duties),
            operations: outcomes.iter().map(|(action, o)| self.explain_operation(*action, o)).collect(),
            classes: classes.iter().map(|(class, o)| self.explain_class(class, o)).collect(),
        }
    }

    fn explain_operation(&self, action: Action, outcome: &Outcome) -> OperationExplanation {
        let (decision, error) = match outcome {
            Outcome::Allow { .. } => (Decision::Allow, None),
            Outcome::Hold { .. } => (Decision::Hold, None),
            Outcome::Forbidden { .. } => (Decision::Forbidden, None),
            Outcome::NotPermitted => (Decision::NotPermitted, None),
            Outcome::Broken { why, .. } => (Decision::Error, Some(why.clone())),
        };
        OperationExplanation { action, decision, matched: self.matched(outcome), error }
    }

    fn explain_class(&self, class: &DataClass, outcome: &Outcome) -> ClassExplanation {
        let seen = matches!(outcome, Outcome::Allow { .. });
        ClassExplanation { class: class.clone(), seen, matched: self.matched(outcome) }
    }

    fn matched(&self, outcome: &Outcome) -> Vec<Matched> {
        let mut rules = match outcome {
            Outcome::Allow { permits } => permits.clone(),
            Outcome::Hold { liftable, permits } => [liftable.as_slice(), permits].concat(),
            Outcome::Forbidden { forbids, liftable } => [forbids.as_slice(), liftable].concat(),
            Outcome::NotPermitted => Vec::new(),
            Outcome::Broken { rules, .. } => rules.clone(),
        };
        rules.sort_unstable();
        self.rules().of(&rules).map(Matched::new).collect()
    }
}
