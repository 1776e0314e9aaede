//! The words of Countersign, as types: who asks ([`Principal`]), of what ([`Target`]), what a command
//! does ([`Facts`]), what is decided ([`Verdict`]), and the durable record of a held command
//! ([`approval::Approval`]) with the one pure function that moves it ([`approval::step`]).
//!
//! Pure data and pure functions: no runtime, no sockets, no store, no clock of its own beyond the
//! [`time::Clock`] port. Everything above imports these words; they import nothing of ours.

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
