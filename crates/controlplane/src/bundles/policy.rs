//! The policy engine behind the control plane's port: what the gateway judges by, the control plane
//! judges by too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_common::approval::RequestLimits;
use countersign_common::id::{BundleVersion, EnvironmentName, GroupName, TargetName};
use countersign_common::verdict::Reason;
use countersign_common::{Digest, Target, Verdict};

use countersign_masking::Rules;
use countersign_policy::{Bundle, BundleErrors};

use super::{Compile, Fault, Files, Judge, Question, ReadingTerms};

/// Compiles bundles with `countersign-policy`.
#[derive(Debug, Clone, Default)]
pub struct PolicyCompiler {
    extra_targets: Vec<Target>,
}

impl PolicyCompiler {
    /// Every bundle also has these targets, which were given elsewhere than in its files.
    #[must_use]
    pub fn with_targets(extra_targets: Vec<Target>) -> Self {
        Self { extra_targets }
    }

    /// The bundle of these files.
    ///
    /// # Errors
    /// All faults of the files together.
    pub fn bundle(&self, files: &Files) -> Result<Bundle, BundleErrors> {
        let files = files.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        Bundle::compile(&files, self.extra_targets.clone())
    }
}

impl Compile for PolicyCompiler {
    fn compile(&self, files: &Files) -> Result<Arc<dyn Judge>, Vec<Fault>> {
        match self.bundle(files) {
            Ok(bundle) => Ok(Arc::new(PolicyJudge::new(bundle))),
            Err(errors) => Err(errors.faults().iter().map(fault).collect()),
        }
    }
}

fn fault(fault: &countersign_policy::Fault) -> Fault {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Fault {
        file: fault.file.clone(),
        line: fault.at.map_or(0, |at| number(at.line)),
        column: fault.at.map_or(0, |at| number(at.column)),
        reason: fault.reason.clone(),
    }
}

/// A bundle that judges.
#[derive(Debug)]
struct PolicyJudge {
    bundle: Bundle,
    /// What commands on each target are read by: made once for the bundle.
    reading: BTreeMap<TargetName, Arc<ReadingTerms>>,
}

impl PolicyJudge {
    fn new(bundle: Bundle) -> Self {
        let reading = bundle.targets().map(|target| (target.name.clone(), reading_terms(&bundle, target)));
        Self { reading: reading.collect(), bundle }
    }
}

fn reading_terms(bundle: &Bundle, target: &Target) -> Arc<ReadingTerms> {
    let databases = |role| target.databases_of(role).into_iter().map(str::to_owned).collect();
    Arc::new(ReadingTerms {
        safe_functions: target.safe_functions.clone(),
        rules: Rules::new(bundle.column_rules(&target.name).iter().cloned()),
        places: target.roles.iter().map(|(name, role)| (name.clone(), databases(role))).collect(),
    })
}

impl Judge for PolicyJudge {
    fn version(&self) -> BundleVersion {
        self.bundle.version().clone()
    }

    fn generation(&self, target: &TargetName) -> Option<Digest> {
        self.bundle.target(target).map(|target| target.generation)
    }

    fn environment(&self, target: &TargetName) -> Option<EnvironmentName> {
        self.bundle.target(target).map(|target| target.environment.clone())
    }

    fn reading_terms(&self, target: &TargetName) -> Option<Arc<ReadingTerms>> {
        self.reading.get(target).cloned()
    }

    fn groups(&self) -> BTreeSet<GroupName> {
        let stages = self.bundle.chains().values().flat_map(|chain| &chain.stages);
        stages.flat_map(|stage| stage.groups.iter().cloned()).collect()
    }

    fn limits(&self) -> RequestLimits {
        self.bundle.limits()
    }

    fn judge(&self, question: &Question<'_>) -> Verdict {
        let context = question.context;
        // INVARIANT: I7. What was asked about another entry of the target is a question about another
        // system: people agreed to, or would be asked about, something that is no longer there.
        let Some(target) = self.bundle.target(&context.target) else {
            return blocked(format!("there is no target `{}` any more", context.target));
        };
        if target.generation != context.generation {
            return blocked(format!(
                "the entry of target `{}` has changed; send the command again",
                context.target
            ));
        }
        self.bundle.judge(&countersign_policy::Question {
            principal: question.principal,
            target,
            role: &context.role,
            database: &context.database,
            facts: question.facts,
            in_transaction: context.transaction.is_some(),
            now: question.now,
        })
    }
}

fn blocked(text: String) -> Verdict {
    Verdict::Block(Reason { policies: Vec::new(), text })
}
