//! The control plane: what must last, and who may change it. Approvals, sessions, bundles and audit over
//! one [`store::Store`], and the gRPC services that people's tools call.
//!
//! The gateway in the same process calls [`ControlPlane`] directly; it never touches the store.

pub mod approvals;
pub mod archive;
pub mod audit;
pub mod bundles;
pub mod catalogues;
mod codec;
mod content;
mod control_plane;
pub mod fleet;
pub mod grpc;
pub mod hints;
pub mod history;
pub mod journal;
pub mod metrics;
mod operator;
pub mod redis;
mod register;
pub mod sessions;
pub mod store;
#[cfg(test)]
mod testing;
mod trace;

pub use codec::Also;
pub(crate) use codec::{bad_value, bucket, change_of, decode, encode, readable};
pub use control_plane::{ControlPlane, OpenError, Options, StopError};
pub use operator::{ADMIN, OperatorError};
pub use register::{Missing, SeenApproval, SeenSession};

/// Who is named where a name should stand and cannot: names are checked where they come in.
fn nobody() -> countersign_common::id::Subject {
    #[allow(clippy::expect_used, reason = "a constant that is a name")]
    countersign_common::id::Subject::new("nobody").expect("a name")
}
