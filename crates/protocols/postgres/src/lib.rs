//! PostgreSQL: protocol 3.0 and 3.2 on the road.
//!
//! [`codec`] reads and writes messages, [`handshake`] lets a client in, [`upstream`] opens the
//! connection to the target. None of them judges, masks or records; that is the session's part.

pub mod cancel;
pub mod codec;
// pub mod handshake;
pub mod parameters;
mod stream;
pub mod upstream;

pub use cancel::CancelKey;
pub use parameters::{ServerParameters, StartupParameters};
pub use stream::Stream;

/// The name of the protocol in TLS (ALPN).
pub const ALPN: &[u8] = b"postgresql";
