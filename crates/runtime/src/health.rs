//! Readiness of a process: conditions that its components register, and the drain flag.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Result of a condition: met, or a few plain words on why it is not.
pub type Standing = Result<(), String>;

/// Called for every probe; must not block.
type Ask = Box<dyn Fn() -> Standing + Send + Sync>;

/// The conditions of a process. Clones share them.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    draining: AtomicBool,
    conditions: Mutex<Vec<(&'static str, Ask)>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("faults", &self.faults()).finish()
    }
}

impl Health {
    /// Creates a process state without conditions, which is ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition: the process is ready only while `ask` returns `Ok`. `ask` is called for every probe, so it
    /// must be fast and must not block.
    pub fn register(&self, name: &'static str, ask: impl Fn() -> Standing + Send + Sync + 'static) {
        self.conditions().push((name, Box::new(ask)));
    }

    /// Marks the process as draining, i.e. not ready: it finishes its work and accepts nothing new.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Lists the reasons for not being ready, one per line; empty if the process is ready.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let draining = self.0.draining.load(Ordering::Acquire).then(|| "draining".to_owned());
        let conditions = self.conditions();
        let failed = conditions.iter().filter_map(|(name, ask)| Some(format!("{name}: {}", ask().err()?)));
        draining.into_iter().chain(failed).collect()
    }

    fn conditions(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, Ask)>> {
        // A condition that panicked is evaluated again.
        self.0.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_all_conditions_hold_and_it_does_not_drain() {
        let health = Health::new();
        assert!(health.faults().is_empty());
        let reached = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&reached);
        health.register("store", move || {
            if seen.load(Ordering::Acquire) { Ok(()) } else { Err("not reached since the start".into()) }
        });
        assert_eq!(health.faults(), ["store: not reached since the start"]);
        reached.store(true, Ordering::Release);
        assert!(health.faults().is_empty());
        health.drain();
        assert_eq!(health.faults(), ["draining"]);
    }
}
