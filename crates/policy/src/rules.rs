//! The policies of a bundle as rules: parsed and validated, with their annotations. This module does not evaluate
//! requests; `evaluate` does.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicySet, Schema, ValidationMode, ValidationWarning, Validator};
use countersign_common::id::{ChainName, PolicyId};

use crate::context::Attributes;
use crate::error::{FAULTS_MAX, Fault, Lines, Position};
use crate::files::Files;
use crate::nesting::{self, DEPTH_MAX, POLICIES_MAX, TooDeep};

/// One policy with its annotations.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: PolicyId,
    pub(crate) file: String,
    pub(crate) at: Position,
    /// The chain that lifts it; only for a `forbid`.
    pub(crate) approval: Option<ChainName>,
    pub(crate) reason: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) reads: Attributes,
    /// `true` if it follows from `masking.yaml` and is not in a policy file.
    pub(crate) built_in: bool,
    /// The Cedar policy, with the id `id`.
    pub(crate) policy: Policy,
}

impl Rule {
    pub(crate) fn forbids(&self) -> bool {
        self.policy.effect() == Effect::Forbid
    }

    pub(crate) fn is_liftable(&self) -> bool {
        self.approval.is_some()
    }
}

/// All rules of a bundle, in the order of the files and of the policies in them. The index of a rule is its number.
#[derive(Debug)]
pub(crate) struct Rules {
    list: Vec<Rule>,
    numbers: HashMap<cedar_policy::PolicyId, usize>,
}

