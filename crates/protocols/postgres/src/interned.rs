//! Values that many connections keep alike while their commands wait: each is in memory once for all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// The values that are looked through for an equal one. With more different ones at a time some are kept twice.
const KEPT_MAX: usize = 64;

/// Values of one kind that are kept by somebody.
#[derive(Debug)]
pub(crate) struct Interned<T>(Mutex<VecDeque<Weak<T>>>);

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

impl<T: PartialEq> Interned<T> {
    /// The value, shared with all who keep an equal one.
    pub(crate) fn share(&self, value: T) -> Arc<T> {
        let mut kept = self.0.lock();
        let same = kept.iter().filter_map(Weak::upgrade).find(|one| **one == value);
        if let Some(same) = same {
            return same;
        }
        let value = Arc::new(value);
        kept.retain(|one| one.strong_count() > 0);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_not_beyond_their_last_user() {
        let kept = Interned::default();
        let (one, same, other) = (kept.share("a"), kept.share("a"), kept.share("b"));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        drop((one, same));
        let _third = kept.share("c");
        assert_eq!(kept.0.lock().len(), 2);
    }

    #[test]
    fn different_values_are_looked_through_up_to_a_bound_and_never_mixed_up() {
        let kept = Interned::default();
        let all: Vec<_> = (0..3 * KEPT_MAX).map(|number| kept.share(number)).collect();
        assert!(all.iter().enumerate().all(|(number, one)| **one == number));
        assert!(kept.0.lock().len() <= KEPT_MAX);
    }
}
