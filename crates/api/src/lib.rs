//! The gRPC types of `proto/countersign/v1`, generated, and their conversion to and from the words of
//! `countersign-common`. On the way in a missing field is an error that names it, never a default.

mod convert;

pub use convert::{
    BadField, digest, duration, duration_to_wire, optional, parsed, required, timestamp, timestamp_to_wire,
};

/// The version of the language that gateways and control-plane nodes of this version speak on their link: it grows when a
/// kind of frame, or a field that changes what one means, comes in. Who hears of a lower one says nothing that came later.
pub const LINK_SPEAKS: u32 = 2;

/// The oldest version of it that is still spoken: that of the release before this one. Version 1 sent opening records
/// without a proof of their session; it was never released.
pub const LINK_SPEAKS_OLDEST: u32 = 2;

/// The generated types and services.
#[allow(
    missing_docs,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("countersign.v1");
}

/// The descriptors of all of it, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/countersign.v1.bin"));
