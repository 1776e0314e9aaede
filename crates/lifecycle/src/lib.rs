//! The road of a command, written once: read, describe, decide, clear, forward, mask, record. Every
//! protocol goes through [`run`]; none can go around it, because only this crate makes [`Cleared`] and
//! only `countersign-masking` makes `Masked`, and the guarded sockets take nothing else.
//!
//! Left to others: what the bytes mean (the protocols), who decides (the policies), who keeps approvals
//! (the control plane, behind [`ports`]).

mod cleared;
mod exchange;
mod hold;
pub mod metrics;
pub mod ports;
mod recorder;
mod road;
mod running;
mod socket;
pub mod trace;

pub use cleared::{Cleared, Inert};
pub use countersign_recording::TransactionOutcome;
pub use exchange::{Asked, Exchange, Meanwhile, NotBound, NotReady};
pub use recorder::{Described, Recorder};
pub use road::{Passage, Road, run};
pub use running::{End, Running};
pub use socket::{ClientSide, INPUT_BYTES_MAX, OUTPUT_BYTES_HIGH, READ_BYTES, UpstreamSide};
