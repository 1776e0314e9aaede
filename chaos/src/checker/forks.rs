//! Forks of recordings that happen by design, and no others: a control-plane node that nobody could reach had taken records
//! of a gateway that the others declared lost, and ended its streams without them (docs/recording.md). Both sides are
//! evidence, and nothing that was acknowledged is missing.

use std::collections::BTreeMap;

use super::tale::Tale;
use crate::history::Event;

/// Where a fork shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side<'a> {
    /// In what this node has taken itself.
    Of(&'a str),
    /// In what was drained out of Redis, where all nodes put what they take.
    Drained,
}

/// Whether a fault of the recordings is such a fork, or is told of what follows behind one on the same side: that it
/// follows from the side's own record and not from that of the others, and that it closes the stream elsewhere.
pub(super) fn is_explained(tale: &Tale<'_>, fault: &str) -> bool {
    let behind =
        |one: &String| is_fork(tale, one) && side(one) == side(fault) && stream_of(one) == stream_of(fault);
    let follows = [": expected record ", ": the closing record is not the last"];
    is_fork(tale, fault)
        || (follows.iter().any(|words| fault.contains(words)) && tale.aftermath.faults.iter().any(behind))
}

/// The streams that have such a fork, and the number of the first record that two have.
pub(super) fn forked<'a>(tale: &Tale<'a>) -> BTreeMap<&'a str, u64> {
    let mut first = BTreeMap::new();
    for fault in tale.aftermath.faults.iter().filter(|fault| is_fork(tale, fault)) {
        if let Some((stream, seq)) = stream_of(fault).zip(record_of(fault)) {
            let known = first.entry(stream).or_insert(seq);
            *known = seq.min(*known);
        }
    }
    first
}

/// Whether it is of a stream that was ended for a lost gateway, on the side of a node that the nemesis had killed, stopped or
/// cut off; of any such node, where the side does not tell whose it is.
fn is_fork(tale: &Tale<'_>, fault: &str) -> bool {
    let of_a_lost = stream_of(fault).is_some_and(|stream| tale.aftermath.lost.contains(stream));
    let hit = match side(fault) {
        None => false,
        Some(Side::Of(node)) => was_out_of_reach(tale, node),
        Some(Side::Drained) => (1..=3).any(|number| was_out_of_reach(tale, &format!("control-{number}"))),
    };
    fault.contains(": fork: ") && of_a_lost && hit
}

fn was_out_of_reach(tale: &Tale<'_>, node: &str) -> bool {
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
fn stream_of(fault: &str) -> Option<&str> {
    let (_, rest) = fault.split_once(" stream ")?;
    rest.split(' ').next()
}

/// The number of the record that a fault is about.
fn record_of(fault: &str) -> Option<u64> {
    let (_, rest) = fault.split_once(" record ")?;
    rest.split(':').next()?.parse().ok()
}

/// In whose files it is.
fn side(fault: &str) -> Option<Side<'_>> {
    let (place, _) = fault.split_once(" segment ")?;
    if place.ends_with("/drained") {
        return Some(Side::Drained);
    }
    place.split('/').find(|part| part.starts_with("control-")).map(Side::Of)
}
