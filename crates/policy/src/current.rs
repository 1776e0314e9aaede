//! The bundle in force, and how a new one takes its place. Whoever watches the folder or the control plane
//! calls [`reload`] or compiles by itself; a bundle that does not validate leaves the old one in force.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use countersign_common::Target;

use crate::bundle::Bundle;
use crate::error::BundleErrors;
use crate::files::Files;

/// What became of a reload.
#[derive(Debug)]
pub enum Reload {
    /// The files are those of the current bundle.
    Unchanged,
    /// There is a new bundle.
    New(Box<Bundle>),
    /// The files do not make a bundle; the current one stays.
    Broken(BundleErrors),
}

/// Reads the folder again and compiles it when it differs from `current`.
#[must_use]
pub fn reload(dir: &Path, current: &Bundle, extra_targets: Vec<Target>) -> Reload {
    let compiled = Files::read_dir(dir).and_then(|files| Bundle::compile(&files, extra_targets));
    match compiled {
        Ok(bundle) if bundle.digest() == current.digest() => Reload::Unchanged,
        Ok(bundle) => Reload::New(Box::new(bundle)),
        Err(errors) => Reload::Broken(errors),
    }
}

/// Counts the bundles that were in force; grows with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(u64);

/// The bundle in force. One holder for all sessions; each keeps the [`Revision`] it saw and learns with one
/// atomic load that there is a newer one.
#[derive(Debug)]
pub struct CurrentBundle {
    bundle: ArcSwap<Bundle>,
    revision: AtomicU64,
}

impl CurrentBundle {
    /// This bundle is in force.
    #[must_use]
    pub fn new(bundle: Bundle) -> Self {
        Self { bundle: ArcSwap::from_pointee(bundle), revision: AtomicU64::new(1) }
    }

    /// How many bundles were in force so far. Read it before [`CurrentBundle::load`]: then a change in
    /// between is seen at the next look, never missed.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// The bundle in force.
    #[must_use]
    pub fn load(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    /// Puts another bundle in force.
    pub fn replace(&self, bundle: Bundle) {
        self.bundle.store(Arc::new(bundle));
        // After the store: whoever sees the new revision loads the new bundle.
        self.revision.fetch_add(1, Ordering::Release);
    }
}
