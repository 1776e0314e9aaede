//! PostgreSQL: protocol 3.0 and 3.2 on the road.
//!
//! [`codec`] reads and writes messages, [`handshake`] lets a client in, [`upstream`] opens the
//! connection to the target. [`Gate`] joins them: a client that was let in is served by a session,
//! which takes every command down the road of `countersign-lifecycle`.

mod approval_binding;
mod block;
mod bound_settings;
pub mod cancel;
mod cancel_registry;
mod catalogue;
mod client_trace;
pub mod codec;
mod connection_state;
mod definitions;
mod exchange;
mod gate;
pub mod handshake;
mod inert;
mod interned;
pub mod lookups;
mod masked_outputs;
mod masked_use;
mod message_budget;
pub mod metrics;
pub mod parameters;
mod reply;
mod rules_in_force;
mod session;
mod settings_at_login;
mod statements;
mod stream;
mod unmatched;
pub mod upstream;
mod witness;

pub use cancel::CancelKey;
pub use gate::{Gate, GateConfig};
pub use message_budget::MessageBudget;
pub use parameters::{ServerParameters, StartupParameters};
pub use session::settings::QUERY as SETTINGS_QUERY;
pub use stream::Stream;
pub use unmatched::ask as unmatched_rules;

/// The name of the protocol in TLS (ALPN).
pub const ALPN: &[u8] = b"postgresql";
