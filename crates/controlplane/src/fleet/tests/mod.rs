//! The fleet end to end: control-plane nodes over one store, real TLS, and gateways that speak the link's frames.

mod bed;
mod certificates;
mod commands;
mod gateway;
mod hints;
mod join;
mod lives;
mod lying;
mod records;
mod revoked;
mod versions;
