//! `countersign policy`: work on bundles without a server.

use std::path::PathBuf;

use clap::Subcommand;
use countersign_common::error::code;
use countersign_common::id::{BundleVersion, TargetName};
use countersign_policy::{Bundle, ClassTerms, Files};
use serde::Serialize;

use super::Surroundings;
use crate::error::{CliError, Exit};
use crate::view::fault;

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Validates a bundle as a whole and names every fault with file, line and column.
    Check {
        /// The folder of the bundle.
        dir: PathBuf,
        /// A target of the bundle that is asked whether every masking rule of it matches a column there; may be given several
        /// times. It is reached from here, with the credential of its default role.
        #[arg(long = "target", value_name = "NAME")]
        targets: Vec<TargetName>,
    },
}

/// The JSON of a sound bundle.
#[derive(Debug, Serialize)]
struct Sound {
    ok: bool,
    version: BundleVersion,
    policies: usize,
    chains: usize,
    targets: usize,
    classes: Vec<ClassTerms>,
}

pub(crate) async fn run(command: &Command, around: &Surroundings) -> Result<(), CliError> {
    let Command::Check { dir, targets } = command;
    let bundle = Files::read_dir(dir).and_then(|files| Bundle::compile(&files, Vec::new()));
    let bundle = bundle.map_err(|errors| fault::refuse(&fault::of_dir(&errors, dir), around.output))?;
    for target in targets {
        all_match(&bundle, target).await?;
    }
    let sound = Sound {
        ok: true,
        version: bundle.version().clone(),
        policies: bundle.policy_count(),
        chains: bundle.chains().len(),
        targets: bundle.targets().len(),
        classes: bundle.class_terms().to_vec(),
    };
    around.output.result(&sound, || {
        let summary = format!(
            "{} is sound: version {}, {} policies, {} chains, {} targets",
            dir.display(),
            sound.version,
            sound.policies,
            sound.chains,
            sound.targets
        );
        sound.classes.iter().fold(summary, |text, terms| text + "\n" + &terms_line(terms))
    })
}

/// Asks a target whether its masking rules match something there.
async fn all_match(bundle: &Bundle, name: &TargetName) -> Result<(), CliError> {
    let target = bundle
        .target(name)
        .ok_or_else(|| CliError::new(Exit::Usage, format!("there is no target `{name}` in the bundle")))?;
    let asked = countersign_gateway::unmatched_rules(target, bundle.column_rules(name)).await;
    let unmatched = asked.map_err(|error| {
        CliError::because(Exit::Failed, format!("target `{name}` cannot be asked"), &error)
    })?;
    if unmatched.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "masking rules of target `{name}` match nothing there, and mask nothing: {}",
        unmatched.join(", ")
    );
    Err(CliError::new(Exit::Unsound, reason).code(code::BUNDLE_INVALID).help(
        "was a column or relation renamed? correct `masking.yaml`; `unmatched_rules: block` of the target closes access \
         until it is",
    ))
}

/// What becomes of commands that use a class of data which their requester may not see.
fn terms_line(terms: &ClassTerms) -> String {
    let limit = terms.lookups_max.map(|max| format!(" ({max} for each session)")).unwrap_or_default();
    let chain = terms.chain.as_ref().map(|chain| format!("; held by {chain}")).unwrap_or_default();
    format!(
        "  class {}: copies {}, predicates {}, equality {}{limit}{chain}",
        terms.class.0, terms.copies, terms.predicates, terms.equality
    )
}
