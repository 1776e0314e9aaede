//! The masking rules of one target, as the bundle in force has them: made once for each bundle and shared by
//! all connections to the target, which look at the beginning of every command whether there are others.

use std::sync::Arc;

use arc_swap::ArcSwap;
use countersign_common::id::{BundleVersion, TargetName};
use countersign_lifecycle::ports::Directory;
use countersign_masking::Rules;
use parking_lot::Mutex;

use crate::unmatched::Unmatched;

/// The masking rules of one target, as the bundle in force has them.
#[derive(Debug)]
pub(crate) struct RulesInForce {
    directory: Arc<dyn Directory>,
    target: TargetName,
    latest: ArcSwap<OfBundle>,
    /// What was last told of rules that match nothing.
    told: Mutex<Unmatched>,
}

#[derive(Debug)]
struct OfBundle {
    bundle: BundleVersion,
    rules: Arc<Rules>,
}

impl OfBundle {
    fn read(directory: &dyn Directory, target: &TargetName) -> Self {
        // The version first: a bundle that comes in between is seen at the next look, never missed.
        let bundle = directory.bundle();
        Self { bundle, rules: Arc::new(Rules::new(directory.rules(target))) }
    }
}

impl RulesInForce {
    /// The rules that `directory` has for this target.
    pub(crate) fn new(directory: Arc<dyn Directory>, target: TargetName) -> Self {
        let latest = ArcSwap::from_pointee(OfBundle::read(&*directory, &target));
        Self { directory, target, latest, told: Mutex::default() }
    }

    /// Tells operators which rules match nothing, once for all sessions and whenever it changes.
    pub(crate) fn tell_unmatched(&self, unmatched: &Unmatched) {
        let mut told = self.told.lock();
        if *told == *unmatched {
            return;
        }
        crate::metrics::rules_unmatched(&self.target, unmatched.len());
        if unmatched.is_empty() {
            tracing::info!(target_name = %self.target, "all masking rules match the catalogue again");
        } else {
            let rules = unmatched.line();
            tracing::error!(target_name = %self.target, rules, "masking rules match nothing in the target's catalogue, and mask nothing");
        }
        told.clone_from(unmatched);
    }

    /// The rules of the bundle that is in force now; the same ones as long as it is the same bundle.
    // INVARIANT: I6. A command is masked by the rules in force when it begins, however old its connection is.
    pub(crate) fn current(&self) -> Arc<Rules> {
        let latest = self.latest.load();
        if latest.bundle == self.directory.bundle() {
            return Arc::clone(&latest.rules);
        }
        let read = Arc::new(OfBundle::read(&*self.directory, &self.target));
        self.latest.store(Arc::clone(&read));
        Arc::clone(&read.rules)
    }
}
