//! The generated gRPC types of `proto/countersign/v1`, and their conversion to and from the types of
//! `countersign-common`. A missing field in a received message is an error that names the field, never a default.

mod convert;

pub use convert::{
    BadField, digest, duration, duration_to_wire, optional, parsed, required, timestamp, timestamp_to_wire,
};

/// Version of the protocol between gateways and control-plane nodes of this release. It grows with a new kind of
/// frame, or with a field that changes the meaning of a frame. A side does not send anything newer than the version
/// of the other side.
pub const LINK_SPEAKS: u32 = 2;

/// The oldest version that is still accepted: that of the previous release. Version 1 sent opening records without a
/// proof of their session; it was never released.
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

/// The descriptors of all types and services, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/countersign.v1.bin"));
