//! Bundles and verdicts: decides with Cedar which commands a principal may run.
//!
//! A [`Bundle`] is compiled from [`Files`] and answers a [`Question`] with a verdict. Pure: no runtime, no sockets,
//! no clock. Only this crate uses `cedar-policy`. `docs/policy.md` is the guide for authors of bundles.
//!
//! A chain lifts a `forbid` with `@approval("chain")`; nothing lifts a plain `forbid`. Without a `permit`, nothing
//! runs. A command is blocked if the policies cannot be evaluated for it.

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
