//! The recordings against the rows, and against themselves.

use std::collections::BTreeMap;

use super::tale::Tale;
use super::{Rule, Violation, violation};
use crate::collect::{Record, Said};
use crate::command::Effect;

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let mut commands: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &tale.aftermath.records {
        commands.entry(&record.command).or_default().push(record);
    }
    let mut found: Vec<Violation> =
        commands.iter().filter_map(|(id, records)| not_ended_once(id, records)).collect();
    found.extend(used_twice(tale));
    found.extend(tale.effects().into_iter().filter_map(|effect| unrecorded(tale, effect, &commands)));
    let faults = tale.aftermath.faults.iter();
    found.extend(faults.map(|fault| violation(Rule::ChainBroken, fault.clone())));
    found
}

// INVARIANT: I5.
fn not_ended_once(id: &str, records: &[&Record]) -> Option<Violation> {
    let begun = records.iter().filter(|record| matches!(record.said, Said::Begun(_))).count();
    let ended = records.iter().filter(|record| matches!(record.said, Said::Ended { .. })).count();
    let apart = records.iter().any(|record| records.first().is_some_and(|one| one.stream != record.stream));
    let what = format!("{id} began {begun} times and ended {ended} times");
    (begun != 1 || ended != 1 || apart).then(|| violation(Rule::RecordsWrong, what))
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
