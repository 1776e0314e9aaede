//! Checkpoints that were kept elsewhere, by their log and their place in it.

use std::collections::BTreeMap;

use crate::checkpoint::SignedCheckpoint;

/// Checkpoints from elsewhere, by log.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchors(BTreeMap<String, LogAnchors>);

/// Those of one log, by their place. There may be many: an anchor that is appended to has all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct LogAnchors(BTreeMap<u64, Vec<Anchor>>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    pub(super) signed: SignedCheckpoint,
    /// Whether the log has to have it.
    pub(super) must: bool,
}

impl Anchors {
    pub(super) fn add(&mut self, signed: SignedCheckpoint, must: bool) {
        let log = self.0.entry(signed.checkpoint.log.clone()).or_default();
        // Two that differ cannot both be in the log: both are kept, and one of them shows a fault.
        let there = log.0.entry(signed.checkpoint.seq).or_default();
        match there.iter_mut().find(|kept| kept.signed.hash == signed.hash) {
            Some(kept) => kept.must |= must,
            None => there.push(Anchor { signed, must }),
        }
    }

    /// Takes out those of a log.
    pub(super) fn of(&mut self, log: &str) -> LogAnchors {
        self.0.remove(log).unwrap_or_default()
    }

    /// The newest of each log that is left.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Anchor> {
        self.0.values().filter_map(|log| log.0.values().next_back()?.last())
    }
}

impl LogAnchors {
    /// What was kept of this place.
    pub(super) fn at(&self, seq: u64) -> &[Anchor] {
        self.0.get(&seq).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those from this place on.
    pub(super) fn beyond(&self, seq: u64) -> impl Iterator<Item = &Anchor> {
        self.0.range(seq..).flat_map(|(_, kept)| kept)
    }
}
