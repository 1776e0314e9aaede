//! The gateway: listeners for clients, and the bundle that judges their commands. It has no durable state; its ports
//! provide that.

mod bundle;
mod connections;
pub mod identity;
pub mod link;
mod listener;
pub mod metrics;

pub use bundle::BundleJudge;
pub use countersign_postgres::ALPN as POSTGRES_ALPN;
pub use countersign_postgres::handshake::Proxies;
pub use countersign_postgres::metrics::ALL as POSTGRES_METRICS;
pub use countersign_postgres::unmatched_rules;
pub use listener::{Gateway, ListenerConfig, Listeners, Served, StartError};
