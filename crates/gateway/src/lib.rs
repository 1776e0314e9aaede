//! The gateway: listeners that clients connect to, and the bundle that their commands are judged by. It
//! keeps nothing that must last; what does, it asks of its ports.

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
