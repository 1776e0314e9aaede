//! What is stored of the nodes of the fleet, and under which keys.
//!
//! ```text
//! /cs/nodes/gateway/<id>   one start of a gateway          under its lease
//! /cs/nodes/control/<id>   one start of a control plane    under its lease
//! /cs/routes/<number>      the gateway that has the route  under its lease
//! /cs/starts/<id>          that this start was ever here   swept after 30 days
//! /cs/control-starts/<id>  the same of a control plane's   swept after 30 days
//! /cs/lost/<id>/<node>     that the node has given it up   deleted when its streams are ended, swept with the start
//! ```

use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::id::{BundleVersion, NodeId};
use serde::{Deserialize, Serialize};

use crate::Also;
use crate::fleet::member::Member;
use crate::store::LeaseId;

/// Where nodes stand.
pub(crate) const NODES: &str = "/cs/nodes/";

/// Where it stands which starts there ever were.
pub(super) const STARTS: &str = "/cs/starts/";

/// Where it stands which starts of control planes there ever were. An id of one is never taken by a gateway.
pub(super) const CONTROL_STARTS: &str = "/cs/control-starts/";

/// Where nodes note that they have given a lost start up: `/cs/lost/<start>/<node>`.
pub(crate) const LOST: &str = "/cs/lost/";

/// How long it stands there. The id of a start begins with its time, so one that is older and unknown was lost.
pub(super) const STARTS_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// The highest route of a gateway: twelve bits, without zero.
pub(super) const ROUTE_MAX: u32 = 4095;

/// One start of a process of the fleet, as long as it has not been lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// What it is.
    pub kind: Kind,
    /// Its name, for people.
    pub name: String,
    /// The lease that it stands under. Whoever has the node's link keeps it alive.
    pub lease: LeaseId,
    /// When it was first heard of.
    pub started_at: Timestamp,
    /// The product's version.
    pub software: String,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

/// What sort of node it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// A node of the control plane.
    Control,
    /// A gateway.
    Gateway(Gateway),
}

/// What only gateways have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The member of the fleet that it is a start of.
    pub member: Member,
    /// Its number in the keys by which its clients cancel; at least 1.
    pub route: u32,
    /// The control-plane node that had its link last.
    pub linked_to: NodeId,
    /// The bundle that it judges by.
    pub bundle: Option<BundleVersion>,
    /// Whether it drains, or has been asked to.
    pub draining: bool,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
}

impl Node {
    /// What only gateways have; `None` of a control-plane node.
    #[must_use]
    pub fn gateway(&self) -> Option<&Gateway> {
        match &self.kind {
            Kind::Gateway(gateway) => Some(gateway),
            Kind::Control => None,
        }
    }

    /// Where it stands.
    pub(super) fn key(&self) -> String {
        match self.kind {
            Kind::Control => control_key(self.id),
            Kind::Gateway(_) => gateway_key(self.id),
        }
    }
}

/// That a start was ever here, and whose it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub(super) member: Member,
    pub(super) at: Timestamp,
    /// Whether all has been done that is to be done when it is lost, or has ended.
    #[serde(default)]
    pub(super) given_up: bool,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub(super) also: Also,
}

pub(super) fn gateway_key(id: NodeId) -> String {
    format!("{NODES}gateway/{id}")
}

pub(super) fn control_key(id: NodeId) -> String {
    control_of(&id.to_string())
}

/// Where the control-plane node of this name stands; of none, the place before all of them.
pub(crate) fn control_of(id: &str) -> String {
    format!("{NODES}control/{id}")
}

/// Where it stands that a gateway of this id was ever here.
pub(crate) fn start_of(id: NodeId) -> String {
    start_key(id)
}

pub(super) fn route_key(route: u32) -> String {
    format!("/cs/routes/{route}")
}

pub(super) fn control_start_key(id: NodeId) -> String {
    format!("{CONTROL_STARTS}{id}")
}

pub(super) fn start_key(id: NodeId) -> String {
    format!("{STARTS}{id}")
}

/// The node of a key.
pub(super) fn id_of(key: &str) -> Option<NodeId> {
    let (_, id) = key.strip_prefix(NODES)?.split_once('/')?;
    id.parse().ok()
}

/// Whether a start of this id would have been forgotten by now: its id says when it was made.
pub(super) fn is_forgotten(id: NodeId, now: Timestamp) -> bool {
    let [a, b, c, d, e, f, ..] = id.to_bytes();
    let millis = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    Timestamp::from_micros(millis.saturating_mul(1000)).after(STARTS_KEPT) <= now
}
