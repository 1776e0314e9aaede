//! The fleet as processes: etcd, control-plane nodes, gateways, HAProxy, PostgreSQL; one fault after the other, and
//! what clients see of it. What happens when many come at once is tried by `cargo xtask chaos`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod cancel;
mod client;
mod etcd;
mod gateway;
mod journal;
mod redis;
mod revocation;
mod rolling;
mod stage;
