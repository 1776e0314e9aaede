//! The vocabulary of Countersign as types: the requester ([`Principal`]), the [`Target`], the [`Facts`] of a command,
//! the [`Verdict`], and the durable record of a held command ([`approval::Approval`]) with its pure transition
//! function ([`approval::step`]).
//!
//! Pure data and pure functions: no runtime, no sockets, no store, and no clock except through the [`time::Clock`]
//! port. All other crates import this one; it imports none of them.

pub mod approval;
pub mod command;
pub mod digest;
pub mod error;
pub mod facts;
pub mod facts_basis;
pub mod id;
pub mod metric;
pub mod principal;
pub mod refusal;
pub mod rendering;
pub mod secret;
pub mod skeleton;
pub mod target;
pub mod time;
pub mod trace;
pub mod verdict;
pub mod visible;

pub use command::Command;
pub use digest::Digest;
pub use facts::Facts;
pub use principal::Principal;
pub use refusal::Refusal;
pub use secret::Secret;
pub use target::Target;
pub use time::Timestamp;
pub use verdict::Verdict;
