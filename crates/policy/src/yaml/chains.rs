//! Reads `chains.yaml`, the chains of approval.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::approval::{Chain, Stage};
use countersign_common::id::{ChainName, GroupName};
use countersign_common::skeleton::Skeletons;
use countersign_common::visible::on_one_line;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Document, Span};
use crate::error::Fault;
use crate::files::Files;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chains {
    chains: Option<BTreeMap<ChainName, Spanned<ChainEntry>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainEntry {
    timeout: Span,
    stages: Vec<Spanned<StageEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageEntry {
    groups: BTreeSet<GroupName>,
    #[serde(default = "one")]
    quorum: u32,
}

const fn one() -> u32 {
    1
}

/// Reads the chains, by name. Chains with a fault are included, so that they do not cause further faults.
pub(crate) fn read(files: &Files, faults: &mut Vec<Fault>) -> BTreeMap<ChainName, Chain> {
    let Some(document) = super::read::<Chains>(files, "chains", faults) else { return BTreeMap::new() };
    let chain = |(name, entry): (&ChainName, &Spanned<ChainEntry>)| {
        check(&document, name, entry, faults);
        let stages = entry
            .value
            .stages
            .iter()
            .map(|stage| Stage { groups: stage.value.groups.clone(), quorum: stage.value.quorum });
        let chain = Chain { name: name.clone(), stages: stages.collect(), timeout: entry.value.timeout.0 };
        (name.clone(), chain)
    };
    let chains: BTreeMap<_, _> = document.content.chains.iter().flatten().map(chain).collect();
    faults.extend(groups_that_look_alike(&document, &chains));
    chains
}

/// Finds pairs of groups with names that look alike: an approver could not tell which one is meant.
fn groups_that_look_alike(
    document: &Document<'_, Chains>,
    chains: &BTreeMap<ChainName, Chain>,
) -> Vec<Fault> {
    let stages = chains.values().flat_map(|chain| &chain.stages);
    let groups: BTreeSet<&GroupName> = stages.flat_map(|stage| &stage.groups).collect();
    let groups: Vec<_> = groups.into_iter().map(|group| (group, Skeletons::of(group.as_str()))).collect();
    let mut faults = Vec::new();
    for (number, (group, skeletons)) in groups.iter().enumerate() {
        let before = groups.iter().take(number).find(|(_, other)| skeletons.meet(other));
        if let Some((other, _)) = before {
            let (group, other) = (on_one_line(group.as_str()), on_one_line(other.as_str()));
            let reason =
                format!("the groups `{other}` and `{group}` look alike or differ in case only; use one name");
            faults.push(Fault::of_file(document.file, reason));
        }
    }
    faults
}

fn check(
    document: &Document<'_, Chains>,
    name: &ChainName,
    entry: &Spanned<ChainEntry>,
    faults: &mut Vec<Fault>,
) {
    if entry.value.stages.is_empty() {
        faults.push(document.fault(entry, format!("chain `{name}` has no stage; nobody could agree")));
    }
    for stage in &entry.value.stages {
        if stage.value.groups.is_empty() {
            faults.push(
                document.fault(stage, format!("a stage of chain `{name}` has no group; nobody could agree")),
            );
        }
        if stage.value.quorum == 0 {
            faults.push(
                document
                    .fault(stage, format!("a stage of chain `{name}` has quorum 0; at least 1 has to agree")),
            );
        }
    }
}