impl Rules {
    pub(crate) fn new(list: Vec<Rule>) -> Self {
        let numbers =
            list.iter().enumerate().map(|(number, rule)| (rule.policy.id().clone(), number)).collect();
        Self { list, numbers }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> + Clone {
        self.list.iter()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Rule> {
        self.list.get(number)
    }

    /// Returns the numbers of these policies, in order. An unknown policy gets a number without a rule, so that it
    /// counts as a forbid that nothing lifts.
    pub(crate) fn numbers<'a>(&self, ids: impl Iterator<Item = &'a cedar_policy::PolicyId>) -> Vec<usize> {
        let mut numbers: Vec<_> = ids.map(|id| self.numbers.get(id).copied().unwrap_or(usize::MAX)).collect();
        numbers.sort_unstable();
        numbers
    }

    pub(crate) fn is_liftable(&self, number: usize) -> bool {
        self.get(number).is_some_and(Rule::is_liftable)
    }

    /// Returns the rules with these numbers.
    pub(crate) fn of<'a>(&'a self, numbers: &'a [usize]) -> impl Iterator<Item = &'a Rule> {
        numbers.iter().filter_map(|number| self.get(*number))
    }
}

/// The annotations that policies may have.
const ANNOTATIONS: [&str; 4] = ["id", "approval", "reason", "description"];

/// Reads every `*.cedar` file. Returns the valid rules in the order of the files and of the policies in them, and
/// adds the faults to `faults`.
pub(crate) fn read(files: &Files, schema: &Schema, faults: &mut Vec<Fault>) -> Vec<Rule> {
    let validator = Validator::new(schema.clone());
    let mut rules: Vec<Rule> = Vec::new();
    let mut seen: BTreeMap<PolicyId, String> = BTreeMap::new();
    let mut policies = 0;
    for (file, bytes) in files.cedar() {
        let Ok(text) = std::str::from_utf8(bytes) else {
            faults.push(Fault::of_file(file, "is not UTF-8"));
            continue;
        };
        let source = Source { file, text, lines: Lines::of(text) };
        match nesting::check(text) {
            Ok(count) => policies += count,
            Err(TooDeep { offset }) => {
                let reason = format!(
                    "the policy is nested more than {DEPTH_MAX} levels deep; write long lists as `[..].contains(..)`"
                );
                faults.push(Fault::at(file, source.lines.position(offset), reason));
                continue;
            }
        }
        if policies > POLICIES_MAX {
            faults.push(Fault::of_file(file, format!("the bundle has more than {POLICIES_MAX} policies")));
            return Vec::new();
        }
        for rule in source.rules(&validator, faults) {
            let place = format!("{file}:{}", rule.at.line);
            if let Some(first) = seen.get(&rule.id) {
                let reason =
                    format!("policy `{}` is there already, at {first}; an @id is used once", rule.id);
                faults.push(Fault::at(file, rule.at, reason));
                continue;
            }
            seen.insert(rule.id.clone(), place);
            rules.push(rule);
        }
    }
    rules
}

/// Appends the built-in policies. No policy of a file may have the id of a built-in one.
pub(crate) fn add_built_in(rules: &mut Vec<Rule>, built_in: Vec<Rule>, faults: &mut Vec<Fault>) {
    for rule in built_in {
        if let Some(taken) = rules.iter().find(|other| other.id == rule.id) {
            let reason = format!(
                "policy id `{}` belongs to a built-in policy of masking.yaml; choose another",
                rule.id
            );
            faults.push(Fault::at(&taken.file, taken.at, reason));
        }
        rules.push(rule);
    }
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
    lines: Lines<'a>,
}

impl Source<'_> {
    fn rules(&self, validator: &Validator, faults: &mut Vec<Fault>) -> Vec<Rule> {
        let set: PolicySet = match self.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                let errors: &cedar_policy::ParseErrors = &errors;
                faults.extend(errors.iter().map(|error| self.fault(&DetailedError::from(error))));
                return Vec::new();
            }
        };
        for template in set.templates() {
            let at = self.lines.position(self.text.find(&template.to_string()).unwrap_or_default());
            let slot = "the policy has a slot such as `?principal`; templates are not used in bundles";
            faults.push(Fault::at(self.file, at, slot));
        }
        faults.extend(self.invalid(validator, &set));
        self.in_order(&set)
            .into_iter()
            .filter_map(|(offset, policy)| self.rule(offset, policy, faults))
            .collect()
    }

    /// Returns the faults that strict validation finds, one for each position; Cedar repeats them for each action. A
    /// policy that can never apply is a fault too, because its author expects it to apply. It is reported only if
    /// there is no other fault, since it is often a consequence of one.
    fn invalid(&self, validator: &Validator, set: &PolicySet) -> Vec<Fault> {
        let result = validator.validate(set, ValidationMode::Strict);
        let mut faults: Vec<_> =
            result.validation_errors().map(|error| self.fault(&DetailedError::from(error))).collect();
        if faults.is_empty() {
            let refused = |warning: &&ValidationWarning| {
                matches!(
                    warning,
                    ValidationWarning::ImpossiblePolicy(_)
                        | ValidationWarning::BidiCharsInString(_)
                        | ValidationWarning::BidiCharsInIdentifier(_)
                )
            };
            let warnings = result.validation_warnings().filter(refused);
            faults.extend(warnings.map(|warning| self.fault(&DetailedError::from(warning))));
        }
        faults.sort();
        faults.dedup_by(|later, earlier| later.at.is_some() && later.at == earlier.at);
        faults.truncate(FAULTS_MAX + 1);
        for fault in &mut faults {
            fault.reason = own_ids(set, &fault.reason);
        }
        faults
    }

    /// Returns the policies with their offsets. Cedar numbers them `policy0`, `policy1`, … in order and keeps the
    /// text of each. The offset is found by a search for one text after the other.
    fn in_order<'p>(&self, set: &'p PolicySet) -> Vec<(usize, &'p Policy)> {
        let number = |policy: &&Policy| {
            let id: &str = policy.id().as_ref();
            id.strip_prefix("policy").and_then(|n| n.parse::<usize>().ok()).unwrap_or(usize::MAX)
        };
        let mut policies: Vec<_> = set.policies().collect();
        policies.sort_by_key(number);
        let mut from = 0;
        let place = |policy: &'p Policy| {
            let text = policy.to_string();
            let found = self.text.get(from..).and_then(|rest| rest.find(&text)).map(|at| from + at);
            let offset = found.unwrap_or(from);
            from = found.map_or(from, |at| at + text.len());
            (offset, policy)
        };
        policies.into_iter().map(place).collect()
    }

    fn rule(&self, offset: usize, policy: &Policy, faults: &mut Vec<Fault>) -> Option<Rule> {
        let at = self.lines.position(offset);
        let before = faults.len();
        let mut fault = |reason: String| faults.push(Fault::at(self.file, at, reason));
        for (name, _) in policy.annotations().filter(|(name, _)| !ANNOTATIONS.contains(name)) {
            fault(format!(
                "unknown annotation `@{name}`; known are @id, @approval, @reason and @description"
            ));
        }
        let id = match policy.annotation("id").map(PolicyId::new) {
            Some(Ok(id)) => Some(id),
            Some(Err(error)) => {
                fault(error.to_string());
                None
            }
            None => {
                fault("the policy has no @id(\"…\"); records and approvals name policies by it".into());
                None
            }
        };
        let approval = match policy.annotation("approval").map(ChainName::new) {
            Some(_) if policy.effect() == Effect::Permit => {
                fault("@approval stands on a permit; it belongs on the forbid that the chain lifts".into());
                None
            }
            Some(Err(error)) => {
                fault(error.to_string());
                None
            }
            Some(Ok(chain)) => Some(chain),
            None => None,
        };
        let est = policy.to_json().inspect_err(|error| fault(error.to_string())).ok()?;
        let id = id.filter(|_| faults.len() == before)?;
        Some(Rule {
            file: self.file.into(),
            at,
            approval,
            reason: policy.annotation("reason").map(str::to_owned),
            description: policy.annotation("description").map(str::to_owned),
            reads: Attributes::read_by(&est),
            built_in: false,
            policy: policy.new_id(cedar_policy::PolicyId::new(id.as_str())),
            id,
        })
    }

    /// Converts an error of Cedar to a fault at its first label.
    fn fault(&self, error: &DetailedError) -> Fault {
        let reason = [Some(&error.message), error.help.as_ref()].into_iter().flatten();
        let reason = reason.map(|part| part.as_str()).collect::<Vec<_>>().join("; ");
        match error.source_locations.first() {
            Some(label) => Fault::at(self.file, self.lines.position(label.loc.start), reason),
            None => Fault::of_file(self.file, reason),
        }
    }
}

/// Replaces Cedar's numbers of policies in a text by the ids that the authors gave them.
fn own_ids(set: &PolicySet, text: &str) -> String {
    set.policies().fold(text.to_owned(), |text, policy| match policy.annotation("id") {
        Some(id) => text.replace(&format!("`{}`", policy.id()), &format!("`{id}`")),
        None => text,
    })
}
