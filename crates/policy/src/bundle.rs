//! A bundle of one version: its files, compiled into targets, chains, masking rules and policy rules. A bundle is
//! immutable; each change makes a new bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::Schema;
use countersign_common::approval::{Chain, RequestLimits};
use countersign_common::digest::DigestBuilder;
use countersign_common::id::{BundleVersion, ChainName, RoleName, TargetName};
use countersign_common::verdict::{ColumnRule, DataClass};
use countersign_common::{Digest, Facts, Principal, Target, Timestamp, Verdict};

use crate::class_terms::ClassTerms;
use crate::compiler_thread;
use crate::engine::{Classes, Engine, Shared};
use crate::error::{BundleErrors, Fault};
use crate::explain::Explanation;
use crate::files::Files;
use crate::question::Question;
use crate::rules::{self, Rule, Rules};
use crate::schema::schema_text;
use crate::yaml::masking::MaskingFile;
use crate::yaml::{chains, limits, masking, targets};

/// Policies, chains, masking rules and targets of one version.
#[derive(Debug)]
pub struct Bundle {
    version: BundleVersion,
    digest: Digest,
    engine: Engine,
    columns: BTreeMap<TargetName, Vec<ColumnRule>>,
    limits: RequestLimits,
    terms: Vec<ClassTerms>,
}

impl Bundle {
    /// Compiles a bundle. `extra_targets` come from another place than the bundle's files, such as a command line;
    /// masking rules may name them too.
    ///
    /// # Errors
    /// Every fault of every file, with its position.
    pub fn compile(files: &Files, extra_targets: Vec<Target>) -> Result<Self, BundleErrors> {
        // The size and number of the files are checked before anything is parsed.
        BundleErrors::check(files.excess())?;
        compiler_thread::run(|| Self::compile_here(files, extra_targets))
            .unwrap_or_else(|why| Err(Fault::of_file("", why).into()))
    }

    fn compile_here(files: &Files, extra_targets: Vec<Target>) -> Result<Self, BundleErrors> {
        let mut faults = files.faults();
        let schema = schema()?;
        let targets = collect_targets(files, extra_targets, &mut faults);
        let chains = chains::read(files, &mut faults);
        let masking = masking::read(files, &targets, &chains, &mut faults);
        let limits = limits::read(files, &mut faults);
        let rules = Rules::new(policies(files, &schema, &masking.classes, &mut faults));
        faults.extend(unknown_chains(&rules, &chains));
        BundleErrors::check(faults)?;

        let digest = digest(files, targets.values());
        let MaskingFile { columns, classes: terms } = masking;
        let classes = targets.keys().map(|name| classes(columns.get(name))).collect();
        let classes = Classes { of_targets: classes, lookups_max: Arc::new(lookups_max(&terms)) };
        let targets = targets.into_values().map(|listed| listed.target).collect();
        let engine = Engine::new(&schema, rules, chains, targets, classes)?;
        Ok(Self { version: BundleVersion::of(&digest), digest, engine, columns, terms, limits })
    }

    /// Its version: equal for equal files and equal extra targets on every node.
    #[must_use]
    pub fn version(&self) -> &BundleVersion {
        &self.version
    }

    /// The whole digest of the bundle; the version is its start.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The targets, in the order of their names.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = &Arc<Target>> {
        self.engine.targets().iter()
    }

    /// Returns the target with this name.
    #[must_use]
    pub fn target(&self, name: &TargetName) -> Option<&Arc<Target>> {
        self.engine.number_of(name).and_then(|number| self.engine.targets().get(number))
    }

    /// Returns the masking rules of a target; empty if there is no such target.
    #[must_use]
    pub fn column_rules(&self, target: &TargetName) -> &[ColumnRule] {
        self.columns.get(target).map(Vec::as_slice).unwrap_or_default()
    }

    /// Terms of the classes that masking rules name, in the order of the classes.
    #[must_use]
    pub fn class_terms(&self) -> &[ClassTerms] {
        &self.terms
    }

    /// The chains of approval, by name.
    #[must_use]
    pub fn chains(&self) -> &BTreeMap<ChainName, Chain> {
        self.engine.chains()
    }

    /// Maximum numbers of open requests.
    #[must_use]
    pub fn limits(&self) -> RequestLimits {
        self.limits
    }

    /// Number of policies in its files. Policies that follow from `masking.yaml` are not counted.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        self.engine.rules().iter().filter(|rule| !rule.built_in).count()
    }

    /// Judges a question. Every question gets a verdict: if the policies cannot be evaluated, it is a block.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>) -> Verdict {
        self.engine.judge(question, question)
    }

    /// Judges like [`Bundle::judge`], for callers that share principal and facts: the cache then copies neither.
    #[must_use]
    pub fn judge_shared(&self, question: &SharedQuestion<'_>) -> Verdict {
        let shared = Shared { principal: question.principal, facts: question.facts };
        self.engine.judge(&question.plain(), &shared)
    }

    /// Explains the verdict on a question and lists the policies that matched. Evaluates the policies again each
    /// time.
    #[must_use]
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        self.engine.explain(question)
    }

    #[cfg(test)]
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// A [`Question`] with shared principal and facts.
#[derive(Debug, Clone, Copy)]
pub struct SharedQuestion<'a> {
    /// Principal that sent the command.
    pub principal: &'a Arc<Principal>,
    /// Target that the command is for.
    pub target: &'a Target,
    /// Role that the session has on the target.
    pub role: &'a RoleName,
    /// Database of the session on the target.
    pub database: &'a str,
    /// Facts about the operations of the command.
    pub facts: &'a Arc<Facts>,
    /// `true` if a transaction block is open.
    pub in_transaction: bool,
    /// Time of the judgement, for policies that read it.
    pub now: Timestamp,
}

