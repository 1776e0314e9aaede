//! Who has to agree: chains as a bundle defines them, terms as they are pinned for one hold.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ChainName, GroupName, PolicyId};

/// Who has to agree: stages in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its name, as policies give it: `@approval("prod-dba")`.
    pub name: ChainName,
    /// Its stages, in order; at least one.
    pub stages: Vec<Stage>,
    /// How long a request stays open, and an approval stays usable, from the moment of asking.
    pub timeout: Duration,
}

/// One stage of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Members of any of these groups may decide.
    pub groups: BTreeSet<GroupName>,
    /// How many different people have to agree; at least one.
    pub quorum: u32,
}

/// The terms of one hold: all stages of all chains that the matching policies name, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The chains, in the order their stages come.
    pub chains: Vec<ChainName>,
    /// The stages of all chains, one after the other.
    pub stages: Vec<Stage>,
    /// The shortest time-out of the chains.
    pub timeout: Duration,
    /// The policies that asked.
    pub policies: Vec<PolicyId>,
    /// Why, in a sentence; from the policies' `@reason` where they have one.
    pub reason: String,
}
