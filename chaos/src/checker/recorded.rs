//! The recordings against the rows, and against themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::tale::Tale;
use super::{Rule, Violation, forks, violation};
use crate::collect::{Record, Said};
use crate::command::Effect;

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let mut commands: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &tale.aftermath.records {
        commands.entry(&record.command).or_default().push(record);
    }
    let (explained, faults): (Vec<&String>, Vec<&String>) =
        tale.aftermath.faults.iter().partition(|fault| forks::is_explained(tale, fault));
    // What the others ended as lost has the node's own end besides.
    let forked: BTreeSet<&str> = explained.iter().filter_map(|fault| forks::stream_of(fault)).collect();
    let whole =
        |records: &Vec<&Record>| records.iter().all(|record| !forked.contains(record.stream.as_str()));
    let mut found: Vec<Violation> =
        commands.iter().filter_map(|(id, records)| not_ended_once(id, records, whole(records))).collect();
    found.extend(used_twice(tale));
    found.extend(tale.effects().into_iter().filter_map(|effect| unrecorded(tale, effect, &commands)));
    found.extend(faults.into_iter().map(|fault| violation(Rule::ChainBroken, fault.clone())));
    found
}

// INVARIANT: I5.
fn not_ended_once(id: &str, records: &[&Record], whole: bool) -> Option<Violation> {
    let begun = records.iter().filter(|record| matches!(record.said, Said::Begun(_))).count();
    let ended = records.iter().filter(|record| matches!(record.said, Said::Ended { .. })).count();
    let apart = records.iter().any(|record| records.first().is_some_and(|one| one.stream != record.stream));
    let what = format!("{id} began {begun} times and ended {ended} times");
    let ends_max = if whole { 1 } else { 2 };
    (begun != 1 || !(1..=ends_max).contains(&ended) || apart).then(|| violation(Rule::RecordsWrong, what))
}

// INVARIANT: I1.
fn used_twice(tale: &Tale<'_>) -> Vec<Violation> {
    let mut used: BTreeMap<&str, u32> = BTreeMap::new();
    for record in &tale.aftermath.records {
        if let Said::Redeemed(approval) = &record.said {
            *used.entry(approval).or_default() += 1;
        }
    }
    let twice = used.into_iter().filter(|(_, times)| *times > 1);
    twice.map(|(id, times)| violation(Rule::Doubled, format!("{id} was used {times} times"))).collect()
}

/// More rows than commands that were recorded as let go.
// INVARIANT: I12.
fn unrecorded(
    tale: &Tale<'_>,
    effect: &Effect,
    commands: &BTreeMap<&str, Vec<&Record>>,
) -> Option<Violation> {
    let rows = tale.rows(effect).len();
    let begun = |record: &&Record| matches!(&record.said, Said::Begun(Some(begun)) if begun == effect);
    let redeemed = |record: &&Record| matches!(record.said, Said::Redeemed(_));
    let let_go = |records: &&Vec<&Record>| records.iter().any(begun) && records.iter().any(redeemed);
    let recorded = commands.values().filter(let_go).count();
    let what = format!("{effect} is there {rows} times and recorded {recorded} times");
    (rows > recorded).then(|| violation(Rule::RecordsWrong, what))
}