impl<'a> SharedQuestion<'a> {
    /// Returns the same question without shared parts.
    #[must_use]
    pub fn plain(&self) -> Question<'a> {
        Question {
            principal: self.principal,
            target: self.target,
            role: self.role,
            database: self.database,
            facts: self.facts,
            in_transaction: self.in_transaction,
            now: self.now,
        }
    }
}

/// Reads the policies of the files, and adds those that follow from `masking.yaml`.
fn policies(files: &Files, schema: &Schema, terms: &[ClassTerms], faults: &mut Vec<Fault>) -> Vec<Rule> {
    let mut policies = rules::read(files, schema, faults);
    for terms in terms {
        match terms.policies() {
            Ok(built_in) => rules::add_built_in(&mut policies, built_in, faults),
            Err(fault) => faults.push(fault),
        }
    }
    policies
}

/// Limits of lookups by equality, for the classes that have one.
fn lookups_max(terms: &[ClassTerms]) -> BTreeMap<DataClass, u64> {
    terms.iter().filter_map(|terms| Some((terms.class.clone(), terms.lookups_max?))).collect()
}

fn schema() -> Result<Schema, Fault> {
    let ours =
        |error: cedar_policy::CedarSchemaError| Fault::of_file("", format!("the schema is broken: {error}"));
    Schema::from_cedarschema_str(&schema_text()).map(|(schema, _)| schema).map_err(ours)
}

/// Joins the targets of the files and the extra ones; two targets must not share a name.
fn collect_targets(
    files: &Files,
    extra: Vec<Target>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<TargetName, targets::Listed> {
    let mut listed = targets::read(files, faults);
    for target in extra {
        if listed.contains_key(&target.name) {
            let reason = format!("target `{}` is given twice: in the bundle and besides it", target.name);
            faults.push(Fault::of_file("", reason));
            continue;
        }
        listed.insert(target.name.clone(), targets::Listed { target: Arc::new(target), extra: true });
    }
    listed
}

fn unknown_chains<'a>(
    rules: &'a Rules,
    chains: &'a BTreeMap<ChainName, Chain>,
) -> impl Iterator<Item = Fault> + 'a {
    // The chain of built-in policies is checked in masking.yaml, which names it.
    rules.iter().filter(|rule| !rule.built_in).filter_map(move |rule| {
        let chain = rule.approval.as_ref().filter(|chain| !chains.contains_key(*chain))?;
        let known = match chains.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>() {
            none if none.is_empty() => "there are no chains in chains.yaml".into(),
            names => format!("known are {}", names.join(", ")),
        };
        let reason = format!("policy `{}` asks for chain `{chain}`, which is not there; {known}", rule.id);
        Some(Fault::at(&rule.file, rule.at, reason))
    })
}

/// The classes that masking rules name, without duplicates.
fn classes(rules: Option<&Vec<ColumnRule>>) -> Vec<DataClass> {
    let classes: BTreeSet<_> = rules.into_iter().flatten().map(|rule| rule.class.clone()).collect();
    classes.into_iter().collect()
}

/// Digest over the files and the extra targets.
fn digest<'a>(files: &Files, targets: impl Iterator<Item = &'a targets::Listed>) -> Digest {
    let mut digest = DigestBuilder::new("countersign.bundle.v1");
    files.digest_into(&mut digest);
    for listed in targets.filter(|listed| listed.extra) {
        digest.text(listed.target.name.as_str()).bytes(listed.target.generation.as_bytes());
    }
    digest.finish()
}
