//! Bundles and verdicts: who may run what, decided with Cedar.
//!
//! A [`Bundle`] is compiled from [`Files`] and answers a [`Question`] with a verdict. Pure: no runtime, no
//! sockets, no clock. Only this crate names `cedar-policy`. How to write a bundle: `docs/policy.md`.
//!
//! A `forbid` with `@approval("chain")` is lifted by that chain, a plain one never is, and without a
//! `permit` nothing runs. What cannot be evaluated is blocked.

mod bundle;
mod cache;
mod class_terms;
mod combine;
mod compiler_thread;
mod context;
mod current;
mod engine;
mod error;
mod evaluate;
mod explain;
mod files;
mod index;
mod masked_uses;
mod names;
mod nesting;
mod question;
mod rules;
mod schema;
mod url;
mod yaml;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, SharedQuestion};
pub use class_terms::{ClassTerms, Use};
pub use current::{CurrentBundle, Reload, Revision, reload};
pub use error::{BundleErrors, Fault, Position};
pub use explain::{ClassExplanation, Decision, Explanation, Matched, OperationExplanation};
pub use files::{BYTES_MAX, FILES_MAX, Files};
pub use question::Question;
pub use schema::schema_text;
pub use url::{InvalidUrl, generation as target_generation, target_from_url};
