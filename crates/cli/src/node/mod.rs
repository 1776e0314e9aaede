//! The parts that every process of ours is put together from: the policy engine as the control plane's
//! compiler, local recordings as its archive, its listeners, its configuration.

pub(crate) mod anchor;
mod archive;
pub(crate) mod config;
pub(crate) mod hash_key;
pub(crate) mod hostname;
pub(crate) mod listen_ops;
pub(crate) mod listener;
pub(crate) mod ops;
pub(crate) mod recordings;
pub(crate) mod share;

pub use archive::LocalArchive;
pub use countersign_controlplane::bundles::PolicyCompiler;
pub use ops::METRICS;
