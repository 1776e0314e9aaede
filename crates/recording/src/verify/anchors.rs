//! Checkpoints that were kept elsewhere, by log and number.

use std::collections::BTreeMap;

use crate::checkpoint::SignedCheckpoint;

/// Checkpoints from elsewhere, by log.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchors(BTreeMap<String, LogAnchors>);

/// Checkpoints of one log, by number. There may be many: an append-only anchor has all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct LogAnchors(BTreeMap<u64, Vec<Anchor>>);

#[derive(Debug, Clone)]
pub(super) struct Anchor {
    pub(super) signed: SignedCheckpoint,
    /// `true` if the log must contain it.
    pub(super) must: bool,
}

impl Anchors {
    pub(super) fn add(&mut self, signed: SignedCheckpoint, must: bool) {
        let log = self.0.entry(signed.checkpoint.log.clone()).or_default();
        // Two different checkpoints cannot both be in the log: both are kept, so that one of them reveals the fault.
        let there = log.0.entry(signed.checkpoint.seq).or_default();
        match there.iter_mut().find(|kept| kept.signed.hash == signed.hash) {
            Some(kept) => kept.must |= must,
            None => there.push(Anchor { signed, must }),
        }
    }

    /// Removes and returns the checkpoints of a log.
    pub(super) fn of(&mut self, log: &str) -> LogAnchors {
        self.0.remove(log).unwrap_or_default()
    }

    /// The newest checkpoint of each remaining log.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Anchor> {
        self.0.values().filter_map(|log| log.0.values().next_back()?.last())
    }
}

impl LogAnchors {
    /// Checkpoints kept with this number.
    pub(super) fn at(&self, seq: u64) -> &[Anchor] {
        self.0.get(&seq).map(Vec::as_slice).unwrap_or_default()
    }

    /// Checkpoints with this or a higher number.
    pub(super) fn beyond(&self, seq: u64) -> impl Iterator<Item = &Anchor> {
        self.0.range(seq..).flat_map(|(_, kept)| kept)
    }
}
