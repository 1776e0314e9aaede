//! What was thought of and is broken: the checker finds how, and prints it as a story. Were a story not found,
//! the checker could not be believed when it finds none in the product's protocol.

#![allow(clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use countersign_model::{Faults, Protocol, Variant};
use stateright::{Checker as _, HasDiscoveries, Model as _};

const NO_FAULTS: Faults = Faults { crashes: 0, leases: 0, writes: 0, breaks: 0 };

/// One lease is lost by a gateway that lives on.
const LEASE_LOST: Faults = Faults { leases: 1, ..NO_FAULTS };

/// The shortest stories that break these properties.
fn breaks(variant: Variant, faults: Faults, properties: &[&'static str]) -> Vec<Vec<String>> {
    let wanted: BTreeSet<_> = properties.iter().copied().collect();
    let checker =
        Protocol { variant, faults }.checker().finish_when(HasDiscoveries::AllOf(wanted)).spawn_bfs().join();
    let story = |name: &&'static str| {
        let Some(path) = checker.discovery(name) else { panic!("{variant:?} does not break `{name}`") };
        let steps: Vec<_> = path.into_actions().iter().map(ToString::to_string).collect();
        println!("{variant:?} breaks `{name}`:\n  {}", steps.join("\n  "));
        steps
    };
    properties.iter().map(story).collect()
}

const FORWARDED_ONCE: &str = "I1: forwarded at most once";
const ONE_EFFECT: &str = "I1: at most one effect";
const NO_BY_RECORD: &str = "I3: no effect where the record says no";
const NO_TO_CLIENT: &str = "I3: no effect where a client was told no";

#[test]
fn taking_an_approval_back_when_a_lease_is_lost_runs_it_twice_and_after_a_no() {
    breaks(Variant::TakeBack, LEASE_LOST, &[FORWARDED_ONCE, ONE_EFFECT, NO_BY_RECORD, NO_TO_CLIENT]);
}

#[test]
fn a_mark_at_the_target_stops_the_second_effect_but_not_the_wrong_no() {
    breaks(Variant::TakeBackMarked, LEASE_LOST, &[NO_BY_RECORD, NO_TO_CLIENT]);
}

#[test]
fn a_hint_taken_for_the_grant_runs_it_twice_and_after_a_no() {
    breaks(Variant::HintAlone, NO_FAULTS, &[FORWARDED_ONCE, ONE_EFFECT, NO_BY_RECORD, NO_TO_CLIENT]);
}

#[test]
fn a_number_that_is_not_of_the_commands_own_transaction_calls_a_no_what_runs() {
    breaks(Variant::OtherTransaction, LEASE_LOST, &[NO_BY_RECORD]);
}

#[test]
fn an_open_transaction_taken_for_undone_calls_a_no_what_runs() {
    let stories = breaks(Variant::OpenTakenForUndone, LEASE_LOST, &[NO_BY_RECORD]);
    let commits = |story: &Vec<String>| story.iter().any(|step| step.contains("orders the target to commit"));
    assert!(stories.iter().all(commits));
}

#[test]
fn a_gateway_that_says_not_sent_of_what_another_redeemed_calls_a_no_what_runs() {
    breaks(Variant::NotSentOfAnother, NO_FAULTS, &[NO_BY_RECORD]);
}

#[test]
fn an_expiry_told_by_the_clock_is_a_no_to_what_still_runs() {
    breaks(Variant::ExpiredByTheClock, NO_FAULTS, &[NO_TO_CLIENT]);
}

#[test]
fn a_withdrawal_told_unheard_is_a_no_to_what_runs() {
    breaks(Variant::WithdrawnUnheard, NO_FAULTS, &[NO_TO_CLIENT]);
}
