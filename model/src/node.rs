//! A node of the control plane. It keeps nothing but the one write that it is about: read, `step`, compare-and-swap.

use crate::action::Intent;
use crate::record::Record;

/// One of the two nodes. A crash and a restart are one step: a node remembers nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// It has nothing to write.
    Idle,
    /// It has read, and is about to write what `step` made of it.
    Writing {
        /// The revision that it read, to be compared.
        read: u64,
        /// What it writes.
        next: Record,
        /// For whom.
        intent: Intent,
    },
    /// It wrote, and did not hear whether that was done.
    Unsure {
        /// What it wrote.
        next: Record,
        /// For whom.
        intent: Intent,
    },
}
