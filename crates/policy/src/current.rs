//! Holds the active bundle and replaces it. The code that watches the folder or the control plane calls [`reload`] or
//! compiles a bundle itself. If a new bundle does not validate, the old one stays active.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use countersign_common::Target;

use crate::bundle::Bundle;
use crate::error::BundleErrors;
use crate::files::Files;

/// Result of a reload of the bundle.
#[derive(Debug)]
pub enum Reload {
    /// The files are those of the current bundle.
    Unchanged,
    /// The files make a new bundle.
    New(Box<Bundle>),
    /// The files do not make a bundle; the current one stays active.
    Broken(BundleErrors),
}

/// Reads the folder again and compiles it if it differs from `current`.
#[must_use]
pub fn reload(dir: &Path, current: &Bundle, extra_targets: Vec<Target>) -> Reload {
    let compiled = Files::read_dir(dir).and_then(|files| Bundle::compile(&files, extra_targets));
    match compiled {
        Ok(bundle) if bundle.digest() == current.digest() => Reload::Unchanged,
        Ok(bundle) => Reload::New(Box::new(bundle)),
        Err(errors) => Reload::Broken(errors),
    }
}

/// Number of the active bundle; it grows with each new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(u64);

/// The active bundle, shared by all sessions. Each session keeps the last [`Revision`] that it used and detects a
/// newer bundle with one atomic load.
#[derive(Debug)]
pub struct CurrentBundle {
    bundle: ArcSwap<Bundle>,
    revision: AtomicU64,
}

impl CurrentBundle {
    /// Creates the holder with this bundle.
    #[must_use]
    pub fn new(bundle: Bundle) -> Self {
        Self { bundle: ArcSwap::from_pointee(bundle), revision: AtomicU64::new(1) }
    }

    /// Returns the number of the active bundle. Read it before [`CurrentBundle::load`]: a change between the two
    /// calls is then detected at the next check and never missed.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// Returns the active bundle.
    #[must_use]
    pub fn load(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    /// Makes another bundle the active one.
    pub fn replace(&self, bundle: Bundle) {
        self.bundle.store(Arc::new(bundle));
        // After the store: a thread that reads the new revision also loads the new bundle.
        self.revision.fetch_add(1, Ordering::Release);
    }
}
