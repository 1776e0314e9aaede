//! Waiters by journal position.

use std::collections::BTreeMap;
use std::task::Waker;

/// Waiters for one kind of acknowledgement. Bounded by the number of connections, because each waits for one position
/// at a time.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// One waiter per position; there are rarely others.
    first: BTreeMap<u64, Waker>,
    others: Vec<(u64, Waker)>,
    wanted: u64,
}

impl Waiters {
    /// Adds a waiter for the position.
    pub(super) fn wait(&mut self, position: u64, waker: &Waker) {
        self.want(position);
        match self.first.get(&position) {
            None => drop(self.first.insert(position, waker.clone())),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => {
                let same = |(at, one): &(u64, Waker)| *at == position && one.will_wake(waker);
                if !self.others.iter().any(same) {
                    self.others.push((position, waker.clone()));
                }
            }
        }
    }

    /// Requests the position without a waiter.
    pub(super) fn want(&mut self, position: u64) {
        self.wanted = self.wanted.max(position);
    }

    /// Highest position that was ever requested.
    pub(super) const fn wanted(&self) -> u64 {
        self.wanted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Removes and returns the waiters for this position or a lower one.
    pub(super) fn take(&mut self, reached: u64) -> Vec<Waker> {
        let later = self.first.split_off(&reached.saturating_add(1));
        let mut ready: Vec<_> = std::mem::replace(&mut self.first, later).into_values().collect();
        ready.extend(self.others.extract_if(.., |(at, _)| *at <= reached).map(|(_, waker)| waker));
        ready
    }
}
