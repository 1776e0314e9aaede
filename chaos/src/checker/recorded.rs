//! The recordings against the rows, and against themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::tale::Tale;
use super::{Rule, Violation, forks, violation};
use crate::command::Effect;
use crate::recordings::{Record, Said};

pub(super) fn check(tale: &Tale<'_>) -> Vec<Violation> {
    let mut commands: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &tale.aftermath.records {
        commands.entry(&record.command).or_default().push(record);
    }
    let faults = tale.aftermath.faults.iter().filter(|fault| !forks::is_explained(tale, fault));
    let forked = forks::forked(tale);
    let mut found: Vec<Violation> =
        commands.iter().filter_map(|(id, records)| not_ended_once(id, records, &forked)).collect();
    found.extend(used_twice(tale));
    let let_go = let_go(&commands);
    found.extend(tale.effects().into_iter().filter_map(|effect| unrecorded(tale, effect, &let_go)));
    found.extend(faults.map(|fault| violation(Rule::ChainBroken, fault.clone())));
    found
}

// INVARIANT: I5.
fn not_ended_once(id: &str, records: &[&Record], forked: &BTreeMap<&str, u64>) -> Option<Violation> {
    let begun = records.iter().filter(|record| matches!(record.said, Said::Begun(_))).count();
    let ended = records.iter().filter(|record| matches!(record.said, Said::Ended { .. })).count();
    let apart = records.iter().any(|record| records.first().is_some_and(|one| one.stream != record.stream));
    let what = format!("{id} began {begun} times and ended {ended} times");
    let fork = |record: &&Record| forked.get(record.stream.as_str()).copied();
    let ends = match records.first().and_then(fork) {
        None => 1..=1,
        // It began where the fork is, or behind it: on the side that nobody went on with, for the other only ends things.
        Some(first) if records.iter().any(|one| began_behind(one, first)) => 0..=1,
        // What the others ended as lost has the node's own end besides.
        Some(_) => 1..=2,
    };
    (begun != 1 || !ends.contains(&ended) || apart).then(|| violation(Rule::RecordsWrong, what))
}

fn began_behind(record: &Record, fork: u64) -> bool {
    matches!(record.said, Said::Begun(_)) && record.seq >= fork
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

/// How many commands were recorded as let go, for each row that they would insert.
fn let_go<'a>(commands: &BTreeMap<&str, Vec<&'a Record>>) -> BTreeMap<&'a Effect, usize> {
    let mut counted = BTreeMap::new();
    for records in commands.values() {
        let redeemed = records.iter().any(|record| matches!(record.said, Said::Redeemed(_)));
        let begun: BTreeSet<&Effect> = records.iter().filter_map(|record| begun(record)).collect();
        for effect in begun.into_iter().filter(|_| redeemed) {
            *counted.entry(effect).or_default() += 1;
        }
    }
    counted
}

fn begun(record: &Record) -> Option<&Effect> {
    match &record.said {
        Said::Begun(effect) => effect.as_ref(),
        Said::Redeemed(_) | Said::Ended { .. } => None,
    }
}

/// More rows than commands that were recorded as let go.
// INVARIANT: I12.
fn unrecorded(tale: &Tale<'_>, effect: &Effect, let_go: &BTreeMap<&Effect, usize>) -> Option<Violation> {
    let rows = tale.rows(effect).len();
    let recorded = let_go.get(effect).copied().unwrap_or_default();
    let what = format!("{effect} is there {rows} times and recorded {recorded} times");
    (rows > recorded).then(|| violation(Rule::RecordsWrong, what))
}
