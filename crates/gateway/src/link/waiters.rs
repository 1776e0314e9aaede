//! Who waits for which position.

use std::collections::BTreeMap;
use std::task::Waker;

/// Those who wait for one kind of acknowledgement. Bounded by the number of connections: each waits for one position at
/// a time.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// One for each position, which is nearly always all of them.
    first: BTreeMap<u64, Waker>,
    others: Vec<(u64, Waker)>,
    wanted: u64,
}

impl Waiters {
    /// Somebody waits.
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

    /// As if somebody waited.
    pub(super) fn want(&mut self, position: u64) {
        self.wanted = self.wanted.max(position);
    }

    /// The highest position that was ever waited for.
    pub(super) const fn wanted(&self) -> u64 {
        self.wanted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Takes out those who wait for this position or a lower one.
    pub(super) fn take(&mut self, reached: u64) -> Vec<Waker> {
        let later = self.first.split_off(&reached.saturating_add(1));
        let mut ready: Vec<_> = std::mem::replace(&mut self.first, later).into_values().collect();
        ready.extend(self.others.extract_if(.., |(at, _)| *at <= reached).map(|(_, waker)| waker));
        ready
    }
}
