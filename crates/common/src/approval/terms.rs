//! Approval chains as a bundle defines them, and the terms that are fixed for one hold.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ChainName, GroupName, PolicyId};

/// An approval chain: ordered stages with a time limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Name by which policies refer to the chain: `@approval("prod-dba")`.
    pub name: ChainName,
    /// Stages in order; at least one.
    pub stages: Vec<Stage>,
    /// Time limit, counted from the request, for the decisions and for the use of the approval.
    pub timeout: Duration,
}

/// One stage of an approval chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Members of any of these groups may decide.
    pub groups: BTreeSet<GroupName>,
    /// Number of different people who must approve; at least one.
    pub quorum: u32,
}

/// Terms of one hold: the stages of all chains that the matching policies name, and the time limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Names of the chains, in the order of their stages.
    pub chains: Vec<ChainName>,
    /// Stages of all chains, concatenated.
    pub stages: Vec<Stage>,
    /// Shortest time limit of all chains.
    pub timeout: Duration,
    /// Policies that required the approval.
    pub policies: Vec<PolicyId>,
    /// Reason in one sentence; from the policies' `@reason` where present.
    pub reason: String,
}
