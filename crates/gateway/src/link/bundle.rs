//! Receives pushed bundles: the newest one is compiled on another thread, and put in force as a whole or not at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame;
use countersign_policy::{Bundle, CurrentBundle, Files};
use tokio::sync::watch;

use super::shared::Shared;

/// The bundle in force, and the next one.
#[derive(Debug)]
pub(super) struct Taker {
    current: OnceLock<Arc<CurrentBundle>>,
    /// Set to `true` once the first bundle is in force.
    pub(super) there_is_one: watch::Sender<bool>,
    pushed: watch::Sender<Pushed>,
    /// Number of pushed bundles that were processed.
    seen_to: AtomicU64,
}

/// The bundle that was pushed last.
#[derive(Debug, Clone, Default)]
struct Pushed {
    /// Number of pushes so far.
    count: u64,
    bundle: Option<Arc<v1::BundlePush>>,
}

impl Default for Taker {
    fn default() -> Self {
        Self {
            current: OnceLock::new(),
            there_is_one: watch::Sender::new(false),
            pushed: watch::Sender::new(Pushed::default()),
            seen_to: AtomicU64::new(0),
        }
    }
}

impl Taker {
    /// Holder of the bundle in force; `None` before the first.
    pub(super) fn current(&self) -> Option<Arc<CurrentBundle>> {
        self.current.get().cloned()
    }

    /// Version in force; empty if there is none.
    pub(super) fn version(&self) -> String {
        self.current.get().map_or_else(String::new, |current| current.load().version().to_string())
    }

    /// Makes this bundle the next one. An earlier push whose processing has not begun is skipped.
    pub(super) fn push(&self, push: v1::BundlePush) {
        self.pushed.send_modify(|pushed| {
            *pushed = Pushed { count: pushed.count + 1, bundle: Some(Arc::new(push)) };
        });
    }

    /// Returns `true` if a pushed bundle is not processed yet.
    pub(super) fn is_behind(&self) -> bool {
        self.seen_to.load(Ordering::Acquire) < self.pushed.borrow().count
    }

    fn put_in_force(&self, bundle: Bundle) {
        // Only one task puts bundles in force.
        match self.current.get() {
            Some(current) => current.replace(bundle),
            None => drop(self.current.set(Arc::new(CurrentBundle::new(bundle)))),
        }
        crate::metrics::bundle_in_force();
        self.there_is_one.send_replace(true);
    }
}

impl Shared {
    /// Puts pushed bundles in force, one after the other, until dropped.
    ///
    /// # Cancel safety
    /// Cancel safe: a bundle is in force as a whole or not at all.
    pub(super) async fn take_bundles(&self) {
        let mut pushed = self.bundles.pushed.subscribe();
        loop {
            let Pushed { count, bundle } = pushed.borrow_and_update().clone();
            if let Some(push) = bundle {
                self.take_bundle(&push).await;
                self.bundles.seen_to.store(count, Ordering::Release);
                // Answers that came during the compilation did not renew the lease.
                self.ask_whether_alive();
            }
            if pushed.changed().await.is_err() {
                return;
            }
        }
    }

    async fn take_bundle(&self, push: &Arc<v1::BundlePush>) {
        let version = push.version.clone();
        let fault = if version == self.bundles.version() {
            String::new()
        } else {
            match compile(Arc::clone(push)).await {
                Ok(bundle) => {
                    self.bundles.put_in_force(bundle);
                    tracing::info!(version, "a bundle is in force");
                    String::new()
                }
                Err(fault) => {
                    crate::metrics::bundle_fault();
                    tracing::error!(version, fault, "a bundle could not be taken; the old one stays");
                    fault
                }
            }
        };
        self.change(|state| state.outbox.push(Frame::BundleTaken(v1::BundleTaken { version, fault })));
    }
}

/// Compiles off the async threads, because it takes milliseconds that other tasks need.
async fn compile(push: Arc<v1::BundlePush>) -> Result<Bundle, String> {
    let compiled = tokio::task::spawn_blocking(move || {
        let files = push.bundle.as_ref().ok_or("it has no files")?;
        let files: Files = files.files.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        let bundle = Bundle::compile(&files, Vec::new()).map_err(|errors| errors.to_string())?;
        if bundle.version().as_str() == push.version {
            Ok(bundle)
        } else {
            Err(format!("its files make the version {}", bundle.version()))
        }
    });
    compiled.await.unwrap_or_else(|error| Err(error.to_string()))
}
