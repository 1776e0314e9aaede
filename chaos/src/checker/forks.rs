//! Forks of recordings that happen by design, and no others: a control-plane node that nobody could reach had taken records
//! of a gateway that the others declared lost, and ended its streams without them (docs/recording.md). Both sides are
//! evidence, and nothing that was acknowledged is missing.

use super::tale::Tale;
use crate::history::Event;

/// Whether a fault of the recordings is such a fork, or is told of what follows behind one on the same side: that it
/// follows from the side's own record and not from that of the others, and that it closes the stream elsewhere.
pub(super) fn is_explained(tale: &Tale<'_>, fault: &str) -> bool {
    let behind = |one: &String| {
        is_fork(tale, one) && node_of(one) == node_of(fault) && stream_of(one) == stream_of(fault)
    };
    let follows = [": expected record ", ": the closing record is not the last"];
    is_fork(tale, fault)
        || (follows.iter().any(|words| fault.contains(words)) && tale.aftermath.faults.iter().any(behind))
}

/// Whether it is in the files of a node that the nemesis had killed, stopped or cut off.
fn is_fork(tale: &Tale<'_>, fault: &str) -> bool {
    let Some(node) = node_of(fault).filter(|_| fault.contains(": fork: ")) else { return false };
    let zone = format!("zone {}", node.trim_start_matches("control-"));
    tale.aftermath.history.iter().any(|entry| match &entry.event {
        Event::Nemesis { deed } => {
            // A way that is cut is none of these: the deed names its ends then.
            let whole =
                ["kill ", "stop ", "cut off ", "lose what "].iter().any(|word| deed.starts_with(word));
            let concerned = deed.contains(&zone) || deed.split(' ').any(|word| word == node);
            whole && concerned
        }
        _ => false,
    })
}

/// The stream that a fault is about.
pub(super) fn stream_of(fault: &str) -> Option<&str> {
    let (_, rest) = fault.split_once(" stream ")?;
    rest.split(' ').next()
}

/// The control-plane node in whose files it is.
fn node_of(fault: &str) -> Option<&str> {
    let (place, _) = fault.split_once(" segment ")?;
    place.split('/').find(|part| part.starts_with("control-"))
}
