//! Tests of the gateway's end of the link against a scripted control plane over real TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod catalogues;
mod chaos;
mod isolation;
mod orders;
mod plane;
mod records;
mod stage;
mod story;
mod words;
