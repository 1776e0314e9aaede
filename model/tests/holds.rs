//! All properties hold in both variants of the product's protocol, under all faults.

use countersign_model::{Faults, Protocol, Variant};
use stateright::{Checker as _, Model as _};

/// Explores every reachable state of the variant, and prints their number.
fn holds(variant: Variant, faults: Faults) {
    let checker = Protocol { variant, faults }.checker().spawn_dfs().join();
    println!("{variant:?}, {faults:?}: {} worlds", checker.unique_state_count());
    assert!(checker.is_done());
    for (name, path) in checker.discoveries() {
        // The `sometimes` properties must be found, too: a model in which nothing runs would satisfy all others.
        let wanted = ["it runs", "it is refused", "it comes in doubt"].contains(&name);
        let steps: String = path.into_actions().iter().map(|action| format!("\n  {action}")).collect();
        assert!(wanted, "{variant:?} breaks `{name}`:{steps}");
    }
    assert_eq!(checker.discoveries().len(), 3, "something never happens");
}

/// A crash, and a lease lost by a gateway that keeps running and still sends.
const CRASHES: Faults = Faults { crashes: 1, leases: 1, writes: 0, breaks: 0 };

/// A write without an answer, a broken connection, and a lease lost by a running gateway.
const SILENCES: Faults = Faults { crashes: 0, leases: 1, writes: 1, breaks: 1 };

#[test]
fn all_invariants_hold_over_crashes() {
    holds(Variant::Plain, CRASHES);
}

#[test]
fn all_invariants_hold_over_silences() {
    holds(Variant::Plain, SILENCES);
}

#[test]
fn with_evidence_all_invariants_hold_over_crashes_and_every_doubt_ends() {
    holds(Variant::Evidence, CRASHES);
}

#[test]
fn with_evidence_all_invariants_hold_over_silences_and_every_doubt_ends() {
    holds(Variant::Evidence, SILENCES);
}

#[test]
#[ignore = "millions of worlds, some minutes: run by hand"]
fn all_invariants_hold_over_all_of_it_at_once() {
    holds(Variant::Plain, Faults { crashes: 1, leases: 1, writes: 1, breaks: 1 });
    holds(Variant::Evidence, Faults { crashes: 1, leases: 1, writes: 1, breaks: 1 });
}

#[test]
#[ignore = "millions of worlds, some minutes: run by hand"]
fn all_invariants_hold_over_two_crashes() {
    holds(Variant::Plain, Faults { crashes: 2, leases: 1, writes: 0, breaks: 0 });
    holds(Variant::Evidence, Faults { crashes: 2, leases: 1, writes: 0, breaks: 0 });
}
