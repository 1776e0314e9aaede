//! A control-plane node. Its only state is the write in progress: read, `step`, compare-and-swap.

use crate::action::Intent;
use crate::record::Record;

/// One of the two nodes. Crash and restart are a single action, because a node remembers nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// The node has nothing to write.
    Idle,
    /// The node has read the record and is about to write the result of `step`.
    Writing {
        /// Revision that was read, to be compared.
        read: u64,
        /// The record to be written.
        next: Record,
        /// Reason for the write.
        intent: Intent,
    },
    /// The node has written and received no answer.
    Unsure {
        /// The record that was written.
        next: Record,
        /// Reason for the write.
        intent: Intent,
    },
}
