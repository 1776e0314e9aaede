//! Model checking of the approval protocol: two gateways, two control-plane nodes, one store, one target, and the
//! faults between them. The `README.md` of this crate describes the results.
//!
//! The model does not decide any state of an approval itself: every change is the product's own
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
