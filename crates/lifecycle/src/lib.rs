//! The command pipeline, implemented once: parse, describe, judge, clear, forward, mask, record. Every protocol uses
//! [`run`]. No protocol can bypass it, because only this crate constructs [`Cleared`], only `countersign-masking`
//! constructs `Masked`, and the guarded sockets accept nothing else.
//!
//! Not in this crate: the meaning of the bytes (the protocols), the verdict (the policies), the state of approvals
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
