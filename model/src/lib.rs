//! The approval protocol, model-checked: two gateways, two nodes of the control plane, one store, one target and
//! everything that can go wrong between them. `README.md` beside this crate tells what was found.
//!
//! Nothing here decides what becomes of an approval: every change is the product's own
//! [`countersign_common::approval::step`], called with the product's own events.

mod action;
mod event;
mod gateway;
mod node;
mod properties;
mod protocol;
mod record;
mod target;
mod variant;
mod world;

pub use action::{Action, Intent};
pub use protocol::Protocol;
pub use variant::{Faults, Variant};
pub use world::World;
